"""What clients of others read: the documents' shape by the descriptions of those who invented them, and the values."""

import datetime as dt
import math
from typing import Any

import msgspec
import pytest
from django.test import Client

from ingest.formats.common.contract import Setup
from ingest.formats.registry import FORMATS
from tests.tracking.conftest import live_redis
from tracking.clients import adsbx, readsb, signalk
from tracking.clients.values import FreshValues
from tracking.live.state import LiveKind, LiveState, LiveUpdate
from tracking.live_api.live import answers
from tracking.models import Aircraft, AircraftPosition

__all__ = ["live_redis"]
pytestmark = pytest.mark.usefixtures("live_redis")

# Of README-json.md of readsb: what an aircraft may have, and of which type.
NUMBER = (int, float)
AIRCRAFT_KEYS: dict[str, Any] = {
    **dict.fromkeys(("hex", "type", "flight", "r", "t", "squawk", "category"), str),
    **dict.fromkeys(("gs", "track", "baro_rate", "lat", "lon", "seen", "seen_pos"), NUMBER),
    **{"alt_baro": (int, float, str), "mlat": list, "tisb": list, "lastPosition": dict},
}


@pytest.fixture(autouse=True)
def public(settings: Any) -> None:
    settings.LIVE_PUBLIC = True
    answers.clear()


@pytest.fixture
def now(live_redis: Any) -> float:
    return float(live_redis.time()[0])


@pytest.fixture
def flight(now: float) -> LiveUpdate:
    """An aircraft with everything, its altitude heard a while ago."""
    fields = {"altitude": 34000, "ground_speed": 430.5, "heading": 338.2, "vertical_rate": -64, "on_ground": False}
    static = {"callsign": "RYR1AB", "registration": "EI-ABC", "type_code": "B738", "squawk": "2345", "category": "A3"}
    made = LiveUpdate("4ca216", now, 52.5, 4.25, fields, ages={"altitude": now - 20}, static=static)
    LiveState(LiveKind.AIRCRAFT).write([made])
    return made


@pytest.fixture
def ship(now: float) -> LiveUpdate:
    fields = {"speed": 10.0, "course": 90.0, "heading": 91, "status": 5, "source": "pier", "score": 80}
    static = {"name": "NOORDZEE", "callsign": "PABC", "imo": 9074729, "ship_type": 70, "destination": "ROTTERDAM"}
    static |= {"draught": 7.5, "to_bow": 100, "to_stern": 20, "to_port": 8, "to_starboard": 12}
    static |= {"eta": "2026-02-03T04:05:00+00:00"}
    made = LiveUpdate("2446601", now, 52.0, 4.0, fields, static=static)
    LiveState(LiveKind.VESSEL).write([made])
    return made


def get(path: str, status: int = 200) -> Any:
    response = Client().get(path)
    assert response.status_code == status, response.content
    return response.json()


# --- readsb -----------------------------------------------------------------------------------------------------------


def test_aircraft_json_has_the_keys_and_types_that_readsb_describes(flight: LiveUpdate) -> None:
    document = get("/data/aircraft.json")
    assert set(document) == {"now", "messages", "aircraft"}
    [found] = document["aircraft"]
    assert set(found) == set(AIRCRAFT_KEYS) - {"lastPosition"}
    assert {name for name, value in found.items() if not isinstance(value, AIRCRAFT_KEYS[name])} == set()
    assert (found["hex"], found["flight"], found["r"], found["t"]) == ("4ca216", "RYR1AB  ", "EI-ABC", "B738")
    assert (found["alt_baro"], found["gs"], found["track"], found["baro_rate"]) == (34000, 430.5, 338.2, -64)
    assert (found["lat"], found["lon"], found["squawk"], found["category"]) == (52.5, 4.25, "2345", "A3")
    assert 0 <= found["seen"] <= found["seen_pos"] + 0.1 < 60


def test_what_is_unknown_is_left_out(now: float) -> None:
    LiveState(LiveKind.AIRCRAFT).write([LiveUpdate("4ca216", now, 52.5, 4.25, {"on_ground": True})])
    [found] = get("/data/aircraft.json")["aircraft"]
    assert set(found) == {"hex", "type", "alt_baro", "lat", "lon", "mlat", "tisb", "seen", "seen_pos"}
    assert found["alt_baro"] == "ground"


