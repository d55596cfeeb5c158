"""What time it is for whatever deletes, closes or expires: the database's own clock, held against the others.

Clocks enter: this host's, PostgreSQL's, those of both Redis servers. The database's now leaves, or ClocksDiffer where
they lie more than a minute apart: nobody can tell then which of them is right, and what is deleted does not come back.
So that a wrong clock which all of them share does no harm either, now is never later than the newest reception that is
known (`bound_by`): what arrived last is not old, whatever the clocks say.
"""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable
from typing import NamedTuple

import redis
from django.db import connection
from django_redis import get_redis_connection

MOST_SECONDS_APART = 60.0
HOST, DATABASE = "this host", "PostgreSQL"
_REDIS = {"queue": "Redis of the queue", "live": "Redis of live state"}

Bound = Callable[[], dt.datetime | None]
_bound: Bound | None = None


class ClocksDiffer(Exception):
    """The clocks lie too far apart for anything to be deleted; the message says which is where."""


class Clocks(NamedTuple):
    """`now` of the database, aware UTC, and by how many seconds each clock is ahead of it; who is away is not in it."""

    now: dt.datetime
    ahead: dict[str, float]

    @property
    def apart(self) -> float:
        """Seconds between the earliest and the latest."""
        return max(self.ahead.values()) - min(self.ahead.values())

    def __str__(self) -> str:
        return ", ".join(f"{name} {seconds:+.1f} s" for name, seconds in self.ahead.items() if name != DATABASE)


def bound_by(newest_reception: Bound | None) -> None:
    """Register who knows when something was last received (None: nothing yet)."""
    global _bound
    _bound = newest_reception


def database_now() -> dt.datetime:
    """The database's clock, aware UTC: what is due is due by one clock on all hosts. Raises django.db errors."""
    return dt.datetime.fromtimestamp(_of_database(), dt.UTC)


def settled_now() -> dt.datetime:
    """The time by which to delete, aware UTC. Raises ClocksDiffer, and django.db errors."""
    clocks = read()
    if clocks.apart > MOST_SECONDS_APART:
        raise ClocksDiffer(f"the clocks differ, held against {DATABASE}: {clocks}")
    newest = _bound() if _bound is not None else None
    return clocks.now if newest is None else min(clocks.now, newest)


def read() -> Clocks:
    """All clocks that answer. Raises django.db errors: without the database's there is nothing to hold others against.

    Each is asked between two looks at this process' monotonic clock, and is taken to have answered half-way.
    """
    now, base = _asked(_of_database)
    offsets = {HOST: _asked(time.time)[1], DATABASE: base}
    for alias, name in _REDIS.items():
        try:
            offsets[name] = _asked(lambda alias=alias: _of_redis(alias))[1]  # type: ignore[misc]
        except (redis.RedisError, OSError):
            continue  # no opinion
    ahead = {name: offset - base for name, offset in offsets.items()}
    return Clocks(dt.datetime.fromtimestamp(now, dt.UTC), ahead)


def _asked(clock: Callable[[], float]) -> tuple[float, float]:
    """What a clock says, seconds since 1970, and by how much it is ahead of the monotonic one."""
    began = time.monotonic()
    said = clock()
    return said, said - (began + time.monotonic()) / 2


def _of_database() -> float:
    with connection.cursor() as cursor:
        cursor.execute("SELECT extract(epoch FROM clock_timestamp())::float8")
        return float(cursor.fetchone()[0])


def _of_redis(alias: str) -> float:
    seconds, microseconds = get_redis_connection(alias).time()
    return float(seconds) + float(microseconds) / 1e6
