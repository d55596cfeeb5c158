"""OpenSky's state vectors to reports: items by index, units, times, and a recording of the whole world."""

import datetime as dt
import uuid
from typing import Any

import pytest
from django.db.models import Q

from ingest import pipeline
from ingest.formats.documents import opensky
from ingest.formats.documents.assemblies import OpenSkyAssembly
from ingest.formats.registry import FORMATS, FormatSpec
from ingest.ledger.accounts import account, violations
from ingest.reports import AircraftReport, AircraftStatic, Decoded, MessageBatch
from tests.support.documents import NOW, assembly, assert_accounted, context, fed, kind_of, packed, ran
from tests.support.recordings import recording
from tracking.models import AircraftPosition

WORLD = "opensky_json/bao-eng_opensky.json"
TIME = 1_634_471_390
# Index of each item as the API documents them; a fixture, because one more item of 2017 shifted the last ones.
STATE: list[Any] = [
    "4b1812", "SWR252  ", "Switzerland", TIME - 4, TIME - 1, 16.6419, 45.505, 11285.22, False, 236.32, 117.62, -2.28,
    None, 11475.72, "0020", False, 0,
]  # fmt: skip


def at(seconds: float) -> dt.datetime:
    return dt.datetime.fromtimestamp(seconds, dt.UTC)


def decoded(items: dict[int, Any] | None = None, extra: list[Any] | None = None) -> Decoded:
    state = [(items or {}).get(number, value) for number, value in enumerate(STATE)] + (extra or [])
    (message,) = fed(assembly(OpenSkyAssembly), [packed({"time": TIME, "states": [state]})])
    return opensky.decode(message, context())


def position(items: dict[int, Any] | None = None, extra: list[Any] | None = None) -> AircraftReport:
    said = decoded(items, extra).position
    assert isinstance(said, AircraftReport)
    return said


def code(state: list[Any]) -> str:
    (message,) = fed(assembly(OpenSkyAssembly), [packed({"time": TIME, "states": [state]})])
    return kind_of(opensky.decode, message, context())[0]


def changed(**items: Any) -> list[Any]:
    return [items.get(f"_{number}", value) for number, value in enumerate(STATE)]


def test_a_state_is_a_position_and_an_identity():
    said = decoded()
    assert said.static == AircraftStatic("4b1812", at(TIME - 1), callsign="SWR252", squawk="0020")
    assert said.position == AircraftReport(
        aircraft_id="4b1812",
        timestamp=at(TIME - 4),
        latitude=45.505,
        longitude=16.6419,
        altitude=37025,
        ground_speed=459.37,
        heading=117.62,
        vertical_rate=-449,
        on_ground=False,
        received_at=at(TIME),
        source="test",
        score=80,
    )


@pytest.mark.parametrize(("items", "altitude"), [
    ({}, 37025), ({7: None}, 37650), ({7: 0}, 0), ({7: None, 13: None}, None), ({8: True}, None),
])  # fmt: skip
def test_altitude_is_barometric_feet_and_none_on_the_ground(items: dict[int, Any], altitude: int | None):
    said = position(items)
    assert (said.altitude, said.on_ground) == (altitude, items.get(8, False))


def test_nulls_are_not_known():
    said = position(dict.fromkeys((1, 7, 8, 9, 10, 11, 13, 14, 16)))
    values = (said.altitude, said.ground_speed, said.heading, said.vertical_rate, said.on_ground)
    assert values == (None, None, None, None, None)


@pytest.mark.parametrize(("source", "score"), [(0, 80), (1, 64), (2, 48), (3, 64), (9, 40), (None, 80)])
def test_the_source_of_the_position_is_its_quality(source: int | None, score: int):
    assert position({16: source}).score == score


@pytest.mark.parametrize(("number", "category"), [
    (0, None), (1, None), (2, "A1"), (8, "A7"), (9, "B1"), (15, "B7"), (16, "C1"), (20, "C5"), (21, None), (-1, None),
])  # fmt: skip
def test_an_extended_state_has_a_category(number: int, category: str | None):
    static = decoded(extra=[number]).static
    assert isinstance(static, AircraftStatic) and static.category == category


def test_an_18th_item_of_2017_is_the_source_and_no_category():
    said = decoded({16: False}, extra=[2])
    assert isinstance(said.position, AircraftReport) and said.position.score == 48
    assert isinstance(said.static, AircraftStatic) and said.static.category is None


@pytest.mark.parametrize(("state", "kind"), [
    (changed(_3=None), "static"),
    (changed(_1=None, _3=None, _14=None), "position_time_missing"), (changed(_3=None, _5=None, _6=None), "static"),
    (changed(_1="        ", _3=None, _5=None, _6=None, _14=None), "other"), (changed(_0="4b18"), "icao_invalid"),
    (changed(_6=90.5), "latitude_out_of_range"), (changed(_5=181), "longitude_out_of_range"),
    (changed(_3=TIME + 10**9), "time_in_future"), (changed(_3=-(10**30)), "time_out_of_range"),
    (changed(_7="high"), "undecodable"), (STATE[:16], "undecodable"), (STATE[:1], "undecodable"),
    ([*STATE, 0, "more", None], "position"),
])  # fmt: skip
def test_what_becomes_of_a_state(state: list[Any], kind: str):
    assert code(state) == kind


def test_nobody_flying_is_no_line_and_another_document_a_foreign_one():
    reader = assembly(OpenSkyAssembly)
    assert fed(reader, [packed({"time": TIME, "states": None}), b'{"status":429}', packed({"states": [STATE]})]) == []
    counts = reader.counts()
    assert (counts.lines, counts.foreign, counts.malformed) == (2, 1, {"document_time_missing": 1})


def test_a_document_is_recognised():
    assert OpenSkyAssembly.looks_like(packed({"time": TIME, "states": [STATE]}))
    assert OpenSkyAssembly.looks_like(packed({"time": TIME, "states": None}))
    assert not OpenSkyAssembly.looks_like(packed({"now": TIME, "aircraft": []}))


@pytest.mark.data
def test_the_world_has_5384_positions_in_5485_states():
    run = ran(OpenSkyAssembly, opensky.decode, [recording(WORLD)])
    assert_accounted(run.assembly)
    assert run.kinds == {"position": 5384, "static": 63, "other": 38}
    assert len(run.keys()) == 5384


@pytest.mark.data
@pytest.mark.django_db(transaction=True, databases=["default", "direct"])
def test_the_world_becomes_rows_and_the_account_adds_up(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(FORMATS, "opensky", FormatSpec(OpenSkyAssembly, opensky.decode, OpenSkyAssembly.looks_like))
    reader = assembly(OpenSkyAssembly)
    messages = fed(reader, [recording(WORLD).read_bytes()])
    batch = MessageBatch(uuid.uuid4(), uuid.uuid4(), "world", "opensky", 80, NOW, recorded=True, live=False)
    batch.messages, batch.counts = messages, reader.counts()
    counts = pipeline.process(batch).counts
    assert (counts.positions, counts.stored, counts.static, counts.other) == (5384, 5384, 63, 38)
    assert AircraftPosition.objects.count() == 5384
    assert violations(account(Q())) == []
