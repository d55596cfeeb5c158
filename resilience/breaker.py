"""Circuit breakers, as callers use them: `with get_breaker("database").guard(): ...`.

A name goes in; what comes out is permission to call or CircuitOpen. The rules are in `resilience.breaker_state`, the
memory in `resilience.breaker_store`. While Redis is away every process decides for itself, with states of its own that
begin closed and are forgotten when Redis is back: a breaker never raises an error of Redis, and its absence never
stops work.
"""

import asyncio
import logging
import os
import socket
import threading
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from functools import cache
from typing import TypeVar

import psutil
import redis
from django.conf import settings
from django_redis import get_redis_connection

from resilience.breaker_state import (
    Abandoned,
    Acquire,
    BreakerConfig,
    BreakerState,
    Decision,
    Event,
    Failed,
    Phase,
    Reset,
    Succeeded,
    Transition,
    Trip,
    permits,
    retry_after_seconds,
    step,
)
from resilience.breaker_store import Clock, MemoryStore, RedisStore, Store
from resilience.sqlstate import is_outage

__all__ = [
    "FEED_PREFIX",
    "Abandoned",
    "Acquire",
    "Breaker",
    "BreakerConfig",
    "BreakerState",
    "CircuitOpen",
    "Decision",
    "Failed",
    "MemoryStore",
    "Phase",
    "RedisStore",
    "Reset",
    "Snapshot",
    "Succeeded",
    "Transition",
    "Trip",
    "all_snapshots",
    "get_breaker",
    "in_process_breaker",
    "permits",
    "release_probes_of_the_dead",
    "step",
]

logger = logging.getLogger(__name__)

T = TypeVar("T")

# How long a breaker leaves an unreachable Redis alone: asking at every call would cost the connect time-out each.
_REDIS_PAUSE_SECONDS = 1.0

# Breakers of polled feeds, `feed:` and the label. A slow web server's answer takes longer than one of the database may;
# the state of a feed that is no more, or of a single run by hand, is forgotten after a day.
FEED_PREFIX = "feed:"
_FEED_PROBE_SECONDS = 60.0
_FEED_KEEP_SECONDS = 86_400.0


