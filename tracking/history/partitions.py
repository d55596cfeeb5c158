"""Day partitions of the position tables: made ahead of the batches that need them, dropped by retention.

Enters days (UTC); leaves tables `tracking_vesselposition_20260101` and the like, made through the `direct` alias in a
transaction of their own, because two workers that make partitions inside a batch's transaction deadlock. Rows of a day
without a partition are kept by the default partition; when the day's partition is made later they are moved into it.
Which days are too old is not known here (`tracking/history/retention.py`).
"""

import datetime as dt
import logging
import math
import re
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple

from django.db import OperationalError, connections, transaction
from django.db.backends.utils import CursorWrapper

from tracking.models import AircraftPosition, VesselPosition

logger = logging.getLogger(__name__)

TABLES = (VesselPosition._meta.db_table, AircraftPosition._meta.db_table)
DAYS_PER_RUN = 400
DAYS_AHEAD = 7
LOCK_TIMEOUT = "3s"
DROP_LOCK_TIMEOUT = "200ms"  # as long do batches and readers queue behind a drop that waits
DROP_PAUSES = (0.0, 0.5, 1.0, 2.0)  # seconds before each try
DEFAULT_BLOCKS = 200  # of the default partition, emptied at once: some 12,000 rows
LOCK = 0x7472_6163  # "trac": one maker of partitions at a time, transaction-level, so safe behind a pooler
_NAME = re.compile(r"_(\d{8})$")


class TooManyDays(ValueError):
    """More days were asked for than one run may make."""


@dataclass(frozen=True)
class PartitionSize:
    """One partition: its day (None: the default), rows as the planner estimates them (None: never analysed), bytes."""

    table: str
    name: str
    day: dt.date | None
    rows: int | None
    bytes: int


class Dropped(NamedTuple):
    """What was dropped: partitions, and rows of the default partition; `left`: partitions that were in use."""

    partitions: int = 0
    rows: int = 0
    left: int = 0


def existing(table: str) -> set[dt.date]:
    """The days that have a partition of their own."""
    with connections["direct"].cursor() as cursor:
        cursor.execute(
            "SELECT relname FROM pg_inherits JOIN pg_class c ON c.oid = inhrelid WHERE inhparent = %s::regclass",
            [table],
        )
        days = {_day(name) for (name,) in cursor.fetchall()}
    return {day for day in days if day is not None}


def _day(name: str) -> dt.date | None:
    """The day in a partition's name; None for the default's."""
    found = _NAME.search(name)
    return dt.datetime.strptime(found[1], "%Y%m%d").replace(tzinfo=dt.UTC).date() if found else None


def sizes(table: str) -> list[PartitionSize]:
    """The partitions of the table by name, the default's last."""
    with connections["direct"].cursor() as cursor:
        cursor.execute(
            "SELECT c.relname, NULLIF(c.reltuples, -1)::bigint, pg_total_relation_size(c.oid)"
            " FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = %s::regclass ORDER BY 1",
            [table],
        )
        return [PartitionSize(table, name, _day(name), rows, size) for name, rows, size in cursor.fetchall()]


def today() -> dt.date:
    """The day (UTC) by the database's clock."""
    with connections["direct"].cursor() as cursor:
        cursor.execute("SELECT (now() AT TIME ZONE 'UTC')::date")
        day: dt.date = cursor.fetchone()[0]
        return day


def make(days: Iterable[dt.date], tables: Iterable[str] = TABLES) -> int:
    """Make the missing partitions of the tables for these days; how many were made.

    Raises TooManyDays beyond 400 days, and django.db errors; each table's day is a transaction of its own.
    """
    wanted = sorted(set(days))
    if len(wanted) > DAYS_PER_RUN:
        raise TooManyDays(f"{len(wanted)} days need partitions, at most {DAYS_PER_RUN} are made in one run")
    made = 0
    for table in tables:
        present = existing(table)
        for day in wanted:
            if day not in present:
                made += _make(table, day)
    return made


def make_ahead(today: dt.date) -> int:
    """Make the partitions of yesterday, today and the days ahead; how many were made."""
    return make(days_ahead(today))


def days_ahead(today: dt.date, ahead: int = DAYS_AHEAD) -> list[dt.date]:
    """Yesterday, whose late reports still come in, today and the days ahead."""
    return [today + dt.timedelta(days=offset) for offset in range(-1, ahead + 1)]


