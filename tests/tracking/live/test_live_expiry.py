"""Live state: reports whose times are refused, clocks that were set back, and what expires."""

import json
import time
from typing import Any

import pytest
from redis import Redis

from tests.support.live_updates import REFUSED, STALE, WRITTEN, at, keys, known
from tracking.live.state import LiveState, LiveUpdate, LiveWrite

pytestmark = pytest.mark.usefixtures("live_redis")


# --- times that are refused, and expiry -------------------------------------------------------------------------------


def test_a_report_of_the_future_is_refused(vessels, live_redis, now):
    assert vessels.write([at(now + 75)]) == REFUSED
    assert live_redis.dbsize() == 0
    assert vessels.write([at(now + 50)]) == WRITTEN


def ahead(redis: Redis, seconds: float, key: str = "211") -> None:
    """The clock was set back: what was written a moment ago now lies so far ahead."""
    redis.zincrby("v2:vessels:active", seconds, key)
    redis.pexpireat(f"v2:vessel:{key}", redis.pexpiretime(f"v2:vessel:{key}") + round(seconds * 1000))


@pytest.mark.parametrize("set_back", [30.0, 3600.0, 400 * 86400.0])
def test_a_clock_that_was_set_back_freezes_no_target(vessels, live_redis, settings, now, set_back):
    vessels.write([at(now, speed=1.0, heading=90, key=key) for key in ("211", "212")])
    ahead(live_redis, set_back)
    ahead(live_redis, set_back, "212")
    assert vessels.write([at(now - 2, 10.0, 20.0, speed=2.0)]) == WRITTEN
    document = vessels.get("211")
    assert (document["ts"], document["lat"], document["speed"], document["heading"]) == (now - 2, 10.0, 2.0, 90)
    assert document["ages"] == {"heading": now - 2}, "no value is later than its document"
    due = int((now - 2 + settings.LIVE_TTL_SECONDS) * 1000)
    assert due <= live_redis.pexpiretime("v2:vessel:211") <= due + 1
    assert keys(vessels.in_box(19, 9, 21, 11)) == {"211"}
    assert vessels.write([at(now - 1, speed=3.0)]) == WRITTEN, "from then on the newest wins"
    assert vessels.write([at(now - 1.5, speed=9.0)]) == STALE


def test_a_report_that_was_taken_while_ahead_loses_to_one_of_now(vessels, now):
    vessels.write([at(now + 50, speed=1.0)])
    assert vessels.write([at(now + 40, speed=2.0)]) == STALE, "of two that are ahead the newer stays"
    assert vessels.write([at(now, speed=2.0)]) == WRITTEN
    assert vessels.get("211")["speed"] == 2.0


def test_a_late_report_of_a_slow_feed_does_not_replace_one_that_is_a_little_ahead(vessels, now):
    vessels.write([at(now + 20, speed=1.0)])
    assert vessels.write([at(now - 600, speed=2.0)]) == STALE


def test_static_values_alone_that_lie_ahead_take_those_of_now(vessels, live_redis, now):
    vessels.write([LiveUpdate("211", now, static={"name": "A"})])
    ahead(live_redis, 3600)
    vessels.write([LiveUpdate("211", now - 1, static={"name": "B"})])
    assert (vessels.get("211")["ts"], vessels.get("211")["name"]) == (now - 1, "B")


def test_whoever_is_not_heard_again_after_a_clock_was_set_back_far_is_forgotten(vessels, live_redis, settings, now):
    vessels.write([at(now, key=key) for key in ("1", "2", "3")])
    ahead(live_redis, settings.LIVE_TTL_SECONDS + 60, "1")
    ahead(live_redis, settings.LIVE_TTL_SECONDS - 60, "2")
    assert (vessels.reap(), vessels.reap()) == (1, 0)
    assert known(live_redis) == {"active": 2, "geo": 2, "polar": 0, "fields": 2}
    assert set(vessels.get_many("123")) == {"2", "3"}