def test_values_and_positions_older_than_a_minute_are_not_told_as_if_they_were_new() -> None:
    ages = {"position": 900.0, "altitude": 930.0}
    document = {"id": "4ca216", "ts": 1000.0, "lat": 52.5, "lon": 4.25, "altitude": 1, "heading": 9, "ages": ages}
    found = readsb.entry(document, 1010.0)
    assert found["lastPosition"] == {"lat": 52.5, "lon": 4.25, "age": 110.0, "seen_pos": 110.0}
    assert "lat" not in found
    assert "alt_baro" not in found
    assert (found["track"], found["seen"]) == (9, 10.0)


def test_an_aircraft_that_is_silent_for_a_minute_is_not_listed(now: float) -> None:
    LiveState(LiveKind.AIRCRAFT).write([LiveUpdate("4ca216", now - 70, 52.5, 4.25)])
    assert get("/data/aircraft.json")["aircraft"] == []
    assert get("/v2/hex/4ca216")["total"] == 0


def test_our_own_reader_reads_it(flight: LiveUpdate) -> None:
    body = Client().get("/data/aircraft.json").content
    assembly = FORMATS["readsb"].assembly(Setup(lambda index, given, arrival: given))
    assert FORMATS["readsb"].looks_like(body)
    assert len(list(assembly.feed(body, None)) + list(assembly.flush(None))) == 1


def test_receiver_json_says_how_often_to_ask_and_that_there_are_no_files_of_history() -> None:
    document = get("/data/receiver.json")
    assert (document["refresh"], document["history"]) == (1000, 0)
    assert isinstance(document["version"], str)
    assert not {"binCraft", "globeIndexGrid", "lat"} & set(document)


@pytest.fixture
def track(db: None, flight: LiveUpdate, now: float) -> list[dict[str, Any]]:
    """Positions of the last hour: two soon after each other, one after a while, the last on the ground."""
    begin = dt.datetime.fromtimestamp(now - 3600, dt.UTC)
    plane = Aircraft.objects.create(icao="4ca216", first_seen=begin, last_seen=begin)
    rows = [{"offset": 0, "altitude": 100}, {"offset": 10, "altitude": None}, {"offset": 3500, "on_ground": True}]
    for row in rows:
        at = begin + dt.timedelta(seconds=row["offset"])
        values = {name: value for name, value in row.items() if name != "offset"}
        place = {"latitude": 52.0 + row["offset"] / 10_000, "longitude": 4.0, "ground_speed": 99.5, "heading": 12.0}
        AircraftPosition.objects.create(
            aircraft=plane, timestamp=at, received_at=at, source="pier", score=80, **place, **values
        )
    return rows


def test_a_trace_has_the_rows_that_readsb_describes(track: list[dict[str, Any]]) -> None:
    document = get("/data/traces/16/trace_full_4ca216.json")
    assert (document["icao"], document["r"], document["t"]) == ("4ca216", "EI-ABC", "B738")
    assert {len(row) for row in document["trace"]} == {9}
    assert [row[0] for row in document["trace"]] == [0, 10, 3500]
    assert [row[3] for row in document["trace"]] == [100, None, "ground"]
    assert [row[6] for row in document["trace"]] == [0, 0, 1], "stale after 20 s of silence"
    assert document["trace"][0][1:3] == [52.0, 4.0]
    assert document["trace"][0][4:6] == [99.5, 12.0]
    assert [row[8] is None for row in document["trace"]] == [True, True, False]
    assert document["trace"][-1][8]["flight"] == "RYR1AB  "
    assert len(get("/data/traces/16/trace_recent_4ca216.json")["trace"]) == 1
    assert FORMATS["readsb-trace"].looks_like(msgspec.json.encode(document))


@pytest.mark.parametrize(
    "path", ["16/trace_full_4ca217.json", "17/trace_full_4ca216.json", "16/trace_all_4ca216.json", "22/secret"]
)
def test_there_is_no_trace_of_who_is_not_live_nor_in_another_folder(flight: LiveUpdate, path: str) -> None:
    get(f"/data/traces/{path}", 404)


# --- ADSBx v2 ---------------------------------------------------------------------------------------------------------


