"""One circuit breaker: `with breaker.guard(): ...`.

A call goes in; what comes out is permission to make it or CircuitOpen. The rules are in `resilience.breaker.state`, the
memory in `resilience.breaker.store`, which breakers there are in `resilience.breaker.registry`. While the store is away
every process decides for itself, with states of its own that begin closed and are forgotten when the store is back: a
breaker never raises an error of Redis, and its absence never stops work.
"""

import asyncio
import logging
import os
import socket
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import TypeVar

import psutil
import redis

from resilience.breaker.state import (
    Abandoned,
    Acquire,
    BreakerConfig,
    BreakerState,
    CallFailed,
    Decision,
    Event,
    Phase,
    Reset,
    Succeeded,
    Suspend,
    Transition,
    Trip,
    permits,
    retry_after_seconds,
)
from resilience.breaker.store import Clock, MemoryStore, Store
from resilience.database.sqlstate import Verdict, classify, is_outage

__all__ = ["Breaker", "CircuitOpen", "Snapshot"]

logger = logging.getLogger(__name__)

T = TypeVar("T")

# How long a breaker leaves an unreachable Redis alone: asking at every call would cost the connect time-out each.
_REDIS_PAUSE_SECONDS = 1.0


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
        worker's time-out, and one of this host alone give the probe back and count as neither.
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

    def suspend(self, reason: str) -> Snapshot:
        """Open it as failures would: it probes after its reset time. A person's decision is left as it is."""
        self._apply(Suspend(reason))
        return self.snapshot()

    def trip(self, by: str, reason: str) -> Snapshot:
        """Refuse all calls until `reset`. Look at `shared` of the result: without Redis only this process obeys."""
        self._apply(Trip(by, reason))
        return self.snapshot()

    def reset(self, by: str, reason: str) -> Snapshot:
        """Close the breaker, whatever its phase. Look at `shared` of the result, as for `trip`."""
        self._apply(Reset(by, reason))
        return self.snapshot()

    def release_probe_of_the_dead(self) -> bool:
        """Give the probe back if a process of this host has it that is gone; whether it was so.

        Raises redis.RedisError: without the store nobody knows of other processes.
        """
        state, _ = self._store.load(self.name)
        if not _is_of_the_dead(state.probe):
            return False
        self._apply(Abandoned(state.probe, state.generation))
        return True

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
        if not isinstance(error, Exception) or classify(error) is Verdict.HOST:
            return Abandoned(token, generation)
        if self._is_failure(error):
            return CallFailed(token, generation, f"{type(error).__name__}: {error}"[:200])
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


def _token() -> str:
    """Whose call it is: host, process, and what tells its calls apart."""
    return f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex}"


def _is_of_the_dead(token: str) -> bool:
    """Whether the call's process was one of this host and is gone."""
    host, pid, _ = token.rsplit(":", 2) if token.count(":") >= 2 else ("", "0", "")
    return host == socket.gethostname() and not psutil.pid_exists(int(pid))
