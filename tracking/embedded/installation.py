"""One `up` at a time for a data directory, and which embedded servers it has to stop at its end.

DATA_DIR/up.lock is both: the lock on it, which the kernel frees when `up` is killed, and inside, as `name pid` lines,
the servers that were started. So the next `up` after a kill -9 stops at its end what the killed one left running,
while servers that somebody started by hand stay. It starts no other process.
"""

import fcntl
import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from tracking import embedded
from tracking.embedded.paths import make_data_directory


class AlreadyRunning(Exception):
    """Another `up` runs in this data directory."""

    def __init__(self, data_dir: Path) -> None:
        super().__init__(
            f"Another `manage.py up` runs in {data_dir}. Stop it first, or set DATA_DIR to another directory here."
        )


class Installation:
    """A data directory held by this process; get one from `Installation.locked`."""

    def __init__(self, data_dir: Path, record: int) -> None:
        self._data_dir = data_dir
        self._record = record
        self._owned: dict[str, int] = {}

    @classmethod
    @contextmanager
    def locked(cls, data_dir: Path) -> Iterator["Installation"]:
        """Hold DATA_DIR. Raises AlreadyRunning, and DataDirectoryError where the directory cannot be used."""
        make_data_directory(data_dir)
        record = os.open(data_dir / "up.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            try:
                fcntl.flock(record, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise AlreadyRunning(data_dir) from error
            yield cls(data_dir, record)
        finally:
            os.close(record)

    def start_servers(self, names: Collection[str]) -> None:
        """Have the embedded servers running; those that did not run, or that a killed `up` left, are ours to stop.

        Raises EmbeddedError; `stop_servers` then still stops the ones that came up.
        """
        left_over = self._read()
        for name in names:
            before = self._pid(name)
            if before is not None and left_over.get(name) == before:
                self._owned[name] = before
            embedded.start(self._data_dir, [name])
            after = self._pid(name)
            if before is None and after is not None:
                self._owned[name] = after
            self._write()

    def restart_dead_servers(self) -> list[str]:
        """Start those of ours again that died; their names. Raises EmbeddedError where one does not come up."""
        dead = [name for name, pid in self._owned.items() if not _is_alive(pid)]
        for name in dead:
            embedded.start(self._data_dir, [name])
            self._owned[name] = self._pid(name) or self._owned[name]
            self._write()
        return dead

    @staticmethod
    def is_held(data_dir: Path) -> bool:
        """Whether an `up` runs in the data directory."""
        try:
            record = os.open(data_dir / "up.lock", os.O_RDWR)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(record, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(record)
        return False

    def stop_servers(self) -> None:
        """Stop what is ours, also where it was restarted meanwhile. Raises EmbeddedError."""
        embedded.stop(self._data_dir, list(self._owned))
        self._owned.clear()
        self._write()

    def _pid(self, name: str) -> int | None:
        return next(status.pid for status in embedded.status(self._data_dir) if status.name == name)

    def _read(self) -> dict[str, int]:
        """What a killed `up` owned; empty after a clean end."""
        lines = os.pread(self._record, 4096, 0).decode().splitlines()
        words = [line.split() for line in lines]
        return {name: int(pid) for name, pid in (pair for pair in words if len(pair) == 2) if pid.isdigit()}

    def _write(self) -> None:
        os.ftruncate(self._record, 0)
        os.pwrite(self._record, "".join(f"{name} {pid}\n" for name, pid in self._owned.items()).encode(), 0)


def _is_alive(pid: int) -> bool:
    """Whether the process runs; one that is only waiting to be reaped does not."""
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
