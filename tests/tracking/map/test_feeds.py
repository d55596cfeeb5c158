"""Feeds on the map, two receivers compared, and why a target is not there."""

import datetime as dt
import time
from typing import Any

import msgspec
import pytest
from django.apps import apps
from django.contrib.auth.models import Permission, User
from django.db import OperationalError
from django.test import Client
from django_redis import get_redis_connection
from redis import RedisError

from ingest.health import keys
from ingest.health.shown import sections
from ingest.models import Feed, Scorecard
from ingest.reports import StationTime
from ingest.scorecards import reach as offered
from ingest.stages.storing.store import MESSAGE_KIND
from tests.support.feeds_world import heard
from tests.support.letters import make_letter
from tests.support.past_world import remember
from tracking.live.mirror import mirror
from tracking.live.state import LiveKind, LiveState, LiveUpdate
from tracking.live_api.live import answers
from tracking.map import blindness, reach
from tracking.truth.models import Dispute, RefusedPosition

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("live_redis")]
NOW = dt.datetime.now(dt.UTC)


@pytest.fixture(autouse=True)
def public(settings: Any) -> Any:
    settings.LIVE_PUBLIC = True
    queue = get_redis_connection("queue")
    queue.flushdb()
    answers.clear()
    blindness._remembered.clear()
    reach._known.days, reach._known.until = {}, 0.0
    mirror.__init__()  # type: ignore[misc]  # as a process that has just begun
    sections._known.until = 0.0
    yield
    queue.flushdb()


def test_a_silent_feed_is_told_with_its_last_message_and_where_nobody_else_hears(client: Client) -> None:
    heard("pier", 244660001)
    heard("roof", "484100", ago=3600)
    remember(NOW - dt.timedelta(hours=1), ships=2, aircraft=1)
    live = {"source": "pier"}
    LiveState(LiveKind.VESSEL).write([LiveUpdate("244660001", time.time(), 51.75, 2.6, live)])
    LiveState(LiveKind.AIRCRAFT).write([LiveUpdate("484200", time.time(), 53.75, 2.1, live)])
    told = client.get("/api/live/feeds/").json()
    feeds = {one["feed"]: one for one in told["feeds"]}
    assert (feeds["pier"]["well"], feeds["pier"]["targets"], feeds["pier"]["blind"]) == (True, 2, [])
    assert not feeds["roof"]["well"]
    assert feeds["roof"]["since"] == pytest.approx(time.time() - 3600, abs=60)
    blind = feeds["roof"]["blind"]
    assert [2.0, 54.0] in blind  # the end of the aircraft's way
    assert [2.5, 51.5] not in blind  # there pier hears a ship
    assert [2.0, 53.5] not in blind  # and there an aircraft, where roof heard its own


def test_two_receivers_are_compared_by_whom_each_has_heard(client: Client) -> None:
    heard("pier", 244660001, 244660002, "484100")
    heard("roof", 244660002, 244660003)
    told = client.get("/api/live/receivers/", {"a": "pier", "b": "roof"}).json()
    assert told == {"only_a": ["a484100", "v244660001"], "only_b": ["v244660003"], "both": ["v244660002"]}
    assert client.get("/api/live/receivers/", {"a": "pier"}).status_code == 400


YESTERDAY = NOW.date() - dt.timedelta(days=1)


def outlined(feed: str, day: dt.date, sectors: list[list[float]] | None) -> None:
    Scorecard.objects.create(source=feed, day=day, heard=1, first=1, alone=1, refused=0, sectors=sectors)


@pytest.fixture
def antennas() -> None:
    """One that has a place and an outline of the day before yesterday, and one that has no place any more."""
    where = {"receiver_latitude": 52.12345, "receiver_longitude": 4.6789}
    Feed.objects.create(name="Pier", source="pier", url="udp://0.0.0.0:1", **where)
    Feed.objects.create(name="Roof", source="roof", url="udp://0.0.0.0:2")
    outlined("pier", YESTERDAY - dt.timedelta(days=1), [[40.0, 30.0], [0.0, 0.0]] * 18)
    outlined("pier", YESTERDAY - dt.timedelta(days=2), [[99.0, 98.0]] * 36)
    outlined("pier", YESTERDAY, None)
    outlined("roof", YESTERDAY, [[50.0, 40.0]] * 36)
    heard("pier", 244660001)
    heard("roof", "484100")


