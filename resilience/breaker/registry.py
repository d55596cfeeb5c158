"""The breakers of a deployment, by name: `with get_breaker("database").guard(): ...`.

A name goes in; what comes out is its one breaker of this process (`resilience.breaker.guard`), whose state all
processes share in the queue's Redis, with the thresholds of the settings. The rules are in `resilience.breaker.state`.
"""

import logging
import threading
from collections.abc import Callable
from dataclasses import replace
from functools import cache

import redis
from django.conf import settings
from django_redis import get_redis_connection

from resilience.breaker.guard import Breaker, CircuitOpen, Snapshot
from resilience.breaker.state import (
    Abandoned,
    Acquire,
    BreakerConfig,
    BreakerState,
    CallFailed,
    Decision,
    Phase,
    Reset,
    Succeeded,
    Transition,
    Trip,
    permits,
    step,
)
from resilience.breaker.store import MemoryStore, RedisStore
from resilience.database.sqlstate import is_outage

__all__ = [
    "FEED_PREFIX",
    "NOTIFY_PREFIX",
    "Abandoned",
    "Acquire",
    "Breaker",
    "BreakerConfig",
    "BreakerState",
    "CallFailed",
    "CircuitOpen",
    "Decision",
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

# Breakers of polled feeds, `feed:` and the label. A slow web server's answer takes longer than one of the database may;
# the state of a feed that is no more, or of a single run by hand, is forgotten after a day.
FEED_PREFIX = "feed:"
NOTIFY_PREFIX = "notify:"  # and the number of a target of notifications, which is polled no more often than a feed
_FEED_PROBE_SECONDS = 60.0
_FEED_KEEP_SECONDS = 86_400.0

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


def release_probes_of_the_dead() -> int:
    """Give back the probes of processes of this host that are gone; how many it were.

    For who sees processes die: else a breaker waits for the end of the lease. Raises redis.RedisError.
    """
    return sum(get_breaker(name).release_probe_of_the_dead() for name in _redis_store().names())


def _config(name: str) -> BreakerConfig:
    """The thresholds of the settings, and what is particular to a name."""
    common = BreakerConfig(
        failures=settings.BREAKER_FAILURES,
        successes=settings.BREAKER_SUCCESSES,
        reset_seconds=settings.BREAKER_RESET_SECONDS,
    )
    if name == "live":
        return replace(common, reset_seconds=settings.LIVE_BREAKER_RESET_SECONDS)
    if name.startswith((FEED_PREFIX, NOTIFY_PREFIX)):
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
