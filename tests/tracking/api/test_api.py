"""Identities and tracks over the API: what is found, what it costs, what goes wrong and how it is said."""

import datetime as dt
import re
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from tests.support.keys import header, make_key
from tracking.api import views
from tracking.api.common import throttles
from tracking.connections import redis_pool_options
from tracking.models import Aircraft, AircraftPosition, Station, Vessel, VesselPosition

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("live_redis")]

NOON = dt.datetime(2026, 5, 1, 12, tzinfo=dt.UTC)
OURS = {"aircraft", "feeds", "live", "stations", "vessels"}
CLOSED = "redis://127.0.0.1:1/0"


@pytest.fixture
def user(django_user_model: Any) -> Any:
    return django_user_model.objects.create_user("reader", password="secret")


@pytest.fixture
def api(user: Any) -> APIClient:
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=header(make_key(user)))
    return client


def vessel(mmsi: int, **values: Any) -> Vessel:
    return Vessel.objects.create(mmsi=mmsi, **{"kind": "ship", "first_seen": NOON, "last_seen": NOON} | values)


def plane(icao: str, **values: Any) -> Aircraft:
    return Aircraft.objects.create(icao=icao, **{"first_seen": NOON, "last_seen": NOON} | values)


def sail(ship: Vessel, *times: dt.datetime) -> None:
    place = {"latitude": 54.5, "longitude": 10.25, "speed": 9.5, "source": "pier", "score": 80}
    rows = [VesselPosition(vessel=ship, timestamp=at, received_at=at, **place) for at in times]
    VesselPosition.objects.bulk_create(rows)


def fly(aircraft: Aircraft, *times: dt.datetime) -> None:
    place = {"latitude": 50, "longitude": 8, "altitude": 33000, "source": "roof", "score": 70}
    rows = [AircraftPosition(aircraft=aircraft, timestamp=at, received_at=at, **place) for at in times]
    AircraftPosition.objects.bulk_create(rows)


def found(response: Any) -> list[Any]:
    assert response.status_code == 200, response.content
    return [row.get("mmsi") or row.get("icao") for row in response.json()["results"]]


# --- lists ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def fleet() -> None:
    vessel(211000001, name="MAJESTIC STAR", callsign="DABC", imo=9074729, flag="DE", ship_type=70)
    vessel(219000002, name="NORTHERN LIGHT", callsign="OXYZ", flag="DK", last_seen=NOON - dt.timedelta(days=2))
    vessel(2320001, kind="coast", flag="GB", last_seen=NOON - dt.timedelta(days=1))


@pytest.mark.usefixtures("fleet")
@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", [211000001, 2320001, 219000002]),
        ("search=star", [211000001]),
        ("search=oxy", [219000002]),
        ("search=211000001", [211000001]),
        ("search=9074729", [211000001]),
        ("search=002320001", [2320001]),
        ("search=nobody", []),
        ("flag=dk", [219000002]),
        ("kind=coast", [2320001]),
        ("ship_type=70", [211000001]),
        ("last_seen_after=2026-05-01T00:00:00Z", [211000001]),
        ("last_seen_before=2026-04-30T00:00:00Z", [219000002]),
    ],
)
def test_vessels_are_searched_and_filtered_the_latest_heard_first(api, query, expected):
    assert found(api.get(f"/api/vessels/?{query}")) == expected


@pytest.mark.usefixtures("fleet")
@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("kind=boat", "kind"),
        ("ship_type=99999", "ship_type"),
        ("last_seen_after=soon", "last_seen_after"),
        ("search=%00", "search"),
    ],
)
def test_a_wrong_filter_is_a_400_that_names_it(api, query, parameter):
    response = api.get(f"/api/vessels/?{query}")
    assert response.status_code == 400
    assert list(response.json()) == [parameter]


@pytest.mark.usefixtures("fleet")
def test_pages_follow_a_cursor_and_nothing_is_counted(api):
    with CaptureQueriesContext(connection) as queries:
        first = api.get("/api/vessels/?page_size=2").json()
        second = api.get(first["next"]).json()
    assert [row["mmsi"] for row in first["results"] + second["results"]] == [211000001, 2320001, 219000002]
    assert second["next"] is None and "count" not in first
    assert not [query for query in queries if "COUNT(" in query["sql"].upper()]
    assert api.get("/api/vessels/?cursor=nonsense").status_code == 404


