"""History that stays fast: a track among 20 million rows, and upserts into a day that holds 5 million.

`track`: 20 days of 1,000 vessels, 1,000 positions each a day. One vessel-day through the project's own query
(`tracking.history.tracks.points`, dictionaries out) against the same rows by psycopg alone, in the
order of the index, both by turns over vessels and days chosen by chance. p99 over all questions of a round. Verified:
each answer is the vessel's day, whole and in order; the plan opens the partitions of that day alone.

`big_day`: bulk_create of 1,000 new rows into a day that holds 5 million rows, against one that holds 100,000. Each
vessel is written once to both before, unmeasured: the first change of a page after a checkpoint writes the whole page
to the log, and the big day has fifty times the pages; while traffic is heavy that is rare.
"""

from __future__ import annotations

import datetime as dt
import itertools
import random
import statistics
import time
from collections.abc import Callable
from typing import Any

import psycopg
from django.core.management import call_command
from django.db import connection

from ingest.reports import VesselReport
from tests.benchmarks.frame import Figure, Measured, Run, Unverified, benchmark
from tests.benchmarks.measuring import interleave, process_cpu, ratios
from tests.benchmarks.positions_table import reports
from tests.benchmarks.recording import BEGAN
from tests.benchmarks.upsert import ours
from tracking.history import partitions, tracks
from tracking.history.door import HistorySpan
from tracking.models import VesselPosition

VESSELS = 1_000
A_DAY = 1_000
DAYS = 20
QUICK_DAYS = 4
QUESTIONS = 400
DAY = dt.timedelta(days=1)
FIELDS = ("timestamp", "latitude", "longitude", "speed", "course", "heading", "status")
BIG, SMALL = 5_000_000, 100_000
QUICK_BIG = 1_000_000
FIRST = dt.datetime(2025, 3, 1, tzinfo=dt.UTC)  # days that no other benchmark uses


@benchmark("track", "one vessel-day among 20 million rows of 1,000 vessels, against the bare index scan")
def track(run: Run) -> Measured:
    """The ratio of the p99s, and the p99s."""
    call_command("migrate", verbosity=0)
    days = QUICK_DAYS if run.quick else DAYS
    begins = [FIRST + number * DAY for number in range(days)]
    partitions.make([begin.date() for begin in begins])
    for begin in begins:
        fill(begin, VESSELS * A_DAY, VESSELS)
    _verify_plan(begins[0])
    times: dict[str, list[float]] = {"ours": [], "bare": []}
    chance = random.Random("tracks")
    for number in range(run.rounds + 1):
        asked = [(chance.randrange(VESSELS), chance.choice(begins)) for _ in range(QUESTIONS)]
        sides = {"ours": _ours, "bare": _bare}
        took: dict[str, list[float]] = {side: [] for side in sides}
        for place, (vessel, begin) in enumerate(asked):
            for side in sorted(sides, reverse=bool(place % 2)):
                took[side].append(_timed(sides[side], vessel, begin))
        if number:
            for side, seconds in took.items():
                times[side].append(statistics.quantiles(seconds, n=100)[-1])
    return Measured(
        f"{days * VESSELS * A_DAY:,} rows in {days} days; {QUESTIONS} questions a round, {A_DAY:,} points each",
        [
            Figure("p99 / p99 of the index scan", ratios(times["ours"], times["bare"]), "x", target=5, at_most=True),
            Figure("p99", [one * 1e3 for one in times["ours"]], "ms"),
            Figure("p99 of the index scan", [one * 1e3 for one in times["bare"]], "ms"),
        ],
    )


@benchmark("big_day", "bulk_create of 1,000 rows into a day that holds 5 million, against one that holds 100,000")
def big_day(run: Run) -> Measured:
    """The ratio of the rates."""
    call_command("migrate", verbosity=0)
    big = QUICK_BIG if run.quick else BIG
    full, empty = FIRST - 2 * DAY, FIRST - DAY
    partitions.make([full.date(), empty.date()])
    fill(full, big, 20_000)
    fill(empty, SMALL, 20_000)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        backend = cursor.fetchone()[0]
    for label, begin in (("big", full), ("small", empty)):
        for place in range(0, 20_000, 5_000):
            ours(_first(label, begin, place))()
    statements = run.rounds * 8
    samples = interleave(
        {
            "big": lambda number: ours(_moved(number, "big", full)),
            "small": lambda number: ours(_moved(number, "small", empty)),
        },
        statements,
        lambda: process_cpu(backend),
    )
    for label, begin in (("big", full), ("small", empty)):
        _verify_rows(label, begin, statements + 1)
    wall = {side: [one.wall for one in measured] for side, measured in samples.items()}
    return Measured(
        f"{big:,} rows and {SMALL:,} rows of 20,000 vessels before",
        [
            Figure("rate / rate in the small day", ratios(wall["small"], wall["big"]), "x", target=0.8),
            Figure("rows into the big day", [1_000 / one for one in wall["big"]], "/s"),
            Figure("  CPU a row, both sides", [one.cpu / 1_000 * 1e6 for one in samples["big"]], "µs"),
        ],
    )


