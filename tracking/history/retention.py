"""Retention: positions older than KEEP_VESSEL_POSITIONS_DAYS and KEEP_AIRCRAFT_POSITIONS_DAYS go, whole days at a time.

Enters today (UTC), which `today` tells; leaves fewer partitions. 0 keeps all. What is dropped is history only:
identities, live state and the accounts stay, and whoever shows a target without a position says so. Recordings of days
that are too old can be ingested, are counted, and go with the next run. Where days are archived before they would be
dropped (ARCHIVE_AFTER_DAYS), nothing is dropped: a day that could not be archived stays until it can.
"""

import datetime as dt
import logging
from collections.abc import Callable
from typing import NamedTuple

from django.conf import settings
from django.db import connections

from tracking.history import partitions
from tracking.history.partitions import Dropped, PartitionSize
from tracking.models import AircraftPosition, VesselPosition

logger = logging.getLogger(__name__)

SETTINGS = {
    VesselPosition._meta.db_table: "KEEP_VESSEL_POSITIONS_DAYS",
    AircraftPosition._meta.db_table: "KEEP_AIRCRAFT_POSITIONS_DAYS",
}
TABLE_SECONDS = 20.0  # the task that does both tables has 60


_reckoning: Callable[[], dt.date] = partitions.today


class RetentionRefused(Exception):
    """Nobody can say what is old enough to be dropped; the message says why."""


class Expired(NamedTuple):
    """What a drop would take: partitions, oldest first, and how many rows of the default partition."""

    partitions: list[PartitionSize]
    rows: int


def reckon_by(reckoning: Callable[[], dt.date]) -> None:
    """Register who tells from which day the days that are kept are counted back; else the database does."""
    global _reckoning
    _reckoning = reckoning


def today() -> dt.date:
    """The day (UTC) from which the days that are kept are counted back, never by this host's clock.

    Raises RetentionRefused and django.db errors.
    """
    return _reckoning()


def edges(today: dt.date) -> dict[str, dt.date]:
    """The first day that stays, by table; a table that keeps all is not in it.

    As many whole days as the setting says lie between that day and today.
    """
    archived_after = settings.ARCHIVE_AFTER_DAYS
    kept = {table: getattr(settings, name) for table, name in SETTINGS.items()}
    if archived_after > 0:
        kept = {table: days for table, days in kept.items() if days <= archived_after}
    # A number that leads before the year 1 means the year 1.
    return {
        table: today - dt.timedelta(days=min(days, today.toordinal() - 1)) for table, days in kept.items() if days > 0
    }


def apply(today: dt.date, seconds: float = TABLE_SECONDS) -> Dropped:
    """Drop what is too old, `seconds` a table; the sums over both tables. Raises django.db errors."""
    done = Dropped()
    for table, edge in edges(today).items():
        dropped = partitions.drop_before(table, edge, seconds)
        if any(dropped):
            logger.info(
                "retention of %s before %s: %d partitions dropped, %d rows deleted, %d partitions left",
                *(table, edge, *dropped),
            )
        done = Dropped(*map(sum, zip(done, dropped, strict=True)))
    return done


def expired(table: str, edge: dt.date) -> Expired:
    """What `partitions.drop_before(table, edge)` would take now."""
    old = [size for size in partitions.sizes(table) if size.day is not None and size.day < edge]
    with connections["direct"].cursor() as cursor:
        cursor.execute(
            f'SELECT count(*) FROM "{table}_default" WHERE "timestamp" < %s', [f"{edge.isoformat()} 00:00+00"]
        )
        return Expired(old, int(cursor.fetchone()[0]))
