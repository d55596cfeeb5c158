"""The SQLite file of a spool: made whole or not at all, open once a process, moved aside when it is damaged.

Operations enter, functions of a connection; what they return leaves. It does not know what is in the tables, which are
`resilience.spool.spool`'s. Write-ahead log and synchronous=FULL: what was committed survives kill -9 and a power cut.
The directory gets mode 0700 and the files 0600. It must be a local disk: SQLite's locks do not work over NFS.

A file that SQLite calls damaged is never deleted: it is renamed, and a new one begun. Processes that have the old one
open notice that the name leads elsewhere before and after each operation.
"""

import logging
import os
import sqlite3
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import TypeVar
from urllib.parse import quote

from resilience.spool.lease import locked

T = TypeVar("T")
Operation = Callable[[sqlite3.Connection], T]

logger = logging.getLogger(__name__)

NAME = "spool.sqlite3"
BUSY_SECONDS = 5.0  # how long another process's commit is waited for
_COMPANIONS = ("", "-wal", "-shm")
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_FIXES = {
    sqlite3.SQLITE_FULL: "make room on its disk",
    sqlite3.SQLITE_IOERR: "see the disk's own errors",
    sqlite3.SQLITE_BUSY: "another process has held it for too long",
}


class SpoolRefusal(OSError):
    """The spool does not take what was given to it; nothing of it was kept."""


class SpoolUnusable(SpoolRefusal):
    """The spool cannot be used; the message says why and what to do."""


