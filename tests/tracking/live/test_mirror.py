"""The mirror of live state: every process answers every cursor alike, and nothing that changed in a box is left out."""

import json
import time
import zlib
from concurrent.futures import ThreadPoolExecutor

import pytest
from django_redis import get_redis_connection
from redis import Redis

from tracking.live.columns import UNKNOWN
from tracking.live.log import number, text
from tracking.live.mirror import TICK_SECONDS, Mirror
from tracking.live.state import CHANGES, LiveKind, LiveState, LiveUpdate

pytestmark = pytest.mark.usefixtures("live_redis")
BOX = (0.0, 50.0, 10.0, 60.0)
ALL = tuple(LiveKind)


def ask(asked, since=None, box=BOX, kinds=ALL):
    asked._read_at = -100.0
    return json.loads(zlib.decompress(asked.changes(kinds, box, since), wbits=31))


def ship(key="244660123", lat=52.0, lon=4.0, ts=None, static=None, **fields):
    LiveState(LiveKind.VESSEL).write([LiveUpdate(key, ts or time.time(), lat, lon, fields, static=static or {})])


def ids(body, kind="vessel"):
    return body[kind]["id"]


def test_a_page_begins_with_everything_in_its_box_and_goes_on_with_what_changed():
    one = Mirror()
    ship(speed=12.3, course=90.0, status=0, static={"name": "NORDIC", "ship_type": 70, "to_bow": 100, "to_stern": 20})
    ship("244660124", lat=40.0)
    first = ask(one)
    assert (first["reset"], ids(first), first["total"]["vessel"]) == (True, ["244660123"], 2)
    assert (first["vessel"]["lat"], first["vessel"]["lon"]) == ([5_200_000], [400_000])
    assert (first["vessel"]["speed"], first["vessel"]["heading"]) == ([123], [UNKNOWN])
    assert first["vessel"]["static"] | {"source": 0} == {
        "at": [0],
        "name": ["NORDIC"],
        "type": [70],
        "length": [120],
        "beam": [0],
        "source": 0,
    }
    assert ids(ask(one, first["next"])) == []
    ship(lat=52.5, ts=time.time() + 1, speed=13.0)
    second = ask(one, first["next"])
    assert (second["reset"], ids(second), second["vessel"]["lat"]) == (False, ["244660123"], [5_250_000])
    assert second["vessel"]["static"]["at"] == []


def test_rows_are_differences_of_neighbours():
    for number_, lon in enumerate((4.0, 4.5, 5.0)):
        ship(str(244660000 + number_), lon=lon)
    body = ask(Mirror())
    assert body["vessel"]["lon"] == [400_000, 50_000, 50_000]
    assert sum(body["vessel"]["lat"]) == 5_200_000


def test_static_data_alone_are_told():
    one = Mirror()
    ship()
    since = ask(one)["next"]
    LiveState(LiveKind.VESSEL).write([LiveUpdate("244660123", time.time(), static={"name": "LATE"})])
    body = ask(one, since)
    assert (ids(body), body["vessel"]["static"]["name"]) == (["244660123"], ["LATE"])


def test_a_target_that_leaves_the_box_is_told_once_more():
    one = Mirror()
    ship()
    since = ask(one)["next"]
    ship(lat=61.0, ts=time.time() + 1)
    body = ask(one, since)
    assert (ids(body), body["vessel"]["lat"]) == (["244660123"], [6_100_000])
    ship(lat=62.0, ts=time.time() + 2)
    assert ids(ask(one, body["next"])) == []


def test_every_process_answers_every_cursor_alike():
    one = Mirror()
    ship()
    ship("244660124")
    since = ask(one)["next"]
    ship("244660124", lat=53.0, ts=time.time() + 1)
    other = Mirror()
    assert ids(ask(one, since)) == ids(ask(other, since)) == ["244660124"]


def test_a_box_over_the_antimeridian_holds_both_sides():
    ship(lon=179.9)
    ship("244660124", lon=-179.9)
    ship("244660125", lon=0.0)
    assert sorted(ids(ask(Mirror(), box=(170.0, 50.0, -170.0, 60.0)))) == ["244660123", "244660124"]


@pytest.mark.parametrize("spoil", ["flush", "trim", "future"])
def test_a_cursor_that_nobody_can_answer_begins_anew(live_redis: Redis, spoil):
    one = Mirror()
    ship()
    since = ask(one)["next"]
    if spoil == "flush":
        live_redis.flushdb()
        ship("244660999", ts=time.time() + 1)
    elif spoil == "trim":
        since = "1-0"
    else:
        since = text(number(since) + (60_000 << 20))
    body = ask(one, since)
    assert body["reset"]
    assert ids(body) == (["244660999"] if spoil == "flush" else ["244660123"])


def test_what_dies_leaves_the_totals_and_comes_back_as_new(settings):
    one = Mirror()
    ship()
    assert ask(one)["total"]["vessel"] == 1
    settings.LIVE_TTL_SECONDS = 0.001
    time.sleep(0.01)
    assert ask(one, box=(0.0, 51.0, 10.0, 60.0))["total"]["vessel"] == 0
    settings.LIVE_TTL_SECONDS = 1800
    ship(ts=time.time() + 1)
    assert ids(ask(one, box=(0.0, 51.5, 10.0, 60.0))) == ["244660123"]


def test_200_questions_cause_two_reads_of_the_log_a_second_and_one_of_each_kind_that_changed(monkeypatch):
    client, reads = get_redis_connection("live"), []
    usual = client.execute_command

    def counted(*command, **options):
        reads.append(command[0])
        return usual(*command, **options)

    monkeypatch.setattr(client, "execute_command", counted)
    monkeypatch.setattr("tracking.live.mirror.get_redis_connection", lambda name: client)
    one = Mirror()
    ship()
    since = ask(one)["next"]
    ship(lat=52.5, ts=time.time() + 1)
    reads.clear()
    one._read_at, begun = -100.0, time.monotonic()
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda turn: one.changes(ALL, (0.0, turn % 40, 10.0, 60.0), since), range(200)))
    ticks = 1 + (time.monotonic() - begun) // TICK_SECONDS
    assert 1 < reads.count("XRANGE") <= 2 * ticks
    assert reads.count("JSON.MGET") == 1
    assert set(reads) == {"XRANGE", "JSON.MGET"}


def test_the_log_keeps_two_minutes(live_redis: Redis):
    for second in range(3):
        ship(ts=time.time() + second)
    assert live_redis.xlen(CHANGES) == 3


@pytest.mark.parametrize("given", ["", "x", "1-2-3", "-", "9" * 50])
def test_a_cursor_that_is_none_is_refused(given):
    with pytest.raises(ValueError, match="no cursor"):
        number(given)


def test_columns_stand_still_while_an_answer_is_cut(monkeypatch):
    one, cut, held = Mirror(), Mirror._cut, []

    def watched(self, *args):
        held.append(self._reading.locked())
        return cut(self, *args)

    monkeypatch.setattr(Mirror, "_cut", watched)
    ask(one)
    assert held == [True] * len(ALL)
