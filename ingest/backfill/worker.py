"""A worker process of a backfill: batches in, rows in PostgreSQL, word of each to the parent.

    decode -> fuse -> store (one transaction a batch: ledger, positions, dead letters) … then the identities of many

To write an identity costs more than to write a position, and a dump names the same ships in every batch. So identities
are gathered over many batches and written after them, except those that this worker has not met: no position is without
its ship. A batch is complete once its identities are written too, which its line in the ledger tells by its `index`. A
batch that is stored and not complete, because a process was killed, is sent again, and only what it lacks is done. Live
state is not touched and no partition made.

While PostgreSQL is away the worker waits behind a breaker of its own, and goes on where it was. The words to the parent
are tuples: ("began", id), ("stored", id), ("complete", [id, …]), ("away", why), ("back",), ("failed", why).
"""

from __future__ import annotations

import gc
import logging
import os
import random
import signal
import time
import uuid
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from django.db import transaction

from ingest.acceptance.queue import ledger_deadline
from ingest.backfill.channel import WorkerEnd
from ingest.backfill.decoding import Decoding
from ingest.models import Batch
from ingest.reports import MessageBatch
from ingest.stages import store
from ingest.stages.fusion import Fused
from ingest.stages.store import Counts, Failed
from resilience.breaker.registry import CircuitOpen, in_process_breaker
from resilience.database.sqlstate import Verdict, classify

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
    gc.freeze()
    gc.set_threshold(50_000)
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
        self._decoding = Decoding()
        self._incomplete: dict[uuid.UUID, int | None] = {}  # stored batches, with the `index` that makes them complete

    def run(self) -> None:
        """Take what the parent sends."""
        while (packed := self._end.receive()) is not None:
            if packed != WRITE:
                self._take(packed)
            many = len(self._decoding) >= TOGETHER_IDENTITIES
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
        fused, counts, failed = self._decoding.fuse(batch)
        strangers = self._strangers(fused)
        self._until_done(lambda: _store(batch, strangers, counts, failed))
        self._met.update(strangers.vessels, strangers.aircraft)
        self._incomplete[batch.id] = index
        self.tell("stored", batch.id)

    def _strangers(self, fused: Fused) -> Fused:
        """The batch with those identities only that this worker has not written yet."""
        if len(self._met) > MET_IDENTITIES:
            self._met.clear()
        vessels = {key: fused.vessels[key] for key in fused.vessels.keys() - self._met}
        aircraft = {key: fused.aircraft[key] for key in fused.aircraft.keys() - self._met}
        return msgspec.structs.replace(fused, vessels=vessels, aircraft=aircraft, stations={})

    def _complete(self) -> None:
        """Write the identities of the stored batches, then say in the ledger that nothing of them is missing."""
        self._until_done(self._write)
        self.tell("complete", list(self._incomplete))
        self._decoding.forget()
        self._incomplete.clear()

    def _write(self) -> None:
        with ledger_deadline():
            self._decoding.gathered().write()
        with ledger_deadline():
            complete(self._incomplete)

    def _until_done(self, attempt: Callable[[], None]) -> None:
        """Try until PostgreSQL has done it, telling the parent when it is away; raises what waiting does not cure."""
        refused = waits = 0
        while True:
            try:
                with self._breaker.guard():
                    attempt()
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

    def _wait(self, seconds: float) -> None:
        """Sleep, unless nobody waits for us any more. Raises _Orphaned."""
        if os.getppid() != self._parent:
            raise _Orphaned
        time.sleep(seconds)


def _store(batch: MessageBatch, fused: Fused, counts: Counts, failed: Sequence[Failed]) -> None:
    """One attempt; what it counted is in the ledger."""
    with ledger_deadline():
        store.store(batch, fused, msgspec.structs.replace(counts), failed)


def complete(indexes: dict[uuid.UUID, int | None]) -> None:
    """Mark batches of the ledger, given with their `index`, as complete. Raises django.db errors."""
    with transaction.atomic():
        for batch, index in indexes.items():
            Batch.objects.filter(id=batch).update(index=index)
