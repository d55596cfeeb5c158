"""Live state on a real Redis with RedisJSON: who wins, what ages, what expires, what a box holds."""

import json
import random
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from redis import Redis

from tracking.live.state import Document, LiveKind, LiveState, LiveUpdate, LiveWrite

pytestmark = pytest.mark.usefixtures("live_redis")

WRITTEN, STALE, REFUSED = LiveWrite(written=1), LiveWrite(stale=1), LiveWrite(refused=1)


@pytest.fixture
def vessels() -> LiveState:
    return LiveState(LiveKind.VESSEL)


@pytest.fixture
def now(live_redis: Redis) -> float:
    """The server's clock, which is the one that counts, in milliseconds; steps of 1/8 s keep sums exact."""
    seconds, microseconds = live_redis.time()
    return round(seconds + microseconds / 1e6, 3)


def at(ts: float, latitude: float = 54.5, longitude: float = 10.25, key: str = "211", **fields: Any) -> LiveUpdate:
    return LiveUpdate(key=key, ts=ts, latitude=latitude, longitude=longitude, fields=fields)


def known(redis: Redis, kind: str = "vessels") -> dict[str, int]:
    """How many members each set of a kind has."""
    sizes = {name: redis.zcard(f"v2:{kind}:{name}") for name in ("active", "geo", "polar")}
    return sizes | {"fields": redis.hlen(f"v2:{kind}:fields")}


def keys(documents: list[Document]) -> set[str]:
    return {document["id"] for document in documents}


# --- the newest wins --------------------------------------------------------------------------------------------------


def test_a_first_report_makes_a_document_with_position_fields_and_no_ages(vessels, now):
    assert vessels.write([at(now, speed=12.5, source="harbour")]) == WRITTEN
    expected = {"id": "211", "ts": now, "lat": 54.5, "lon": 10.25, "speed": 12.5, "source": "harbour", "ages": {}}
    assert vessels.get("211") == expected
    assert vessels.get_many(["211", "999"]) == {"211": expected}
    assert vessels.count() == 1


@pytest.mark.parametrize("earlier_by", [0.0, 0.001, 60.0])
def test_a_report_that_is_not_newer_changes_nothing(vessels, now, earlier_by):
    vessels.write([at(now, speed=1.0)])
    before = vessels.get("211")
    assert vessels.write([at(now - earlier_by, 10.0, 20.0, speed=9.0, course=5.0)]) == STALE
    assert vessels.get("211") == before
    assert vessels.in_box(19, 9, 21, 11) == []


def test_the_newest_of_one_call_wins_though_the_caller_did_not_fold(vessels, live_redis, now):
    assert vessels.write([at(now - 5), at(now, 88.0), at(now - 1, 10.0)]) == LiveWrite(written=2, stale=1)
    assert vessels.write([at(now - 5, 88.0, key="212"), at(now, 10.0, key="212")]) == LiveWrite(written=2)
    assert keys(vessels.in_box(-180, 80, 180, 90)) == {"211"}
    assert keys(vessels.in_box(-180, -90, 180, 80)) == {"212"}
    assert known(live_redis) == {"active": 2, "geo": 1, "polar": 1, "fields": 2}


def test_two_writers_at_once_keep_the_newest(vessels, now):
    def write(seed: int) -> None:
        order = random.Random(seed)
        for _ in range(30):
            times = [(str(target), now - order.randrange(1000)) for target in range(40)]
            vessels.write([at(ts, key=key, speed=ts) for key, ts in times])

    vessels.write([at(now, key="40", speed=now)])
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(write, (1, 2)))
    newest = {str(target): 0.0 for target in range(40)}
    for seed in (1, 2):
        order = random.Random(seed)
        for _ in range(30):
            for target in range(40):
                newest[str(target)] = max(newest[str(target)], now - order.randrange(1000))
    documents = vessels.get_many(newest)
    assert {key: document["ts"] for key, document in documents.items()} == newest
    assert all(document["speed"] == document["ts"] for document in documents.values())


