"""What tests of the archive share: days of rows in PostgreSQL, an archive of the test's own, all that is stored."""

import datetime as dt
import random
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection

from tests.support.reports import NOON, drop_partitions
from tracking.history import days, partitions
from tracking.history.archiving import archive, archiver
from tracking.history.files.columns import columns_of
from tracking.models import AircraftPosition, ArchivedDay, Position, VesselPosition

DAY = NOON.date()
NEXT = DAY + dt.timedelta(days=1)
MIDNIGHT = dt.datetime(2026, 5, 1, tzinfo=dt.UTC)


@pytest.fixture
def archive_dir(transactional_db: None, settings: Any, tmp_path: Any) -> Iterator[Any]:
    """The directory of an empty archive; only the default partitions, before and after."""
    settings.ARCHIVE_URL = str(tmp_path / "archive")
    ArchivedDay.objects.all().delete()
    drop_partitions()
    yield tmp_path / "archive"
    drop_partitions()


def fill(rows: int = 500, day: dt.date = DAY, seed: int = 1, ships: int = 20) -> None:
    """A day of both kinds, with values of every sort and gaps among them."""
    partitions.make([day])
    chance, start = random.Random(seed), dt.datetime.combine(day, dt.time(), dt.UTC)
    VesselPosition.objects.bulk_create([_vessel(chance, start, number, ships) for number in range(rows)])
    AircraftPosition.objects.bulk_create([_aircraft(chance, start, number, ships) for number in range(rows)])


def _common(chance: random.Random, start: dt.datetime, number: int) -> dict[str, Any]:
    at = start + dt.timedelta(milliseconds=number * 160_000 + chance.randrange(100_000))
    return {
        "timestamp": at,
        "latitude": chance.choice((chance.randrange(-54_000_000, 54_000_000) / 600_000, -0.0, 90.0)),
        "longitude": chance.uniform(-180, 180),
        "received_at": at + dt.timedelta(microseconds=chance.randrange(10**9)),
        "source": chance.choice(("north", "süd-östlich", "", "x" * 32)),
        "score": chance.randrange(101),
    }


def _vessel(chance: random.Random, start: dt.datetime, number: int, ships: int) -> VesselPosition:
    return VesselPosition(
        vessel_id=211_000_000 + number % ships,
        speed=chance.choice((None, 0.0, 5e-324, 12.3)),
        course=chance.choice((None, 0.1 + 0.2, 359.9)),
        heading=chance.choice((None, 0, 359)),
        status=chance.choice((None, 0, 5)),
        **_common(chance, start, number),
    )


def _aircraft(chance: random.Random, start: dt.datetime, number: int, ships: int) -> AircraftPosition:
    return AircraftPosition(
        aircraft_id=f"{'~' if number % 3 else ''}{0x3C0000 + number % ships:06x}",
        altitude=chance.choice((None, -1000, 35_000)),
        ground_speed=chance.choice((None, 431.7)),
        heading=chance.choice((None, 12.25)),
        vertical_rate=chance.choice((None, -64)),
        on_ground=chance.choice((None, True, False)),
        **_common(chance, start, number),
    )


def stored(model: type[Position] = VesselPosition) -> set[tuple[Any, ...]]:
    """All rows of PostgreSQL, every column, numbers by their bits."""
    names = [f'"{column.name}"::text' for column in columns_of(model)]
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {', '.join(names)} FROM {model._meta.db_table}")
        return set(cursor.fetchall())


def archive_all(before: dt.date = dt.date(2026, 6, 1)) -> list[Any]:
    """Archive every day before, at once."""
    return list(archiver.run(before, True, lambda: False))


def restore_all() -> None:
    """Bring every archived day back."""
    from tracking.history.archiving import restore

    with days.alone():
        for row in ArchivedDay.objects.filter(restored_at=None):
            restore.bring_back(archive.KINDS[row.kind], row.day)