class CircuitOpen(Exception):
    """The call was not made. `retry_after_seconds` says when asking again makes sense."""

    def __init__(self, name: str, retry_after_seconds: float) -> None:
        super().__init__(f"circuit {name} is open, retry in {retry_after_seconds:.1f} s")
        self.name = name
        self.retry_after_seconds = retry_after_seconds

    def __reduce__(self) -> tuple[type["CircuitOpen"], tuple[str, float]]:
        return type(self), (self.name, self.retry_after_seconds)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A breaker as it is now, for pages and metrics. Times are seconds since the epoch, on the store's clock.

    `permits` is None for any number of calls, 1 for a probe, 0 for none. `shared` is False when Redis could not be
    asked and this is only what the own process knows. `history` is newest first.
    """

    name: str
    state: BreakerState
    permits: int | None
    retry_after_seconds: float
    shared: bool
    now: float
    history: tuple[Transition, ...]


class Breaker:
    """One named dependency behind one state. `is_failure` says which exceptions speak against the dependency.

    `clock` (seconds since the epoch) replaces the store's own time; `fallback` is used while `store` raises
    redis.RedisError or OSError.
    """

    def __init__(
        self,
        name: str,
        store: Store,
        config: BreakerConfig | None = None,
        clock: Clock | None = None,
        is_failure: Callable[[BaseException], bool] = is_outage,
        fallback: Store | None = None,
    ) -> None:
        self.name = name
        self.config = config or BreakerConfig()
        self._store = store
        self._clock = clock
        self._is_failure = is_failure
        self._fallback = fallback or MemoryStore()
        self._store_back_at = 0.0
        self._is_alone = False

    @contextmanager
    def guard(self) -> Iterator[None]:
        """Run the body if the breaker lets it, and tell the breaker how it ended.

        Raises CircuitOpen before the body when it does not. An exception of the body passes through: a failure if
        `is_failure` says so, a success otherwise (the other side answered); one that is no Exception, such as a
        worker's time-out, gives the probe back and counts as neither.
        """
        token = _token()
        decision, store = self._apply(Acquire(token))
        if not decision.allowed:
            raise CircuitOpen(self.name, decision.retry_after_seconds)
        try:
            yield
        except BaseException as error:
            self._answer(store, self._outcome(error, token, decision.generation))
            raise
        self._answer(store, Succeeded(token, decision.generation))

    @asynccontextmanager
    async def aguard(self) -> AsyncIterator[None]:
        """`guard` for an event loop, which must not wait for Redis: what asks and tells the store runs in threads.

        A caller that is cancelled while it asks may leave the probe taken; its lease runs out.
        """
        guard = self.guard()
        await asyncio.to_thread(guard.__enter__)
        try:
            yield
        except BaseException as error:
            await asyncio.to_thread(guard.__exit__, type(error), error, error.__traceback__)
            raise
        await asyncio.to_thread(guard.__exit__, None, None, None)

    def trip(self, by: str, reason: str) -> Snapshot:
        """Refuse all calls until `reset`. Look at `shared` of the result: without Redis only this process obeys."""
        self._apply(Trip(by, reason))
        return self.snapshot()

    def reset(self, by: str, reason: str) -> Snapshot:
        """Close the breaker, whatever its phase. Look at `shared` of the result, as for `trip`."""
        self._apply(Reset(by, reason))
        return self.snapshot()

    def permits(self) -> int | None:
        """How many batches may be taken now, without taking the probe: None is any number, else 0 or 1."""
        (state, store_time), _ = self._ask(lambda it: it.load(self.name))
        return permits(state, self._clock() if self._clock else store_time, self.config)

    def snapshot(self) -> Snapshot:
        """What the breaker is and was. Never raises: without Redis it is the state of this process."""
        ((state, store_time), history), store = self._ask(lambda it: (it.load(self.name), it.history(self.name)))
        now = self._clock() if self._clock else store_time
        wait = retry_after_seconds(state, now, self.config)
        shared = store is self._store
        return Snapshot(self.name, state, permits(state, now, self.config), wait, shared, now, tuple(history))

    def _outcome(self, error: BaseException, token: str, generation: int) -> Event:
        if not isinstance(error, Exception):
            return Abandoned(token, generation)
        if self._is_failure(error):
            return Failed(token, generation, f"{type(error).__name__}: {error}"[:200])
        return Succeeded(token, generation)

    def _apply(self, event: Event) -> tuple[Decision, Store]:
        """The decision, and the store that made it: the answer to a call belongs where it was granted."""
        decision, store = self._ask(lambda it: it.apply(self.name, event, self.config, self._clock))
        self._log(decision)
        return decision, store

    def _log(self, decision: Decision) -> None:
        """Each transition once, by the process that caused it."""
        if moved := decision.transition:
            level = logging.WARNING if moved.to_phase in (Phase.OPEN, Phase.FORCED_OPEN) else logging.INFO
            logger.log(level, "breaker %s: %s -> %s: %s", self.name, moved.from_phase, moved.to_phase, moved.reason)

    def _answer(self, store: Store, event: Event) -> None:
        try:
            self._log(store.apply(self.name, event, self.config, self._clock))
        except (redis.RedisError, OSError) as error:
            # A lost answer heals itself: the probe's lease runs out, a missed success is made up by the next one.
            self._leave_store(error)

    def _ask(self, question: Callable[[Store], T]) -> tuple[T, Store]:
        """The answer of the store, or of the fallback while the store is away, and whose it is."""
        if time.monotonic() >= self._store_back_at:
            try:
                answer = question(self._store)
            except (redis.RedisError, OSError) as error:
                self._leave_store(error)
            else:
                self._is_alone = False
                return answer, self._store
        return question(self._fallback), self._fallback

    def _leave_store(self, error: Exception) -> None:
        self._store_back_at = time.monotonic() + _REDIS_PAUSE_SECONDS
        if not self._is_alone:
            logger.warning("breaker %s decides by itself until Redis is back: %s", self.name, error)
        self._is_alone = True


def release_probes_of_the_dead() -> int:
    """Give back the probes of processes of this host that are gone; how many it were.

    For who sees processes die: else a breaker waits for the end of the lease. Raises redis.RedisError.
    """
    released = 0
    for name in _redis_store().names():
        breaker = get_breaker(name)
        state, _ = _redis_store().load(name)
        host, pid, _ = state.probe.rsplit(":", 2) if state.probe.count(":") >= 2 else ("", "0", "")
        if host == socket.gethostname() and not psutil.pid_exists(int(pid)):
            breaker._apply(Abandoned(state.probe, state.generation))
            released += 1
    return released


def _token() -> str:
    """Whose call it is: host, process, and what tells its calls apart."""
    return f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex}"


_process_store = MemoryStore()
_making = threading.Lock()


def get_breaker(name: str, is_failure: Callable[[BaseException], bool] = is_outage) -> Breaker:
    """The breaker `name` of all processes, in the queue's Redis, with the thresholds of the settings.

    `is_failure` says which exceptions of its callers speak against what it guards; give a function, not a lambda: there
    is one breaker for each pair in a process.
    """
    with _making:
        return _shared_breaker(name, _config(name), is_failure)


def in_process_breaker(name: str) -> Breaker:
    """The breaker `name` of this process alone, for `ingest --inline`: needs no Redis."""
    with _making:
        return _process_breaker(name, _config(name))


def all_snapshots() -> list[Snapshot]:
    """All breakers ever used, by name; without Redis those that this process used meanwhile."""
    try:
        names = _redis_store().names()
    except (redis.RedisError, OSError) as error:
        logger.warning("only this process's breakers are known: %s", error)
        names = _process_store.names()
    return [get_breaker(name).snapshot() for name in names]


def _config(name: str) -> BreakerConfig:
    """The thresholds of the settings, and what is particular to a name."""
    common = BreakerConfig(
        failures=settings.BREAKER_FAILURES,
        successes=settings.BREAKER_SUCCESSES,
        reset_seconds=settings.BREAKER_RESET_SECONDS,
    )
    if name == "live":
        return replace(common, reset_seconds=settings.LIVE_BREAKER_RESET_SECONDS)
    if name.startswith(FEED_PREFIX):
        return replace(common, probe_seconds=_FEED_PROBE_SECONDS, keep_seconds=_FEED_KEEP_SECONDS)
    return common


def _redis_store() -> RedisStore:
    return RedisStore(get_redis_connection("queue"))


# One object a name and process, because it remembers for how long to leave an unreachable Redis alone.
@cache
def _shared_breaker(name: str, config: BreakerConfig, is_failure: Callable[[BaseException], bool]) -> Breaker:
    return Breaker(name, _redis_store(), config, is_failure=is_failure, fallback=_process_store)


@cache
def _process_breaker(name: str, config: BreakerConfig) -> Breaker:
    return Breaker(name, MemoryStore(), config)
