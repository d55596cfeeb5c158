"""Closed days to Parquet and back: rows a second, bytes a row, and what questions to the archive cost.

20 days of 1,000,000 rows of 20,000 vessels (`--quick`: 3 days of 100,000 of 2,000) that keep course and speed, or lie
still, are archived day by day; each is verified by its hash as always. Then a vessel's day, the state of the world at a
moment and the film of an hour are asked of the archive, the track of PostgreSQL too, from a restored day.
"""

from __future__ import annotations

import datetime as dt
import gzip
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
from django.conf import settings
from django.core.management import call_command
from django.db import connections

from tests.benchmarks.frame import Figure, Measured, Run, Unverified, benchmark
from tracking.history import days, door, partitions, replay
from tracking.history.archiving import archiver, restore
from tracking.history.archiving.archive import Done
from tracking.history.door import HistorySpan
from tracking.history.files import parquet as files
from tracking.history.files.columns import columns_of
from tracking.history.files.storage import storage
from tracking.models import ArchivedDay, VesselPosition

FIRST = dt.date(2026, 2, 1)
DAY = dt.timedelta(days=1)
TRACKS = 40  # questions a round


@dataclass(frozen=True)
class Size:
    """How much is archived."""

    days: int
    vessels: int
    reports: int  # of a vessel and day

    @property
    def rows(self) -> int:
        """Of a day."""
        return self.vessels * self.reports


@benchmark("archive", "closed days to Parquet and back")
def archive(run: Run) -> Measured:
    """Archive, ask, restore."""
    size = Size(3, 2_000, 50) if run.quick else Size(20, 20_000, 50)
    call_command("migrate", verbosity=0)
    with TemporaryDirectory() as directory:
        settings.ARCHIVE_URL = str(Path(directory) / "archive")
        archived = [_archived(size, FIRST + DAY * number) for number in range(size.days)]
        read = [_read(size, FIRST + DAY * number) for number in range(min(run.rounds, size.days))]
        asked = _asked(run, size)
        restored = _restored(size, FIRST)
        stored = _tracks(size, FIRST, TRACKS)
    figures = [
        Figure("rows archived, written and compared", [size.rows / done.seconds for done in archived], "/s", 100_000),
        Figure("rows read of the files and hashed", [size.rows / seconds for seconds in read], "/s", 200_000),
        Figure("rows restored", [size.rows / restored], "/s"),
        Figure("bytes a row", [done.bytes / done.rows for done in archived], "B", 16, at_most=True),
        *asked,
        Figure("  the same of PostgreSQL, p95", [_p95(stored) * 1000], "ms"),
    ]
    return Measured(f"{size.days} days of {size.rows:,} rows of {size.vessels:,} vessels", figures)


def _archived(size: Size, day: dt.date) -> Done:
    partitions.make([day])
    with connections["direct"].cursor() as cursor:
        cursor.execute(_FILL, {"day": f"{day} 00:00+00", "vessels": size.vessels, "reports": size.reports})
        cursor.execute("CHECKPOINT")
    outcome = [
        done for done in archiver.run(day + DAY, True, lambda: False) if isinstance(done, Done) and done.day == day
    ]
    if [done.rows for done in outcome] != [size.rows]:
        raise Unverified(f"{day}: {outcome} were archived, not {size.rows} rows")
    return outcome[0]