def test_aircraft_are_searched_and_filtered(api):
    plane("3c6444", callsign="DLH4AB", registration="D-AIBD", type_code="A319")
    plane("~2a0001", callsign="N1")
    assert found(api.get("/api/aircraft/?search=dlh")) == ["3c6444"]
    assert found(api.get("/api/aircraft/?search=d-ai")) == ["3c6444"]
    assert found(api.get("/api/aircraft/?search=~2A0001")) == ["~2a0001"]
    assert found(api.get("/api/aircraft/?type_code=a319")) == ["3c6444"]


def test_stations_are_listed_filtered_and_shown(api):
    Station.objects.create(mmsi=2320001, kind="base", latitude=51, longitude=1, first_seen=NOON, last_seen=NOON)
    Station.objects.create(mmsi=992111840, kind="aid", name="BUOY 7", first_seen=NOON, last_seen=NOON)
    assert found(api.get("/api/stations/")) == [2320001, 992111840]
    assert found(api.get("/api/stations/?kind=aid")) == found(api.get("/api/stations/?search=buoy")) == [992111840]
    page = api.get("/api/stations/002320001/").json()
    assert (page["mmsi"], page["live"], page["live_available"]) == (2320001, None, True)
    assert api.get("/api/stations/1/").json() == {"detail": "No station has the MMSI 1."}


# --- one of them ------------------------------------------------------------------------------------------------------


def test_a_vessel_is_shown_with_its_latest_position_whatever_zeros_lead_its_mmsi(api):
    sail(vessel(2320001), NOON - dt.timedelta(hours=1), NOON)
    page = api.get("/api/vessels/002320001/").json()
    assert (page["mmsi"], page["position"]["timestamp"], page["position"]["speed"]) == (
        2320001,
        "2026-05-01T12:00:00Z",
        9.5,
    )
    assert page == api.get("/api/vessels/2320001/").json()


def test_the_latest_position_is_found_however_long_ago_it_was(api):
    sail(vessel(211000001), NOON - dt.timedelta(days=90))
    assert api.get("/api/vessels/211000001/").json()["position"]["timestamp"] == "2026-01-31T12:00:00Z"
    vessel(211000002)
    assert api.get("/api/vessels/211000002/").json()["position"] is None


@pytest.mark.parametrize("address", ["3c6444", "3C6444"])
def test_an_icao_address_may_be_written_in_either_case(api, address):
    fly(plane("3c6444"), NOON)
    assert api.get(f"/api/aircraft/{address}/").json()["position"]["altitude"] == 33000


def test_an_address_that_is_not_from_icao_keeps_its_tilde(api):
    fly(plane("~2a0001"), NOON)
    assert api.get("/api/aircraft/~2A0001/").json()["icao"] == "~2a0001"
    assert len(api.get("/api/aircraft/~2a0001/track/").json()["points"]) == 1
    assert api.get("/api/aircraft/2a0001/").status_code == 404


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("vessels/211000009/", "No vessel has the MMSI 211000009."),
        ("vessels/abc/", "'abc' is not an MMSI: 1 to 9 digits."),
        ("vessels/0/", "'0' is not an MMSI: 1 to 9 digits."),
        ("vessels/1234567890/track/", "'1234567890' is not an MMSI: 1 to 9 digits."),
        ("vessels/%00/", "'\\x00' is not an MMSI: 1 to 9 digits."),
        ("aircraft/3c6445/", "No aircraft has the ICAO address 3c6445."),
        ("aircraft/zz/", "'zz' is not an ICAO address: six hex digits, ~ in front where it is not from ICAO."),
        ("nothing/", "There is nothing at this address; /api/docs/ lists what there is."),
    ],
)
def test_what_is_not_there_is_a_404_that_says_why(api, path, text):
    response = api.get(f"/api/{path}")
    assert (response.status_code, response.json()) == (404, {"detail": text})


# --- tracks -----------------------------------------------------------------------------------------------------------


def track(api: APIClient, **query: str) -> Any:
    return api.get("/api/vessels/211000001/track/", query)


def times(response: Any) -> list[str]:
    assert response.status_code == 200, response.content
    return [point["timestamp"] for point in response.json()["points"]]


def test_a_track_is_by_default_the_last_day_before_the_latest_report_in_order(api):
    sail(vessel(211000001), NOON, NOON - dt.timedelta(hours=23), NOON - dt.timedelta(hours=25))
    assert times(track(api)) == ["2026-04-30T13:00:00Z", "2026-05-01T12:00:00Z"]


