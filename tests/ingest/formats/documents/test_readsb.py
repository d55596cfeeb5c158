"""aircraft.json to reports: fields, times, qualities, and recordings of readsb and dump1090."""

import datetime as dt
import uuid
from typing import Any

import pytest
from django.db.models import Q

from ingest import pipeline
from ingest.clocks import recorded_clock
from ingest.formats.common.contract import Setup
from ingest.formats.documents import readsb, readsb_trace
from ingest.formats.documents.assemblies import ReadsbAssembly, TraceAssembly
from ingest.formats.registry import FORMATS, FormatSpec
from ingest.ledger.accounts import account, violations
from ingest.reports import AircraftReport, AircraftStatic, Decoded, Message, MessageBatch
from tests.support.documents import NOW, assembly, assert_accounted, context, fed, kind_of, packed, ran
from tests.support.recordings import recording, recordings
from tracking.models import Aircraft, AircraftPosition

HEARD = 1_785_000_000_000
AIRCRAFT: dict[str, Any] = {
    "hex": "407689", "type": "adsb_icao", "flight": "EZY16EG ", "r": "G-EZBX", "t": "A319", "category": "A3",
    "squawk": "0155", "alt_baro": 23950, "alt_geom": 25150, "gs": 419.0, "track": 10.5, "baro_rate": -1920,
    "geom_rate": -1900, "lat": 50.517563, "lon": -0.840743, "seen_pos": 11.1, "seen": 0.2, "messages": 119,
}  # fmt: skip
PLORD = "aircraft_json/plord12_aircraft.json"
SNAPSHOTS = "aircraft_json/dump1090mut_snapshots_devA"
TRACE = "aircraft_json/traffic_readsb_trace_full_ac671b.json"


def at(ms: int) -> dt.datetime:
    return dt.datetime.fromtimestamp(ms / 1000, dt.UTC)


def decoded(**fields: Any) -> Decoded:
    told = {key: value for key, value in (AIRCRAFT | fields).items() if value is not ...}
    return readsb.decode(Message(HEARD, packed(told)), context())


def position(**fields: Any) -> AircraftReport:
    said = decoded(**fields).position
    assert isinstance(said, AircraftReport)
    return said


def static(**fields: Any) -> AircraftStatic:
    said = decoded(**fields).static
    assert isinstance(said, AircraftStatic)
    return said


def code(told: Any = None, recorded: bool = True, heard: int = HEARD, **fields: Any) -> str:
    message = Message(heard, packed(AIRCRAFT | fields if told is None else told))
    return kind_of(readsb.decode, message, context(recorded=recorded))[0]


# --- one aircraft -----------------------------------------------------------------------------------------------------


def test_an_aircraft_is_a_position_and_an_identity():
    assert position() == AircraftReport(
        aircraft_id="407689",
        timestamp=at(HEARD - 11_100),
        latitude=50.517563,
        longitude=-0.840743,
        altitude=23950,
        ground_speed=419.0,
        heading=10.5,
        vertical_rate=-1920,
        on_ground=False,
        received_at=at(HEARD),
        source="test",
        score=80,
    )
    assert static() == AircraftStatic("407689", at(HEARD - 200), "EZY16EG", "G-EZBX", "A319", "A3", "0155")


def test_the_names_of_dump1090_mutability_are_understood():
    new = dict.fromkeys(("type", "alt_baro", "alt_geom", "gs", "baro_rate", "geom_rate"), ...)
    said = position(**new, altitude=34000, speed=435, vert_rate=-64, mlat=[], tisb=[])
    assert (said.altitude, said.ground_speed, said.vertical_rate, said.score) == (34000, 435.0, -64, 80)
    assert position(**new, altitude="ground").on_ground is True


@pytest.mark.parametrize(("fields", "altitude", "on_ground"), [
    ({"alt_baro": "ground"}, None, True),
    ({"alt_baro": 0}, 0, False),
    ({"alt_baro": -75}, -75, False),
    ({"alt_baro": None}, 25150, None),
    ({"alt_baro": 900_000}, 25150, False),
    ({"alt_baro": None, "alt_geom": None}, None, None),
    ({"alt_baro": "high"}, 25150, None),
])  # fmt: skip
def test_altitude_is_feet_or_the_ground(fields: dict[str, Any], altitude: int | None, on_ground: bool | None):
    said = position(**fields)
    assert (said.altitude, said.on_ground) == (altitude, on_ground)


