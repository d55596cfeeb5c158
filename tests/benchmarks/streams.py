"""Clients of live state beside 2,000 positions a second through the whole pipeline.

`streams`: 100 streams, and 200 pollers that pause for one to two seconds: how old what they are told is. `map`: 200
pollers a second, as many open maps: how long they wait for an answer.

Simulated aircraft (`sim://`) report once a second through collector, queue, workers and PostgreSQL into live state;
clients listen and poll in a process of their own, on ten boxes side by side. An age is counted from when a position was
sent until a client has its row: lines of SBS tell that to a millisecond, those of ships only to a second. Verified: no
client was refused, no row lies outside its box, most boxes had rows, as many rows a second arrive as the ledger books
positions, within a tenth (who polls is told of the last report alone), and the queue did not grow.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, NamedTuple

from django.conf import settings
from django_q.brokers import get_broker

from tests.benchmarks.child import PROJECT, run_child
from tests.benchmarks.databases import SECONDS, connected, database, environment_of, manage
from tests.benchmarks.frame import Figure, Measured, Run, Unverified, benchmark
from tests.benchmarks.pipeline import fresh, workers
from tests.faults.processes import free_port
from tracking import embedded

TEMPLATE = "streams_template"
AIRCRAFT = 2000
MEASURED_SECONDS, QUICK_SECONDS = 60.0, 15.0
START_SECONDS = 120.0  # at most, until all processes have started and ships are heard
WAITING = 30  # batches of the queue, of 20 or so a second


class Clients(NamedTuple):
    """Streams, and for how long each of 200 pollers pauses, seconds."""

    streams: int
    pauses: tuple[float, float]


@benchmark("streams", "100 streams and 200 pollers beside 2,000 positions a second: how old what they are told is")
def measure(run: Run) -> Measured:
    """Ages of rows at the clients, seconds, in one round."""
    said, rate = _listened(run, Clients(100, (1.0, 2.0)))
    streams, polls = said["streams"], said["polls"]
    figures = [
        Figure("positions booked", [rate], "/s", 2000 * 0.95),
        Figure("streams: p95 from receipt to client", [streams["p95"]], "s", 1.0, True),
        Figure("streams: median", [streams["p50"]], "s"),
        Figure("streams: reports that later ones replaced", [streams["missed"]], ""),
        Figure("pollers: p95 from receipt to client", [polls["p95"]], "s", 3.0, True),
        Figure("pollers: median", [polls["p50"]], "s"),
    ]
    return Measured(f"{rate:,.0f} positions a second, {streams['rows']:,} rows of streams", figures)


@benchmark("map", "200 polls a second beside 2,000 positions a second: how long they wait")
def polls(run: Run) -> Measured:
    """Milliseconds of an answer, in one round."""
    said, rate = _listened(run, Clients(0, (0.95, 1.0)))
    seconds = QUICK_SECONDS if run.quick else MEASURED_SECONDS
    polls = said["polls"]
    figures = [
        Figure("positions booked", [rate], "/s", 2000 * 0.95),
        Figure("answers", [polls["answers"] / seconds], "/s", 190),
        Figure("an answer: median", [polls["took_p50"] * 1000], "ms", 30, True),
        Figure("an answer: p95", [polls["took_p95"] * 1000], "ms", 250, True),
        Figure("bytes an answer", [polls["bytes"] / polls["answers"]], "B"),
    ]
    return Measured(f"{rate:,.0f} positions a second, {polls['rows']:,} rows", figures)


def _listened(run: Run, clients: Clients) -> tuple[dict[str, Any], float]:
    """(what the clients say, positions booked a second). Raises Unverified."""
    embedded.start(settings.DATA_DIR)
    seconds = QUICK_SECONDS if run.quick else MEASURED_SECONDS
    with database(TEMPLATE):
        manage(TEMPLATE, "migrate", "--verbosity", "0")
        manage(TEMPLATE, "partitions", "--ahead", "1")
        with fresh(TEMPLATE) as name, ExitStack() as running:
            running.enter_context(workers(name))
            web, stream = free_port(), free_port()
            running.enter_context(managed(name, "web", f"--port={web}"))
            running.enter_context(managed(name, "stream", f"--port={stream}"))
            source = f"sim://?aircraft={AIRCRAFT}&interval=1"
            running.enter_context(managed(name, "ingest", source, "--format", "sbs", "--live"))
            until_heard(name)
            before, began = positions_booked(name), time.monotonic()
            said = _listeners(web, stream, seconds, clients)
            rate = (positions_booked(name) - before) / (time.monotonic() - began)
            waiting = waiting_batches()
    _verify(said, rate, waiting, "streams" if clients.streams else "polls")
    return said, rate


@contextmanager
def managed(name: str, *arguments: str) -> Iterator[None]:
    """`manage.py` with these arguments on that database, until the end."""
    environment = {
        **os.environ,
        **environment_of(name),
        "LIVE_PUBLIC": "true",
        "STREAM_CLIENTS_PER_ADDRESS": "0",
        "WEB_CONNECTIONS_PER_ADDRESS": "0",
        "API_RATE_CHANGES": "1000000/min",
        "LOG_LEVEL": "WARNING",
    }
    command = [sys.executable, str(PROJECT / "manage.py"), *arguments]
    with (settings.DATA_DIR / f"{arguments[0]}.log").open("wb") as log:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, cwd=PROJECT, env=environment
        )
    try:
        yield
        if process.poll() is not None:
            raise Unverified(f"{arguments[0]} ended: {(settings.DATA_DIR / f'{arguments[0]}.log').read_text()[-500:]}")
    finally:
        process.terminate()
        process.wait(60)


def _listeners(web: int, stream: int, seconds: float, clients: Clients) -> dict[str, Any]:
    given = [web, stream, seconds, clients.streams, *clients.pauses]
    command = [sys.executable, "-m", "tests.benchmarks.listeners", *map(str, given)]
    ended = run_child(command, {}, settings.DATA_DIR, SECONDS)
    if ended.code:
        raise Unverified(f"the clients ended with {ended.code}: {ended.errors}")
    said: dict[str, Any] = json.loads(ended.output.splitlines()[-1])
    return said


def until_heard(name: str, positions: int = AIRCRAFT) -> None:
    """Wait until so many positions are booked."""
    until = time.monotonic() + START_SECONDS
    while positions_booked(name) < positions:
        if time.monotonic() > until:
            raise Unverified("no positions are booked")
        time.sleep(0.5)


def positions_booked(name: str) -> int:
    """Of the whole ledger."""
    with connected(name) as connection:
        row = connection.execute("SELECT coalesce(sum(positions), 0) FROM ingest_batch").fetchone()
    assert row is not None, "a sum is one row"
    return int(row[0])


def waiting_batches() -> int:
    """In the queue."""
    depths = get_broker().depths()
    return int(sum(depth.waiting + depth.pending for depth in depths.values()))


def _verify(said: dict[str, Any], rate: float, waiting: int, who: str) -> None:
    """Raises Unverified. `who` is measured; who polls is not told how many reports a row replaced."""
    heard, least = said[who], 0.9 if who == "streams" else 0.5
    if not heard["rows"] or not rate:
        raise Unverified(f"nothing was told, {rate:,.0f} positions a second booked: {said}")
    told = heard["rows_a_second"] * (1 + heard["missed"] / heard["rows"])
    wrong = {
        "clients failed": bool(said["failed"]) or said["streams"]["errors"] + said["polls"]["errors"] > 0,
        "rows outside of their box": said["streams"]["outside"] + said["polls"]["outside"] > 0,
        "hardly a box with rows": heard["silent"] > 5,
        f"{told:,.0f} reports a second told, {rate:,.0f} booked": not least < told / rate < 1.1,
        f"{waiting} batches wait": waiting > WAITING,
    }
    if any(wrong.values()):
        raise Unverified("; ".join(text for text, is_wrong in wrong.items() if is_wrong) + f" {said}")
