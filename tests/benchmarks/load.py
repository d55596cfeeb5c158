"""5,000 messages a second through everything for minutes: what is booked, what waits, how far the judge is behind.

5,000 simulated ships report once a second (`sim://`) through collector, queue, two workers and PostgreSQL into live
state, and the workers do their housekeeping meanwhile: the judge every minute, events, health. Verified: nothing waits
at the end that did not at the beginning, but for a second of traffic, and everything older than two minutes is judged.
"""

from __future__ import annotations

import time
from contextlib import ExitStack

from django.conf import settings

from tests.benchmarks.databases import connected, database, manage
from tests.benchmarks.frame import Figure, Measured, Run, Unverified, benchmark
from tests.benchmarks.measuring import process_cpu
from tests.benchmarks.pipeline import fresh, workers
from tests.benchmarks.streams import WAITING, managed, positions_booked, until_heard, waiting_batches
from tracking import embedded

TEMPLATE = "load_template"
SHIPS = 5_000
SECONDS, QUICK_SECONDS = 180.0, 30.0
JUDGED_SECONDS = 120


@benchmark("load", "5,000 messages a second through everything on this machine")
def measure(run: Run) -> Measured:
    """Rates and backlogs of one round."""
    embedded.start(settings.DATA_DIR)
    seconds = QUICK_SECONDS if run.quick else SECONDS
    with database(TEMPLATE):
        manage(TEMPLATE, "migrate", "--verbosity", "0")
        manage(TEMPLATE, "partitions", "--ahead", "1")
        with fresh(TEMPLATE) as name, ExitStack() as running:
            pool = running.enter_context(workers(name))
            source = f"sim://?ships={SHIPS}&interval=1&moored=0"
            running.enter_context(managed(name, "ingest", source, "--format", "nmea", "--live"))
            until_heard(name, SHIPS)
            before, began, waited = positions_booked(name), time.monotonic(), waiting_batches()
            busy = sum(process_cpu(one.pid) for one in pool.main.children(recursive=True))
            time.sleep(seconds)
            took = time.monotonic() - began
            rate = (positions_booked(name) - before) / took
            busy = sum(process_cpu(one.pid) for one in pool.main.children(recursive=True)) - busy
            waiting, oldest = waiting_batches(), _oldest_note(name)
    if waiting > waited + WAITING or oldest > JUDGED_SECONDS:
        raise Unverified(f"{waiting} batches wait, {waited} at the beginning; notes of {oldest:.0f} s are not judged")
    return Measured(
        f"{SHIPS:,} ships, {seconds:g} s",
        [
            Figure("positions booked", [rate], "/s", 5000 * 0.95),
            Figure("batches that wait at the end", [waiting], "", WAITING, at_most=True),
            Figure("the oldest note that is not judged", [oldest], "s", JUDGED_SECONDS, at_most=True),
            Figure("CPU of the workers", [busy / took], "cores"),
        ],
    )


def _oldest_note(name: str) -> float:
    """Age in seconds of the oldest batch that the judge has not taken: notes have the order of their batches."""
    with connected(name) as connection:
        row = connection.execute(
            "SELECT count(*), (SELECT count(*) FROM ingest_batch WHERE booked_at > now() - interval '1 minute')"
            " FROM tracking_unjudged"
        ).fetchone()
    assert row is not None, "a count is one row"
    notes, a_minute = row
    return 60.0 * notes / max(1, a_minute)