@pytest.mark.usefixtures("antennas")
def test_the_reach_of_a_feed_is_that_of_the_latest_day_that_has_one_around_its_antenna(client: Client) -> None:
    feeds = {one["feed"]: one for one in client.get("/api/live/feeds/").json()["feeds"]}
    day = (YESTERDAY - dt.timedelta(days=1)).isoformat()
    assert (feeds["pier"]["reach"], feeds["roof"]["reach"]) == (day, None)
    told = client.get("/api/live/feeds/pier/reach/").json()
    assert (told["feed"], told["day"], told["lat"], told["lon"]) == ("pier", day, 52.12, 4.68)
    assert (told["furthest"][:2], told["usual"][:2], len(told["usual"])) == ([40.0, 0.0], [30.0, 0.0], 36)
    assert client.get("/api/live/feeds/roof/reach/").status_code == 404


@pytest.mark.usefixtures("antennas")
def test_feeds_are_told_while_the_database_is_away_with_what_was_known_of_their_reach(
    client: Client, monkeypatch: Any
) -> None:
    before = client.get("/api/live/feeds/").json()["feeds"]

    def away(*args: Any) -> None:
        raise OperationalError("away")

    monkeypatch.setattr(offered, "_outlined", away)
    reach._known.until = 0.0
    answers.clear()
    assert [one["reach"] for one in client.get("/api/live/feeds/").json()["feeds"]] == [one["reach"] for one in before]
    assert client.get("/api/live/feeds/pier/reach/").status_code == 503


def test_the_clocks_of_a_feeds_stations_are_added_up(client: Client) -> None:
    heard("pier", 244660001)
    heard("roof", "484100")
    stations = [("mast", "own", -190_000), ("pier", "own", 12_300), ("quay", "own", 0), ("far", "arrival", 0)]
    told = [StationTime(*one, 64) for one in [*stations, ("new", "unknown", 0)]]
    get_redis_connection("queue").set(keys.clocks("pier"), msgspec.json.encode(told))
    feeds = {one["feed"]: one for one in client.get("/api/live/feeds/").json()["feeds"]}
    assert feeds["pier"]["clocks"] == {"stations": 4, "corrected": 2, "ahead": -190.0, "disbelieved": 1}
    assert feeds["roof"]["clocks"] is None


def found(client: Client, address: str) -> dict[str, tuple[str, str]]:
    told = client.get(address).json()
    return {one["title"]: (one["state"], one["text"]) for one in told["findings"]}


@pytest.fixture
def operator(client: Client) -> Client:
    user = User.objects.create_user("ada", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="view_deadletter"))
    client.force_login(user)
    return client


def test_why_a_ship_is_not_here_is_told_from_reception_to_dead_letters(operator: Client) -> None:
    remember(NOW - dt.timedelta(hours=2), ships=2, aircraft=0)
    where = {"subject": "vessel", "identity": "244660001", "latitude": 1, "longitude": 2, "source": "pier"}
    RefusedPosition.objects.create(**where, timestamp=NOW, reason=-1)
    Dispute.objects.create(subject="vessel", identity="244660001", since=NOW, judged_until=NOW)
    heard("pier", 244660001)
    sentence = b"!AIVDM,1,1,,A,13u?etPv2;0n:dDPwUM1U1Cb069D,0*24"
    make_letter(kind=MESSAGE_KIND, raw=sentence, context={"format": "nmea", "trust": 50, "invented": False})
    told = found(operator, "/api/vessels/244660001/why/")
    assert told["On the map"][0] == "warn"
    assert told["Heard"] == ("good", "by pier")
    assert told["Stored in 24 h"][1].startswith("91 of pier")
    assert told["Rejected in 7 days"] == ("warn", "1 outlier")
    assert told["Quarantined"][0] == "warn"
    assert told["Dead letters"][0] == "good"
    told = found(operator, "/api/vessels/265547250/why/")  # of whom the letter speaks
    assert told["Known"][0] == "warn"
    assert told["Dead letters"] == ("warn", "1 open: 1 check violation")


def test_who_may_not_see_letters_is_told_nothing_of_them(client: Client) -> None:
    assert client.get("/api/vessels/244660001/why/").status_code == 401
    client.force_login(User.objects.create_user("bob"))
    assert "Dead letters" not in found(client, "/api/vessels/244660001/why/")
    assert client.get("/api/aircraft/xyz/why/").status_code == 404


def test_a_live_target_is_said_to_be_live_while_the_queue_is_away(operator: Client, monkeypatch: Any) -> None:
    LiveState(LiveKind.AIRCRAFT).write([LiveUpdate("484100", time.time(), 52.0, 4.0, {"source": "roof"})])

    assert found(operator, "/api/aircraft/484100/why/")["On the map"][0] == "good"

    def broken(*args: Any) -> None:
        raise RedisError

    monkeypatch.setattr(type(apps.get_app_config("ingest")), "feeds_that_heard", broken)
    assert found(operator, "/api/aircraft/484100/why/")["Heard"][0] == "none"
