"""What a worker process holds after 100,000 messages, after a million and after 2 million, from the queue, with live
state. After 100,000 it has judged nothing and found no event yet, for which it loads more; what grows after a million
is what it never gives back.

One worker takes the recording again and again, each time as if heard a little later. Memory is what is resident in the
process, the greatest of the pool's. Verified: the ledger has every message, and no worker was replaced meanwhile.
"""

from __future__ import annotations

import datetime as dt
import json
import time

import psutil
from django.conf import settings

from tests.benchmarks.databases import database, manage
from tests.benchmarks.frame import Figure, Measured, Run, Unverified, benchmark
from tests.benchmarks.pipeline import fresh, workers
from tests.benchmarks.recording import ais_recording
from tracking import embedded

FIRST = 100_000
ALL = 2_000_000
QUICK_ALL = 400_000
TEMPLATE = "memory_template"
MEGABYTE = 1e6


@benchmark("worker_memory", "resident memory of a worker after 2 million messages, against after 100,000")
def measure(run: Run) -> Measured:
    """Megabytes, and their ratio."""
    embedded.start(settings.DATA_DIR)
    wanted = QUICK_ALL if run.quick else ALL
    with database(TEMPLATE):
        manage(TEMPLATE, "migrate", "--verbosity", "0")
        manage(TEMPLATE, "partitions", "--ahead", "1")
        with fresh(TEMPLATE) as name, workers(name, count=1) as pool:
            began = _resident(pool.main)
            taken = _feed(name, FIRST, 0)
            early = _resident(pool.main)
            taken += _feed(name, wanted // 2 - taken, 1)
            half = _resident(pool.main)
            taken += _feed(name, wanted - taken, 2)
            late = _resident(pool.main)
            if set(early) - set(late):
                raise Unverified("a worker was replaced")
    before, middle, after = (max(one.values()) for one in (early, half, late))
    return Measured(
        f"{taken:,} messages in all; at the start {max(began.values()) / MEGABYTE:.0f} MB",
        [
            Figure("memory / memory after 100,000", [after / before], "x", 1.1, True),
            Figure("memory / memory after half of them", [after / middle], "x", 1.1, True),
            Figure("memory after all", [after / MEGABYTE], "MB", 250, True),
            Figure("memory after 100,000", [before / MEGABYTE], "MB"),
        ],
    )


def _feed(name: str, messages: int, shift: int) -> int:
    """Messages that were taken and booked: `messages` of them or a few more."""
    lines = ais_recording().path.read_bytes().rstrip(b"\n").splitlines(keepends=False)
    repeats = -(-messages // len(lines))
    path = settings.DATA_DIR / "memory.nmea"
    path.write_bytes(b"\n".join((lines * repeats)[: messages + messages // 20]) + b"\n")
    start = dt.datetime.fromtimestamp(time.time() - 1500 + 60 * shift, dt.UTC)
    rate = messages / 1200
    said = manage(name, "ingest", str(path), "--live", "--start", start.isoformat(), "--rate", str(rate), "--json")
    account = json.loads(said.output.splitlines()[-1])
    if account["waiting"] or account["messages"] < messages * 0.95:
        raise Unverified(f"{account['messages']} messages accepted, {account['waiting']} of them waiting")
    return int(account["messages"])


def _resident(main: psutil.Process) -> dict[int, int]:
    """Resident bytes of the pool's processes by process id."""
    return {one.pid: one.memory_info().rss for one in main.children(recursive=True)}
