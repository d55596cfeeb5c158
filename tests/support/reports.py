"""Reports for the tests of the storage: light rows, the upsert, what PostgreSQL holds, and writers side by side."""

import datetime as dt
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec
from django.db import connection, connections

from tests.support.patience import PATIENCE_SECONDS
from tracking.history import partitions
from tracking.models import VesselPosition
from tracking.positions.upsert import Upserted

NOON = dt.datetime(2026, 5, 1, 12, tzinfo=dt.UTC)
RANKED = ("latitude", "longitude", "received_at", "source", "score")
VALUES = ("speed", "course", "heading", "status")


class Ranked(msgspec.Struct):
    """What ranks the rows of both kinds."""

    timestamp: dt.datetime = NOON
    latitude: float = 54.0
    longitude: float = 10.0
    received_at: dt.datetime = NOON
    source: str = "north"
    score: int = 50


class Report(Ranked):
    """A light row of a vessel, as the pipeline passes them."""

    vessel_id: int = 211000001
    speed: float | None = None
    course: float | None = None
    heading: int | None = None
    status: int | None = None


def upsert(*rows: Any, batch_size: int | None = None) -> Upserted:
    result = VesselPosition.objects.bulk_create(rows, batch_size=batch_size, update_conflicts=True)
    assert isinstance(result, Upserted)
    return result


def counts(result: Upserted) -> tuple[int, int, int]:
    return result.created, result.merged, result.unchanged


def stored() -> dict[tuple[int, dt.datetime], dict[str, Any]]:
    rows = VesselPosition.objects.values("vessel_id", "timestamp", *RANKED, *VALUES)
    return {(row["vessel_id"], row["timestamp"]): row for row in rows}


def only() -> dict[str, Any]:
    [row] = stored().values()
    return row


def version() -> list[tuple[str, str]]:
    """Where the row versions lie and who wrote them: any UPDATE changes this."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT ctid::text, xmin::text FROM tracking_vesselposition ORDER BY vessel_id, timestamp")
        return cursor.fetchall()


def later(seconds: float) -> dt.datetime:
    return NOON + dt.timedelta(seconds=seconds)


def drop_partitions() -> None:
    """Leave the default partitions only, without a row."""
    for table in partitions.TABLES:
        partitions.drop_before(table, dt.date(9999, 1, 1))


def side_by_side(*works: Callable[[], None]) -> None:
    """Each in a thread with connections of its own; an error of one is raised here."""

    def closing(work: Callable[[], None]) -> None:
        try:
            work()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(works)) as pool:
        for future in [pool.submit(closing, work) for work in works]:
            future.result(timeout=PATIENCE_SECONDS)
