"""Keeps live state complete: loads it from PostgreSQL when its Redis lost it or missed something. A thread.

Every LOOK_SECONDS it compares two things. In the live Redis, the key `v2:loaded` holds the run id of the server that
was last loaded completely: it is missing after FLUSHALL, and another one after a restart, even of a server that reads
old data from a disk, or on a replica that took over. In the queue's Redis there is a mark if a write was missed
(`tracking/live/missed.py`). Either means: load the last LIVE_TTL_SECONDS, page by page, beside live traffic.

Several hosts may keep the same live state: one loads, holding a lock in the live Redis that every page renews. A lock
that is gone at the end says that the server lost data meanwhile, so nothing is called complete. What is missed while
pages are read sets a new mark, and is loaded after.

It waits for what is away (PostgreSQL, either Redis, a breaker that is open), says so once, and nothing ends it but
`stop`. What is read is decided in `tracking/live/reload.py`.
"""

from __future__ import annotations

import datetime as dt
import logging
import threading
import time
import uuid
from collections.abc import Callable
from types import TracebackType
from typing import Self

import redis
from django.conf import settings
from django.db import Error as DatabaseError
from django.db import connections
from django_redis import get_redis_connection

from resilience.breaker.registry import Breaker, CircuitOpen, get_breaker
from resilience.database.deadline import deadline
from resilience.database.sqlstate import is_outage
from tracking.live import missed
from tracking.live import reload as live_reload
from tracking.live.state import LiveKind, LiveState
from tracking.registry import lookup

logger = logging.getLogger(__name__)

LOOK_SECONDS = 1.0
STOP_SECONDS = 5.0
LOCK_SLACK_SECONDS = 10.0  # beyond the deadline of a page: longer than anything else between two renewals

LOADED = "v2:loaded"
LOADING = "v2:loading"

