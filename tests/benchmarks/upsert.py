"""The batch upsert of positions against Django's own and against COPY, 1,000 rows a statement, one transaction each.

All write new rows into the same partitioned table, which holds PREFILLED rows before; each row once by each side, a
millisecond apart and under a label of its own. Django's own is `models.QuerySet.bulk_create(update_conflicts=True)`
with instances made beforehand, which flatters it: the pipeline would have to make them from its reports, at a cost
given beside. COPY sends text made beforehand and resolves no conflicts: it is the ceiling. Redelivered: the same 1,000
rows again. Verified: every row of every side, value by value, and that redelivering changes none.
"""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import psycopg
from django.core.management import call_command
from django.db import connection, models
from psycopg import sql

from ingest.reports import VesselReport
from tests.benchmarks.frame import Figure, Measured, Run, Unverified, benchmark
from tests.benchmarks.measuring import Sample, interleave, process_cpu, ratios
from tests.benchmarks.recording import BEGAN
from tracking import partitions
from tracking.models import VesselPosition

ROWS = 1_000
PREFILLED = 200_000
VESSELS = 20_000
# A statement takes milliseconds: so many of each side make one of the frame's rounds.
STATEMENTS_PER_ROUND = 6
FIELDS = VesselReport.__struct_fields__
UNIQUE = ["vessel", "timestamp"]
UPDATED = [field for field in FIELDS if field not in ("vessel_id", "timestamp")]
OURS, DJANGO, CONVERTED, COPY, REDELIVERED, REDELIVERED_DJANGO = (
    "bulk_create",
    "Django's own",
    "Django's own, from reports",
    "COPY",
    "redelivered",
    "redelivered, Django's own",
)
LABELS = (OURS, DJANGO, CONVERTED, COPY)


@benchmark("upsert", "PositionQuerySet.bulk_create(update_conflicts=True), 1,000 rows, against Django's own and COPY")
def measure(run: Run) -> Measured:
    """Rows a second and CPU a row of each side, and the ratios."""
    call_command("migrate", verbosity=0)
    prepare_table()
    statements = run.rounds * STATEMENTS_PER_ROUND
    with connection.cursor() as cursor:
        cursor.execute("CHECKPOINT")
        cursor.execute("SELECT pg_backend_pid()")
        backend = cursor.fetchone()[0]
    samples = interleave(variants(), statements, lambda: process_cpu(backend))
    for label in LABELS:
        verify(label, statements + 1)
    return Measured(
        f"{statements} statements a side; {PREFILLED:,} rows of {VESSELS:,} vessels before; fsync on, unix socket",
        _figures(samples),
    )


def _figures(samples: dict[str, list[Sample]]) -> list[Figure]:
    wall = {name: [one.wall for one in measured] for name, measured in samples.items()}
    figures = [
        Figure("bulk_create's rate / Django's own", ratios(wall[DJANGO], wall[OURS]), "x", target=2.8),
        Figure("bulk_create's rate / COPY's", ratios(wall[COPY], wall[OURS]), "x", target=0.55),
        Figure("bulk_create's rate / Django's own, from reports", ratios(wall[CONVERTED], wall[OURS]), "x"),
        Figure(
            "bulk_create's rate / Django's own, redelivered", ratios(wall[REDELIVERED_DJANGO], wall[REDELIVERED]), "x"
        ),
    ]
    for name, measured in samples.items():
        figures.append(Figure(f"{name}: rows", [ROWS / one.wall for one in measured], "/s"))
    for name, measured in samples.items():
        figures.append(Figure(f"{name}: CPU a row, both sides", [one.cpu / ROWS * 1e6 for one in measured], "µs"))
    return figures