class SpoolFile:
    """The file in `directory`, safe for threads and forks; `schema`: the statements that make its tables."""

    def __init__(self, directory: Path, schema: str) -> None:
        self.directory, self.path = directory, directory / NAME
        self._schema = schema
        self._lock = Lock()
        self._connection: sqlite3.Connection | None = None
        self._opened: tuple[int, int] | None = None  # device and inode: which file the connection has
        self._found: tuple[int, int] | None = None  # which file had the name last
        self._complaint = ""
        _files.add(self)

    def read(self, operation: Operation[T], absent: T) -> T:
        """The result of the operation, `absent` if there is no file: reading makes none. Raises SpoolUnusable."""
        with self._lock, self._complaining():
            try:
                return self._mended(lambda: operation(self._connect()))
            except FileNotFoundError:
                return absent

    def write(self, operation: Operation[T]) -> T:
        """The result of the operation in one transaction, durable on return; what it raises undoes it.

        Makes directory and file where there is none. Raises SpoolUnusable, and then nothing was changed.
        """
        with self._lock, self._complaining():
            result = self._mended(lambda: self._write(operation))
            if self._complaint:
                logger.warning("the spool %s can be used again", self.path)
                self._complaint = ""
            return result

    def _write(self, operation: Operation[T]) -> T:
        while True:
            if not self.path.exists():
                self._make()
            result = _in_transaction(self._connect(), operation)
            if self._opened == _identity(self.path):
                return result
            # The file was moved aside while this was committed to it: nobody would look for it there.

    def _mended(self, attempt: Callable[[], T]) -> T:
        """The attempt, made again when it met a damaged file and that was moved aside."""
        try:
            return attempt()
        except sqlite3.DatabaseError as error:
            if _code(error) not in _DAMAGED:
                raise
            self._set_aside(error)
            return attempt()

    @contextmanager
    def _complaining(self) -> Iterator[None]:
        """Make every error a SpoolUnusable, and say once what is wrong and what to do."""
        try:
            yield
        except SpoolRefusal:
            raise
        except (sqlite3.Error, OSError) as error:
            raise self._unusable(error) from error

    def _connect(self) -> sqlite3.Connection:
        self._found = found = _identity(self.path)
        if self._connection is None or self._opened != found:
            self._close()
            uri = f"file:{quote(str(self.path))}?mode=rw"  # without `c`: only _make makes it
            connection = sqlite3.connect(uri, BUSY_SECONDS, isolation_level=None, check_same_thread=False, uri=True)
            connection.execute("PRAGMA synchronous=FULL").fetchall()
            self._connection, self._opened = connection, found
        return self._connection

    def _close(self) -> None:
        """SQLite itself sees that the file was renamed, and then leaves the log of that name alone."""
        if self._connection is not None:
            connection, self._connection, self._opened = self._connection, None, None
            connection.close()

    def _make(self) -> None:
        """Make the file under another name and rename it: whoever sees it sees all of it."""
        self.directory.parent.mkdir(parents=True, exist_ok=True)
        self.directory.mkdir(mode=0o700, exist_ok=True)
        with self._alone():
            if self.path.exists():
                return
            self._rename_all()  # a log without its file would be replayed into the new one
            begun = self.directory / "begun.sqlite3"
            for companion in _COMPANIONS:
                Path(f"{begun}{companion}").unlink(missing_ok=True)
            os.close(os.open(begun, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
            connection = sqlite3.connect(begun, isolation_level=None)
            try:
                connection.execute("PRAGMA journal_mode=WAL").fetchall()
                connection.executescript(self._schema)
            finally:
                connection.close()
            begun.rename(self.path)
            self._sync_directory()

    def _set_aside(self, error: sqlite3.DatabaseError) -> None:
        """Rename the damaged file with its log; another process may have been faster."""
        with self._alone():
            if self.path.exists() and _identity(self.path) == self._found:
                kept = self._rename_all()
                self._sync_directory()
                logger.critical(
                    "the spool %s is damaged (%s); it is kept as %s and a new one is begun. Batches in it are not yet "
                    "booked: `sqlite3 %s .recover` may still read them.", self.path, error, kept, kept
                )  # fmt: skip
        self._close()

    def _rename_all(self) -> Path:
        kept = self.directory / time.strftime(
            f"damaged-%Y%m%dT%H%M%S-{time.time_ns() % 10**9:09d}Z.sqlite3", time.gmtime()
        )
        for companion in _COMPANIONS:
            old = Path(f"{self.path}{companion}")
            if old.exists():
                old.rename(f"{kept}{companion}")
        return kept

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """No other process makes or moves the file meanwhile."""
        with locked(self.directory / "spool.lock", BUSY_SECONDS) as is_mine:
            if not is_mine:
                raise OSError(f"another process has held spool.lock for {BUSY_SECONDS:g} s")
            yield

    def _sync_directory(self) -> None:
        """A new name is on the disk only when its directory is."""
        descriptor = os.open(self.directory, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def _unusable(self, error: Exception) -> SpoolUnusable:
        fix = _FIXES.get(_code(error) & 0xFF, "is its directory (SPOOL_DIR) there, and may this user write there?")
        complaint = f"the spool {self.path} cannot be used: {error}; {fix}"
        if complaint != self._complaint:
            logger.error("%s", complaint)
            self._complaint = complaint
        return SpoolUnusable(complaint)

    def hold(self) -> None:
        """Wait for the operation in hand, close the file, and let nobody use it until `release`."""
        self._lock.acquire()
        self._close()

    def release(self) -> None:
        """The file may be used again."""
        self._lock.release()


def _in_transaction(connection: sqlite3.Connection, operation: Operation[T]) -> T:
    connection.execute("BEGIN IMMEDIATE")
    try:
        result = operation(connection)
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    return result


def _identity(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_dev, found.st_ino


def _code(error: BaseException) -> int:
    return int(getattr(error, "sqlite_errorcode", 0) or 0)


_files: "weakref.WeakSet[SpoolFile]" = weakref.WeakSet()
_held: list[SpoolFile] = []


def _before_fork() -> None:
    """A child inherits what SQLite believes of the locks of its process, and has none: no file may be open."""
    for file in list(_files):
        file.hold()
        _held.append(file)


def _after_fork() -> None:
    while _held:
        _held.pop().release()


os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork)
