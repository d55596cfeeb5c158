"""The project's own programs as children: workers, web, feeds, a recording, each started again when it dies.

`Servers` enter, a `System` leaves: what systemd or Docker are in production. A death that nobody ordered is counted and
kept with its reason. Children are known by process id; what a killed main process leaves behind is killed with it.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.faults.processes import BASE_DIR, Process, free_port, listens, manage, wait_until
from tests.faults.servers import Servers
from tests.support.patience import PATIENCE_SECONDS
from tracking.embedded.supervisor import how_it_ended

TEND_SECONDS = 0.1
RESTART_SECONDS = 0.5
STOP_SECONDS = 30.0
_START_SECONDS = PATIENCE_SECONDS


class Child:
    """One program that should run: `kill` it as often as you like, `tend` starts it again."""

    def __init__(self, name: str, spawn: Callable[[], Process], until_done: bool = False) -> None:
        """`spawn` starts it; `until_done`: it is not started again after exit code 0."""
        self.name = name
        self.done = threading.Event()  # it ended with 0 and need not run again
        self.unexpected: list[str] = []  # how it ended when nobody had killed it
        self.starts = 0
        self._spawn, self._until_done = spawn, until_done
        self._lock = threading.RLock()
        self._process: Process | None = None
        self._wanted = self._ordered = False
        self._start_at = 0.0

    @property
    def process(self) -> Process:
        """The present process, or the last one. Raises RuntimeError before the first start."""
        if self._process is None:
            raise RuntimeError(f"{self.name} was never started")
        return self._process

    @property
    def is_running(self) -> bool:
        """Whether its main process lives."""
        return self._process is not None and self._process.is_running

    def start(self) -> None:
        """Start it, and want it to run from now on."""
        with self._lock:
            self._wanted, self._ordered = True, False
            self._process = self._spawn()
            self.starts += 1

    def kill(self) -> None:
        """SIGKILL to it with all its children; it is started again when tended."""
        with self._lock:
            self._ordered = True
            if self.is_running:
                self.process.kill()

    def kill_main(self) -> None:
        """SIGKILL to its main process alone; what it leaves behind is killed when tended, as systemd does."""
        with self._lock:
            self._ordered = True
            if self.is_running:
                self.process.kill_main()

    def stop(self, seconds: float = STOP_SECONDS) -> bool:
        """SIGTERM to its main process, and no more starts; False when it had to be killed."""
        with self._lock:
            self._wanted = False
            ended = not self.is_running or self.process.stop(signal.SIGTERM, seconds)
            self._sweep()
        return ended

    def tend(self, now: float) -> None:
        """Notice its end, and start it again half a second later. `now` is monotonic seconds."""
        with self._lock:
            if not self._wanted or self.is_running:
                return
            if self._start_at == 0.0:
                self._bury(now)
            elif now >= self._start_at:
                self._start_at = 0.0
                self.start()

    def _bury(self, now: float) -> None:
        code = self.process.returncode or 0
        self._sweep()
        if self._until_done and code == 0:
            self._wanted = False
            self.done.set()
            return
        if not self._ordered:
            self.unexpected.append(how_it_ended(code))
        self._start_at = now + RESTART_SECONDS

    def _sweep(self) -> None:
        """Kill what the main process left in the session that we made for it."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)


class System:
    """All programs over one set of servers; a context manager that ends them. Nothing is started by entering it."""

    def __init__(self, servers: Servers, pooled: bool, **environment: str) -> None:
        """`pooled`: the programs go through PgBouncer; `environment` is added to theirs."""
        self.servers = servers
        self.web_port = free_port()
        self.environment = servers.environment(pooled, **environment)
        self.children: dict[str, Child] = {}
        self._ended = threading.Event()
        self._tending = threading.Thread(target=self._tend, name="supervisor", daemon=True)

    def __enter__(self) -> Self:
        self._tending.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._tending.join()
        for child in self.children.values():
            child.kill()
            child.stop()

    def log(self, name: str) -> Path:
        """What a program has said, over all its lives."""
        return self.servers.directory / f"{name}.log"

    def start_workers(self, number: int = 2) -> Child:
        """The queue's workers."""
        return self._add("workers", manage("workers"), WORKERS=str(number))

    def start_web(self) -> Child:
        """The web server as `manage.py up` runs it; returns when it takes connections."""
        child = self._add("web", manage("web", f"--port={self.web_port}"))
        wait_until(lambda: listens(self.web_port), _START_SECONDS, f"the web server listens; see {self.log('web')}")
        return child

    def start_feeds(self) -> Child:
        """The enabled feeds: they keep the copy of push keys, and the loops that go with it."""
        return self._add("feeds", manage("ingest"))

    def start_recording(self, path: Path, label: str, *options: str, name: str = "recording", **more: str) -> Child:
        """Take in a file with --resume until it has been read to its end, whatever happens meanwhile."""
        command = manage("ingest", str(path), "--resume", "--no-wait", "--label", label, *options)
        return self._add(name, command, until_done=True, **more)

    def start_pgbouncer(self) -> Child:
        """PgBouncer, if need be again and again."""

        def spawn() -> Process:
            self.servers.pgbouncer.start_without_waiting()
            assert self.servers.pgbouncer.process is not None
            return self.servers.pgbouncer.process

        child = self._started(Child("pgbouncer", spawn))
        wait_until(self.servers.pgbouncer.answers, _START_SECONDS, "PgBouncer listens")
        return child

    def _add(self, name: str, command: list[str], until_done: bool = False, **more: str) -> Child:
        environment = self.environment | more

        def spawn() -> Process:
            return Process(command, self.log(name), environment, cwd=BASE_DIR)

        return self._started(Child(name, spawn, until_done))

    def _started(self, child: Child) -> Child:
        child.start()
        self.children[child.name] = child
        return child

    def _tend(self) -> None:
        while not self._ended.wait(TEND_SECONDS):
            for child in list(self.children.values()):
                child.tend(time.monotonic())
