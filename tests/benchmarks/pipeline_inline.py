"""A recording through the whole pipeline in one process: `manage.py ingest FILE --inline`, into an empty database.

Store only, since recordings write no live state. Each round has a database of its own, so partitions are made and all
vessels are new each time. The rate is by the command's own clock, from opening the file to the last booking; a second
figure counts the start of the interpreter too, as does the CPU. Verified: the ledger's equations, every line of the
file accounted for, as many rows as `stored` says, a vessel for each of them.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
from django.conf import settings
from psycopg import sql

from tests.benchmarks.child import PROJECT, Ended, run_child
from tests.benchmarks.frame import Figure, Measured, Run, Unverified, benchmark
from tests.benchmarks.measuring import postgres_cpu
from tests.benchmarks.recording import BEGAN, Recording, ais_recording
from tracking import embedded
from tracking.embedded import processes

SECONDS = 900.0
WARM_UP_MESSAGES = 5_000
MEGABYTE = 1e6


@dataclass(frozen=True)
class Round:
    """One run of the command: its account, its process, CPU seconds of PostgreSQL meanwhile."""

    account: dict[str, Any]
    ended: Ended
    server_cpu: float


@benchmark("pipeline_inline", "recording -> decode -> validate -> fuse -> store, manage.py ingest --inline")
def measure(run: Run) -> Measured:
    """Messages a second, CPU a message of both sides, peak memory of the ingest process."""
    recording = ais_recording(run.quick)
    embedded.start(settings.DATA_DIR, ["postgres"])
    with _database("inline_template") as template:
        _manage(template, "migrate", "--verbosity", "0")
        _round(recording, 0, limit=WARM_UP_MESSAGES)
        rounds = [_round(recording, number) for number in range(1, run.rounds + 1)]
    messages = rounds[0].account["messages"]
    per_message = 1e6 / messages
    return Measured(
        f"{recording.name}, {messages:,} messages, {rounds[0].account['stored']:,} rows stored; no live state",
        [
            Figure("messages", [messages / one.account["seconds"] for one in rounds], "/s", target=15_000),
            Figure("messages, start of the process included", [messages / one.ended.wall for one in rounds], "/s"),
            Figure("CPU a message, ingest process", [one.ended.cpu * per_message for one in rounds], "µs"),
            Figure("CPU a message, PostgreSQL", [one.server_cpu * per_message for one in rounds], "µs"),
            Figure(
                "peak memory, ingest process",
                [one.ended.peak_bytes / MEGABYTE for one in rounds],
                "MB",
                target=200,
                at_most=True,
            ),
        ],
    )


def _round(recording: Recording, number: int, limit: int | None = None) -> Round:
    """One run into an empty database; `limit`: the first messages only."""
    with _database(f"inline_{number}", "inline_template") as name:
        before = postgres_cpu(settings.DATA_DIR)
        more = [] if limit is None else ["--limit", str(limit)]
        ended = _manage(name, "ingest", str(recording.path), "--inline", "--start", BEGAN.isoformat(), "--json", *more)
        _wait_for_backends(name)
        one = Round(json.loads(ended.output.splitlines()[-1]), ended, postgres_cpu(settings.DATA_DIR) - before)
        lines = None if limit else len(recording.path.read_bytes().splitlines())
        _verify(one, name, lines)
    return one


def _manage(database: str, *arguments: str) -> Ended:
    """A management command on that database. Raises Unverified unless it ends well."""
    command = [sys.executable, str(PROJECT / "manage.py"), *arguments]
    ended = run_child(command, {"DATABASE_URL": _url(database)}, settings.DATA_DIR, SECONDS)
    if ended.code:
        raise Unverified(f"manage.py {arguments[0]} ended with {ended.code}: {ended.errors}")
    return ended


def _verify(one: Round, database: str, lines: int | None) -> None:
    """The account of the command against itself, the file and the tables. Raises Unverified."""
    account = one.account
    with _connected(database) as connection:
        found = connection.execute(
            "SELECT (SELECT count(*) FROM tracking_vesselposition), (SELECT sum(messages) FROM ingest_batch),"
            " (SELECT count(DISTINCT p.vessel_id) FROM tracking_vesselposition p"
            "  LEFT JOIN tracking_vessel v ON v.mmsi = p.vessel_id WHERE v.mmsi IS NULL)"
        ).fetchone()
    assert found is not None, "a SELECT of three values returns one row"
    booked = ("positions", "static", "stations", "other")
    fates = ("stored", "merged", "duplicate", "dead", "discarded")
    equations = {
        "lines of the file = lines read": (account["lines"] if lines is None else lines, account["lines"]),
        "lines = foreign + malformed + sentences": (
            account["lines"],
            account["foreign"] + sum(account["malformed"].values()) + account["sentences"],
        ),
        "messages = positions + static + stations + other + rejected": (
            account["messages"],
            sum(account[name] for name in booked) + sum(account["rejected"].values()),
        ),
        "positions = stored + merged + duplicate + dead + discarded": (
            account["positions"],
            sum(account[name] for name in fates),
        ),
        "rows = stored": (found[0], account["stored"]),
        "messages of the ledger = messages": (found[1], account["messages"]),
        "vessels missing = 0": (found[2], 0),
        "waiting + dead = 0": (account["waiting"] + account["dead"], 0),
    }
    wrong = [f"{text}: {left} is not {right}" for text, (left, right) in equations.items() if left != right]
    if wrong or not account["stored"]:
        raise Unverified("; ".join(wrong) or "nothing was stored")
    if account["seconds"] > one.ended.wall:
        raise Unverified(f"the command says {account['seconds']} s, its process lived {one.ended.wall:.3f} s")


@contextmanager
def _database(name: str, template: str = "template0") -> Iterator[str]:
    """A database made from `template`, dropped at the end."""
    drop = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name))
    create = sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template))
    with _connected("postgres") as connection:
        connection.execute(drop)
        connection.execute(create)
    try:
        yield name
    finally:
        with _connected("postgres") as connection:
            connection.execute(drop)


def _wait_for_backends(name: str) -> None:
    """Backends end a moment after their clients; only then the postmaster knows what they cost."""
    with _connected("postgres") as connection:
        query = "SELECT count(*) FROM pg_stat_activity WHERE datname = %s AND backend_type = 'client backend'"

        def gone() -> bool:
            return connection.execute(query, [name]).fetchone() == (0,)

        if not processes.wait_until(gone, 10.0):
            raise Unverified(f"connections to {name} are left over")


def _connected(database: str) -> psycopg.Connection[tuple[Any, ...]]:
    return psycopg.connect(
        host=str(embedded.postgres_sockets(settings.DATA_DIR)),
        port=embedded.paths.POSTGRES_PORT,
        user="postgres",
        dbname=database,
        autocommit=True,
        connect_timeout=5,
    )


def _url(database: str) -> str:
    return embedded.postgres_url(settings.DATA_DIR).rpartition("/")[0] + f"/{database}"
