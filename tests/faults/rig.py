"""The system under a fault: running servers, `manage.py workers`, and the side that accepts batches for them.

The test process accepts as a collector does (XADD, the same batch again after an error) and looks at the database and
at the breaker; the workers are processes of their own, which know of nothing but their environment variables.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg
import redis
from django.conf import settings
from django_q.tasks import async_task
from redis.backoff import NoBackoff
from redis.retry import Retry

from ingest.acceptance.package import TASK, pack
from ingest.reports import MessageBatch
from resilience.breaker.registry import Breaker, BreakerConfig, Phase, RedisStore, Snapshot
from resilience.queue.broker import LIVE, StreamsBroker
from tests.faults.invariants import Fate, Traffic, fate, queued
from tests.faults.processes import BASE_DIR, Process, manage, wait_until
from tests.faults.proxy import Proxy
from tests.faults.servers import Servers
from tests.support.patience import PATIENCE_SECONDS, SLACK_SECONDS

RESET_SECONDS = 2.0  # of the breaker, as in tests.faults.servers.FAST
CLOSING_SECONDS = RESET_SECONDS + 2.0 + SLACK_SECONDS  # from the return of the database to a closed breaker
SLOW_SECONDS = 0.01  # of each answer and each question on a slow line
TABLES = (
    "ingest_batch, resilience_deadletter, tracking_vesselposition, tracking_aircraftposition, tracking_vessel,"
    " tracking_aircraft, tracking_station"
)


class Rig:
    """One test's system on `servers`, which it finds empty; nothing of it runs after `close`."""

    def __init__(self, servers: Servers, directory: Path) -> None:
        self.servers = servers
        self.accepted: list[MessageBatch] = []
        self.traffic = Traffic()
        self.workers: Process | None = None
        self._accepting = threading.Lock()  # so that `fate` finds no batch between our list and the queue
        self._log = directory / "workers.log"
        self._environment: dict[str, str] = {}
        self.client = redis.Redis(port=servers.queue.port, socket_timeout=3, retry=Retry(NoBackoff(), 0))
        self.broker = self._broker(LIVE)
        self.breaker = Breaker("database", RedisStore(self.client), BreakerConfig(reset_seconds=RESET_SECONDS))

    def _broker(self, stream: str) -> StreamsBroker:
        broker = StreamsBroker(list_key="tracking", stream=stream)
        broker.connection = self.client
        broker._begin()
        return broker

    def empty(self) -> None:
        """Every server runs and holds nothing."""
        for server in (self.servers.postgres, self.servers.queue, self.servers.live):
            if not server.is_running:
                server.start()
        self.client.flushall()
        with psycopg.connect(self.servers.postgres.url(), autocommit=True) as connection:
            connection.execute(f"TRUNCATE {TABLES} CASCADE")

    # --- workers ------------------------------------------------------------------------------------------------------
    def start_workers(self, pooled: bool = False, **environment: str) -> Process:
        """Two workers; `environment` replaces or adds variables. The same again when called without any."""
        if environment or pooled or not self._environment:
            own = {"DJANGO_SETTINGS_MODULE": "tests.faults.settings", "SECRET_KEY": settings.SECRET_KEY, "WORKERS": "2"}
            self._environment = self.servers.environment(pooled, **(own | environment))
        self.workers = Process(manage("workers"), self._log, self._environment, cwd=BASE_DIR)
        return self.workers

    @contextmanager
    def slow_line(self) -> Iterator[tuple[Proxy, str]]:
        """A proxy before PostgreSQL and the address behind it: too slow for any machine to be done too soon.

        Set it to "ok" to have a line as fast as any.
        """
        with Proxy(self.servers.postgres.port) as proxy:
            proxy.set("ok", SLOW_SECONDS)
            yield proxy, self.servers.postgres.url(port=proxy.port)

    def kill_workers(self) -> None:
        """The whole cluster, at once."""
        assert self.workers is not None
        self.workers.kill()

    # --- accepting ----------------------------------------------------------------------------------------------------
    def accept(self, batches: Iterable[MessageBatch], task: str = TASK) -> None:
        """Add batches to the queue, each again until the queue has it; accepted when this returns."""
        for parcel in batches:
            with self._accepting:
                self.accepted.append(parcel)
                self._add(pack(parcel), task)

    def _add(self, packed: bytes, task: str) -> None:
        end = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                async_task(task, packed, LIVE, broker=self.broker)
                return
            except redis.RedisError:
                assert time.monotonic() < end, "the queue did not come back"
            time.sleep(0.05)

    @contextmanager
    def steady_traffic(self, pause: float = 0.1, size: int = 5) -> Iterator[None]:
        """A batch every `pause` seconds, as long as the body runs."""
        stop, errors = threading.Event(), list[BaseException]()

        def go_on() -> None:
            try:
                while not stop.wait(pause):
                    self.accept([self.traffic.batch(size)])
            except BaseException as error:
                errors.append(error)

        thread = threading.Thread(target=go_on)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join(PATIENCE_SECONDS)
        assert not errors, errors

    # --- looking ------------------------------------------------------------------------------------------------------
    def ask(self, sql: str) -> list[tuple[Any, ...]]:
        """Ask PostgreSQL, past everything that stands before it."""
        with psycopg.connect(self.servers.postgres.url(), connect_timeout=30, autocommit=True) as connection:
            return connection.execute(sql).fetchall()

    def booked(self) -> int:
        """How many batches the ledger holds."""
        [(number,)] = self.ask("SELECT count(*) FROM ingest_batch")
        return int(number)

    def fate(self) -> Fate:
        """Where everything is. Between reading the queue and the database a batch may move to the latter only."""
        with self._accepting:
            return fate(self.accepted, queued(self.broker.streams, self.client), self.ask)

    def drain(self, seconds: float = PATIENCE_SECONDS) -> Fate:
        """Wait until all is booked and acknowledged; what became of it, checked."""
        self.wait(lambda: self.booked() >= len(self.accepted), "everything is booked", seconds)
        self.wait(lambda: self.broker.queue_size() + self.broker.lock_size() == 0, "all is acknowledged", seconds)
        return self.fate().settled()

    def snapshot(self) -> Snapshot:
        """The breaker of the database, as all workers see it."""
        return self.breaker.snapshot()

    def wait_for_phase(self, phase: Phase, seconds: float = PATIENCE_SECONDS) -> float:
        """Wait until the breaker is in `phase`; how long that took."""
        begun = time.monotonic()
        self.wait(lambda: self.snapshot().state.phase is phase, f"the breaker is {phase}", seconds)
        return time.monotonic() - begun

    def wait(self, claim: Callable[[], bool], what: str, seconds: float = PATIENCE_SECONDS) -> None:
        """Ask `claim` until it holds; a TimeoutError shows what the workers said last."""
        try:
            wait_until(claim, seconds, what, poll=0.05)
        except TimeoutError as error:
            said = self.workers.last_lines(6000) if self.workers else ""
            raise AssertionError(f"{error}\nbreaker: {self.snapshot().state}\n{said}") from error

    def close(self) -> None:
        """Kill the workers and thaw what is frozen."""
        if self.workers is not None:
            self.workers.kill()
        for server in (self.servers.postgres, self.servers.queue, self.servers.live):
            with suppress(RuntimeError, ProcessLookupError):
                server.thaw()
        self.client.close()
