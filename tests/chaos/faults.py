"""What is done to the system, one after the other in an order that the seed shuffles, while the traffic goes on.

Each fault is a function of the stage: it breaks something, waits, and puts back what does not come back by itself.
Programs come back through their supervisor, servers through the fault that took them.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import psutil
import psycopg
import redis

from tests.chaos.stage import Stage
from tests.faults.processes import wait_until
from tests.support.patience import PATIENCE_SECONDS

# Below the lock_timeout of the pooled role: workers must still be waiting when one is killed.
_LOCK_SECONDS = 2.0
_WORKERS_SECONDS = 60.0


@dataclass(frozen=True)
class Fault:
    """What it does in words, how many seconds it takes about, and the doing."""

    what: str
    seconds: float
    do: Callable[[Stage], None]
    needs: str | None = None  # the child without which it makes no sense
    quick: bool = True  # whether a short run does it too: each other one is like one that it does


def kill_postgres(stage: Stage) -> None:
    """All its processes at once, as when the machine fails; recovery is part of the return."""
    server, gone_at = stage.system.servers.postgres, time.time()
    server.kill()
    stage.stay(8)
    server.start()
    stage.back("kill -9 of PostgreSQL", gone_at)


def freeze_postgres(stage: Stage) -> None:
    """Connections stay open and nobody answers."""
    server, gone_at = stage.system.servers.postgres, time.time()
    server.freeze()
    stage.stay(15)
    server.thaw()
    wait_until(server.answers, PATIENCE_SECONDS, "PostgreSQL answers after its thaw")
    stage.back("a freeze of PostgreSQL", gone_at)


def kill_queue(stage: Stage) -> None:
    """What it has acknowledged is on disk."""
    server = stage.system.servers.queue
    server.kill()
    stage.stay(stage.dice.uniform(2, 4))
    server.start()


def kill_live(stage: Stage) -> None:
    """It comes back empty."""
    server = stage.system.servers.live
    server.kill()
    stage.stay(stage.dice.uniform(2, 4))
    server.start()


def kill_both_redis(stage: Stage) -> None:
    """The queue's comes back first."""
    servers = stage.system.servers
    servers.live.kill()
    servers.queue.kill()
    stage.stay(2)
    servers.queue.start()
    stage.stay(1)
    servers.live.start()


def freeze_queue(stage: Stage) -> None:
    """Longer than its clients wait: what they gave up is done after the thaw, when they have spooled it as well."""
    server = stage.system.servers.queue
    server.freeze()
    stage.stay(7)
    server.thaw()


def freeze_live(stage: Stage) -> None:
    """Longer than its clients wait."""
    server = stage.system.servers.live
    server.freeze()
    stage.stay(7)
    server.thaw()


def kill_collectors_without_queue(stage: Stage) -> None:
    """Web and collector die while the queue is away: what they said they had, they must have on disk."""
    system = stage.system
    system.servers.queue.kill()
    stage.stay(3)
    system.children["web"].kill()
    system.children["recording"].kill()
    stage.stay(4)
    system.servers.queue.start()


def kill_cluster(stage: Stage) -> None:
    """The workers' main process, sentinel, pusher, monitor and workers at once."""
    stage.system.children["workers"].kill()


def kill_cluster_main(stage: Stage) -> None:
    """The main process alone: the rest must not go on beside its successor."""
    stage.system.children["workers"].kill_main()


def kill_idle_worker(stage: Stage) -> None:
    """One worker while no batch is in anybody's hands."""
    deadline = time.monotonic() + 3
    while time.monotonic() < deadline and any(depth.pending for depth in stage.depths().values()):
        time.sleep(0.01)
    _kill_worker(stage)


def kill_busy_worker(stage: Stage) -> None:
    """One worker in the middle of its transaction: all of them wait for the ledger, which is locked."""
    server = stage.system.servers.postgres
    _some_workers(stage)
    with psycopg.connect(server.url(), autocommit=True) as watch, psycopg.connect(server.url()) as locker:
        locker.execute("LOCK TABLE ingest_batch IN EXCLUSIVE MODE")
        deadline = time.monotonic() + _LOCK_SECONDS
        while time.monotonic() < deadline and stage.waiting_for_lock(watch) < len(stage.workers()):
            time.sleep(0.05)
        stage.say(f"{stage.waiting_for_lock(watch)} workers are in a transaction")
        _kill_worker(stage)
        locker.rollback()