def test_a_replay_of_what_is_older_than_the_ttl_resurrects_no_ghost(vessels, live_redis, settings, now):
    old = now - settings.LIVE_TTL_SECONDS - 1
    assert vessels.write([at(old), LiveUpdate("212", old, static={"name": "GHOST"})]) == LiveWrite(refused=2)
    assert live_redis.dbsize() == 0


def test_a_document_expires_a_ttl_after_its_event_and_a_newer_report_renews_it(vessels, live_redis, settings, now):
    for ts in (now - 600, now - 30):
        vessels.write([at(ts)])
        due = int((ts + settings.LIVE_TTL_SECONDS) * 1000)
        assert due <= live_redis.pexpiretime("v2:vessel:211") <= due + 1


def test_the_reaper_leaves_no_ghost_of_what_has_expired(vessels, live_redis, settings, now):
    settings.LIVE_TTL_SECONDS = 600
    old = now - 300
    vessels.write([at(old, key="1"), at(old, 88.0, key="2"), at(now, key="3"), at(now, -89.0, key="4")])
    vessels.write([LiveUpdate("5", old, static={"name": "A"})])
    for key in (f"v2:vessel:{number}" for number in (1, 2, 5)):
        assert live_redis.pexpireat(key, live_redis.pexpiretime(key) - 600_000)  # as if ten minutes had passed
    settings.LIVE_TTL_SECONDS = 200
    assert not live_redis.exists("v2:vessel:1", "v2:vessel:2", "v2:vessel:5")
    assert vessels.count() == 2  # a ghost does not count, even before the reaper has come
    assert keys(vessels.in_box(-180, -90, 180, 90)) == {"3", "4"}
    assert (vessels.reap(limit=2), vessels.reap(), vessels.reap()) == (2, 1, 0)
    assert known(live_redis) == {"active": 2, "geo": 1, "polar": 1, "fields": 2}


def test_the_reaper_takes_more_than_lua_can_unpack_at_once(vessels, live_redis, settings, now):
    vessels.write([at(now - 100, key=str(key)) for key in range(9000)])
    settings.LIVE_TTL_SECONDS = 60
    assert vessels.reap(limit=20_000) == 9000
    assert known(live_redis) == {"active": 0, "geo": 0, "polar": 0, "fields": 0}


def test_a_target_that_returns_before_the_reaper_starts_afresh(vessels, live_redis, settings, now):
    vessels.write([at(now - 100, heading=45), at(now - 100, 88.0, key="212")])
    settings.LIVE_TTL_SECONDS = 60
    live_redis.unlink("v2:vessel:211", "v2:vessel:212")  # what expiry does
    vessels.write([LiveUpdate("211", now, fields={"speed": 3.0}), at(now, key="212")])
    assert vessels.get("211") == {"id": "211", "ts": now, "speed": 3.0, "ages": {}}
    assert known(live_redis) == {"active": 2, "geo": 1, "polar": 0, "fields": 2}


def test_fields_expire_one_by_one_for_whoever_reads(vessels: LiveState, settings: Any) -> None:
    now = round(time.time(), 3)
    vessels.write([LiveUpdate("1", now - 400, 54.0, 10.0, {"heading": 91, "speed": 5.0}, static={"name": "A"})])
    vessels.write([LiveUpdate("1", now - 200, None, None, {"speed": 6.0})])
    vessels.write([LiveUpdate("1", now, None, None, {"course": 7.0})])

    def read() -> tuple[dict[str, Any], dict[str, Any]]:
        (encoded, _), *none = vessels.encoded(["1"])
        assert not none
        return vessels.get("1") or {}, json.loads(encoded)

    whole, encoded = read()
    assert whole == encoded and whole["ages"].keys() == {"position", "heading", "speed"}
    settings.LIVE_TTL_SECONDS = 300
    one, other = read()
    left = {"id": "1", "ts": now, "speed": 6.0, "course": 7.0, "name": "A", "ages": {"speed": pytest.approx(now - 200)}}
    assert one == other == left
    assert vessels.in_box(9, 53, 11, 55) == vessels.encoded_in_box(9, 53, 11, 55, 10) == []
