"""A recording through the whole pipeline: in one process (`manage.py ingest FILE --inline`), and through the queue.

The recording is read several times over, as if heard within the last 20 minutes, into an empty database each round, and
live state is written (`--live --start`). Rates are by the command's own clock, from opening the file to the last
booking. CPU a message is that of all processes, PostgreSQL, Redis and the start of the interpreter included; against it
stands the CPU of store and live alone: the same batches, decoded and fused before the clock starts, through
the stages `store` and `write_live` (`tests/benchmarks/store_alone.py`). Store only: without live state.

Verified: the ledger's equations, every line of the file accounted for, as many rows as `stored` says, a vessel for each
of them, and a live document for each vessel with a position.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from django.conf import settings
from django_redis import get_redis_connection

from tests.benchmarks.child import PROJECT, run_child
from tests.benchmarks.databases import SECONDS, connected, database, environment_of, manage, wait_for_backends
from tests.benchmarks.frame import Figure, Measured, Run, Unverified, benchmark
from tests.benchmarks.measuring import postgres_cpu, ratios
from tests.benchmarks.recording import ais_recording
from tracking import embedded

REPEATED = 4
SPAN_SECONDS = 20 * 60
WARM_UP_MESSAGES = 5_000
MEGABYTE = 1e6
TEMPLATE = "pipeline_template"


@dataclass(frozen=True)
class Input:
    """The file, its lines, its messages and its name."""

    path: Path
    lines: int
    messages: int
    name: str


@dataclass(frozen=True)
class Round:
    """One run: its account, seconds by the command's clock, CPU seconds of all processes, peak memory in bytes."""

    account: dict[str, Any]
    seconds: float
    cpu: float
    peak_bytes: int = 0

    @property
    def per_message(self) -> float:
        """CPU of all processes, µs a message."""
        return self.cpu / self.account["messages"] * 1e6


@benchmark(
    "pipeline", "recording -> decode -> validate -> fuse -> store -> live: in one process, and through the queue"
)
def measure(run: Run) -> Measured:
    """Messages a second, CPU a message, and both against what store and live cost alone."""
    embedded.start(settings.DATA_DIR)
    with database(TEMPLATE):
        manage(TEMPLATE, "migrate", "--verbosity", "0")
        manage(TEMPLATE, "partitions", "--ahead", "1")  # as housekeeping does
        given = _input(run)
        _inline(given, "--limit", str(WARM_UP_MESSAGES))
        rounds: dict[str, list[Round]] = {"inline": [], "store only": [], "queue": [], "alone": []}
        for _ in range(run.rounds):
            rounds["inline"].append(_inline(given, "--live"))
            rounds["alone"].append(_alone(given))
            rounds["queue"].append(_queued(given))
            rounds["store only"].append(_inline(given))
    return Measured(given.name, _figures(rounds))


def _figures(rounds: dict[str, list[Round]]) -> list[Figure]:
    rate = {name: [one.account["messages"] / one.seconds for one in found] for name, found in rounds.items()}
    cpu = {name: [one.per_message for one in found] for name, found in rounds.items()}
    peak = [one.peak_bytes / MEGABYTE for one in rounds["inline"]]
    return [
        Figure("inline with live: messages", rate["inline"], "/s", 25_000),
        Figure("inline: CPU / CPU of store and live alone", ratios(cpu["inline"], cpu["alone"]), "x", 2.2, True),
        Figure("inline: CPU a message, all processes", cpu["inline"], "µs"),
        Figure("store and live alone: CPU a message", cpu["alone"], "µs"),
        Figure("store and live alone: messages", rate["alone"], "/s"),
        Figure("queue, 2 workers: rate / inline", ratios(rate["queue"], rate["inline"]), "x", 0.75),
        Figure("queue, 2 workers: messages", rate["queue"], "/s"),
        Figure("queue: CPU a message, all processes", cpu["queue"], "µs"),
        Figure("inline, store only: messages", rate["store only"], "/s", 15_000),
        Figure("inline, store only: CPU a message", cpu["store only"], "µs"),
        Figure("inline: peak memory of the process", peak, "MB", 200, True),
    ]


