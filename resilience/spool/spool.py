"""The spool: where this host keeps what the queue's Redis refuses, until it takes it.

Entries go in (`append`) and are durable once it returns; they leave in their order through `drain`, which one process
of a host runs at a time (`resilience.spool.drain`). An entry is a signed package for one stream, with the keys that are
set in the transaction that adds it. It is deleted after it was added: a crash between the two adds it twice, and
whoever runs it must not mind (the ledger does not). It knows neither Redis nor what is in a package.

A file of one table of entries and one of their sums, so that depths cost no scan:

    entry   id (ascending: the order), stream, spooled_at (seconds since 1970), alongside (JSON or NULL), package
    total   one row: entries, bytes, and the file's tag (ids mean nothing in another file)
"""

import json
import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import NamedTuple

from django.conf import settings

from resilience.spool.file import SpoolFile, SpoolRefusal, SpoolUnusable
from resilience.spool.lease import Lease, leased

__all__ = ["Spool", "SpoolDepth", "SpoolEntry", "SpoolFull", "SpoolRefusal", "SpoolUnusable", "get_spool"]

logger = logging.getLogger(__name__)

Send = Callable[[str, Sequence[str], Mapping[str, str]], object]

DRAIN_ENTRIES = 64  # at most so many are added in one transaction
DRAIN_BYTES = 1024 * 1024  # and no more after so many bytes
STALE_SECONDS = 30.0  # who drains and gives no sign of life for so long is frozen: the slowest step takes ten
_SHRINK_BYTES = 16 * 1024 * 1024
_SCHEMA = """
BEGIN;
CREATE TABLE entry (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  stream TEXT NOT NULL, spooled_at REAL NOT NULL, alongside TEXT, package TEXT NOT NULL
);
CREATE TABLE total (entries INTEGER NOT NULL, bytes INTEGER NOT NULL, tag TEXT NOT NULL);
INSERT INTO total VALUES (0, 0, hex(randomblob(16)));
COMMIT;
"""


class SpoolFull(SpoolRefusal):
    """There is no room for these packages below SPOOL_MAX_BYTES; there will be when the queue takes batches again."""


class SpoolDepth(NamedTuple):
    """Entries, the bytes of their packages, and when the oldest was appended (seconds since 1970, None: empty)."""

    entries: int
    bytes: int
    oldest_at: float | None


class SpoolEntry(NamedTuple):
    """One package on its way; `alongside`: keys to set with it."""

    id: int
    stream: str
    alongside: dict[str, str]
    package: str


