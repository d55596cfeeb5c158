"""An archived day comes back to PostgreSQL, beside which its late rows may lie.

Enters a model and a day (UTC); leaves the day's partition with the archived rows, as they were, and with the late ones
merged into them by the conflict rule. The rows are loaded into a table of their own, which takes the partition's place
at once, in the transaction that says that the day is no longer archived: whoever reads sees the one or the other.
Killed anywhere, the day is still archived, or it is back.
"""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
from django.db import connections, transaction

from tracking.history import partitions
from tracking.history.days import ArchiveFailed, Mark, mark, partition_of
from tracking.history.files import parquet as files
from tracking.history.files import wire
from tracking.history.files.columns import Column, columns_of, kind_of
from tracking.history.files.storage import Storage, storage
from tracking.models import ArchivedDay, Position
from tracking.positions.upsert import upsert_of

logger = logging.getLogger(__name__)


class NotArchived(Exception):
    """There is no such day in the archive."""


def bring_back(model: type[Position], day: dt.date, hold: bool = True) -> int:
    """Restore the day; how many rows were archived. With `hold` it stays in PostgreSQL for a week.

    Raises NotArchived, ArchiveFailed and django.db errors; the day is as it was then.
    """
    archived = ArchivedDay.objects.using("direct").filter(kind=kind_of(model), day=day, restored_at=None).first()
    if archived is None:
        raise NotArchived(f"no {kind_of(model)} positions of {day} are in the archive")
    partitions.make([day], [model._meta.db_table])
    place = storage()
    try:
        merged = _load(place, model, archived)
    except (OSError, pa.ArrowInvalid) as error:
        text = f"{kind_of(model)} of {day} could not be read and stays in the archive: {error}"
        raise ArchiveFailed("storage_failed", text) from error
    _exchange(model, archived, merged, hold)
    logger.info("restored %s %s: %d rows", archived.kind, day, archived.rows)
    if hold:
        _forget(place, model, day)
    return int(archived.rows)


def _forget(place: Storage, model: type[Position], day: dt.date) -> None:
    """Remove the file; where that fails it is overwritten when the day is archived again."""
    try:
        place.remove(files.name_of(model, day))
    except OSError as error:
        logger.warning("the file of %s %s is left behind: %s", kind_of(model), day, error)


def _staging(model: type[Position], day: dt.date) -> str:
    return f"{partition_of(model, day)}_restoring"


def _load(place: Storage, model: type[Position], archived: ArchivedDay) -> Mark:
    """Fill the staging table with the file and then with the partition's rows; the partition's mark.

    Raises ArchiveFailed where the file does not hold what was recorded.
    """
    day, staging, path = archived.day, _staging(model, archived.day), place.path(files.name_of(model, archived.day))
    with transaction.atomic(using="direct"), connections["direct"].cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        cursor.execute(f'DROP TABLE IF EXISTS "{staging}"')
        cursor.execute(f'CREATE TABLE "{staging}" (LIKE "{model._meta.db_table}" INCLUDING ALL EXCLUDING IDENTITY)')
        # With it the partition is attached without a look at each of its rows.
        start, end = _ends(day)
        cursor.execute(
            f'ALTER TABLE "{staging}" ADD CONSTRAINT of_the_day'
            f" CHECK (\"timestamp\" >= '{start}' AND \"timestamp\" < '{end}')"
        )
        found = _copy(cursor, place, path, model, staging)
        if (found.rows, found.hex()) != (archived.rows, archived.hash):
            text = f"{archived.kind} of {day} stays in the archive: its file has {found.rows} rows, hash {found.hex()}"
            raise ArchiveFailed("archive_differs", f"{text}; {archived.rows} and {archived.hash} were recorded")
        _merge(cursor, model, day)
        return mark(cursor, model, day)


def _ends(day: dt.date) -> tuple[str, str]:
    first, last = (f"{edge.isoformat()} 00:00+00" for edge in (day, day + dt.timedelta(days=1)))
    return first, last


def _copy(cursor: Any, place: Storage, path: str, model: type[Position], staging: str) -> wire.Digest:
    """Copy the file into the table; the hash of the columns that it was written with."""
    written, columns = files.columns_in(place, path, model), columns_of(model)
    names = ", ".join(f'"{column.name}"' for column in columns)
    digest = wire.Digest()
    with cursor.copy(f'COPY "{staging}" ({names}) FROM STDIN (FORMAT binary)') as copy:
        copy.write(wire.HEADER)
        for batch in files.batches(place, path):
            copy.write(b"".join(_read(batch, columns, written, digest)))
        copy.write(wire.TRAILER)
    return digest


def _read(
    batch: pa.RecordBatch, columns: Sequence[Column], written: Sequence[Column], digest: wire.Digest
) -> list[bytes]:
    """The rows of a batch with all columns of today; those that it was written with are added to the hash."""
    rows = wire.encode(batch, columns)
    digest.add(rows if len(written) == len(columns) else wire.encode(batch, written))
    return rows


def _merge(cursor: Any, model: type[Position], day: dt.date) -> None:
    """The partition's rows into the staging table, by the conflict rule. What is there already changes nothing."""
    cursor.execute(upsert_of(model).sql.merge(partition_of(model, day), _staging(model, day)))


def _exchange(model: type[Position], archived: ArchivedDay, merged: Mark, hold: bool) -> None:
    """Put the staging table in the partition's place, and say that the day is not archived. Raises django.db errors."""
    table, day = model._meta.db_table, archived.day
    partition, staging = partition_of(model, day), _staging(model, day)
    start, end = _ends(day)
    with transaction.atomic(using="direct"), connections["direct"].cursor() as cursor:
        cursor.execute(f"SET LOCAL lock_timeout = '{partitions.LOCK_TIMEOUT}'")
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [partitions.LOCK])
        # Readers wait too: one that had planned with the partition would find the rows neither there nor archived.
        cursor.execute(f'LOCK TABLE ONLY "{table}" IN ACCESS EXCLUSIVE MODE')
        if mark(cursor, model, day) != merged:
            _merge(cursor, model, day)
        cursor.execute(f'DROP TABLE "{partition}"')
        cursor.execute(f'ALTER TABLE "{staging}" RENAME TO "{partition}"')
        cursor.execute(
            f"ALTER TABLE \"{table}\" ATTACH PARTITION \"{partition}\" FOR VALUES FROM ('{start}') TO ('{end}')"
        )
        cursor.execute(f'ALTER TABLE "{partition}" DROP CONSTRAINT of_the_day')
        known = ArchivedDay.objects.using("direct").filter(pk=archived.pk)
        if hold:
            known.update(restored_at=dt.datetime.now(dt.UTC))
        else:
            known.delete()
