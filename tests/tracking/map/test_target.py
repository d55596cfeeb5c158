"""One live target for the card: its document from Redis alone, and its last day without a key."""

import datetime as dt
import time
from typing import Any

import pytest
from django.apps import apps
from django.test import Client
from redis import RedisError

from tracking.live.state import LiveKind, LiveState, LiveUpdate
from tracking.models import Aircraft, AircraftPosition, Vessel, VesselPosition

pytestmark = pytest.mark.usefixtures("live_redis")
NAME = "NORDIC"


@pytest.fixture(autouse=True)
def public(settings: Any) -> None:
    settings.LIVE_PUBLIC = True


def heard(kind: LiveKind = LiveKind.VESSEL, key: str = "244660123", **fields: Any) -> float:
    ts = time.time()
    LiveState(kind).write([LiveUpdate(key, ts, 52.0, 4.0, fields, static={"name": NAME})])
    return ts


def stored(count: int, minutes: float = 1.0) -> None:
    now = dt.datetime.now(dt.UTC)
    ship = Vessel.objects.create(mmsi=244660123, kind="ship", first_seen=now, last_seen=now)
    VesselPosition.objects.bulk_create(
        [
            VesselPosition(
                vessel=ship, timestamp=now - dt.timedelta(minutes=minutes * age), received_at=now, source="pier",
                score=50, latitude=52 - age / 1000, longitude=4.0, speed=10.0, course=0.0,
            )
            for age in range(count)
        ]
    )  # fmt: skip


def test_a_document_is_whole_and_asks_no_database(client: Client) -> None:
    ts = heard(speed=12.3)
    found = client.get("/api/live/vessels/244660123/").json()
    assert found == {
        "id": "244660123",
        "ts": pytest.approx(ts),
        "lat": 52.0,
        "lon": 4.0,
        "speed": 12.3,
        "name": NAME,
        "ages": {},
        "heard_by": [],
    }


def test_it_tells_which_feeds_heard_it_unless_the_queue_is_away(client: Client, monkeypatch: Any) -> None:
    heard()
    config = type(apps.get_app_config("ingest"))
    monkeypatch.setattr(config, "feeds_that_heard", lambda self, key: ["roof", "pier"] if key == "244660123" else [])
    assert client.get("/api/live/vessels/244660123/").json()["heard_by"] == ["pier", "roof"]
    heard(key="244660123/1")
    assert client.get("/api/live/vessels/244660123/1/").json()["heard_by"] == ["pier", "roof"]

    def broken(*args: Any) -> None:
        raise RedisError

    monkeypatch.setattr(config, "feeds_that_heard", broken)
    assert "heard_by" not in client.get("/api/live/vessels/244660123/").json()


@pytest.mark.django_db
def test_of_two_ships_under_one_mmsi_each_has_its_own_track(client: Client) -> None:
    stored(5)
    now = dt.datetime.now(dt.UTC)
    VesselPosition.objects.bulk_create(
        VesselPosition(
            vessel_id=244660123, timestamp=now - dt.timedelta(seconds=age), received_at=now, source="roof",
            score=50, latitude=-33.0, longitude=151.0, track=1,
        )
        for age in (30, 100, 170)
    )  # fmt: skip
    ts = time.time()
    both = {"tracks": 2, "name": NAME}
    ships = [("244660123", 52.0, 4.0), ("244660123/1", -33.0, 151.0)]
    LiveState(LiveKind.VESSEL).write([LiveUpdate(key, ts, lat, lon, static=both) for key, lat, lon in ships])
    assert client.get("/api/live/vessels/244660123/track/").json()["lat"] == [51.996, 51.997, 51.998, 51.999, 52.0]
    beside = client.get("/api/live/vessels/244660123/1/track/").json()
    assert beside["lat"][-3:] == [-33.0] * 3
    assert set(beside["lat"][:-3]) <= {51.996, 51.997}, "what was before there were two"
    assert client.get("/api/live/vessels/244660123/2/track/").status_code == 404


@pytest.mark.parametrize("key", ["244660999", "x", "0"])
def test_who_is_not_live_is_a_404(client: Client, key: str) -> None:
    assert client.get(f"/api/live/vessels/{key}/").status_code == 404


@pytest.mark.django_db
def test_the_last_day_of_a_live_ship_is_open_to_everybody(client: Client) -> None:
    stored(5)
    assert client.get("/api/live/vessels/244660123/track/").status_code == 404
    heard()
    track = client.get("/api/live/vessels/244660123/track/").json()
    assert (track["lat"], track["speed"]) == ([51.996, 51.997, 51.998, 51.999, 52.0], [10.0] * 5)
    assert track["at"] == sorted(track["at"])


@pytest.mark.django_db
def test_what_is_older_than_a_day_takes_a_key_and_a_long_track_is_thinned(client: Client) -> None:
    stored(2000, minutes=1.0)
    heard()
    track = client.get("/api/live/vessels/244660123/track/").json()
    assert 150 < len(track["at"]) <= 600
    assert track["at"][0] > time.time() - 86_400 - 60


@pytest.mark.django_db
def test_the_track_of_an_aircraft_tells_its_altitude(client: Client) -> None:
    now = dt.datetime.now(dt.UTC)
    plane = Aircraft.objects.create(icao="3c6444", first_seen=now, last_seen=now)
    AircraftPosition.objects.create(
        aircraft=plane,
        timestamp=now,
        received_at=now,
        source="roof",
        score=50,
        latitude=52,
        longitude=4,
        altitude=12_000,
    )
    heard(LiveKind.AIRCRAFT, "3c6444", altitude=12_000)
    track = client.get("/api/live/aircraft/3C6444/track/").json()
    assert (track["altitude"], track["ground"]) == ([12_000], [None])


@pytest.mark.django_db
def test_live_state_that_is_not_public_takes_a_key(client: Client, settings: Any) -> None:
    settings.LIVE_PUBLIC = False
    heard()
    assert client.get("/api/live/vessels/244660123/").status_code == 401
