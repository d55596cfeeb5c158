"""Where breaker states live: RedisStore shares them between processes and hosts, MemoryStore keeps them in here.

Both have one contract: `apply` loads a state, lets `breaker_state.step` decide and stores the result only if nobody
else changed it meanwhile (compare and set), else begins again. Neither knows the rules of the breaker, and RedisStore
lets errors of Redis through: `resilience.breaker.registry` decides what to do without it.
"""

import json
import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any, Protocol

import redis

from resilience.breaker.state import BreakerConfig, BreakerState, Decision, Event, Phase, Transition, step

logger = logging.getLogger(__name__)

Clock = Callable[[], float]

# KEYS: state, history, names. ARGV: expected text, new text, name, history length, transition, ms to keep ("": none).
_COMPARE_AND_SET = """
if (redis.call('GET', KEYS[1]) or '') ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2])
if ARGV[6] ~= '' then redis.call('PEXPIRE', KEYS[1], ARGV[6]) end
redis.call('SADD', KEYS[3], ARGV[3])
if ARGV[5] ~= '' then
  redis.call('LPUSH', KEYS[2], ARGV[5])
  redis.call('LTRIM', KEYS[2], 0, tonumber(ARGV[4]) - 1)
end
if ARGV[6] ~= '' then redis.call('PEXPIRE', KEYS[2], ARGV[6]) else redis.call('PERSIST', KEYS[2]) end
return 1
"""
# Of the writers that race for a state one always wins, so this many losses in a row mean a broken server, not a race.
_ATTEMPTS = 200


class Store(Protocol):
    """What a breaker needs from its memory. `clock` None means the store's own time."""

    def apply(self, name: str, event: Event, config: BreakerConfig, clock: Clock | None = None) -> Decision:
        """Make the step that `event` asks for, atomically."""

    def load(self, name: str) -> tuple[BreakerState, float]:
        """The state (a new one if unknown) and the store's time in seconds since the epoch."""

    def history(self, name: str) -> list[Transition]:
        """The latest transitions, newest first."""

    def names(self) -> list[str]:
        """All breakers that were ever used, sorted."""


class RedisStore:
    """States in Redis, one JSON value each; the time is that of Redis, so hosts with skewed clocks agree."""

    def __init__(self, client: redis.Redis, prefix: str = "tracking:{breaker}") -> None:
        self._client = client
        self._prefix = prefix
        self._compare_and_set = client.register_script(_COMPARE_AND_SET)

    def apply(self, name: str, event: Event, config: BreakerConfig, clock: Clock | None = None) -> Decision:
        """Raises redis.RedisError when Redis does not answer."""
        for _ in range(_ATTEMPTS):
            text, server_time = self._read(name)
            before = _parse(name, text)
            after, decision = step(before, event, clock() if clock else server_time, config)
            # A granted call on a closed breaker changes nothing: no write, hence no fsync.
            if (after == before and text) or self._write(name, text, after, config, decision.transition):
                return decision
        raise redis.RedisError(f"breaker {name}: {_ATTEMPTS} writes lost in a row")

    def load(self, name: str) -> tuple[BreakerState, float]:
        """Raises redis.RedisError when Redis does not answer."""
        text, server_time = self._read(name)
        return _parse(name, text), server_time

    def history(self, name: str) -> list[Transition]:
        """Raises redis.RedisError when Redis does not answer."""
        return [load_transition(text) for text in self._client.lrange(self._key("history", name), 0, -1)]

    def names(self) -> list[str]:
        """Those whose state has expired are forgotten by this. Raises redis.RedisError when Redis does not answer."""
        known = f"{self._prefix}:names"
        members: set[Any] = self._client.smembers(known)
        names = sorted(name.decode() for name in members)
        pipe = self._client.pipeline(transaction=False)
        for name in names:
            pipe.exists(self._key("state", name))
        there = dict(zip(names, pipe.execute(), strict=True))
        if gone := [name for name in names if not there[name]]:
            self._client.srem(known, *gone)  # one that is used again this moment comes back with its next answer
        return [name for name in names if there[name]]

    def _key(self, kind: str, name: str) -> str:
        return f"{self._prefix}:{kind}:{name}"

    def _read(self, name: str) -> tuple[bytes, float]:
        pipe = self._client.pipeline(transaction=False)
        pipe.get(self._key("state", name))
        pipe.time()
        text, (seconds, microseconds) = pipe.execute()
        return text or b"", seconds + microseconds / 1e6

    def _write(
        self, name: str, expected: bytes, state: BreakerState, config: BreakerConfig, transition: Transition | None
    ) -> bool:
        line = dump_transition(transition) if transition else ""
        kept = (
            "" if config.keep_seconds is None or state.phase is Phase.FORCED_OPEN else round(config.keep_seconds * 1000)
        )
        return bool(
            self._compare_and_set(
                keys=[self._key("state", name), self._key("history", name), f"{self._prefix}:names"],
                args=[expected, dump_state(state), name, config.history_length, line, kept],
            )
        )


class MemoryStore:
    """States of this process, for work without a queue and for the time without Redis. Safe between threads."""

    def __init__(self, clock: Clock = time.time) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._states: dict[str, BreakerState] = {}
        self._history: dict[str, list[Transition]] = {}

    def apply(self, name: str, event: Event, config: BreakerConfig, clock: Clock | None = None) -> Decision:
        """Raises nothing."""
        with self._lock:
            before = self._states.get(name, BreakerState())
            self._states[name], decision = step(before, event, (clock or self._clock)(), config)
            if decision.transition:
                kept = self._history.get(name, [])
                self._history[name] = [decision.transition, *kept][: config.history_length]
            return decision

    def load(self, name: str) -> tuple[BreakerState, float]:
        """Raises nothing."""
        with self._lock:
            return self._states.get(name, BreakerState()), self._clock()

    def history(self, name: str) -> list[Transition]:
        """Raises nothing."""
        with self._lock:
            return list(self._history.get(name, ()))

    def names(self) -> list[str]:
        """Raises nothing."""
        with self._lock:
            return sorted(self._states)


def _parse(name: str, text: bytes) -> BreakerState:
    """A value that nobody can read counts as a new breaker: a closed one at worst opens again after five failures."""
    if not text:
        return BreakerState()
    try:
        return load_state(text)
    except (ValueError, TypeError, KeyError):
        logger.error("breaker %s: unreadable state %.200r replaced by a new one", name, text)
        return BreakerState()


def dump_state(state: BreakerState) -> str:
    """The state as one line of JSON, the same text for the same state."""
    return json.dumps(asdict(state), separators=(",", ":"))


def load_state(text: str | bytes) -> BreakerState:
    """The state of `dump_state`. Raises ValueError, TypeError or KeyError on anything else."""
    fields: dict[str, Any] = json.loads(text)
    return BreakerState(**{**fields, "phase": Phase(fields["phase"])})


def dump_transition(transition: Transition) -> str:
    """A transition as one line of JSON with the keys at, from, to, reason."""
    return json.dumps(
        {
            "at": transition.at,
            "from": transition.from_phase,
            "to": transition.to_phase,
            "reason": transition.reason,
        }
    )


def load_transition(text: str | bytes) -> Transition:
    """The transition of `dump_transition`."""
    fields: Mapping[str, Any] = json.loads(text)
    return Transition(fields["at"], Phase(fields["from"]), Phase(fields["to"]), fields["reason"])