def test_the_kinds_do_not_meet(vessels, live_redis, now):
    aircraft, stations = LiveState(LiveKind.AIRCRAFT), LiveState(LiveKind.STATION)
    aircraft.write([at(now, key="4ca7b5", altitude=35000), at(now, key="~4ca7b6")])
    stations.write([at(now, key="992111840")])
    assert vessels.count() == 0 and aircraft.count() == 2 and stations.count() == 1
    assert live_redis.exists("v2:aircraft:4ca7b5", "v2:aircraft:geo", "v2:station:992111840", "v2:stations:active") == 4
    aircraft.clear()
    assert [*live_redis.scan_iter("v2:aircraft:*")] == [] and stations.count() == 1


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


# --- ages -------------------------------------------------------------------------------------------------------------


def test_an_absent_heading_keeps_its_value_with_its_age_until_it_is_heard_again(vessels, now):
    vessels.write([at(now - 30, speed=1.0, heading=45)])
    for ts in (now - 20, now - 10):
        vessels.write([at(ts, speed=2.0)])
        document = vessels.get("211")
        assert (document["heading"], document["ages"], document["ts"]) == (45, {"heading": now - 30}, ts)
    vessels.write([at(now, heading=50)])
    document = vessels.get("211")
    assert (document["heading"], document["ages"]) == (50, {"speed": now - 10})


def test_a_report_without_position_keeps_the_old_one_with_its_age_on_the_map(vessels, now):
    vessels.write([at(now - 30, speed=1.0)])
    vessels.write([LiveUpdate("211", now, fields={"speed": 2.0})])
    (document,) = vessels.in_box(10, 54, 11, 55)
    assert [json.loads(raw) for raw in vessels.encoded_in_box(10, 54, 11, 55, 1)] == [document]
    assert document == {"id": "211", "ts": now, "lat": 54.5, "lon": 10.25, "speed": 2.0, "ages": {"position": now - 30}}


def test_ages_given_are_stored_beside_those_that_arise(vessels, now):
    vessels.write([at(now - 30, speed=1.0, course=9.0, heading=45)])
    update = at(now, speed=2.0, course=10.0)
    update.ages = {"position": now - 5, "course": now - 2.5}
    vessels.write([update])
    assert vessels.get("211")["ages"] == {"position": now - 5, "course": now - 2.5, "heading": now - 30}
    update.ts, update.ages = now + 1, {"course": now - 2}
    vessels.write([update])
    assert vessels.get("211")["ages"] == {"course": now - 2, "heading": now - 30}


@pytest.mark.parametrize("with_static", [0.0, 0.1])
def test_any_order_of_fields_leaves_what_a_plain_model_gives(vessels, now, with_static):
    order = random.Random(7)
    values: dict[str, tuple[int, float]] = {}
    static: dict[str, int] = {}
    for step in range(200):
        ts = now - 400 + step
        given = order.sample(["speed", "course", "heading", "status", "position"], order.randint(1, 5))
        update = LiveUpdate("211", ts, fields={name: step for name in given if name != "position"})
        if "position" in given:
            update.latitude, update.longitude = float(step % 90), 1.0
        update.ages = {name: ts - 1.5 for name in given[1:] if order.random() < 0.2}
        update.static = {name: step for name in ("name", "length") if order.random() < with_static}
        vessels.write([update])
        values |= {name: (step, update.ages.get(name, ts)) for name in given}
        static |= update.static
        document = vessels.get("211")
        assert document["ages"] == {name: age for name, (_, age) in values.items() if age != ts}
        known = {name: value for name, (value, _) in values.items() if name != "position"} | static
        place = {"lat", "lon"} if "position" in values else set()
        assert document == {name: document[name] for name in {"id", "ts", "ages"} | place} | known


# --- static values ----------------------------------------------------------------------------------------------------


def test_static_values_make_a_target_without_position_that_takes_an_older_one(vessels, live_redis, now):
    assert vessels.write([LiveUpdate("211", now, static={"name": "MARIA"})]) == WRITTEN
    assert vessels.get("211") == {"id": "211", "ts": now, "name": "MARIA", "ages": {}}
    assert known(live_redis) == {"active": 1, "geo": 0, "polar": 0, "fields": 1}
    assert vessels.write([at(now - 3)]) == WRITTEN
    expected = {"id": "211", "ts": now - 3, "name": "MARIA", "lat": 54.5, "lon": 10.25, "ages": {}}
    assert vessels.get("211") == expected
    assert vessels.write([at(now - 4)]) == STALE