def _kill_worker(stage: Stage) -> None:
    """One of the workers."""
    if workers := _some_workers(stage):
        with suppress(psutil.NoSuchProcess):
            psutil.Process(stage.dice.choice(sorted(workers))).kill()


def _some_workers(stage: Stage) -> list[int]:
    """The workers; while the sentinel starts them anew, wait for them. Empty after 15 s, which is said."""
    deadline = time.monotonic() + _WORKERS_SECONDS
    while time.monotonic() < deadline:
        with suppress(redis.RedisError):
            if workers := [pid for pid in stage.workers() if psutil.pid_exists(pid)]:
                return workers
        time.sleep(0.1)
    stage.say(f"there was no worker for {_WORKERS_SECONDS:.0f} s")
    return []


def kill_recording(stage: Stage) -> None:
    """The collector of the file: its successor goes on where the queue says."""
    stage.system.children["recording"].kill()


def kill_feeds(stage: Stage) -> None:
    """The feed runner."""
    stage.system.children["feeds"].kill()


def kill_web(stage: Stage) -> None:
    """The web server with its processes."""
    stage.system.children["web"].kill()


def kill_web_worker(stage: Stage) -> None:
    """One of the web server's processes."""
    web = stage.system.children["web"]
    workers = web.process.children() if web.is_running else []
    if workers:
        stage.dice.choice(sorted(workers, key=lambda process: process.pid)).kill()


def kill_pgbouncer(stage: Stage) -> None:
    """The pooler; its supervisor starts it again."""
    stage.system.children["pgbouncer"].kill()


FAULTS = (
    Fault("kill -9 of PostgreSQL, 8 s away", 9, kill_postgres),
    Fault("freeze of PostgreSQL for 15 s", 16, freeze_postgres),
    Fault("kill -9 of the queue's Redis", 4, kill_queue),
    Fault("kill -9 of the live Redis", 4, kill_live),
    Fault("kill -9 of both Redis servers", 4, kill_both_redis, quick=False),
    Fault("freeze of the queue's Redis for 7 s", 7, freeze_queue, quick=False),
    Fault("freeze of the live Redis for 7 s", 7, freeze_live, quick=False),
    Fault("kill -9 of web and collector while the queue's Redis is away", 8, kill_collectors_without_queue),
    Fault("kill -9 of the whole cluster", 1, kill_cluster),
    Fault("kill -9 of the cluster's main process alone", 1, kill_cluster_main, quick=False),
    Fault("kill -9 of an idle worker", 3, kill_idle_worker),
    Fault("kill -9 of a busy worker", 3, kill_busy_worker),
    Fault("kill -9 of the collector", 1, kill_recording),
    Fault("kill -9 of the feed runner", 1, kill_feeds, quick=False),
    Fault("kill -9 of the web server", 1, kill_web, quick=False),
    Fault("kill -9 of one of the web server's workers", 1, kill_web_worker),
    Fault("kill -9 of PgBouncer", 1, kill_pgbouncer, needs="pgbouncer"),
)
GAP_SECONDS = (1.0, 4.0)


def plan(stage: Stage) -> list[Fault]:
    """All faults that make sense here, or in a short run some of each sort; shuffled."""
    chosen = _chosen(stage.scale)
    possible = [fault for fault in chosen if fault.needs is None or fault.needs in stage.system.children]
    stage.dice.shuffle(possible)
    return possible


def expected_seconds(scale: float) -> float:
    """How long they take about, with the gaps between."""
    return scale * sum(fault.seconds + sum(GAP_SECONDS) / 2 for fault in _chosen(scale))


def _chosen(scale: float) -> list[Fault]:
    return [fault for fault in FAULTS if fault.quick or scale == 1.0]


def inflict(stage: Stage) -> None:
    """One after the other, with a little peace between, so that some meet a system that still mends the last."""
    for fault in plan(stage):
        stage.say(fault.what)
        fault.do(stage)
        stage.stay(stage.dice.uniform(*GAP_SECONDS))