def prepare_table() -> None:
    """The day's partition, filled; vacuum would disturb single rounds, so it is off for this table."""
    partitions.make([BEGAN.date()])
    with connection.cursor() as cursor:
        cursor.execute(f'ALTER TABLE "{_partition()}" SET (autovacuum_enabled = false)')
    chance = random.Random("before")
    for start in range(0, PREFILLED, 10_000):
        rows = [_report(chance, (start + place) % VESSELS, start // VESSELS, "before") for place in range(10_000)]
        VesselPosition.objects.bulk_create(rows, update_conflicts=True)


def _partition() -> str:
    return f"{VesselPosition._meta.db_table}_{BEGAN:%Y%m%d}"


def reports(number: int, label: str) -> list[VesselReport]:
    """The rows of statement `number`: the same for every label, but for the label and the milliseconds of its own."""
    chance = random.Random(number)
    vessels = chance.sample(range(VESSELS), ROWS)
    shift = dt.timedelta(milliseconds=1 + LABELS.index(label))
    rows = [_report(chance, vessel, 1000 + number, label) for vessel in vessels]
    for row in rows:
        row.timestamp += shift
    return rows


def _report(chance: random.Random, vessel: int, tick: int, label: str) -> VesselReport:
    """A position as AIS gives them; a tenth without a heading, as on the air. Ticks are 10 s apart."""
    at = BEGAN + dt.timedelta(seconds=10 * tick)
    return VesselReport(
        200_000_000 + vessel,
        at,
        chance.randrange(-54_000_000, 54_000_000) / 600_000,
        chance.randrange(-108_000_000, 108_000_000) / 600_000,
        chance.randrange(300) / 10,
        chance.randrange(3600) / 10,
        chance.randrange(360) if chance.random() < 0.9 else None,
        chance.choice((0, 0, 0, 5, None)),
        at + dt.timedelta(milliseconds=700),
        label,
        80,
    )


def variants() -> dict[str, Callable[[int], Callable[[], object]]]:
    """What is measured. Round 0 keeps this order, later ones do not: so what is redelivered is in the table by then."""
    return {
        OURS: lambda number: _ours(reports(number, OURS), created=ROWS),
        DJANGO: lambda number: _django(_instances(reports(number, DJANGO))),
        CONVERTED: lambda number: _converted(reports(number, CONVERTED)),
        COPY: lambda number: _copy(reports(number, COPY)),
        REDELIVERED: lambda number: _ours(_redelivered(number, OURS), created=0),
        REDELIVERED_DJANGO: lambda number: _django(_instances(_redelivered(number, DJANGO))),
    }


def _redelivered(number: int, label: str) -> list[VesselReport]:
    """Rows that are in the table already, whichever side the round begins with: those of the round before."""
    return reports(max(number - 1, 0), label)


def _ours(rows: Sequence[VesselReport], created: int) -> Callable[[], object]:
    def work() -> None:
        done: Any = VesselPosition.objects.bulk_create(rows, update_conflicts=True)
        if (done.created, done.unchanged) != (created, len(rows) - created):
            raise Unverified(f"{done.created} created and {done.unchanged} unchanged, not {created} created")

    return work


def _instances(rows: Sequence[VesselReport]) -> list[VesselPosition]:
    return [VesselPosition(**msgspec.structs.asdict(row)) for row in rows]


def _django(instances: list[VesselPosition]) -> Callable[[], object]:
    """Django's own statement, whatever the model's manager is; it overwrites, where ours decides row by row."""
    plain: models.QuerySet[VesselPosition] = models.QuerySet(VesselPosition)
    return lambda: plain.bulk_create(
        instances, update_conflicts=True, unique_fields=UNIQUE, update_fields=list(UPDATED)
    )


def _converted(rows: Sequence[VesselReport]) -> Callable[[], object]:
    return lambda: _django(_instances(rows))()


def _copy(rows: Sequence[VesselReport]) -> Callable[[], object]:
    """One COPY of ready text on Django's connection; a statement alone is a transaction."""
    text = "".join("\t".join(map(_copied, msgspec.structs.astuple(row))) + "\n" for row in rows).encode()
    statement = sql.SQL("COPY {} ({}) FROM STDIN").format(
        sql.Identifier(VesselPosition._meta.db_table), sql.SQL(", ").join(map(sql.Identifier, FIELDS))
    )

    def work() -> None:
        connection.ensure_connection()
        with psycopg.Cursor(connection.connection) as cursor, cursor.copy(statement) as copy:
            copy.write(text)

    return work


def _copied(value: Any) -> str:
    """A value in COPY's text format; nothing here needs escaping."""
    return r"\N" if value is None else str(value)


def verify(label: str, statements: int) -> None:
    """The rows of a side are exactly those that went in. Raises Unverified."""
    found = set(VesselPosition.objects.filter(source=label).values_list(*FIELDS))
    wanted = {msgspec.structs.astuple(row) for number in range(statements) for row in reports(number, label)}
    if found != wanted or len(wanted) != statements * ROWS:
        missing, strange = len(wanted - found), len(found - wanted)
        raise Unverified(f"{label}: {missing} of {len(wanted)} rows are missing or wrong, {strange} are strange")
