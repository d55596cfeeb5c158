"""What a fault may touch, and what is noted while it does: the system, the traffic, a clock and the seed's dice.

`say` prints a line with the seconds since the beginning. Returns of the database are noted by the wall clock, because
the breaker's history, against which they are held, is kept by Redis's.
"""

from __future__ import annotations

import random
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field

import psycopg
from django_q.status import Stat
from django_redis import get_redis_connection

from resilience.breaker.state import Phase
from resilience.breaker.store import RedisStore
from resilience.queue.broker import STREAMS, StreamsBroker
from resilience.queue.streams import StreamDepth
from tests.faults.processes import wait_until
from tests.faults.system import System

CLOSING_PATIENCE_SECONDS = 30.0


@dataclass
class Return:
    """PostgreSQL serves again: after what, since when it was away, and when it came back (seconds since 1970)."""

    after: str
    gone_at: float
    at: float


@dataclass
class Stage:
    """`scale` shortens every absence; 1 is as described."""

    system: System
    dice: random.Random
    scale: float = 1.0
    began: float = field(default_factory=time.monotonic)
    returns: list[Return] = field(default_factory=list)

    def say(self, text: str) -> None:
        """A line of progress."""
        sys.stdout.write(f"{time.monotonic() - self.began:6.1f} s  {text}\n")
        sys.stdout.flush()

    def stay(self, seconds: float) -> None:
        """Let `seconds` (scaled) pass while the traffic goes on."""
        time.sleep(seconds * self.scale)

    def back(self, after: str, gone_at: float) -> None:
        """PostgreSQL serves again now. No other fault until the breaker has closed: it would be measured with it."""
        self.returns.append(Return(after, gone_at, time.time()))
        self.say("PostgreSQL serves again")
        with suppress(TimeoutError):  # how long it took is judged in the end, by the breaker's history
            wait_until(self.breaker_is_closed, CLOSING_PATIENCE_SECONDS, "the breaker closes", poll=0.1)

    def workers(self) -> list[int]:
        """Process ids of the workers, as their sentinel tells them; empty while there are none."""
        cluster = self.system.children["workers"]
        found = [stat for stat in Stat.get_all() if cluster.is_running and stat.pid == cluster.process.pid]
        return list(found[0].workers) if found else []

    def depths(self) -> dict[str, StreamDepth]:
        """The queue's streams. Raises redis.RedisError."""
        depths = StreamsBroker().depths()
        return {name: depths[name] for name in STREAMS}

    def waiting_for_lock(self, connection: psycopg.Connection[tuple[object, ...]]) -> int:
        """How many transactions wait for a table that `connection` has locked."""
        found = connection.execute("SELECT count(*) FROM pg_locks WHERE NOT granted").fetchone()
        return int(str(found[0])) if found else 0

    def breaker_is_closed(self) -> bool:
        """Whether batches are given out again."""
        state, _ = RedisStore(get_redis_connection("queue")).load("database")
        return state.phase is Phase.CLOSED
