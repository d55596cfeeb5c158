"""Servers of a test module's own, which its tests kill, freeze and bring back."""

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from tests.support.patience import PATIENCE_SECONDS
from tracking import embedded
from tracking.embedded import postgres, processes
from tracking.embedded.redis import pid_of


class Servers:
    """The embedded servers of one data directory, by their names of embedded.SERVICES."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir

    def start(self) -> None:
        """Have all of them running."""
        embedded.start(self.data_dir)

    def pid(self, name: str) -> int:
        pid = postgres.pid_of(self.data_dir) if name == "postgres" else pid_of(self.data_dir, name)
        assert pid is not None, f"{name} does not run"
        return pid

    def kill(self, name: str) -> None:
        """kill -9, backends included: they would end by themselves a moment later."""
        family = self._family(name)
        for process in family:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        assert processes.wait_until(lambda: not any(map(_lives, family)), PATIENCE_SECONDS)

    def freeze(self, name: str) -> None:
        for process in self._family(name):
            with suppress(psutil.NoSuchProcess):  # a backend whose client has just left
                process.suspend()

    def thaw(self, name: str) -> None:
        for process in self._family(name):
            with suppress(psutil.NoSuchProcess):
                process.resume()

    def mend(self) -> None:
        """Have all of them running, whatever was done to them."""
        for name in embedded.SERVICES:
            running = postgres.pid_of(self.data_dir) if name == "postgres" else pid_of(self.data_dir, name)
            if running is not None:
                self.thaw(name)
        self.start()

    def _family(self, name: str) -> list[psutil.Process]:
        main = psutil.Process(self.pid(name))
        return [main, *main.children(recursive=True)]


def _lives(process: psutil.Process) -> bool:
    with suppress(psutil.NoSuchProcess):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


@contextmanager
def own_servers() -> Iterator[Servers]:
    """All three servers in a directory that PostgreSQL's user may pass through; gone afterwards."""
    place = Path(tempfile.mkdtemp(prefix="own-", dir="/tmp"))
    place.chmod(0o711)
    servers = Servers(place)
    try:
        servers.start()
        yield servers
    finally:
        for name in embedded.SERVICES:
            with suppress(AssertionError, psutil.NoSuchProcess):
                os.kill(servers.pid(name), signal.SIGCONT)
        with suppress(embedded.EmbeddedError):
            servers.mend()
        embedded.stop(place)
        shutil.rmtree(place, ignore_errors=True)