def test_answers_of_v2_have_what_its_clients_read(flight: LiveUpdate, now: float) -> None:
    document = get("/v2/hex/4CA216,4ca999")
    assert set(document) == {"ac", "msg", "now", "total", "ctime", "ptime"}
    assert (document["msg"], document["total"]) == ("No error", 1)
    assert abs(document["now"] / 1000 - now) < 600
    assert document["ac"][0]["hex"] == "4ca216"


@pytest.mark.parametrize(
    "path",
    [
        "icao/4ca216/",
        "callsign/ryr1ab",
        "reg/EI-ABC",
        "registration/ei-abc/",
        "type/B738,A320",
        "squawk/2345",
        "sqk/2345",
    ],
)
def test_an_aircraft_is_found_by_whatever_one_knows_of_it(flight: LiveUpdate, path: str) -> None:
    assert [one["hex"] for one in get(f"/v2/{path}")["ac"]] == ["4ca216"]


@pytest.mark.parametrize("path", ["callsign/RYR1", "type/A320", "hex/4ca217"])
def test_others_are_not_found(flight: LiveUpdate, path: str) -> None:
    assert get(f"/v2/{path}") | {"now": 0, "ctime": 0, "ptime": 0} == {
        **{"ac": [], "msg": "No error", "total": 0},
        **{"now": 0, "ctime": 0, "ptime": 0},
    }


def test_aircraft_around_a_place_come_with_distance_and_bearing_the_nearest_first(now: float) -> None:
    places = {"4ca001": (52.0, 4.0), "4ca002": (52.5, 4.0), "4ca003": (54.0, 4.0)}
    LiveState(LiveKind.AIRCRAFT).write([LiveUpdate(key, now, *place) for key, place in places.items()])
    found = get("/v2/point/51.9/4.0/40")["ac"]
    assert [one["hex"] for one in found] == ["4ca001", "4ca002"]
    assert (found[0]["dst"], found[0]["dir"]) == (pytest.approx(6.0, abs=0.05), 0.0)
    assert get("/v2/lat/51.9/lon/4.0/dist/40/")["total"] == 2
    assert [one["hex"] for one in get("/v2/closest/53.9/4.0/100")["ac"]] == ["4ca003"]


@pytest.mark.parametrize(
    ("centre", "place"), [((0, 179.9), (0.0, -179.9)), ((89.5, 10), (89.6, -170.0)), ((-89.99, 0), (-89.9, 90.0))]
)
def test_a_circle_goes_over_the_antimeridian_and_the_poles(now: float, centre: Any, place: Any) -> None:
    LiveState(LiveKind.AIRCRAFT).write([LiveUpdate("4ca001", now, *place)])
    assert get(f"/v2/point/{centre[0]}/{centre[1]}/100")["total"] == 1


def test_distances_and_bearings_are_those_of_the_globe() -> None:
    assert adsbx.distance_nm(0, 0, 0, 90) == pytest.approx(5403.6, abs=1)
    assert adsbx.bearing_degrees(0, 0, 0, 90) == pytest.approx(90)
    assert adsbx.bearing_degrees(0, 0, -10, 0) == pytest.approx(180)


@pytest.mark.parametrize(
    "path",
    ["hex/xyz", "point/91/0/5", "point/nan/0/5", "point/0/0/251", "point/0/0/-1", "point/0/x/5", "closest/0/181/1"],
)
def test_what_cannot_be_asked_is_refused(path: str) -> None:
    get(f"/v2/{path}", 400)


# --- AIS-catcher and Signal K -----------------------------------------------------------------------------------------


def test_ships_json_has_the_keys_of_ais_catcher(ship: LiveUpdate) -> None:
    document = get("/api/ships.json")
    assert (set(document), document["count"], document["error"]) == ({"count", "ships", "error"}, 1, False)
    [found] = document["ships"]
    keys = {"mmsi", "lat", "lon", "distance", "bearing", "level", "count", "ppm", "group_mask", "approx", "heading"}
    keys |= {"cog", "speed", "to_bow", "to_stern", "to_starboard", "to_port", "shiptype", "validated", "msg_type"}
    keys |= {"channels", "country", "status", "draught", "eta_month", "eta_day", "eta_hour", "eta_minute", "imo"}
    keys |= {"callsign", "shipname", "destination", "last_signal"}
    assert set(found) == keys
    assert (found["mmsi"], found["lat"], found["cog"], found["speed"], found["status"]) == (2446601, 52.0, 90, 10, 5)
    assert (found["shipname"], found["shiptype"], found["imo"]) == ("NOORDZEE", 70, 9074729)
    assert (found["eta_month"], found["eta_hour"], found["to_bow"]) == (2, 4, 100)