def _input(run: Run) -> Input:
    """The recording several times over in one file."""
    recording = ais_recording(run.quick)
    once = recording.path.read_bytes().rstrip(b"\n") + b"\n"
    times = 1 if run.quick else REPEATED
    path = settings.DATA_DIR / "pipeline.nmea"
    path.write_bytes(once * times)
    lines = len(once.splitlines()) * times
    with database("pipeline_count", TEMPLATE) as name:
        counted = manage(name, "ingest", str(path), "--inline", "--start", "2026-01-01T00:00:00Z", "--json")
    account = json.loads(counted.output.splitlines()[-1])
    return Input(path, lines, account["messages"], f"{recording.name}, {times} times: {account['messages']:,} messages")


def _arguments(given: Input) -> list[str]:
    """As if heard evenly over the last 20 minutes."""
    began = time.time() - SPAN_SECONDS - 60
    start = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(began))
    return [str(given.path), "--start", start, "--rate", str(given.messages / SPAN_SECONDS), "--json"]


def _inline(given: Input, *more: str) -> Round:
    """One run into an empty database."""
    with fresh(TEMPLATE) as name, _cpu_of_servers(name) as servers:
        ended = manage(name, "ingest", *_arguments(given), "--inline", *more)
        account = json.loads(ended.output.splitlines()[-1])
        _verify(account, name, None if "--limit" in more else given.lines, "--live" in more)
    return Round(account, account["seconds"], ended.cpu + servers[0], ended.peak_bytes)


def _queued(given: Input) -> Round:
    """Collector and two workers, each a process of its own."""
    with fresh(TEMPLATE) as name, _cpu_of_servers(name) as servers, workers(name) as pool:
        ended = manage(name, "ingest", *_arguments(given), "--live")
        account = json.loads(ended.output.splitlines()[-1])
        cpu = ended.cpu + pool.cpu()
        _verify(account, name, given.lines, True)
    return Round(account, account["seconds"], cpu + servers[0])


def _alone(given: Input) -> Round:
    """Store and live of batches made beforehand; it counts its own CPU from there on."""
    with fresh(TEMPLATE) as name:
        command = [sys.executable, "-m", "tests.benchmarks.store_alone", *_arguments(given)[:-1]]
        ended = run_child(command, environment_of(name), settings.DATA_DIR, SECONDS)
        if ended.code:
            raise Unverified(f"store_alone ended with {ended.code}: {ended.errors}")
        said = json.loads(ended.output.splitlines()[-1])
        with connected(name) as connection:
            stored = connection.execute("SELECT count(*) FROM tracking_vesselposition").fetchone()
        if stored != (said["stored"],) or not said["stored"]:
            raise Unverified(f"store_alone stored {said['stored']} rows, the table has {stored}")
    return Round(said, said["seconds"], said["cpu"])


@contextmanager
def fresh(template: str) -> Iterator[str]:
    """An empty database, and Redis servers that hold nothing."""
    for alias in ("live", "queue"):
        get_redis_connection(alias).flushall()
    with database("benchmark_round", template) as name:
        yield name


@contextmanager
def _cpu_of_servers(name: str) -> Iterator[list[float]]:
    """What PostgreSQL and both Redis servers spend meanwhile: one number, there once the body has ended."""
    spent = [-_servers_cpu()]
    yield spent
    wait_for_backends(name)
    spent[0] += _servers_cpu()


def _servers_cpu() -> float:
    redis = 0.0
    for alias in ("live", "queue"):
        cpu = get_redis_connection(alias).info("cpu")
        redis += cpu["used_cpu_user"] + cpu["used_cpu_sys"]
    return redis + postgres_cpu(settings.DATA_DIR)


