"""What a batch costs that the table has already: the upsert as it is, and the same without its WHERE.

1,000 rows a statement, delivered again and again. Without the WHERE every row is written once more. WAL is what the
server's log grew by. Verified: the statement counts no row as changed, and the rows are what they were.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from django.db import connection

from ingest.reports import VesselReport
from tests.benchmarks.frame import Figure, Measured, Run, Unverified, benchmark
from tests.benchmarks.measuring import interleave, process_cpu, ratios
from tests.benchmarks.positions_table import prepare, reports, verify
from tests.benchmarks.upsert import ours
from tracking.models import VesselPosition
from tracking.positions.upsert import upsert_of
from tracking.postgresql import arrays

ROWS = 1_000
BATCHES = 10
STATEMENTS_PER_ROUND = 6
CHANGED, ALWAYS = "redelivered", "rewritten"


@benchmark("redelivery", "1,000 rows that are in the table already: WHERE something changed, against writing all again")
def measure(run: Run) -> Measured:
    """The ratio of the rates, and WAL a row."""
    backend = prepare()
    rows = {label: [reports(number, label, ROWS) for number in range(BATCHES)] for label in (CHANGED, ALWAYS)}
    for batches in rows.values():
        for batch in batches:
            ours(batch)()
    wal: dict[str, list[float]] = {CHANGED: [], ALWAYS: []}
    statements = {
        CHANGED: upsert_of(VesselPosition).sql.upsert,
        ALWAYS: _without_where(upsert_of(VesselPosition).sql.upsert),
    }
    samples = interleave(
        {
            label: lambda number, label=label: _again(
                statements[label], rows[label][number % BATCHES], ROWS if label == ALWAYS else 0, wal[label]
            )
            for label in statements
        },
        run.rounds * STATEMENTS_PER_ROUND,
        lambda: process_cpu(backend),
    )
    for label in rows:
        verify(label, range(BATCHES), ROWS)
    wall = {label: [one.wall for one in measured] for label, measured in samples.items()}
    return Measured(
        f"{BATCHES} batches, redelivered {run.rounds * STATEMENTS_PER_ROUND} times in all",
        [
            Figure("rate / rate without WHERE", ratios(wall[ALWAYS], wall[CHANGED]), "x", target=1.3),
            Figure("WAL a row", wal[CHANGED][1:], "bytes", target=100, at_most=True),
            Figure("WAL a row, without WHERE", wal[ALWAYS][1:], "bytes"),
            Figure("redelivered rows", [ROWS / one for one in wall[CHANGED]], "/s"),
        ],
    )


def _without_where(statement: str) -> str:
    """The conflict rule's own condition taken out."""
    changed, count = re.subn(r"\n\s+WHERE .*\n(\s+RETURNING)", r"\n\1", statement)
    if count != 1:
        raise Unverified("the upsert has no WHERE that could be taken out")
    return changed


def _again(statement: str, rows: list[VesselReport], merged: int, wal: list[float]) -> Callable[[], object]:
    upsert = upsert_of(VesselPosition)
    before = _wal_position()

    def work() -> None:
        counts = arrays.execute("default", statement, zip(*map(upsert.values_of, rows), strict=True))
        if counts != (0, merged):
            raise Unverified(f"{counts} created and merged, not (0, {merged})")
        wal.append((_wal_position() - before) / len(rows))

    return work


def _wal_position() -> int:
    """Bytes that the server's log has grown to."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint")
        return int(cursor.fetchone()[0])