# KEYS: lock. ARGV: its token, ms to hold it.
_RENEW = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('PEXPIRE', KEYS[1], ARGV[2]) end return 0"
# KEYS: lock, marker. ARGV: the lock's token, the run id.
_FINISH = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[2], ARGV[2])
return 1
"""
# KEYS: lock. ARGV: its token.
_RELEASE = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0"


class NotNow(Exception):
    """Live state cannot be loaded at this moment, until what is `awaited` has happened; the next look tries again."""

    def __init__(self, awaited: str, reason: str) -> None:
        super().__init__(reason)
        self.awaited = awaited


class LiveKeeper:
    """The thread, for as long as a `with` block lasts. `breakers` gives the guards of "database" and "live"."""

    def __init__(self, breakers: Callable[[str], Breaker] = get_breaker) -> None:
        self._breakers = breakers
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="live-keeper", daemon=True)
        self._waiting_for = ""

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Ask it to end and wait for that; one that hangs in PostgreSQL's deadline ends with the process."""
        self._stop.set()
        self._thread.join(STOP_SECONDS)

    def look(self) -> int | None:
        """Load if live state is incomplete: how many targets were loaded, None where nothing had to be.

        Raises NotNow, CircuitOpen, redis.RedisError and django.db errors; whatever was loaded by then does no harm.
        """
        if self._breakers("live").permits() == 0:
            raise NotNow("its Redis", "the breaker `live` is open")
        client = get_redis_connection("live")
        run_id = str(client.info("server").get("run_id", ""))
        marker = client.get(LOADED)
        mark = _mark()
        if mark is None and marker is not None and marker.decode() == run_id:
            return None
        lock = uuid.uuid4().hex
        if not client.set(LOADING, lock, nx=True, px=_lock_ms()):
            raise NotNow("another process", "that one is loading it")
        try:
            loaded = self._load(client, lock)
            if not client.register_script(_FINISH)(keys=[LOADING, LOADED], args=[lock, run_id]):
                raise _lost()
        finally:
            _release(client, lock)
        if mark is not None:
            missed.clear_mark(mark)
        return loaded

    def _load(self, client: redis.Redis, lock: str) -> int:
        """All pages of all kinds; how many targets were written or already newer."""
        within = live_reload.span(_server_time(client), settings.LIVE_TTL_SECONDS)
        renew = client.register_script(_RENEW)
        loaded = 0
        for kind in LiveKind:
            after: live_reload.Key | None = None
            while True:
                page = self._page(kind, within, after)
                with self._breakers("live").guard():
                    LiveState(kind).write(page.updates)
                    held = renew(keys=[LOADING], args=[lock, _lock_ms()])
                if not held:
                    raise _lost()
                if self._stop.is_set():
                    raise NotNow("the next start", "this process ends")
                loaded += len(page.updates)
                after = page.after
                if after is None:
                    break
        if client.get(lookup.KEY) is None:
            with self._breakers("database").guard(), deadline(settings.DATABASE_DEADLINE_SECONDS):
                lookup.announce_what_is_there()
        return loaded

    def _page(self, kind: LiveKind, within: live_reload.ReloadSpan, after: live_reload.Key | None) -> live_reload.Page:
        with self._breakers("database").guard(), deadline(settings.DATABASE_DEADLINE_SECONDS):
            return live_reload.read(kind, within, after)

    def _keep(self) -> None:
        while not self._stop.is_set():
            self._attempt()
            self._stop.wait(LOOK_SECONDS)

    def _attempt(self) -> None:
        """One look that raises nothing."""
        began = time.monotonic()
        try:
            loaded = self.look()
        except Exception as error:
            # A bug must not end the thread either: it is told with its traceback.
            self._wait_for(_awaited(error), error)
        else:
            if loaded is not None:
                logger.info("live state is complete: %d targets in %.1f s", loaded, time.monotonic() - began)
            elif self._waiting_for:
                logger.info("live state is complete")
            self._waiting_for = ""
        finally:
            connections.close_all()  # of this thread: seldom needed, and a pooler has better use for it

    def _wait_for(self, awaited: str, error: Exception) -> None:
        """Say what live state waits for, once until that changes: an open breaker and a refused probe take turns."""
        if awaited != self._waiting_for:
            if awaited == _BUG:
                logger.error("live state may be incomplete, its loading fails: see the traceback", exc_info=error)
            else:
                logger.warning("live state may be incomplete and waits for %s: %s", awaited, error)
        self._waiting_for = awaited


_BUG = "an unexpected error"


def _awaited(error: Exception) -> str:
    """What has to come back before live state can be complete."""
    if isinstance(error, NotNow):
        return error.awaited
    if isinstance(error, CircuitOpen):
        return "PostgreSQL" if error.name == "database" else "its Redis"
    if not is_outage(error):
        return _BUG
    return "PostgreSQL" if isinstance(error, DatabaseError) else "its Redis"


def _lost() -> NotNow:
    return NotNow("another try", "its Redis lost data while it was being loaded")


def _mark() -> bytes | None:
    """What was missed; None also while the queue's Redis is away, which must not hold up what a restart emptied."""
    try:
        return missed.pending_mark()
    except (redis.RedisError, OSError) as error:
        logger.debug("whether live state missed something is seen later: %s", error)
        return None


def _lock_ms() -> int:
    seconds: float = settings.DATABASE_DEADLINE_SECONDS + LOCK_SLACK_SECONDS
    return round(seconds * 1000)


def _server_time(client: redis.Redis) -> dt.datetime:
    """The clock by which live state takes reports and lets them expire; that of this host may be another."""
    seconds, microseconds = client.time()
    return dt.datetime.fromtimestamp(seconds + microseconds / 1e6, dt.UTC)


def _release(client: redis.Redis, lock: str) -> None:
    """Let others load; a lock that cannot be given back runs out."""
    try:
        client.register_script(_RELEASE)(keys=[LOADING], args=[lock])
    except (redis.RedisError, OSError) as error:
        logger.debug("the lock of loading runs out by itself: %s", error)
