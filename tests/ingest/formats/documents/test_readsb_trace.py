"""trace_full of readsb to reports."""

import datetime as dt
from typing import Any

import pytest

from ingest.formats.documents import readsb_trace
from ingest.formats.documents.assemblies import TraceAssembly
from ingest.reports import AircraftReport, AircraftStatic, Decoded, Message
from tests.support.documents import assembly, context, fed, kind_of, packed, ran
from tests.support.recordings import recording

TRACE = "aircraft_json/traffic_readsb_trace_full_ac671b.json"
HEARD = 1_785_000_000_000
DETAILS = {"type": "adsb_icao", "flight": "DAL1812 ", "squawk": "0637", "category": "A3", "track": 340.67}
POINT = [26.89, 16.8, -88.0, 32000, 483.3, 340.7, 0, -64, DETAILS, "adsb_icao", 33825, 32, 279, -0.9]


def at(ms: int) -> dt.datetime:
    return dt.datetime.fromtimestamp(ms / 1000, dt.UTC)


def traced(*points: Any, **fields: Any) -> list[Message]:
    trace = {"icao": "ac671b", "r": "N899DN", "t": "B739", "timestamp": HEARD / 1000, "trace": points}
    return fed(assembly(TraceAssembly), [packed(trace | fields)])


def of_point(columns: dict[int, Any], length: int = 14) -> Decoded:
    (message,) = traced([columns.get(number, value) for number, value in enumerate(POINT)][:length])
    return readsb_trace.decode(message, context())


def test_a_point_is_a_position_and_its_details_an_identity():
    said = of_point({})
    heard = at(HEARD + 26_890)
    assert said.static == AircraftStatic("ac671b", heard, "DAL1812", "N899DN", "B739", "A3", "0637")
    assert said.position == AircraftReport(
        aircraft_id="ac671b",
        timestamp=heard,
        latitude=16.8,
        longitude=-88.0,
        altitude=32000,
        ground_speed=483.3,
        heading=340.7,
        vertical_rate=-64,
        on_ground=False,
        received_at=heard,
        source="test",
        score=80,
    )


@pytest.mark.parametrize(("columns", "altitude", "on_ground"), [
    ({3: "ground"}, None, True), ({3: None}, 33825, None), ({3: 33800, 6: 8}, 33800, False), ({3: 0}, 0, False),
    ({6: 1}, 32000, False), ({6: 3}, 32000, False),
])  # fmt: skip
def test_stale_and_geometric_points_are_positions(
    columns: dict[int, Any], altitude: int | None, on_ground: bool | None
):
    said = of_point(columns).position
    assert isinstance(said, AircraftReport)
    assert (said.altitude, said.on_ground) == (altitude, on_ground)


@pytest.mark.parametrize("length", [3, 4, 9, 10])
def test_older_traces_have_fewer_columns(length: int):
    assert of_point({}, length).position


def test_the_registration_goes_with_the_first_point_only():
    first, second = (readsb_trace.decode(one, context()) for one in traced(POINT[:8], [30.0, *POINT[1:8]]))
    assert first.static == AircraftStatic("ac671b", at(HEARD + 26_890), registration="N899DN", type_code="B739")
    assert (second.static, bool(second.position)) == (None, True)


def test_a_trace_without_a_time_is_malformed_and_one_without_an_address_foreign():
    reader = assembly(TraceAssembly)
    trace = {"icao": "ac671b", "timestamp": HEARD / 1000, "trace": [POINT]}
    assert fed(reader, [packed(trace | {"timestamp": None}) + packed(trace | {"icao": None})]) == []
    counts = reader.counts()
    assert (counts.lines, counts.foreign, counts.malformed) == (2, 1, {"document_time_missing": 1})


def test_a_point_without_a_time_or_a_place_costs_itself():
    reader = assembly(TraceAssembly)
    bad = [[None, 1, 2], ["x"], [], 7, [1e300, 1.0, 2.0]]
    messages = fed(reader, [packed({"icao": "ac671b", "timestamp": HEARD / 1000, "trace": [*bad, POINT, [5]]})])
    assert reader.counts().malformed == {"entry_broken": 5}
    assert [kind_of(readsb_trace.decode, one, context())[0] for one in messages] == ["position", "undecodable"]


@pytest.mark.data
def test_a_trace_has_2500_points_of_which_two_are_of_one_moment():
    run = ran(TraceAssembly, readsb_trace.decode, [recording(TRACE)])
    assert run.kinds == {"position": 2500}
    assert len(run.keys()) == 2499
    assert sum(said.on_ground is True for said in run.positions) == 394
    assert all(said.altitude is None for said in run.positions if said.on_ground)
    assert run.positions[0].timestamp == dt.datetime(2025, 2, 4, 21, 13, 42, 619000, dt.UTC)
