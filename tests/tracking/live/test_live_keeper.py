"""Live state is complete again after whatever its Redis lost or missed: real servers, some of them killed or frozen."""

import asyncio
import logging
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from copy import deepcopy
from typing import Any

import pytest
from django.conf import LazySettings
from django.db import connections
from django.db.models import Max
from django_redis import get_redis_connection
from redis import Redis

from ingest import pipeline
from ingest.feeds.runner import FeedRunner
from resilience.breaker.registry import Breaker, CircuitOpen, MemoryStore, get_breaker
from tests.support.letters import forget_breakers
from tests.support.messages import batch, position, sentences, static
from tests.support.patience import PATIENCE_SECONDS, SLACK_SECONDS
from tracking import embedded
from tracking.embedded import redis as embedded_redis
from tracking.live import keeper as live_keeper
from tracking.live import missed
from tracking.live.keeper import LOADED, LOADING, LiveKeeper, NotNow
from tracking.live.state import Document, LiveKind, LiveState
from tracking.models import VesselPosition

pytestmark = [pytest.mark.django_db(transaction=True, databases=["default", "direct"])]


@pytest.fixture(autouse=True)
def live() -> Iterator[Redis]:
    """The tests' live Redis, empty; nothing noted, all breakers new."""
    client = get_redis_connection("live")

    def renew() -> None:
        client.flushdb()
        get_redis_connection("queue").delete(missed.KEY)
        missed._unmarked, missed._retry_at = False, 0.0
        forget_breakers()

    renew()
    yield client
    renew()


def hear(*raws: bytes, live: bool = True) -> None:
    """Process a batch that was heard just now."""
    now = time.time_ns() // 1_000_000
    pipeline.process(batch(list(raws), received_at=now, step=1, recorded=False, live=live))


def documents() -> dict[LiveKind, dict[str, Document]]:
    """Everything that is live."""
    found = {}
    for kind in LiveKind:
        state = LiveState(kind)
        keys = [key.decode() for key in get_redis_connection("live").zrange(state.active, 0, -1)]
        found[kind] = state.get_many(keys)
    return found


def tripped(name: str) -> Callable[[str], Breaker]:
    """Breakers of this process, the named one stopped by hand."""
    made = {key: Breaker(key, MemoryStore()) for key in ("database", "live")}
    made[name].trip("ada", "test")
    return made.__getitem__


# --- what makes it load -----------------------------------------------------------------------------------------------


def test_an_emptied_server_gets_back_exactly_what_live_traffic_had_written(live):
    aid = sentences(type=21, mmsi=992442001, aid_type=9, name="MAAS CENTER", lat=52.01, lon=3.88)[0]
    hear(static(), position(), aid)
    # A little further on: the same place again would be a repeat, which moves nothing.
    hear(position(heading=511, speed=102.3, lat=52.0002), position(mmsi=211000001, lat=89.0))
    before = documents()
    assert before[LiveKind.VESSEL]["244660123"]["ages"] and len(before[LiveKind.VESSEL]) == 2

    live.flushall()
    assert LiveKeeper().look() == 3
    assert documents() == before
    assert LiveKeeper().look() is None


def test_a_server_that_was_restarted_with_old_data_is_loaded(live):
    LiveKeeper().look()
    live.set(LOADED, "the run id before")
    hear(position(), live=False)
    assert LiveKeeper().look() == 1
    assert live.get(LOADED).decode() == live.info("server")["run_id"]


def test_what_an_open_breaker_kept_from_live_state_is_loaded(live):
    keeper = LiveKeeper()
    keeper.look()
    get_breaker("live").trip("ada", "test")
    hear(position())
    assert documents()[LiveKind.VESSEL] == {} and missed.pending_mark() is not None
    with pytest.raises(NotNow, match="breaker `live` is open"):
        keeper.look()

    get_breaker("live").reset("ada", "test")
    assert keeper.look() == 1
    assert set(documents()[LiveKind.VESSEL]) == {"244660123"}
    assert missed.pending_mark() is None and keeper.look() is None


def test_what_is_missed_while_it_loads_is_loaded_after():
    def missing(name: str) -> Breaker:
        if name == "database":
            missed.mark()
        return get_breaker(name)

    missed.mark()
    LiveKeeper(missing).look()
    assert missed.pending_mark() is not None
    assert LiveKeeper().look() == 0
    assert missed.pending_mark() is None


def test_a_note_that_could_not_be_left_is_left_at_the_next_write(settings, monkeypatch):
    monkeypatch.setattr(missed, "PAUSE_SECONDS", 0.0)
    there, away = settings.CACHES, deepcopy(settings.CACHES)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # held and not listened on: refused at once
        away["queue"]["LOCATION"] = f"redis://127.0.0.1:{taken.getsockname()[1]}/0"
        away["queue"]["OPTIONS"]["CONNECTION_POOL_KWARGS"] = {"retry": None}
        settings.CACHES = away
        missed.mark()
        settings.CACHES = there
    assert missed.pending_mark() is None
    hear(position())
    assert missed.pending_mark() is not None


# --- what it waits for ------------------------------------------------------------------------------------------------


def test_one_host_loads_and_the_others_wait(live):
    live.set(LOADING, "another")
    with pytest.raises(NotNow, match="loading"):
        LiveKeeper().look()
    assert live.get(LOADING) == b"another"