class Pool:
    """`manage.py workers` and its children; CPU seconds count from when it was ready."""

    def __init__(self, main: psutil.Process) -> None:
        self.main = main
        self._before = self._cpu()

    def cpu(self) -> float:
        """CPU seconds of all its processes that live."""
        return self._cpu() - self._before

    def _cpu(self) -> float:
        return sum(
            one.cpu_times().user + one.cpu_times().system
            for one in [self.main, *self.main.children(recursive=True)]
            if one.status() != psutil.STATUS_ZOMBIE
        )


@contextmanager
def workers(name: str, count: int = 2) -> Iterator[Pool]:
    """`manage.py workers` on that database, ready."""
    log = settings.DATA_DIR / "workers.log"
    command = [sys.executable, str(PROJECT / "manage.py"), "workers"]
    environment = {**os.environ, **environment_of(name), "WORKERS": str(count)}
    with log.open("wb") as out:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            cwd=PROJECT,
            env=environment,
            start_new_session=True,
        )
    try:
        main = psutil.Process(process.pid)
        _until_ready(main, count, log)
        yield Pool(main)
    finally:
        process.terminate()
        process.wait(60)


def _until_ready(main: psutil.Process, count: int, log: Path) -> None:
    """The workers, a pusher, a monitor and the sentinel are there."""
    end = time.monotonic() + 60
    while len(main.children(recursive=True)) < count + 3:
        if time.monotonic() > end or not main.is_running():
            raise Unverified(f"the workers did not start: {log.read_text(errors='replace')[-500:]}")
        time.sleep(0.1)
    time.sleep(1.0)  # imports of the children


def _verify(account: dict[str, Any], name: str, lines: int | None, live: bool) -> None:
    """The account of the command against itself, the file, the tables and live state. Raises Unverified."""
    with connected(name) as connection:
        found = connection.execute(
            "SELECT (SELECT count(*) FROM tracking_vesselposition), (SELECT sum(messages) FROM ingest_batch),"
            " (SELECT count(DISTINCT vessel_id) FROM tracking_vesselposition),"
            " (SELECT count(DISTINCT p.vessel_id) FROM tracking_vesselposition p"
            "  LEFT JOIN tracking_vessel v ON v.mmsi = p.vessel_id WHERE v.mmsi IS NULL)"
        ).fetchone()
    assert found is not None, "a SELECT of values returns one row"
    rows, booked, vessels, missing = found
    said = ("positions", "static", "stations", "other")
    fates = ("stored", "merged", "duplicate", "dead", "discarded")
    redis, keys = get_redis_connection("live"), ("v2:vessels:geo", "v2:vessels:polar")
    # Two ships with one MMSI are two targets, `MMSI` and `MMSI/1`.
    geo = len({member.partition(b"/")[0] for key in keys for member in redis.zrange(key, 0, -1)})
    equations = {
        "lines of the file = lines read": (account["lines"] if lines is None else lines, account["lines"]),
        "lines = foreign + malformed + sentences": (
            account["lines"],
            account["foreign"] + sum(account["malformed"].values()) + account["sentences"],
        ),
        "messages = positions + static + stations + other + rejected": (
            account["messages"],
            sum(account[one] for one in said) + sum(account["rejected"].values()),
        ),
        "positions = stored + merged + duplicate + dead + discarded": (
            account["positions"],
            sum(account[one] for one in fates),
        ),
        "rows = stored": (rows, account["stored"]),
        "messages of the ledger = messages": (booked, account["messages"]),
        "vessels missing = 0": (missing, 0),
        "waiting + dead = 0": (account["waiting"] + account["dead"], 0),
        "live vessels with a position = vessels with one": (geo, vessels if live else 0),
    }
    wrong = [f"{text}: {left} is not {right}" for text, (left, right) in equations.items() if left != right]
    if wrong or not account["stored"]:
        raise Unverified("; ".join(wrong) or "nothing was stored")
