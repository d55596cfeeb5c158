"""Live state on a real Redis with RedisJSON: who wins, what ages, what static values add."""

import json
import random
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.live_updates import STALE, WRITTEN, at, keys, known
from tracking.live.state import LiveKind, LiveState, LiveUpdate, LiveWrite

pytestmark = pytest.mark.usefixtures("live_redis")


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