# A vessel keeps its course and speed, a third of them lie still; places are of AIS, 1/600,000 of a degree.
_FILL = """
    INSERT INTO tracking_vesselposition
        (vessel_id, timestamp, latitude, longitude, speed, course, heading, status, received_at, source, score)
    SELECT 200000000 + v, moment,
        (hashint4(v) %% 30000000 + floor(n * knots * cos(radians(angle)) * 8))::int / 600000.0,
        (hashint4(-v) %% 60000000 + floor(n * knots * sin(radians(angle)) * 8))::int / 600000.0,
        floor(knots * 10 + random() * 4) / 10, ((floor(angle * 10 + random() * 20))::int %% 3600) / 10.0,
        CASE WHEN v %% 10 = 0 THEN NULL ELSE angle %% 360 END, CASE WHEN knots = 0 THEN 5 ELSE 0 END,
        moment + make_interval(secs => 0.2 + random()), 'feed' || v %% 5, 80
    FROM (
        SELECT v, n, CASE WHEN v %% 3 = 0 THEN 0 ELSE v %% 200 / 10.0 END AS knots, v * 7 %% 359 AS angle,
            %(day)s::timestamptz + make_interval(secs => (n + (hashint4(v) & 1023) / 1024.0)
                * floor(86400.0 / %(reports)s)) AS moment
        FROM generate_series(1, %(vessels)s) AS v, generate_series(0, %(reports)s - 1) AS n
    ) AS given ORDER BY moment"""


def _read(size: Size, day: dt.date) -> float:
    began = time.perf_counter()
    found = files.digest(storage(), storage().path(files.name_of(VesselPosition, day)), columns_of(VesselPosition))
    if found.hex() != ArchivedDay.objects.get(day=day, kind="vessel").hash:
        raise Unverified(f"the file of {day} is not what was recorded")
    return time.perf_counter() - began


def _restored(size: Size, day: dt.date) -> float:
    began = time.perf_counter()
    with days.alone():
        if restore.bring_back(VesselPosition, day) != size.rows:
            raise Unverified(f"{day} was not restored whole")
    return time.perf_counter() - began


def _asked(run: Run, size: Size) -> list[Figure]:
    """The questions, each once before it is measured."""
    middle = FIRST + DAY * (size.days // 2)
    noon = dt.datetime.combine(middle, dt.time(12), dt.UTC)
    _tracks(size, middle, 3)
    tracks = [_p95(_tracks(size, FIRST + DAY * (number % size.days), TRACKS)) * 1000 for number in range(run.rounds)]
    world, _ = _timed(run, lambda: door.world_at(VesselPosition, noon, DAY / 12, None, 10**6))
    hour = noon.replace(minute=0)
    replay.keep_hour(VesselPosition, hour)
    film, body = _timed(run, lambda: _film(hour))
    return [
        Figure("a vessel's day of the archive, p95", tracks, "ms", 150, at_most=True),
        Figure("state of the world at a moment", world, "ms", 500, at_most=True),
        Figure("film of an hour, packed", film, "ms", 300, at_most=True),
        Figure("  its size", [len(body) / 1000], "kB", 600, at_most=True),
    ]


def _film(hour: dt.datetime) -> bytes:
    film = replay.film(VesselPosition, hour, hour + replay.HOUR, replay.KEPT_STEP, None)
    return gzip.compress(msgspec.json.encode(film._asdict()), 1)


def _timed(run: Run, ask: Callable[[], Any]) -> tuple[list[float], Any]:
    """(milliseconds of each round, the last answer)"""
    answer, samples = ask(), []
    for _ in range(run.rounds):
        began = time.perf_counter()
        answer = ask()
        samples.append((time.perf_counter() - began) * 1000)
    return samples, answer


def _tracks(size: Size, day: dt.date, count: int) -> list[float]:
    begin, samples = dt.datetime.combine(day, dt.time(), dt.UTC), []
    for number in range(count):
        vessel = 200_000_001 + number * 7919 % size.vessels
        began = time.perf_counter()
        found = door.positions_of(HistorySpan(VesselPosition, begin, begin + DAY, vessel), 10_000)
        samples.append(time.perf_counter() - began)
        if len(found) != size.reports:
            raise Unverified(f"{len(found)} positions of {vessel} on {day}, not {size.reports}")
    return samples


def _p95(samples: list[float]) -> float:
    return sorted(samples)[int(len(samples) * 0.95)]