def test_stale_static_values_outlive_the_position_that_follows(vessels, now):
    vessels.write([at(now - 10, speed=1.0)])
    stale = at(now - 20)
    stale.static = {"name": "MARIA"}
    assert vessels.write([stale]) == STALE
    vessels.write([at(now, speed=2.0)])
    assert (vessels.get("211")["name"], vessels.get("211")["speed"]) == ("MARIA", 2.0)


def test_static_values_keep_a_target_alive_only_while_nothing_else_is_known(vessels, now):
    vessels.write([LiveUpdate("211", now - 20, static={"name": "A"})])
    vessels.write([LiveUpdate("211", now - 10, static={"name": "B"})])
    assert (vessels.get("211")["ts"], vessels.get("211")["name"]) == (now - 10, "B")
    vessels.write([at(now - 12)])
    assert vessels.write([LiveUpdate("211", now, static={"name": "C"})]) == WRITTEN
    assert (vessels.get("211")["ts"], vessels.get("211")["name"]) == (now - 12, "C")


def test_static_values_of_a_stale_report_are_merged_and_keep_the_expiry(vessels, live_redis, now):
    vessels.write([at(now, speed=1.0)])
    expiry = live_redis.pexpiretime("v2:vessel:211")
    update = at(now - 1, speed=2.0)
    update.static = {"name": "MARIA", "imo": 9074729}
    assert vessels.write([update]) == STALE
    document = vessels.get("211")
    assert (document["speed"], document["name"], document["imo"]) == (1.0, "MARIA", 9074729)
    assert live_redis.pexpiretime("v2:vessel:211") == expiry


def test_static_values_never_make_a_document_without_expiry(vessels, live_redis, now):
    vessels.write([at(now)])
    live_redis.unlink("v2:vessel:211")  # evicted, say: the sets still know it
    vessels.write([LiveUpdate("211", now, static={"name": "A"})])
    assert not live_redis.exists("v2:vessel:211")


# --- boxes ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def globe(vessels, now) -> list[tuple[str, float, float]]:
    """20,000 targets as (key, latitude, longitude), half of them crowded in one bay, some on the edges of the globe."""
    order = random.Random(11)
    spread = [(round(order.uniform(-90, 90), 7), round(order.uniform(-180, 180), 7)) for _ in range(10_000)]
    crowd = [(round(order.gauss(54, 0.5), 7), round(order.gauss(10, 0.5), 7)) for _ in range(9_990)]
    edges = [(lat, lon) for lat in (-90.0, -85.05112878, 0.0, 85.05112878, 90.0) for lon in (-180.0, 180.0)]
    points = [(str(key), lat, lon) for key, (lat, lon) in enumerate(spread + crowd + edges)]
    assert vessels.write([at(now, lat, lon, key) for key, lat, lon in points]) == LiveWrite(written=20_000)
    return points


def test_a_box_holds_exactly_what_brute_force_finds(vessels, globe):
    order = random.Random(13)
    boxes = [(-180, -90, 180, 90), (-180, 85.06, 180, 90), (-180, -90, 180, -85), (9.999, 53.999, 10.001, 54.001)]
    boxes += [(170, -60, -170, 60), (0, -90, -0.001, 90), (180, -90, -180, 90), (-180, 0, -180, 0)]
    boxes += [(lon, lat, lon, lat) for _, lat, lon in order.sample(globe, 5)]
    for size in (0.01, 1, 20, 120):
        for _ in range(10):
            south = order.uniform(-90, 90 - min(size, 90))
            west, east = order.uniform(-180, 180), order.uniform(0, 2 * size)
            boxes.append((west, south, (west + east + 180) % 360 - 180, min(90, south + order.uniform(0, size))))
    for west, south, east, north in boxes:
        across = west > east
        expected = {
            key
            for key, lat, lon in globe
            if south <= lat <= north and ((lon >= west or lon <= east) if across else west <= lon <= east)
        }
        found = vessels.in_box(west, south, east, north)
        assert keys(found) == expected, (west, south, east, north)
        assert len(found) == len(expected)


def test_a_box_over_the_antimeridian_holds_both_sides_and_nothing_between(vessels, now):
    vessels.write([at(now, -17.0, lon, str(lon)) for lon in (179.5, -179.5, 180.0, 0.0)])
    assert keys(vessels.in_box(179, -18, -179, -16)) == {"179.5", "-179.5", "180.0"}