class Spool:
    """The spool in `directory`, of at most `max_bytes` bytes of packages (its file takes a little more)."""

    def __init__(self, directory: Path, max_bytes: int) -> None:
        self.directory, self.max_bytes = directory, max_bytes
        self._file = SpoolFile(directory, _SCHEMA)

    def append(self, stream: str, packages: Sequence[str], alongside: Mapping[str, str]) -> None:
        """Keep packages for `stream` in their order, with keys to set along with the last; all or none.

        Durable once it returns. Raises SpoolFull and SpoolUnusable, and then nothing was kept.
        """
        if not packages:
            return
        size = sum(map(len, packages))
        with_last = json.dumps(dict(alongside)) if alongside else None
        notes = [*[None] * (len(packages) - 1), with_last]
        rows = [(stream, time.time(), note, package) for note, package in zip(notes, packages, strict=True)]

        def keep(connection: sqlite3.Connection) -> None:
            room = "UPDATE total SET entries = entries + ?, bytes = bytes + ? WHERE bytes + ? <= ?"
            if not connection.execute(room, (len(rows), size, size, self.max_bytes)).rowcount:
                raise SpoolFull(f"the spool {self.directory} holds its {self.max_bytes} bytes (SPOOL_MAX_BYTES)")
            insert = "INSERT INTO entry (stream, spooled_at, alongside, package) VALUES (?, ?, ?, ?)"
            connection.executemany(insert, rows)

        self._file.write(keep)

    def is_empty(self) -> bool:
        """Whether nothing waits here. About 10 µs; makes no file. Raises SpoolUnusable."""
        return self._file.read(lambda db: not db.execute("SELECT EXISTS (SELECT 1 FROM entry)").fetchall()[0][0], True)

    def depth(self) -> SpoolDepth:
        """How much waits here and for how long; makes no file. Raises SpoolUnusable."""
        query = "SELECT entries, bytes, (SELECT spooled_at FROM entry ORDER BY id LIMIT 1) FROM total"
        return self._file.read(lambda db: SpoolDepth(*db.execute(query).fetchall()[0]), SpoolDepth(0, 0, None))

    def newest(self, key: str) -> str | None:
        """The value that will be set to `key` at last, None if no entry has it. Raises SpoolUnusable."""

        def find(connection: sqlite3.Connection) -> str | None:
            query = "SELECT alongside FROM entry WHERE alongside IS NOT NULL ORDER BY id DESC"
            cursor = connection.execute(query)
            try:
                kept = (json.loads(text) for (text,) in cursor)
                return next((str(keys[key]) for keys in kept if key in keys), None)
            finally:
                cursor.close()

        return self._file.read(find, None)

    def drain(self, send: Send, stop: threading.Event) -> bool:
        """Give all entries in their order to `send(stream, packages, alongside)` until none is left or `stop` is set.

        False if another process is draining, or has taken this over. What `send` raises leaves the entries where they
        are. Raises SpoolUnusable; entries that were sent and could not be deleted are not sent again before they are,
        as long as this call lasts.

        A process that was frozen for STALE_SECONDS is not waited for. When it wakes up it may send what it had in hand,
        once: entries that others have sent meanwhile. It deletes no more than that, since ids are never given twice.
        """
        if self.is_empty():
            return True
        with leased(self.directory / "drain.lock", STALE_SECONDS) as lease:
            if lease is None:
                return False
            if lease.taken_from:
                logger.warning(
                    "%s has had the spool %s for over %g s without a sign of life; it is drained without it",
                    lease.taken_from, self.directory, STALE_SECONDS
                )  # fmt: skip
            while not stop.is_set():
                if not lease.renew():
                    return False
                head = self._file.read(_head, None)
                if head is None:
                    self._shrink()
                    return True
                tag, run = head
                alongside = {key: value for entry in run for key, value in entry.alongside.items()}
                send(run[0].stream, [entry.package for entry in run], alongside)
                self._delete(tag, run[-1].id, stop, lease)
        return True

    def _delete(self, tag: str, last: int, stop: threading.Event, lease: Lease) -> None:
        """Delete all up to the id `last` of the file `tag`: a full disk must not make us send the same for ever."""

        def delete(connection: sqlite3.Connection) -> None:
            query = "SELECT count(*), sum(length(package)) FROM entry WHERE id <= ? AND (SELECT tag FROM total) = ?"
            entries, size = connection.execute(query, (last, tag)).fetchall()[0]
            if entries:
                connection.execute("DELETE FROM entry WHERE id <= ?", (last,))
                connection.execute("UPDATE total SET entries = entries - ?, bytes = bytes - ?", (entries, size))

        while True:
            try:
                self._file.write(delete)
                return
            except SpoolUnusable:
                if stop.wait(2.0) or not lease.renew():
                    raise

    def _shrink(self) -> None:
        """Give a large file's space back, now that nothing is in it."""

        def shrink(connection: sqlite3.Connection) -> None:
            with suppress(sqlite3.OperationalError):  # somebody appends: another time will do
                connection.execute("VACUUM").fetchall()
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

        if self._file.path.stat().st_size > _SHRINK_BYTES:
            self._file.read(shrink, None)


def _head(connection: sqlite3.Connection) -> tuple[str, list[SpoolEntry]] | None:
    """The file's tag and the oldest entries, all of one stream; None if there are none."""
    tag = connection.execute("SELECT tag FROM total").fetchall()[0][0]
    query = "SELECT id, stream, alongside, package FROM entry ORDER BY id LIMIT ?"
    cursor = connection.execute(query, (DRAIN_ENTRIES,))
    run: list[SpoolEntry] = []
    size = 0
    try:
        for number, stream, alongside, package in cursor:
            if run and (stream != run[0].stream or size + len(package) > DRAIN_BYTES):
                break
            run.append(SpoolEntry(number, stream, json.loads(alongside) if alongside else {}, package))
            size += len(package)
    finally:
        cursor.close()
    return (tag, run) if run else None


def get_spool() -> Spool:
    """The spool of the settings SPOOL_DIR and SPOOL_MAX_BYTES; one a process."""
    return _spool(Path(settings.SPOOL_DIR), settings.SPOOL_MAX_BYTES)


@cache
def _spool(directory: Path, max_bytes: int) -> Spool:
    return Spool(directory, max_bytes)
