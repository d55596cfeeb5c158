"""Closed days leave PostgreSQL for Parquet: read, written, read back, compared, recorded, and only then dropped.

Enters the days (UTC) before an edge; leaves a file a day and kind (`files`), a row of ArchivedDay for each, and fewer
partitions. One archiver works at a time. Killed anywhere it loses nothing and doubles nothing: a file counts only once
its row is there, the row is written in the transaction that drops the partition, and who reads takes both where both
are (`door`). Late rows of an archived day make a partition again; the day is then restored, which merges them by the
conflict rule, and archived anew.

A partition may change while it is read. It is dropped only if nothing did: each version of a row carries the number of
the transaction that wrote it, so the count of rows and the sum of those numbers tell.
"""

from __future__ import annotations

import datetime as dt
import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

import pyarrow as pa
from django.conf import settings
from django.db import connections, transaction

from tracking.history import partitions, replay
from tracking.history.archiving import restore
from tracking.history.days import ArchiveFailed, Mark, mark, partition_of
from tracking.history.files import parquet as files
from tracking.history.files import wire
from tracking.history.files.columns import KINDS, columns_of, key_of, kind_of
from tracking.history.files.storage import Storage, storage
from tracking.models import ArchivedDay, Position

logger = logging.getLogger(__name__)

MERGE_EVERY = dt.timedelta(days=1)  # a day is read and written whole for its late rows: not at each of them
HELD = dt.timedelta(days=7)  # so long a restored day stays in PostgreSQL
LEFT_OVER = dt.timedelta(days=1)  # unfinished files older than that are nobody's
LATE_DAYS = 400


@dataclass(frozen=True)
class Done:
    """A day that was archived: rows and bytes of its file, how long it took."""

    kind: str
    day: dt.date
    rows: int
    bytes: int
    seconds: float


class DueDay(NamedTuple):
    """A day that is to be archived; `merges`: late rows go into what is archived."""

    model: type[Position]
    day: dt.date
    merges: bool


def edge(today: dt.date) -> dt.date | None:
    """The first day that stays in PostgreSQL; None: all do, for ever."""
    days = settings.ARCHIVE_AFTER_DAYS
    return today - dt.timedelta(days=min(days, today.toordinal() - 1)) if days > 0 else None


def due(before: dt.date, now: dt.datetime, at_once: bool = False) -> list[DueDay]:
    """The days before that are to be archived, oldest first; with `at_once` also those that may wait.

    Raises django.db errors.
    """
    found = []
    for kind, model in KINDS.items():
        known = {row.day: row for row in ArchivedDay.objects.using("direct").filter(kind=kind, day__lt=before)}
        for day in partitions.existing(model._meta.db_table) | _late_days(model, before):
            row = known.get(day)
            if day < before and (at_once or row is None or _has_waited(row, now)):
                found.append(DueDay(model, day, row is not None and row.restored_at is None))
    return sorted(found, key=lambda one: (one.day, kind_of(one.model)))


def _has_waited(row: ArchivedDay, now: dt.datetime) -> bool:
    """Whether a restored day was long enough in PostgreSQL, or a day's last merging is long enough ago."""
    return now - row.restored_at >= HELD if row.restored_at else now - row.at >= MERGE_EVERY


def _late_days(model: type[Position], before: dt.date) -> set[dt.date]:
    """The days before of which the default partition holds rows, LATE_DAYS of them at most."""
    with connections["direct"].cursor() as cursor:
        cursor.execute(
            f'SELECT DISTINCT ("timestamp" AT TIME ZONE \'UTC\')::date FROM "{model._meta.db_table}_default"'
            ' WHERE "timestamp" < %s LIMIT %s',
            [f"{before.isoformat()} 00:00+00", LATE_DAYS],
        )
        return {day for (day,) in cursor.fetchall()}


def archive_day(one: DueDay) -> Done | None:
    """Archive a day; None where it had no rows. Raises ArchiveFailed and django.db errors."""
    began = time.monotonic()
    partitions.make([one.day], [one.model._meta.db_table])
    if one.merges:
        if _was_empty(one):
            return None
        restore.bring_back(one.model, one.day, hold=False)
        with _reasons(one):
            replay.forget_day(one.model, one.day)
    place = storage()
    with _reasons(one):
        written, size = _write(place, one)
    recorded = _leave(one, written, size)
    if not recorded:
        return None
    logger.info("archived %s %s: %d rows in %d bytes", recorded.kind, recorded.day, recorded.rows, recorded.bytes)
    return Done(recorded.kind, recorded.day, recorded.rows, recorded.bytes, time.monotonic() - began)