def test_a_target_near_the_pole_is_found_without_geo_and_returns_to_it(vessels, live_redis, now):
    for ts, latitude, in_geo in ((now - 3, 84.0, 1), (now - 2, 88.0, 0), (now - 1, -88.0, 0), (now, 85.0, 1)):
        assert vessels.write([at(ts, latitude)]) == WRITTEN
        assert known(live_redis) == {"active": 1, "geo": in_geo, "polar": 1 - in_geo, "fields": 1}
        assert keys(vessels.in_box(10, latitude - 0.1, 11, latitude + 0.1)) == {"211"}
        assert vessels.in_box(11, -90, 12, 90) == []


def test_a_limit_cuts_the_box(vessels, globe):
    assert len(vessels.in_box(-180, -90, 180, 90, limit=1500)) == 1500


@pytest.mark.parametrize(
    "box", [(0, 10, 1, 9), (-181, 0, 0, 1), (0, 0, 181, 1), (0, -91, 1, 0), (0, 0, float("nan"), 1)]
)
def test_a_box_off_the_globe_raises(vessels, box):
    with pytest.raises(ValueError, match="no box"):
        vessels.in_box(*box)


def test_changes_come_oldest_first_within_the_box_and_limit(vessels, now):
    vessels.write([at(now - age, 54 + age / 10, key=str(age)) for age in range(10)])
    assert [document["id"] for document in vessels.changed_since(now - 4)] == ["3", "2", "1", "0"]
    assert [document["id"] for document in vessels.changed_since(now - 4, limit=2)] == ["3", "2"]
    assert [document["id"] for document in vessels.changed_since(now - 4, bbox=(10, 54.05, 11, 54.25))] == ["2", "1"]
    assert vessels.changed_since(now) == []


# --- robustness -------------------------------------------------------------------------------------------------------


def test_numbers_survive_exactly(vessels, now):
    names = ("speed", "course", "heading", "status", "score", "source")
    exact = dict(zip(names, (1767225600.123, 9007199254740991, 12.3456789012345, -0.1, True, 'Ærø "1"'), strict=True))
    vessels.write([at(now - 0.125, 54.1234567890123, **exact), at(now, key="212")])
    document = vessels.get("211")
    assert {name: document[name] for name in exact} == exact
    assert (document["lat"], document["ts"]) == (54.1234567890123, now - 0.125)
    vessels.write([at(now + 0.5, **{name: exact[name] for name in names[:-1]})])
    assert vessels.get("211")["ages"] == {"source": now - 0.125}


def test_a_call_of_thousands_is_written_whole(vessels, now):
    updates = [at(now, order % 80, order % 180, str(order), speed=1.0) for order in range(3001)]
    assert vessels.write(updates) == LiveWrite(written=3001)
    assert vessels.write(iter(updates)) == LiveWrite(stale=3001)
    assert vessels.count() == len(vessels.get_many(str(order) for order in range(3001))) == 3001


def test_nothing_to_write_asks_nobody(vessels, live_redis):
    assert vessels.write([]) == LiveWrite()
    assert live_redis.dbsize() == 0


def test_a_server_that_forgot_the_scripts_is_told_again(vessels, live_redis, now):
    vessels.write([at(now - 1)])
    vessels.reap()
    live_redis.script_flush()
    assert vessels.write([at(now)]) == WRITTEN
    live_redis.script_flush()
    assert vessels.reap() == 0


@pytest.mark.parametrize(
    "broken",
    [
        {"latitude": 90.01},
        {"longitude": -180.5},
        {"latitude": float("nan")},
        {"longitude": None},
        {"latitude": None},
        {"ts": float("nan")},
        {"fields": {"heading": None}},
        {"fields": {"altitude": 1000}},
        {"ages": {"heading": 1.0}},
    ],
)
def test_an_impossible_update_raises_and_writes_nothing_of_its_call(vessels, live_redis, now, broken):
    update = at(now, key="212")
    for name, value in broken.items():
        setattr(update, name, value)
    with pytest.raises(ValueError, match="212"):
        vessels.write([at(now), update])
    assert live_redis.dbsize() == 0


def test_the_script_itself_refuses_a_position_before_its_first_write(vessels, live_redis, now, monkeypatch):
    monkeypatch.setattr("tracking.live.state._check", lambda update: None)
    with pytest.raises(Exception, match="position out of range: 212"):
        vessels.write([at(now), at(now, 10.0, 180.5, "212")])
    assert live_redis.dbsize() == 0


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