def test_a_ship_of_which_nothing_is_known_has_all_keys(now: float) -> None:
    LiveState(LiveKind.VESSEL).write([LiveUpdate("211000001", now, 52.0, 4.0)])
    [found] = get("/api/ships.json")["ships"]
    assert (found["country"], found["status"], found["heading"], found["eta_day"]) == ("DE", 15, None, None)
    assert (found["shipname"], found["shiptype"]) == ("", 0)


def test_vessels_are_told_in_the_model_and_the_units_of_signal_k(ship: LiveUpdate) -> None:
    [(name, found)] = get("/signalk/v1/api/vessels").items()
    assert (name, found["mmsi"]) == ("urn:mrn:imo:mmsi:002446601", "002446601")
    navigation = found["navigation"]
    assert navigation["position"]["value"] == {"latitude": 52.0, "longitude": 4.0}
    assert navigation["speedOverGround"]["value"] == pytest.approx(5.144, abs=0.001)
    assert navigation["courseOverGroundTrue"]["value"] == pytest.approx(math.pi / 2, abs=0.001)
    assert navigation["state"]["value"] == "moored"
    assert navigation["destination"]["commonName"]["value"] == "ROTTERDAM"
    assert (found["design"]["length"]["value"], found["design"]["beam"]["value"]) == ({"overall": 120}, 20)
    assert found["design"]["aisShipType"]["value"] == {"id": 70}
    assert (found["name"], found["communication"]) == ("NOORDZEE", {"callsignVhf": "PABC"})
    at = dt.datetime.fromisoformat(navigation["position"]["timestamp"])
    assert at.timestamp() == pytest.approx(ship.ts, abs=1)
    assert navigation["position"]["$source"] == "pier"


def test_signal_k_is_found_where_its_clients_look(ship: LiveUpdate) -> None:
    endpoints = get("/signalk")["endpoints"]["v1"]
    assert endpoints["signalk-http"] == "http://testserver/signalk/v1/api/"
    assert get("/signalk/v1/api/vessels/") == get("/signalk/v1/api/vessels")


def test_a_delta_has_a_context_and_values_by_path() -> None:
    at = dt.datetime(2026, 1, 1, 12, tzinfo=dt.UTC)
    paths = signalk.position_paths({"latitude": 52.0, "longitude": 4.0, "speed": 10, "status": 99})
    read = msgspec.json.decode(signalk.delta(244660123, at, "pier", paths, {"name": "STAR"}))
    assert read["context"] == "vessels.urn:mrn:imo:mmsi:244660123"
    [update] = read["updates"]
    assert (update["source"]["label"], update["timestamp"]) == ("pier", "2026-01-01T12:00:00.000Z")
    assert [value["path"] for value in update["values"]] == ["", "navigation.position", "navigation.speedOverGround"]


# --- all --------------------------------------------------------------------------------------------------------------

ALL = ("/data/aircraft.json", "/data/receiver.json", "/v2/type/B738", "/api/ships.json", "/signalk")


@pytest.mark.parametrize("path", ALL)
def test_what_is_public_may_be_read_by_any_page(path: str) -> None:
    assert Client().get(path).headers["Access-Control-Allow-Origin"] == "*"


@pytest.mark.parametrize("path", [*ALL, "/data/traces/16/trace_full_4ca216.json", "/signalk/v1/api/vessels"])
def test_without_live_public_a_key_is_asked_for(path: str, settings: Any) -> None:
    settings.LIVE_PUBLIC = False
    response = Client().get(path)
    assert response.status_code == 401
    assert "Access-Control-Allow-Origin" not in response.headers


def test_a_report_of_the_future_is_as_old_as_now() -> None:
    assert FreshValues({"id": "4ca216", "ts": 1000.0}, 990.0).seen == 0