def test_a_track_has_the_report_that_is_newer_than_last_seen_by_less_than_its_exactness(api):
    sail(vessel(211000001), NOON + dt.timedelta(seconds=59))
    assert len(times(track(api))) == 1


@pytest.mark.parametrize(
    ("start", "end"),
    [
        ("2026-05-01T11:00:00Z", "2026-05-01T12:00:00Z"),
        ("2026-05-01T13:00:00+02:00", "2026-05-01T12:00:00"),
        ("2026-05-01T13:00:00 02:00", "2026-05-01 12:00"),
        ("1777633200", "1777636800.0"),
    ],
)
def test_ends_of_a_track_are_iso_8601_or_epoch_seconds_begin_included_end_excluded(api, start, end):
    sail(vessel(211000001), NOON, NOON - dt.timedelta(hours=1), NOON - dt.timedelta(seconds=1))
    assert times(track(api, **{"from": start, "to": end})) == ["2026-05-01T11:00:00Z", "2026-05-01T11:59:59Z"]


@pytest.mark.parametrize(
    ("query", "parameter", "text"),
    [
        ({"from": "yesterday"}, "from", "Not a time"),
        ({"to": "1777636800000"}, "to", "Not a time"),
        ({"from": "2026-05-02", "to": "2026-05-01"}, "to", "later than"),
        ({"from": "2026-05-01", "to": "2026-05-01"}, "to", "later than"),
        ({"from": "2026-04-01", "to": "2026-05-03"}, "from", "32 days, at most 31"),
        ({"from": "0001-01-01T00:00:00+14:00"}, "from", "Not a time"),
    ],
)
def test_a_wrong_range_is_a_400_that_says_what_is_allowed(api, query, parameter, text):
    vessel(211000001)
    response = track(api, **query)
    assert response.status_code == 400
    assert text in response.json()[parameter][0]


def test_a_track_from_after_the_latest_report_is_empty_and_no_error(api):
    sail(vessel(211000001), NOON)
    assert times(track(api, **{"from": "2026-05-02"})) == []
    assert times(track(api, to="0001-01-01T00:00:00Z")) == []


def test_a_long_track_is_cut_and_says_where_it_goes_on(api, monkeypatch):
    monkeypatch.setattr(views, "TRACK_POINTS", 2)
    sail(vessel(211000001), *(NOON - dt.timedelta(minutes=back, milliseconds=1) for back in range(5)))
    seen, response = [], track(api)
    assert response.json()["truncated"] is True
    for _ in range(3):
        seen += times(response)
        if response.json()["next"]:
            response = api.get(response.json()["next"])
    assert response.json()["truncated"] is False and len(seen) == len(set(seen)) == 5 and seen == sorted(seen)


def test_a_track_opens_the_partitions_of_its_days_and_no_other(api):
    days = [dt.date(2026, 4, 28) + dt.timedelta(days=offset) for offset in range(5)]
    with connection.cursor() as cursor:
        for day in days:  # partitions.make commits through another connection, which a test must not
            name = f"tracking_vesselposition_{day:%Y%m%d}"
            cursor.execute(
                f'CREATE TABLE "{name}" PARTITION OF tracking_vesselposition '
                f"FOR VALUES FROM ('{day} 00:00+00') TO ('{day + dt.timedelta(days=1)} 00:00+00')"
            )
    sail(vessel(211000001), NOON, NOON - dt.timedelta(hours=20))
    with CaptureQueriesContext(connection) as queries:
        assert len(times(track(api))) == 2
    [sql] = [query["sql"] for query in queries if 'FROM "tracking_vesselposition"' in query["sql"]]
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN {sql}")
        plan = "\n".join(line for (line,) in cursor.fetchall())
    assert set(re.findall(r"tracking_vesselposition_\w+?(?= |$)", plan)) >= {"tracking_vesselposition_20260430"}
    assert "20260501" in plan and "20260429" not in plan and "20260502" not in plan and "_default" not in plan


