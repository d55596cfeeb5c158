"""A worker process of a backfill: batches in, rows in PostgreSQL, word of each to the parent.

    the pipeline with one more stage, which holds identities back … then the identities of many batches

To write an identity costs more than to write a position, a dump names the same ships in every batch, and two workers
that write the same ships wait for each other. So identities are gathered over many batches and written after them,
except those that this worker has not met: no position is without its ship. A batch is complete once its identities are
written too, which its line in the ledger tells by its `index`. A batch that is stored and not complete, because a
process was killed, is sent again, and only what it lacks is done. Live state is not touched and no partition made.

While PostgreSQL is away the worker waits behind a breaker of its own, and goes on where it was. The words to the parent
are tuples: ("began", id), ("stored", id), ("complete", [id, …]), ("away", why), ("back",), ("failed", why).
"""

from __future__ import annotations

import logging
import os
import random
import signal
import time
import uuid
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

import msgspec
from django.db import close_old_connections, transaction

from ingest.acceptance.contract import ledger_deadline
from ingest.backfill.channel import WorkerEnd
from ingest.backfill.sightings import Sightings
from ingest.formats.ais_csv.rows import Rows, decode_all
from ingest.models import Batch, Format
from ingest.pipeline import process
from ingest.reports import MessageBatch
from ingest.stages.decode import decode
from ingest.stages.fusion import fuse
from ingest.stages.judge import judge
from ingest.stages.storing.store import store
from ingest.stages.work import Work
from resilience import garbage
from resilience.breaker.registry import Breaker, CircuitOpen, in_process_breaker
from resilience.database.sqlstate import Verdict, classify
from tracking.positions.identities import AircraftSighting, VesselSighting

S = TypeVar("S", VesselSighting, AircraftSighting)
T = TypeVar("T")

logger = logging.getLogger(__name__)

TOGETHER_BATCHES = 200  # whose identities are written together
TOGETHER_IDENTITIES = 100_000
CONTENTION_RETRIES = 20
WAIT_SECONDS = (0.2, 0.5, 1.0, 2.0)
MET_IDENTITIES = 1_000_000
WRITE = b""  # the word of the parent to write the identities now; any other is a batch


class _Orphaned(Exception):
    """The parent is gone."""


def work(end: WorkerEnd) -> None:
    """The life of a worker, until the parent hangs up."""
    for number in (signal.SIGINT, signal.SIGTERM):  # they are the parent's, which lets batches in hand be finished
        signal.signal(number, signal.SIG_IGN)
    garbage.collect_seldom()
    worker = _Worker(end)
    try:
        worker.run()
    except (_Orphaned, BrokenPipeError, ConnectionError):
        logger.debug("the backfill ended before its worker")
    except Exception as error:
        logger.exception("the worker of a backfill stops")
        worker.tell("failed", f"{type(error).__name__}: {error}"[:1000])


class _Worker:
    def __init__(self, end: WorkerEnd) -> None:
        self._end = end
        self._parent = os.getppid()
        self._decoder = msgspec.msgpack.Decoder(MessageBatch)
        self._breaker = in_process_breaker("database")
        self._met: set[int | str] = set()
        self._gathered = Sightings()
        self._rows: dict[str, Rows] = {}  # by source label
        self._incomplete: dict[uuid.UUID, int | None] = {}  # stored batches, with the `index` that makes them complete

    def run(self) -> None:
        """Take what the parent sends."""
        while (packed := self._end.receive()) is not None:
            if packed != WRITE:
                self._take(packed)
            many = len(self._gathered) + sum(map(len, self._rows.values())) >= TOGETHER_IDENTITIES
            full = many or len(self._incomplete) >= TOGETHER_BATCHES
            if self._incomplete and (full or packed == WRITE):
                self._complete()

    def tell(self, *words: Any) -> None:
        """Say something to the parent."""
        self._end.send(msgspec.msgpack.encode(words))

    def _take(self, packed: bytes) -> None:
        """Decode and store a batch, and gather its identities."""
        batch = self._decoder.decode(packed)
        self.tell("began", batch.id)
        index, batch.index = batch.index, None
        prepared, booked = (self._decode, judge, fuse), (self._hold_back, store)
        work = self._until_done(partial(process, batch, self._breaker_of, prepared, booked, ()))
        self._met.update(work.fused.vessels, work.fused.aircraft)
        self._incomplete[batch.id] = index
        self.tell("stored", batch.id)

    def _decode(self, work: Work) -> None:
        """The stage, with one memory for the ships of many batches where a dump names them in every row."""
        if work.batch.format == Format.AIS_CSV:
            rows = self._rows.setdefault(work.batch.source, Rows())
            decode(work, partial(decode_all, rows=rows))
        else:
            decode(work)

    def _breaker_of(self, _: str) -> Breaker:
        return self._breaker

    def _hold_back(self, work: Work) -> None:
        """Gather the identities of the batch, and leave those only that this worker has not written yet."""
        close_old_connections()
        fused = work.fused
        self._gathered.add(fused)
        if len(self._met) > MET_IDENTITIES:
            self._met.clear()
        work.fused = msgspec.structs.replace(
            fused,
            vessels={key: _bare(fused.vessels[key]) for key in fused.vessels.keys() - self._met},
            aircraft={key: _bare(fused.aircraft[key]) for key in fused.aircraft.keys() - self._met},
            stations={},
        )

    def _complete(self) -> None:
        """Write the identities of the stored batches, then say in the ledger that nothing of them is missing."""
        for source, rows in self._rows.items():
            self._gathered.add_seen(rows.seen(), source)
        self._until_done(self._write)
        self.tell("complete", list(self._incomplete))
        self._gathered.clear()
        self._rows.clear()
        self._incomplete.clear()

    def _write(self) -> None:
        with self._breaker.guard(), ledger_deadline():
            self._gathered.write()
        with self._breaker.guard(), ledger_deadline():
            complete(self._incomplete)

    def _until_done(self, attempt: Callable[[], T]) -> T:
        """Try until PostgreSQL has done it, telling the parent when it is away; raises what waiting does not cure."""
        refused = waits = 0
        while True:
            try:
                done = attempt()
                break
            except CircuitOpen as error:
                self._wait(min(error.retry_after_seconds or WAIT_SECONDS[-1], WAIT_SECONDS[-1]))
            except Exception as error:
                verdict = classify(error)
                if verdict is Verdict.INFRASTRUCTURE:
                    if not waits:
                        self.tell("away", str(error).partition("\n")[0])
                    self._wait(WAIT_SECONDS[min(waits, len(WAIT_SECONDS) - 1)])
                    waits += 1
                elif verdict is Verdict.CONTENTION and refused < CONTENTION_RETRIES:
                    refused += 1
                    self._wait(random.uniform(0.05, 0.2))
                else:
                    raise
        if waits:
            self.tell("back")
        return done

    def _wait(self, seconds: float) -> None:
        """Sleep, unless nobody waits for us any more. Raises _Orphaned."""
        if os.getppid() != self._parent:
            raise _Orphaned
        time.sleep(seconds)


def _bare(sighting: S) -> S:
    """The identity alone; its static data follow with the others."""
    return type(sighting)(sighting.key, sighting.first_seen, sighting.last_seen)


def complete(indexes: dict[uuid.UUID, int | None]) -> None:
    """Mark batches of the ledger, given with their `index`, as complete. Raises django.db errors."""
    with transaction.atomic():
        for batch, index in indexes.items():
            Batch.objects.filter(id=batch).update(index=index)