def fill(begin: dt.datetime, rows: int, vessels: int) -> None:
    """`rows` rows of `vessels` vessels in the day's first 22 hours, in the order in which traffic comes."""
    with connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = 0")
        cursor.execute(
            "INSERT INTO tracking_vesselposition"
            " (vessel_id, timestamp, latitude, longitude, speed, course, heading, status, received_at, source, score)"
            " SELECT 200000000 + n %% %s, %s + make_interval(secs => n / %s * 79000.0 / %s),"
            " random() * 180 - 90, random() * 360 - 180, 9.5, 90, 91, 0, %s, 'before', 80"
            " FROM generate_series(0, %s - 1) AS n",
            [vessels, begin, vessels, -(-rows // vessels), begin, rows],
        )
        name = f"tracking_vesselposition_{begin:%Y%m%d}"
        cursor.execute(f'VACUUM ANALYZE "{name}"')
        cursor.execute(f'ALTER TABLE "{name}" SET (autovacuum_enabled = false)')
        cursor.execute("CHECKPOINT")


def _timed(question: Callable[[int, dt.datetime], int], vessel: int, begin: dt.datetime) -> float:
    started = time.perf_counter()
    found = question(200_000_000 + vessel, begin)
    took = time.perf_counter() - started
    if found != A_DAY:
        raise Unverified(f"{question.__name__}: {found} points, not {A_DAY}")
    return took


def _ours(vessel: int, begin: dt.datetime) -> int:
    points = tracks.points(HistorySpan(VesselPosition, begin, begin + DAY, vessel), FIELDS, A_DAY + 1)
    if any(later["timestamp"] <= earlier["timestamp"] for earlier, later in itertools.pairwise(points)):
        raise Unverified("a track is not in order")
    return len(points)


def _bare(vessel: int, begin: dt.datetime) -> int:
    with psycopg.Cursor(connection.connection) as cursor:
        cursor.execute(
            f"SELECT {', '.join(FIELDS)} FROM tracking_vesselposition"
            " WHERE vessel_id = %s AND timestamp >= %s AND timestamp < %s ORDER BY timestamp",
            [vessel, begin, begin + DAY],
        )
        return len(cursor.fetchall())


def _verify_plan(begin: dt.datetime) -> None:
    """The question opens one partition. Raises Unverified."""
    inside = VesselPosition.objects.filter(vessel_id=200_000_000, timestamp__gte=begin, timestamp__lt=begin + DAY)
    plan = inside.order_by("timestamp").explain()
    if plan.count("tracking_vesselposition_2") < 1 or "_default" in plan or f"{begin + DAY:%Y%m%d}" in plan:
        raise Unverified(f"the track opens other partitions than its day's:\n{plan}")


def _moved(number: int, label: str, begin: dt.datetime) -> list[VesselReport]:
    """The rows of a statement, on another day."""
    rows = reports(number, label, 1_000)
    at = {row.timestamp: row.timestamp - BEGAN + begin for row in rows}
    for row in rows:
        row.timestamp = at[row.timestamp]
    return rows


def _first(label: str, begin: dt.datetime, place: int) -> list[VesselReport]:
    """5,000 vessels from `place` on, before all statements."""
    at = begin + dt.timedelta(hours=23, minutes=50)
    return [
        VesselReport(200_000_000 + vessel, at, 50.0, 4.0, 9.5, 90.0, 91, 0, at, f"{label} first", 80)
        for vessel in range(place, place + 5_000)
    ]


def _verify_rows(label: str, begin: dt.datetime, statements: int) -> None:
    found: Any = VesselPosition.objects.filter(source=label, timestamp__gte=begin, timestamp__lt=begin + DAY)
    if found.count() != statements * 1_000:
        raise Unverified(f"{found.count()} rows into the {label} day, not {statements * 1_000}")
