"""Tracks of GPX: whose they are, what a point says, what is broken, and that what was exported comes in again."""

import datetime as dt
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.clocks import recorded_clock
from ingest.errors import Rejected
from ingest.formats.common.contract import Setup
from ingest.formats.gpx import decoder as gpx
from ingest.formats.gpx.assembly import MAX_POINT_BYTES, GpxAssembly
from ingest.formats.registry import guess
from ingest.models import Format
from ingest.reports import AircraftReport, VesselReport
from tests.support.documents import assembly, context, fed
from tests.support.properties import examples
from tracking.exports import tracks
from tracking.exports.fields import fields_of
from tracking.models import AircraftPosition, VesselPosition

NOON = dt.datetime(2026, 5, 1, 12, tzinfo=dt.UTC)
POINT = '<trkpt lat="{}" lon="{}"><ele>3048</ele><time>{}</time><speed>5.144444</speed><course>90</course></trkpt>'


def track(name: str, *points: str) -> str:
    return f"<trk>\n <name>{name}</name><trkseg>{' '.join(points)}</trkseg></trk>"


def point(second: int = 0, latitude: object = 54.5, longitude: object = 10.25) -> str:
    return POINT.format(latitude, longitude, f"2026-05-01T12:00:{second:02d}Z")


def document(*tracks_: str) -> bytes:
    head = '<?xml version="1.0"?>\n<gpx version="1.1" creator="x"><metadata><name>211999999</name></metadata>'
    return f"{head}{''.join(tracks_)}</gpx>\n".encode()


FILE = document(track("211000001", point(0), point(1)), track("3C6444", point(2, -1)), track("lunch", point(3)))


def test_the_name_of_a_track_says_whose_its_points_are() -> None:
    reader = assembly(GpxAssembly)
    ship, again, plane = (gpx.decode(message, context()).position for message in fed(reader, [FILE]))
    assert isinstance(ship, VesselReport) and isinstance(again, VesselReport) and isinstance(plane, AircraftReport)
    assert (ship.vessel_id, ship.timestamp, ship.latitude, ship.longitude) == (211000001, NOON, 54.5, 10.25)
    assert (ship.speed, ship.course) == (pytest.approx(10.0, abs=0.001), 90.0)
    assert (plane.aircraft_id, plane.altitude, plane.ground_speed) == ("3c6444", 10000, pytest.approx(10.0, abs=0.001))
    assert again.timestamp == NOON + dt.timedelta(seconds=1)
    counts = reader.counts()
    assert (counts.sentences, counts.malformed) == (3, {"identity_missing": 1})
    assert counts.lines == counts.foreign + counts.sentences + 1


def test_gpx_is_recognised() -> None:
    assert guess(FILE) == Format.GPX
    assert guess(b"<gpx>") == Format.GPX


@examples(100)
@given(st.lists(st.integers(0, len(FILE)), max_size=12).map(sorted))
def test_any_cut_of_the_bytes_gives_the_same_messages(cuts: list[int]) -> None:
    whole, parts = assembly(GpxAssembly), assembly(GpxAssembly)
    edges = [0, *cuts, len(FILE)]
    chunks = [FILE[start:end] for start, end in pairwise(edges)]
    assert fed(parts, chunks) == fed(whole, [FILE])
    assert (parts.counts(), parts.resume_at()) == (whole.counts(), whole.resume_at())


@pytest.mark.parametrize("end", range(0, len(FILE), 23))
def test_nothing_is_missed_where_a_recording_is_resumed(end: int) -> None:
    first = assembly(GpxAssembly)
    seen = [message for message in first.feed(FILE[:end], None)]
    offset, index = first.resume_at()
    rest = GpxAssembly(Setup(recorded_clock(), offset=offset, index=index, recorded=True))
    again = fed(rest, [FILE[offset:]])
    assert {*map(repr, seen), *map(repr, again)} == {*map(repr, fed(assembly(GpxAssembly), [FILE]))}
    assert index + len(again) == 3


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        (track("211000001", '<trkpt lat="1" lon="2"/>'), "time_missing"),
        (track("211000001", POINT.format(1, 2, "yesterday")), "time_unreadable"),
        (track("", point()), "identity_missing"),
        (track("211000001", f'<trkpt lat="1" lon="2">{"<a></a>" * 700}</trkpt>'), "point_broken"),
        (track("211000001", f'<trkpt lat="1" lon="{"2" * MAX_POINT_BYTES}"></trkpt>'), "line_too_long"),
    ],
)
def test_a_broken_point_costs_itself(broken: str, reason: str) -> None:
    reader = assembly(GpxAssembly)
    messages = fed(reader, [document(broken, track("211000002", point(5)))])
    assert [gpx.decode(message, context()).position.vessel_id for message in messages] == [211000002]  # type: ignore[union-attr]
    assert reader.counts().malformed == {reason: 1}


@pytest.mark.parametrize(
    ("latitude", "longitude", "name", "reason"),
    [
        (91, 2, "211000001", "latitude_out_of_range"),
        (1, "x", "211000001", "undecodable"),
        (1, "1e9", "211000001", "undecodable"),
        (1, 2, "000000000", "mmsi_zero"),
        (1, 2, "000000", "icao_invalid"),
    ],
)
def test_what_cannot_be_is_refused(latitude: object, longitude: object, name: str, reason: str) -> None:
    (message,) = fed(assembly(GpxAssembly), [document(track(name, point(0, latitude, longitude)))])
    with pytest.raises(Rejected, match=reason):
        gpx.decode(message, context())


def test_what_was_exported_comes_in_again() -> None:
    ship = [{"vessel_id": 2110001, "timestamp": NOON, "latitude": 54.123456789, "longitude": -10.5}]
    plane = [{"aircraft_id": "3c6444", "timestamp": NOON, "latitude": 1.5, "longitude": 2.5, "altitude": 33000}]
    for model, rows in ((VesselPosition, ship), (AircraftPosition, plane)):
        exported = b"".join(tracks.gpx(fields_of(model), rows))
        (message,) = fed(assembly(GpxAssembly), [exported])
        said = gpx.decode(message, context()).position
        assert said is not None
        assert {name: getattr(said, name) for name in rows[0]} == rows[0]
