"""What truth costs beside storing: notes, judge and live filter a message, and as a share of store and live.

A fleet that moves, batches of 1,000 in the order of time, one position in a thousand far away. Each batch is stored and
written live without notes and without the filter; then it is filtered alone. At the end of a round all is noted in one
transaction, because a note is no transaction of its own, and the judge takes the notes. CPU is that of this process, of
its server process and of the live Redis. Verified: every false position is refused, and nothing else.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import random
import time
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import Any
from unittest import mock

from django.db import connection, transaction
from django_redis import get_redis_connection

from ingest.reports import Decoded, LineCounts, Message, MessageBatch, VesselReport
from ingest.stages import live
from ingest.stages.fusion import folded
from ingest.stages.storing import store
from ingest.stages.work import Work
from resilience.breaker.registry import in_process_breaker
from tests.benchmarks.frame import Figure, Measured, Run, Unverified, benchmark
from tests.benchmarks.measuring import process_cpu
from tests.benchmarks.positions_table import prepare
from tracking.history import partitions
from tracking.models import VesselPosition
from tracking.truth import judge, reading
from tracking.truth.live import filter as live_filter
from tracking.truth.live.filter import Sifted
from tracking.truth.models import PositionKind, RefusedPosition
from tracking.truth.notes import note_rows

EVERY_SECONDS, TURNS, BATCH = 8, 10, 1_000  # so a round is the time between two passes of the judge
MESSAGES, QUICK_MESSAGES = 50_000, 10_000  # a round
FALSE = 0.001
WANTED_US, WANTED_SHARE, WANTED_ROWS, WANTED_PASS_SECONDS = 12.0, 0.3, 150_000, 2.0
STEPS = ("store and live", "note", "filter", "judge")


@benchmark("truth", "notes, judge and live filter, beside store and live in the same run")
def measure(run: Run) -> Measured:
    """Microseconds of CPU a message, their share, and the rows that the judge takes."""
    fleet = _Fleet(run)
    spent: defaultdict[str, list[float]] = defaultdict(list)
    walls: list[float] = []
    for number in range(run.rounds + 1):
        cpu, wall = fleet.round(number)
        if number:
            walls.append(wall)
            for step in STEPS:
                spent[step].append(cpu[step])
    fleet.verify()
    count = fleet.messages
    figures = [Figure(f"{step}, a message", [one / count * 1e6 for one in spent[step]], "µs") for step in STEPS]
    together = [sum(one) for one in zip(*(spent[step] for step in STEPS[1:]), strict=True)]
    shares = [one / stored for one, stored in zip(together, spent[STEPS[0]], strict=True)]
    figures += [
        Figure("note + filter + judge", [one / count * 1e6 for one in together], "µs", WANTED_US, at_most=True),
        Figure("their share of store and live", shares, "x", WANTED_SHARE, at_most=True),
        Figure("judge alone, CPU", [count / one for one in spent["judge"]], "/s", WANTED_ROWS),
        Figure("a pass of 150,000", [one / count * 150_000 for one in walls], "s", WANTED_PASS_SECONDS, at_most=True),
    ]
    return Measured(f"{count:,} messages a round of {fleet.ships:,} ships, batches of {BATCH:,}", figures)


class _Fleet:
    """Ships that sail east, and what was said of them."""

    def __init__(self, run: Run) -> None:
        self.messages = QUICK_MESSAGES if run.quick else MESSAGES
        self.ships = self.messages // TURNS
        self._backend = prepare(0)
        self._chance = random.Random(13)
        seconds = EVERY_SECONDS * (run.rounds + 1) * TURNS
        now = dt.datetime.now(dt.UTC).replace(microsecond=0)
        self._start = now - dt.timedelta(seconds=seconds)
        partitions.make({self._start.date(), now.date()})
        get_redis_connection("live").flushdb()
        self._said = 0
        self._false: set[tuple[int, dt.datetime]] = set()

    def round(self, number: int) -> tuple[dict[str, float], float]:
        """CPU seconds of each step, and seconds of wall time of the judge."""
        spent: defaultdict[str, float] = defaultdict(float)
        works = []
        for _ in range(self.messages // BATCH):
            work = self._work()
            works.append(work)
            with _without_truth():
                spent["store and live"] += self._cpu(lambda work=work: _store(work))
            reports = [report for _, report in work.fused.positions]
            spent["filter"] += self._cpu(lambda reports=reports: live_filter.sift(PositionKind.VESSEL, reports))
        spent["note"] = self._cpu(lambda: _note(works))
        if number == 0:
            with connection.cursor() as cursor:
                cursor.execute("ANALYZE tracking_vesselposition")  # as autovacuum does
        began = time.perf_counter()
        now = works[-1].fused.positions[-1][1].timestamp  # as if it were judged at once
        with mock.patch.object(reading.clocks, "database_now", lambda: now):
            spent["judge"] = self._cpu(judge.judge_all)
        return dict(spent), time.perf_counter() - began

    def verify(self) -> None:
        """Raises Unverified where a false position was accepted or another one refused."""
        rows = VesselPosition.objects.filter(timestamp__gte=self._start, source="truth")
        refused = set(rows.filter(track__lt=0).values_list("vessel_id", "timestamp"))
        if refused != self._false or rows.count() != self._said:
            strange, missed = len(refused - self._false), len(self._false - refused)
            raise Unverified(f"{missed} false positions accepted, {strange} true ones refused, {rows.count()} rows")
        if RefusedPosition.objects.filter(timestamp__gte=self._start).count() != len(refused):
            raise Unverified("the quarantine does not hold what is refused")

    def _work(self) -> Work:
        """The next batch, decoded and fused."""
        reports = [self._report(self._said + n) for n in range(BATCH)]
        self._said += BATCH
        at = round(reports[-1].received_at.timestamp() * 1000)
        batch = MessageBatch(uuid.uuid4(), uuid.uuid4(), "truth", "nmea", 80, at, live=True)
        batch.messages, batch.counts = [Message(at, b"")] * BATCH, LineCounts(BATCH, 0, BATCH, {}, {})
        work = Work(batch, in_process_breaker)
        work.decoded = [(n, Decoded(position=report)) for n, report in enumerate(reports)]
        work.counts.positions = BATCH
        work.fused = folded(work.decoded)
        return work

    def _report(self, number: int) -> VesselReport:
        turn, ship = divmod(number, self.ships)
        at = self._start + dt.timedelta(seconds=EVERY_SECONDS * turn + ship * EVERY_SECONDS // self.ships)
        latitude, longitude = -60 + ship % 120 + 0.01003, -170 + ship // 120 * 3 + turn * 0.0005 + 0.00001
        if turn > 3 and self._chance.random() < FALSE:
            latitude = -latitude / 2 + 1.00007
            self._false.add((200_000_000 + ship, at))
        return VesselReport(200_000_000 + ship, at, latitude, longitude, 12.3, 90.0, 90, 0, at, "truth", 80)

    def _cpu(self, work: Callable[[], Any]) -> float:
        """CPU seconds here and in the servers."""
        redis, server, own = _redis_cpu(), process_cpu(self._backend), time.process_time()
        work()
        return time.process_time() - own + process_cpu(self._backend) - server + _redis_cpu() - redis


def _redis_cpu() -> float:
    used: Any = get_redis_connection("live").info("cpu")
    return float(used["used_cpu_user"] + used["used_cpu_sys"])


@contextlib.contextmanager
def _without_truth() -> Iterator[None]:
    """Store and live as they would be without notes and filter."""
    shown = Sifted(set(), {}, {})
    with (
        mock.patch.object(store, "note_rows", lambda rows: None),
        mock.patch.object(live, "sifted", lambda fused: shown),
    ):
        yield


def _store(work: Work) -> None:
    store.store(work)
    live.write_live(work)


def _note(works: Sequence[Work]) -> None:
    with transaction.atomic():
        for work in works:
            note_rows(work.fused.rows)
