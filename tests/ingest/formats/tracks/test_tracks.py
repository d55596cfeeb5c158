"""Track points, one JSON object a line."""

import datetime as dt
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.formats.tracks import decoder as tracks
from ingest.formats.tracks.assembly import TracksAssembly
from ingest.reports import AircraftReport, AircraftStatic, Message
from tests.support.documents import assembly, assert_accounted, context, fed, kind_of, packed, ran
from tests.support.properties import examples
from tests.support.recordings import recording

SWISS_HOUR = "track_json/traffic_switzerland_20180801_hour0.jsonl"
POINT: dict[str, Any] = {
    "timestamp": 1533099600000, "altitude": 38000.0, "callsign": "TOM2XE", "groundspeed": 438.25, "icao24": "4067F2",
    "latitude": 46.6792323226, "longitude": 10.2021789551, "track": 292.5, "vertical_rate": -64.0,
}  # fmt: skip
HEARD = dt.datetime(2018, 8, 1, 5, tzinfo=dt.UTC)


def code(**fields: Any) -> str:
    return kind_of(tracks.decode, Message(POINT["timestamp"], packed(POINT | fields)), context())[0]


def test_a_point_is_a_position_and_a_callsign():
    (message,) = fed(assembly(TracksAssembly), [packed(POINT)])
    said = tracks.decode(message, context())
    assert said.static == AircraftStatic("4067f2", HEARD, callsign="TOM2XE")
    assert said.position == AircraftReport(
        aircraft_id="4067f2",
        timestamp=HEARD,
        latitude=46.6792323226,
        longitude=10.2021789551,
        altitude=38000,
        ground_speed=438.25,
        heading=292.5,
        vertical_rate=-64,
        on_ground=None,
        received_at=HEARD,
        source="test",
        score=80,
    )


@pytest.mark.parametrize(("fields", "kind"), [
    ({"latitude": None}, "static"), ({"latitude": None, "callsign": None}, "other"), ({"altitude": None}, "position"),
    ({"latitude": 91}, "latitude_out_of_range"), ({"icao24": None}, "undecodable"), ({"icao24": "x"}, "icao_invalid"),
    ({"track": "north"}, "undecodable"), ({"altitude": 1e308, "track": -1e308}, "position"),
])  # fmt: skip
def test_what_becomes_of_a_point(fields: dict[str, Any], kind: str):
    assert code(**fields) == kind


def test_a_line_that_is_no_point_costs_itself():
    reader = assembly(TracksAssembly)
    untimed = packed(POINT | {"timestamp": None})
    lines = [b"", b"junk", b'{"icao24":', untimed, b"[1]", packed(POINT), b"\xff", packed(POINT | {"x": "y" * 5000})]
    assert len(fed(reader, [b"\n".join(lines)])) == 1
    counts = reader.counts()
    assert (counts.lines, counts.foreign, counts.sentences) == (8, 1, 1)
    assert counts.malformed == {"json_broken": 4, "time_missing": 1, "line_too_long": 1}


def test_a_track_is_recognised():
    assert TracksAssembly.looks_like(packed(POINT) + b"\n" + packed(POINT))
    assert not TracksAssembly.looks_like(b'{"now":1,"aircraft":[]}')


VALUES = st.none() | st.booleans() | st.floats(allow_nan=False) | st.integers() | st.text(max_size=9)


@examples(150)
@given(
    st.lists(
        st.dictionaries(st.sampled_from(list(POINT)), VALUES).map(lambda said: packed(POINT | said)) | st.binary()
    ),
    st.lists(st.integers(0, 2000), max_size=5),
)
def test_any_cut_of_any_bytes_gives_the_same_and_raises_nothing(lines: list[bytes], cuts: list[int]):
    data = b"\n".join(lines)
    edges = [0, *sorted(at % (len(data) + 1) for at in cuts), len(data)]
    outcomes = []
    for chunks in ([data], [data[start:end] for start, end in pairwise(edges)]):
        reader = assembly(TracksAssembly)
        messages = fed(reader, chunks)
        assert_accounted(reader)
        outcomes.append((messages, [kind_of(tracks.decode, one, context()) for one in messages], reader.counts()))
    assert outcomes[0] == outcomes[1]


@pytest.mark.data
def test_an_hour_over_switzerland_has_6724_positions():
    run = ran(TracksAssembly, tracks.decode, [recording(SWISS_HOUR)])
    assert run.kinds == {"position": 6724}
    assert len(run.keys()) == 6724
    assert_accounted(run.assembly)