# --- cost and conditions ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "budget"),
    [
        ("vessels/", 2),
        ("vessels/211000001/", 4),
        ("vessels/211000001/track/", 4),
        ("aircraft/", 3),  # registers are asked once
        ("aircraft/3c6444/", 6),
        ("aircraft/3c6444/track/", 4),
        ("stations/", 2),
        ("stations/2320001/", 2),
        ("feeds/", 2),
    ],
)
def test_no_address_asks_more_of_the_database_than_its_budget(api, django_assert_max_num_queries, path, budget):
    for mmsi in range(211000001, 211000011):
        sail(vessel(mmsi), NOON - dt.timedelta(days=3))
        plane(f"3c64{mmsi % 100 + 43:02d}")
    Station.objects.create(mmsi=2320001, kind="base", first_seen=NOON, last_seen=NOON)
    with django_assert_max_num_queries(budget):
        assert api.get(f"/api/{path}").status_code == 200


@pytest.mark.parametrize(
    "path", ["vessels/", "vessels/1/", "vessels/1/track/", "aircraft/", "stations/", "feeds/", "live/vessels/"]
)
def test_nobody_is_a_401_and_a_session_or_a_token_will_do(api, user, path):
    vessel(1)
    response = Client().get(f"/api/{path}")
    assert response.status_code == 401 and response.json()["detail"] and response["WWW-Authenticate"] == "Token"
    session = Client()
    session.force_login(user)
    assert session.get(f"/api/{path}").status_code == api.get(f"/api/{path}").status_code == 200


def test_the_api_writes_nothing(api):
    vessel(1)
    for method in (api.post, api.put, api.patch, api.delete):
        assert method("/api/vessels/1/").status_code == 405


def test_too_many_requests_are_a_429_that_says_when_to_come_again(api, monkeypatch):
    monkeypatch.setattr(throttles.UserRate, "rate", "2/min", raising=False)
    codes = [api.get("/api/stations/").status_code for _ in range(3)]
    refused = api.get("/api/stations/")
    assert codes == [200, 200, 429]
    assert 0 < int(refused["Retry-After"]) <= 60 and "throttled" in refused.json()["detail"]


def _cache_at(settings: Any, url: str) -> None:
    options = {"CONNECTION_POOL_KWARGS": redis_pool_options(url, settings.DATA_DIR)}
    cache = {"BACKEND": "django_redis.cache.RedisCache", "LOCATION": url, "OPTIONS": options}
    settings.CACHES = settings.CACHES | {"default": cache, "live": cache}


def test_without_its_cache_the_api_answers_unthrottled_and_says_so_once(api, settings, caplog, monkeypatch):
    monkeypatch.setattr(throttles.UserRate, "rate", "1/min", raising=False)
    _cache_at(settings, CLOSED)
    assert [api.get("/api/vessels/").status_code for _ in range(4)] == [200] * 4
    assert [record.getMessage()[:26] for record in caplog.records if record.name == throttles.__name__] == [
        "requests are not throttled"
    ]


def test_without_live_redis_a_vessel_is_shown_and_says_that_live_state_is_away(api, settings):
    sail(vessel(1), NOON)
    _cache_at(settings, CLOSED)
    page = api.get("/api/vessels/1/").json()
    assert page["position"]["speed"] == 9.5 and page["live"] is None and page["live_available"] is False


@pytest.mark.django_db(transaction=True)
def test_without_postgresql_the_answer_is_a_503_and_public_live_state_serves_on(user, api, settings, monkeypatch):
    settings.LIVE_PUBLIC = True
    session = Client()
    session.force_login(user)
    connection.close()
    monkeypatch.setitem(connection.settings_dict, "HOST", "127.0.0.1")
    monkeypatch.setitem(connection.settings_dict, "PORT", "1")
    response = api.get("/api/vessels/")
    assert response.status_code == 503 and response["Retry-After"] == "5"
    assert response.json() == {"detail": "The database is not available at the moment; live state may still be."}
    for client in (api, session):
        assert client.get("/api/live/vessels/").json() == {"count": 0, "truncated": False, "results": []}


# --- schema and documentation -----------------------------------------------------------------------------------------


def test_every_address_is_documented_with_its_errors():
    schema = Client().get("/api/schema/?format=json").json()
    paths = {path: methods for path, methods in schema["paths"].items() if path.split("/")[2] in OURS}
    assert len(paths) == 32
    for path, methods in paths.items():
        expected = {"200", "401", "429", "503"} | ({"404"} if "{" in path else {"400"})
        assert expected <= set(methods["get"]["responses"]), path


def test_the_documentation_fetches_nothing_from_elsewhere(client):
    page = client.get("/api/docs/").content.decode()
    assert "swagger-ui" in page
    assert not re.findall(r"""(?:src|href)=["'](?:https?:)?//""", page)
    assert client.get("/api/").headers["Location"] == "/api/docs/"