def _was_empty(one: DueDay) -> bool:
    """Whether the partition of an archived day holds no late row; it is dropped then."""

    def decide(cursor: Any) -> None:
        cursor.execute(f'LOCK TABLE ONLY "{partition_of(one.model, one.day)}" IN SHARE MODE')
        if mark(cursor, one.model, one.day).rows:
            raise ArchiveFailed("rows_came_in", "there are late rows")

    try:
        return partitions.drop(one.model._meta.db_table, one.day, before=decide)
    except ArchiveFailed:
        return False


class Written(NamedTuple):
    """A file that holds what the partition held: its mark then, and the rows' hash."""

    mark: Mark
    hash: str


@contextmanager
def _reasons(one: DueDay) -> Iterator[None]:
    """Errors of files as ArchiveFailed."""
    try:
        yield
    except (OSError, pa.ArrowInvalid) as error:
        full = isinstance(error, OSError) and error.errno in (28, 122)  # ENOSPC, EDQUOT
        reason = "storage_full" if full else "storage_failed"
        text = f"{kind_of(one.model)} of {one.day} could not be written and stays in PostgreSQL: {error}"
        raise ArchiveFailed(reason, text) from error


def _write(place: Storage, one: DueDay) -> tuple[Written, int]:
    """Write the partition's rows to the day's file, if there are any; what was written, and its size."""
    name = files.name_of(one.model, one.day)
    with transaction.atomic(using="direct"), connections["direct"].cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        there = mark(cursor, one.model, one.day)
        if there.rows == 0:
            return Written(there, wire.Digest().hex()), 0
        with place.written(name) as path:
            digest = files.write(place, path, one.model, _rows(cursor, one))
            _compare(one, there, digest, files.digest(place, path, columns_of(one.model)))
        return Written(there, digest.hex()), place.size(name)


def _compare(one: DueDay, there: Mark, sent: wire.Digest, read: wire.Digest) -> None:
    """Raises ArchiveFailed where the file does not hold what PostgreSQL sent."""
    if (there.rows, sent.rows, sent.hex()) != (read.rows, read.rows, read.hex()):
        text = (
            f"{kind_of(one.model)} of {one.day} stays in PostgreSQL: of {there.rows} rows {sent.rows} were sent and "
            f"{read.rows} read back, with the hashes {sent.hex()} and {read.hex()}"
        )
        raise ArchiveFailed("read_back_differs", text)


def _rows(cursor: Any, one: DueDay) -> Iterator[bytes]:
    """The rows in order, a message each: the first has the header in front, the last is the trailer."""
    names = ", ".join(f'"{column.name}"' for column in columns_of(one.model))
    order = ", ".join(_ordered(one.model))
    statement = (
        f'COPY (SELECT {names} FROM "{partition_of(one.model, one.day)}" ORDER BY {order}) TO STDOUT (FORMAT binary)'
    )
    with cursor.copy(statement) as copy:
        for message in copy:
            row = bytes(message)
            row = row.removeprefix(wire.HEADER)
            if row != wire.TRAILER:
                yield row


def _ordered(model: type[Position]) -> Sequence[str]:
    """The key's columns; texts by code point, as files compare them."""
    texts = {column.name for column in columns_of(model) if pa.types.is_string(column.type)}
    return [f'"{name}" COLLATE "C"' if name in texts else f'"{name}"' for name in key_of(model)]


def _leave(one: DueDay, written: Written, size: int) -> ArchivedDay | None:
    """Record the file and drop the partition, if it is still what was written; the record, None for no rows.

    Raises ArchiveFailed and django.db errors.
    """
    recorded: list[ArchivedDay | None] = []

    def decide(cursor: Any) -> None:
        # Late writers of this day wait for us here; readers and all others go on.
        cursor.execute(f'LOCK TABLE ONLY "{partition_of(one.model, one.day)}" IN SHARE MODE')
        if mark(cursor, one.model, one.day) != written.mark:
            raise ArchiveFailed("rows_came_in", f"{kind_of(one.model)} of {one.day} was written to meanwhile")
        recorded[:] = [_record(one, written, size)]

    if not partitions.drop(one.model._meta.db_table, one.day, before=decide):
        text = f"{kind_of(one.model)} of {one.day} is written, but its partition is in use: the next run goes on"
        raise ArchiveFailed("partition_in_use", text)
    return recorded[0] if recorded else None


def _record(one: DueDay, written: Written, size: int) -> ArchivedDay | None:
    rows = ArchivedDay.objects.using("direct")
    if written.mark.rows == 0:
        rows.filter(kind=kind_of(one.model), day=one.day).delete()
        return None
    values = {
        "rows": written.mark.rows,
        "bytes": size,
        "hash": written.hash,
        "at": dt.datetime.now(dt.UTC),
        "restored_at": None,
    }
    recorded, _ = rows.update_or_create(kind=kind_of(one.model), day=one.day, defaults=values)
    return recorded