def test_on_the_ground_the_true_heading_stands_in_for_a_missing_track():
    assert position(alt_baro="ground", track=None, true_heading=90.0).heading == 90.0
    assert position(alt_baro="ground", track=10.0, true_heading=90.0).heading == 10.0
    assert position(track=None, true_heading=90.0).heading is None


def test_values_out_of_range_are_not_worth_a_position():
    said = position(gs=5000, track=400, baro_rate=99_999, geom_rate=64)
    assert (said.ground_speed, said.heading, said.vertical_rate) == (None, None, 64)


@pytest.mark.parametrize(("fields", "score"), [
    ({"type": "adsb_icao_nt"}, 80), ({"type": "mlat"}, 48), ({"type": "tisb_icao"}, 48), ({"type": "adsr_icao"}, 72),
    ({"type": "adsc"}, 48), ({"type": "unknown"}, 40), ({"type": None, "mlat": ["altitude", "lat", "lon"]}, 48),
    ({"type": None, "tisb": ["lat"]}, 48), ({"type": None, "mlat": ["gs"], "tisb": []}, 80),
    ({"type": None, "mlat": 7}, 80),
])  # fmt: skip
def test_the_score_is_trust_times_the_quality_of_the_type(fields: dict[str, Any], score: int):
    assert position(**fields).score == score


@pytest.mark.parametrize(("fields", "reason"), [
    ({"seen_pos": 65.1}, "position_stale"), ({"seen_pos": 1e308}, "position_stale"),
    (dict.fromkeys(("seen_pos", "flight", "r", "t", "category", "squawk")), "position_time_missing"),
    ({"seen_pos": None}, "static"), ({"lat": 91}, "latitude_out_of_range"),
    ({"lon": -180.5}, "longitude_out_of_range"), ({"hex": "40768"}, "icao_invalid"), ({"hex": 7}, "undecodable"),
    ({"gs": "fast"}, "undecodable"), ({"seen": 1e308}, "time_out_of_range"),
])  # fmt: skip
def test_what_cannot_be_used_is_rejected_for_a_reason(fields: dict[str, Any], reason: str):
    assert code(**fields) == reason


def test_a_position_by_satellite_may_be_half_an_hour_old():
    assert position(type="adsc", seen_pos=1900.0).timestamp == at(HEARD - 1_900_000)
    assert code(type="adsc", seen_pos=2000.0) == "position_stale"


def test_a_live_document_of_yesterday_or_tomorrow_is_rejected():
    assert code(recorded=False, heard=NOW - 25 * 3_600_000) == "time_too_old"
    assert code(recorded=False, heard=NOW + 61_000) == "time_in_future"
    assert code(heard=NOW + 61_000) == "time_in_future"


def test_rough_and_old_places_are_no_positions():
    rough = {"rr_lat": 50.5, "rr_lon": -0.8, "lastPosition": {"lat": 50.5, "lon": -0.8, "seen_pos": 100}}
    assert decoded(lat=..., lon=..., seen_pos=..., **rough).position is None
    assert code({"hex": "407689", **rough}) == "other"


def test_an_aircraft_without_a_position_is_an_identity_or_nothing():
    assert code({"hex": "407689", "flight": "EZY16EG "}) == "static"
    assert code({"hex": "407689", "flight": "        ", "squawk": "99"}) == "other"
    assert code({"hex": "407689", "category": "A3", "messages": 1}) == "other"  # mostly a bit error in the address
    assert code({"hex": "~2a0001", "category": "A3", "messages": 2}) == "static"


@pytest.mark.parametrize(("field", "value", "kept"), [
    ("r", "n899dn ", "N899DN"), ("r", "A\x00B", None), ("r", "ABCDEFGHIJKLM", None), ("t", "B739", "B739"),
    ("t", "TOOLONG", None), ("category", "A9", None), ("category", "a5", "A5"), ("squawk", "0012", "0012"),
])  # fmt: skip
def test_codes_of_identity_that_cannot_be_stored_are_not_known(field: str, value: str, kept: str | None):
    columns = {"r": "registration", "t": "type_code"}
    assert getattr(static(**{field: value}), columns.get(field, field)) == kept


# --- documents --------------------------------------------------------------------------------------------------------


def test_adsbx_v2_says_ac_and_milliseconds():
    document = packed({"ac": [AIRCRAFT], "msg": "No error", "now": HEARD, "total": 1, "ctime": HEARD, "ptime": 0})
    assert ReadsbAssembly.looks_like(document)
    (message,) = fed(assembly(ReadsbAssembly), [document])
    assert readsb.decode(message, context()) == decoded()


