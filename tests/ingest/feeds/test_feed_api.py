"""Feeds over the API: read-only, without secrets."""

import datetime as dt
import time

import pytest
import redis
from django_redis import get_redis_connection

from ingest.health import reading as health_reading
from ingest.health.recorder import Recorder
from ingest.health.standing import Standing, tell
from ingest.models import Feed
from ingest.pipeline import process
from ingest.sources.common import urls as feed_urls
from tests.support.messages import batch, position

pytestmark = pytest.mark.django_db


@pytest.fixture
def feed() -> Feed:
    return Feed.objects.create(name="Pier", url="tcp://reader:hunter2@10.0.0.2:10110", source="pier", score=90)


def test_feeds_are_listed_and_shown_with_masked_addresses(admin_client, feed):
    [listed] = admin_client.get("/api/feeds/").json()["results"]
    shown = admin_client.get(f"/api/feeds/{feed.pk}/").json()
    assert listed == shown
    assert shown["url"] == "tcp://***@10.0.0.2:10110"
    assert (shown["name"], shown["source"], shown["format"], shown["score"], shown["enabled"]) == (
        "Pier",
        "pier",
        "nmea",
        90,
        True,
    )


def test_feeds_are_filtered_by_whether_they_run(admin_client, feed):
    Feed.objects.create(name="Old", url="sim://", source="old", enabled=False)
    names = [row["name"] for row in admin_client.get("/api/feeds/?enabled=false").json()["results"]]
    assert names == ["Old"]


@pytest.mark.parametrize("key", ["0", "x", "9999999999999999999999", "%00"])
def test_a_feed_that_is_not_there_is_a_404(admin_client, key):
    response = admin_client.get(f"/api/feeds/{key}/")
    assert response.status_code == 404
    assert response.json()["detail"].startswith("No feed has the id")


def test_feeds_are_for_users_and_are_not_written_here(client, admin_client, feed):
    assert client.get("/api/feeds/").status_code == client.get(f"/api/feeds/{feed.pk}/").status_code == 401
    assert admin_client.post("/api/feeds/", {}).status_code == 405
    assert admin_client.delete(f"/api/feeds/{feed.pk}/").status_code == 405


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("tcp://10.0.0.2:10110", "tcp://10.0.0.2:10110"),
        ("tcp://user@host:1", "tcp://***@host:1"),
        ("tcp://user:p@ss@host:1", "tcp://***@host:1"),
        ("https://host/a?box=1&api_key=abc&x=2", "https://host/a?box=1&api_key=***&x=2"),
        ("https://host/a?Token=abc#part", "https://host/a?Token=***#part"),
        ("sim://?ships=60&seed=7", "sim://?ships=60&seed=7"),
        ("file:///data/a@b.nmea", "file:///data/a@b.nmea"),
    ],
)
def test_masking_takes_the_secrets_and_leaves_the_rest(url, shown):
    assert feed_urls.masked(url) == shown


@pytest.fixture
def queue():
    """The queue's Redis, where health is kept, empty."""
    client = get_redis_connection("queue")
    client.flushdb()
    yield client
    client.flushdb()


def hear(label: str, ship: int = 244660123) -> int:
    """Have a collector run the feed and accept a batch now, and a worker book it; the time in ms."""
    now = time.time_ns() // 1_000_000
    standing = Standing(label, now - 1000)
    tell([standing], now)
    parcel = batch([position(ship)], now - 1000, recorded=False, accepted_at=now, source=label)
    work = process(parcel, None, booked=())
    recorder = Recorder()
    recorder.accepted(parcel)
    recorder.booked(parcel, work.fused, work.counts)
    recorder.flush()
    return now


def test_a_feed_says_how_it_is(admin_client, feed, queue):
    now = hear("pier")
    health = admin_client.get(f"/api/feeds/{feed.pk}/").json()["health"]
    assert (health["state"], health["reason"], health["alert_since"]) == ("ok", "", None)
    assert dt.datetime.fromisoformat(health["last_message"]).timestamp() == pytest.approx(now / 1000, abs=0.01)
    assert health["counts"] == {"lines": 1, "messages": 1, "positions": 1, "duplicates": 0, "dropped": 0} | {
        "targets": 1,
        "malformed": {},
        "rejected": {},
    }
    assert (health["rejected_share"], health["breaker"]) == (0.0, None)
    assert health["delay_median_seconds"] == pytest.approx(1, rel=0.06)


def test_a_feed_is_told_minute_by_minute(admin_client, feed, queue):
    hear("pier")
    found = admin_client.get(f"/api/feeds/{feed.pk}/minutes/").json()
    assert len(found) == 60
    assert sum(minute["positions"] for minute in found) == 1
    assert found[0]["at"] > found[1]["at"] and found[0]["at"].endswith(":00Z")
    assert admin_client.get("/api/feeds/0/minutes/").status_code == 404


def test_a_page_of_feeds_asks_redis_once(admin_client, feed, queue, monkeypatch):
    Feed.objects.create(name="Old", url="sim://", source="old", enabled=False)
    asked = []
    monkeypatch.setattr(health_reading, "read", lambda subjects, now: asked.append(subjects) or {})
    rows = admin_client.get("/api/feeds/").json()["results"]
    assert [row["health"] for row in rows] == [None, None]
    assert [[each.label for each in subjects] for subjects in asked] == [["pier", "old"]]


def test_feeds_are_shown_without_health_while_redis_is_away(admin_client, feed, monkeypatch):
    def away(*_):
        raise redis.ConnectionError("refused")

    monkeypatch.setattr(health_reading, "get_redis_connection", away)
    shown = admin_client.get(f"/api/feeds/{feed.pk}/")
    assert (shown.status_code, shown.json()["health"]) == (200, None)
    assert admin_client.get(f"/api/feeds/{feed.pk}/minutes/").status_code == 503