def test_a_server_emptied_while_it_is_loaded_is_not_called_complete(live):
    def emptying(name: str) -> Breaker:
        if name == "database":
            live.flushall()
        return get_breaker(name)

    with pytest.raises(NotNow, match="lost data"):
        LiveKeeper(emptying).look()
    assert live.get(LOADED) is None
    assert LiveKeeper().look() == 0


def test_while_postgresql_is_away_it_waits_and_frees_its_place(live):
    with pytest.raises(CircuitOpen):
        LiveKeeper(tripped("database")).look()
    assert live.exists(LOADED, LOADING) == 0
    assert LiveKeeper().look() == 0


def test_nothing_ends_the_thread_and_each_reason_is_told_once(monkeypatch, caplog):
    monkeypatch.setattr(live_keeper, "LOOK_SECONDS", 0.01)
    looks = []

    def broken(name: str) -> Breaker:
        looks.append(name)
        raise CircuitOpen("live", 1.0) if len(looks) < 5 else ZeroDivisionError("a bug")

    with LiveKeeper(broken):
        until(lambda: len(looks) >= 10)
    told = [record for record in caplog.records if record.name == "tracking.live.keeper"]
    assert [record.levelno for record in told] == [logging.WARNING, logging.ERROR]
    assert "waits for its Redis" in told[0].message and told[1].exc_info


def test_the_feed_runner_keeps_live_state_complete(live):
    hear(position(), live=False)

    async def run() -> None:
        stop = asyncio.Event()
        running = asyncio.create_task(FeedRunner().run(stop))
        try:
            await asyncio.to_thread(until, lambda: live.exists(LOADED))
        finally:
            stop.set()
            await asyncio.wait_for(running, PATIENCE_SECONDS)

    asyncio.run(run())
    assert set(documents()[LiveKind.VESSEL]) == {"244660123"}
    assert "live-keeper" not in {thread.name for thread in threading.enumerate()}


# --- a live Redis that dies or freezes under traffic ------------------------------------------------------------------


class Traffic:
    """Ships that are heard ten times a second, in a thread as a worker would; `fleets` may be changed meanwhile."""

    def __init__(self, *fleets: range) -> None:
        self.fleets = fleets
        self.error: BaseException | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> "Traffic":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(PATIENCE_SECONDS)
        assert not self._thread.is_alive() and self.error is None, self.error

    def _run(self) -> None:
        try:
            while not self._stop.wait(0.1):
                hear(*(position(mmsi=mmsi) for fleet in self.fleets for mmsi in fleet))
        except BaseException as error:
            self.error = error
        finally:
            connections.close_all()


def until(condition: Callable[[], Any]) -> None:
    end = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < end, f"not within {PATIENCE_SECONDS} s"
        time.sleep(0.05)


def newest() -> dict[str, float]:
    """The newest stored position of each ship."""
    rows = VesselPosition.objects.values_list("vessel_id").annotate(Max("timestamp"))
    return {str(mmsi): at.timestamp() for mmsi, at in rows}


def lacking(stored: dict[str, float]) -> set[str]:
    """Ships whose live document is missing or older than what was stored."""
    found = LiveState(LiveKind.VESSEL).get_many(stored)
    return {key for key, ts in stored.items() if key not in found or found[key]["ts"] < ts}


def live_pid(settings: LazySettings) -> int:
    pid = embedded_redis.pid_of(settings.DATA_DIR, "live")
    assert pid is not None
    return pid


def kill(settings: LazySettings) -> Callable[[], None]:
    os.kill(live_pid(settings), signal.SIGKILL)
    return lambda: embedded.start(settings.DATA_DIR, ["live"])


def freeze(settings: LazySettings) -> Callable[[], None]:
    pid = live_pid(settings)
    os.kill(pid, signal.SIGSTOP)
    return lambda: os.kill(pid, signal.SIGCONT)


@pytest.fixture
def impatient(settings: LazySettings) -> None:
    """Half a second for an answer of the live Redis instead of five; three failures open the breaker."""
    caches = deepcopy(settings.CACHES)
    caches["live"]["LOCATION"] += "&socket_timeout=0.5"  # after ?db=0
    settings.CACHES = caches
    settings.BREAKER_FAILURES = 3
    settings.LIVE_BREAKER_RESET_SECONDS = 1.0


@pytest.mark.fault
@pytest.mark.parametrize("stop", [kill, freeze])
def test_after_an_outage_of_the_live_redis_everything_stored_meanwhile_is_live_within_ten_seconds(
    stop, settings, impatient, request
):
    before, always, meanwhile = range(211000001, 211000021), range(211000101, 211000121), range(211000201, 211000221)
    with LiveKeeper(), Traffic(before, always) as traffic:
        until(lambda: len(newest()) == 40 and not lacking(newest()))
        traffic.fleets = (always, meanwhile)
        rows = VesselPosition.objects.count()
        back = stop(settings)
        request.addfinalizer(lambda: embedded.start(settings.DATA_DIR, ["live"]))
        try:
            until(lambda: get_breaker("live").snapshot().state.opened_total >= 1)
            until(lambda: VesselPosition.objects.count() >= rows + 20 * 40)  # history grows on
            traffic.fleets = (always,)
        finally:
            back()
        returned, stored = time.monotonic(), newest()
        until(lambda: not lacking(stored))
        took = time.monotonic() - returned
        until(lambda: missed.pending_mark() is None)
    assert len(stored) == 60 and took < 10 + SLACK_SECONDS