def test_a_position_that_is_polled_again_keeps_its_time_though_both_times_are_rounded():
    reader = assembly(ReadsbAssembly)
    polls = [(0, 0.4), (1000, 1.4), (2100, 2.4), (3000, 3.5), (4050, 4.3)]
    documents = [packed({"now": (HEARD + ms) / 1000, "aircraft": [AIRCRAFT | {"seen_pos": age}]}) for ms, age in polls]
    moved = packed({"now": HEARD / 1000 + 5, "aircraft": [AIRCRAFT | {"seen_pos": 5.3, "lat": 50.6}]})
    later = packed({"now": HEARD / 1000 + 6, "aircraft": [AIRCRAFT | {"seen_pos": 0.1, "lat": 50.6}]})
    times = []
    for message in fed(reader, [*documents, moved, later]):
        said = readsb.decode(message, context()).position
        assert said
        times.append(round(said.timestamp.timestamp() * 1000) - HEARD)
    assert times == [-400] * 5 + [-300, 5900]


# --- recordings -------------------------------------------------------------------------------------------------------


@pytest.mark.data
def test_a_readsb_document_has_25_positions_and_every_other_aircraft_is_accounted_for():
    """19 have no lat and lon: 14 of them say callsign, category or squawk, 5 nothing but that they were heard.

    One of the 25 is 61.1 s old: its writer had not swept it out yet.
    """
    run = ran(ReadsbAssembly, readsb.decode, [recording(PLORD)])
    assert run.kinds == {"position": 25, "static": 14, "other": 5}
    assert len(run.keys()) == 25
    assert (run.assembly.counts().lines, run.assembly.counts().malformed) == (44, {})
    (old,) = (said for said in run.positions if said.aircraft_id == "407462")
    assert (old.received_at - old.timestamp).total_seconds() == 61.1


@pytest.mark.data
def test_snapshots_of_dump1090_mutability_are_read():
    paths = recordings(SNAPSHOTS)
    if not paths:
        pytest.skip(f"recording {SNAPSHOTS} is absent")
    run = ran(ReadsbAssembly, readsb.decode, paths)
    assert_accounted(run.assembly)
    assert run.kinds == {"position": 23}
    assert {said.aircraft_id for said in run.positions} == {"400f99"}
    assert all(said.altitude and said.ground_speed and said.heading for said in run.positions)


def test_each_format_is_recognised_and_not_taken_for_the_other():
    document = packed({"now": 1.7e9, "messages": 7, "aircraft": []})
    trace = packed({"icao": "ac671b", "timestamp": 1.7e9, "trace": []})
    assert (ReadsbAssembly.looks_like(document), TraceAssembly.looks_like(document)) == (True, False)
    assert (ReadsbAssembly.looks_like(trace), TraceAssembly.looks_like(trace)) == (False, True)
    assert not ReadsbAssembly.looks_like(b"!AIVDM,1,1,,A,13,0*00") and not ReadsbAssembly.looks_like(b"{}")


# --- to the database --------------------------------------------------------------------------------------------------


@pytest.mark.data
@pytest.mark.django_db(transaction=True, databases=["default", "direct"])
def test_recordings_become_rows_and_the_account_adds_up(monkeypatch: pytest.MonkeyPatch):
    specs = {
        "readsb": (FormatSpec(ReadsbAssembly, readsb.decode, ReadsbAssembly.looks_like), PLORD, 25, 39),
        "readsb-trace": (FormatSpec(TraceAssembly, readsb_trace.decode, TraceAssembly.looks_like), TRACE, 2499, 1),
    }
    for name, (spec, path, _, _) in specs.items():
        monkeypatch.setitem(FORMATS, name, spec)
        reader = spec.assembly(Setup(recorded_clock(), recorded=True))
        messages = fed(reader, [recording(path).read_bytes()])
        for start in range(0, len(messages), 1000):
            some = messages[start : start + 1000]
            batch = MessageBatch(
                uuid.uuid4(), uuid.uuid4(), name, name, 80, NOW, recorded=True, live=False, messages=some
            )
            batch.counts = reader.counts()
            reader.reset_counts()
            pipeline.process(batch)
    assert {source: AircraftPosition.objects.filter(source=source).count() for source in specs} == {
        source: stored for source, (_, _, stored, _) in specs.items()
    }
    assert Aircraft.objects.count() == 40
    airliner = Aircraft.objects.get(icao="ac671b")
    assert (airliner.registration, airliner.type_code, airliner.category) == ("N899DN", "B739", "A3")
    assert violations(account(Q())) == []
