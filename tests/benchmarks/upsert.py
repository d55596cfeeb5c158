"""The batch upsert of positions against Django's own, `update_or_create` and COPY, one transaction a statement.

All write new rows into the same partitioned table, a day that holds 1 million rows before; each row once by each side,
a millisecond apart and under a label of its own. Django's own is `models.QuerySet.bulk_create(update_conflicts=True)`
with instances made beforehand, which flatters it: the pipeline would have to make them from its reports. COPY sends
text made beforehand, resolves no conflicts and counts nothing: it is the ceiling. Verified: every row of every side,
value by value.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import psycopg
from django.db import connection, models, transaction
from psycopg import sql

from ingest.reports import VesselReport
from tests.benchmarks.frame import Figure, Measured, Run, Unverified, benchmark
from tests.benchmarks.measuring import Sample, Variant, interleave, process_cpu, ratios
from tests.benchmarks.positions_table import FIELDS, PREFILLED, VESSELS, prepare, reports, verify
from tracking.models import VesselPosition

OURS, COPY, DJANGO, NAIVE = "bulk_create", "COPY", "Django's own", "update_or_create"
UNIQUE = ["vessel", "timestamp"]
UPDATED = [field for field in FIELDS if field not in ("vessel_id", "timestamp")]
# Rows a statement, with the rate of COPY that is wanted and how many statements make one of the frame's rounds.
SIZES = {100: (0.60, 20), 1_000: (0.55, 6), 5_000: (0.60, 3)}


@benchmark("upsert", "PositionQuerySet.bulk_create(update_conflicts=True) of new rows, against COPY and Django's own")
def measure(run: Run) -> Measured:
    """The ratios for batches of three sizes, rows a second and CPU a row."""
    backend = prepare()
    figures: list[Figure] = []
    for rows, (target, statements) in SIZES.items():
        sides = (OURS, COPY, DJANGO) if rows == 1_000 else (OURS, COPY)
        samples = compare(sides, rows, run.rounds * statements, backend)
        wall = {side: [one.wall for one in measured] for side, measured in samples.items()}
        figures.append(Figure(f"{rows:,} rows: rate / COPY's", ratios(wall[COPY], wall[OURS]), "x", target))
        if DJANGO in sides:
            figures.append(Figure(f"{rows:,} rows: rate / Django's own", ratios(wall[DJANGO], wall[OURS]), "x", 2.8))
        figures += _rates(samples, rows)
    samples = compare((OURS, NAIVE), 1_000, run.rounds, backend, "beside the naive")
    wall = {side: [one.wall for one in measured] for side, measured in samples.items()}
    figures.insert(3, Figure("1,000 rows: rate / update_or_create", ratios(wall[NAIVE], wall[OURS]), "x", 60))
    return Measured(f"{PREFILLED:,} rows of {VESSELS:,} vessels in the day before; fsync on, unix socket", figures)


def compare(
    sides: Sequence[str], rows: int, statements: int, backend: int, occasion: str = ""
) -> dict[str, list[Sample]]:
    """Samples of `statements` statements a side, interleaved and verified; `occasion` tells two comparisons apart."""
    labels = {side: f"{side} {rows} {occasion}".strip()[:32] for side in sides}
    variants: dict[str, Variant] = {side: _variant(side, label, rows) for side, label in labels.items()}
    samples = interleave(variants, statements, lambda: process_cpu(backend))
    for label in labels.values():
        verify(label, range(statements + 1), rows)
    return samples


def _variant(side: str, label: str, rows: int) -> Variant:
    write = {OURS: ours, COPY: copy, DJANGO: django, NAIVE: naive}[side]
    return lambda number: write(reports(number, label, rows))


def _rates(samples: dict[str, list[Sample]], rows: int) -> list[Figure]:
    figures = []
    for side, measured in samples.items():
        figures.append(Figure(f"{rows:,} rows: {side}", [rows / one.wall for one in measured], "/s"))
        figures.append(Figure("  CPU a row, both sides", [one.cpu / rows * 1e6 for one in measured], "µs"))
    return figures


def ours(rows: Sequence[VesselReport]) -> Callable[[], object]:
    """The pipeline's way, its counts checked."""

    def work() -> None:
        done: Any = VesselPosition.objects.bulk_create(rows, update_conflicts=True)
        if done.created != len(rows):
            raise Unverified(f"{done.created} created, not {len(rows)}")

    return work


def django(rows: Sequence[VesselReport]) -> Callable[[], object]:
    """Django's own statement, whatever the model's manager is; it overwrites, where ours decides row by row."""
    instances = [VesselPosition(**_columns(row)) for row in rows]
    plain: models.QuerySet[VesselPosition] = models.QuerySet(VesselPosition)
    return lambda: plain.bulk_create(
        instances, update_conflicts=True, unique_fields=UNIQUE, update_fields=list(UPDATED)
    )


def naive(rows: Sequence[VesselReport]) -> Callable[[], object]:
    """A query or two a row, all in one transaction, which flatters it."""
    wanted = [_columns(row) for row in rows]
    keys = [{name: row.pop(name) for name in ("vessel_id", "timestamp")} for row in wanted]

    def work() -> None:
        with transaction.atomic():
            for key, values in zip(keys, wanted, strict=True):
                VesselPosition.objects.update_or_create(**key, defaults=values)

    return work


def copy(rows: Sequence[VesselReport]) -> Callable[[], object]:
    """One COPY of ready text on Django's connection; a statement alone is a transaction."""
    text = "".join("\t".join(map(_copied, _columns(row).values())) + "\n" for row in rows).encode()
    statement = sql.SQL("COPY {} ({}) FROM STDIN").format(
        sql.Identifier(VesselPosition._meta.db_table), sql.SQL(", ").join(map(sql.Identifier, FIELDS))
    )

    def work() -> None:
        connection.ensure_connection()
        with psycopg.Cursor(connection.connection) as cursor, cursor.copy(statement) as sent:
            sent.write(text)

    return work


def _columns(row: VesselReport) -> dict[str, Any]:
    """The values of a report that have a column, by its name."""
    return {name: getattr(row, name) for name in FIELDS}


def _copied(value: Any) -> str:
    """A value in COPY's text format; nothing here needs escaping."""
    return r"\N" if value is None else str(value)