def _make(table: str, day: dt.date) -> int:
    """One partition, with the day's rows moved out of the default partition: 1 made, 0 if another was quicker."""
    name = f"{table}_{day:%Y%m%d}"
    start, end = (f"{edge.isoformat()} 00:00+00" for edge in (day, day + dt.timedelta(days=1)))
    connection = connections["direct"]
    with transaction.atomic(using="direct"), connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])
        cursor.execute("SELECT to_regclass(%s)", [name])
        if cursor.fetchone()[0] is not None:
            return 0
        inside = f'FROM "{table}_default" WHERE "timestamp" >= %s AND "timestamp" < %s'
        cursor.execute(f"SELECT EXISTS (SELECT {inside})", [start, end])
        # Writers wait before they choose a partition: one that had chosen the default would be refused after the ATTACH
        # (23514, "violates partition constraint"). Readers go on, unless rows are moved: one that had planned without
        # the new partition would find them neither here nor there.
        mode = "ACCESS EXCLUSIVE" if cursor.fetchone()[0] else "SHARE ROW EXCLUSIVE"
        # A batch in flight holds the table for milliseconds; whoever holds it longer must not make batches queue
        # behind us.
        cursor.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
        cursor.execute(f'LOCK TABLE ONLY "{table}" IN {mode} MODE')
        cursor.execute(f'CREATE TABLE "{name}" (LIKE "{table}" INCLUDING ALL EXCLUDING IDENTITY)')
        cursor.execute(f'LOCK TABLE "{table}_default" IN ACCESS EXCLUSIVE MODE')
        cursor.execute(
            f'WITH moved AS (DELETE {inside} RETURNING *) INSERT INTO "{name}" SELECT * FROM moved', [start, end]
        )
        cursor.execute(f"ALTER TABLE \"{table}\" ATTACH PARTITION \"{name}\" FOR VALUES FROM ('{start}') TO ('{end}')")
    logger.info("made partition %s", name)
    return 1


def drop_before(
    table: str,
    day: dt.date,
    seconds: float = math.inf,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Dropped:
    """Drop the partitions of the days before `day`, oldest first, and delete such rows of the default partition.

    Begins nothing more after `seconds`. Whoever uses the table is waited for in short tries only; where none succeeds
    the rest is left, and a later call takes it. Raises django.db errors other than such a lock.
    """
    began = clock()
    old = sorted(found for found in existing(table) if found < day)
    dropped = 0
    for found in old:
        if clock() - began >= seconds or not drop(table, found, sleep):
            break
        dropped += 1
    rows = 0
    for start in range(0, _default_blocks(table), DEFAULT_BLOCKS):
        if clock() - began >= seconds:
            break
        rows += _empty_default(table, day, start)
    return Dropped(dropped, rows, len(old) - dropped)


def drop(
    table: str,
    day: dt.date,
    sleep: Callable[[float], None] = time.sleep,
    before: Callable[[CursorWrapper], None] | None = None,
) -> bool:
    """Drop one partition; False where somebody used the table at each try.

    `before` is called in the same transaction with its cursor, once a try; what it raises leaves the partition.
    """
    name = f"{table}_{day:%Y%m%d}"
    for pause in DROP_PAUSES:
        sleep(pause)
        try:
            _try_drop(name, before)
        except OperationalError as error:
            if not _is_lock_timeout(error):
                raise
        else:
            logger.info("dropped partition %s", name)
            return True
    logger.warning("partition %s is in use and was not dropped; the next run tries again", name)
    return False


def _try_drop(name: str, before: Callable[[CursorWrapper], None] | None) -> None:
    """Drop, unless another was quicker. Files are unlinked after the locks are gone, so a big partition costs no more.

    DETACH … CONCURRENTLY is refused beside a default partition, and DETACH takes the very locks of DROP.
    """
    with transaction.atomic(using="direct"), connections["direct"].cursor() as cursor:
        cursor.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])
        cursor.execute("SELECT to_regclass(%s)", [name])
        if cursor.fetchone()[0] is None:
            return
        # Sends an autovacuum away, which DROP would wait for with the whole table locked. Nobody else is disturbed.
        cursor.execute(f'LOCK TABLE ONLY "{name}" IN SHARE UPDATE EXCLUSIVE MODE')
        if before is not None:
            before(cursor)
        cursor.execute(f"SET LOCAL lock_timeout = '{DROP_LOCK_TIMEOUT}'")
        cursor.execute(f'DROP TABLE "{name}"')


def _is_lock_timeout(error: OperationalError) -> bool:
    return getattr(error.__cause__, "sqlstate", None) == "55P03"


def _default_blocks(table: str) -> int:
    with connections["direct"].cursor() as cursor:
        cursor.execute(
            "SELECT pg_relation_size(%s) / current_setting('block_size')::bigint",
            [f"{table}_default"],
        )
        return int(cursor.fetchone()[0])


def _empty_default(table: str, day: dt.date, start: int) -> int:
    """Delete the rows before `day` in the blocks from `start`; how many. Rows that a batch is writing are left."""
    default = f'"{table}_default"'
    with transaction.atomic(using="direct"), connections["direct"].cursor() as cursor:
        cursor.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
        # A batch locks its rows in the order of their keys and this in that of their places: waiting would deadlock.
        cursor.execute(
            f"DELETE FROM {default} WHERE ctid = ANY (ARRAY(SELECT ctid FROM {default}"
            ' WHERE ctid >= %s::tid AND ctid < %s::tid AND "timestamp" < %s FOR UPDATE SKIP LOCKED))',
            [f"({start},0)", f"({start + DEFAULT_BLOCKS},0)", f"{day.isoformat()} 00:00+00"],
        )
        return int(cursor.rowcount)
