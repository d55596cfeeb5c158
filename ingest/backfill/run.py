"""Backfill: a file into PostgreSQL at the speed of the machine, as often as needed and yet once.

    file --Reading--> batches with ids that never change --Crew--> workers: decode, fuse, store

Enters a file and how it is read; leaves its rows, its lines of the ledger and their account. The ledger says which
batches are there already, so the same command again goes on where the last one was killed. Day partitions are made
here, before any batch that needs them is sent. Live state is left alone.
"""

from __future__ import annotations

import datetime as dt
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable
from typing import NamedTuple, TypeVar

import msgspec
from django.db import connections
from django.db.models import Q
from django_q.signing import SignedPackage

from ingest import consumption
from ingest.acceptance.contract import ledger_deadline
from ingest.acceptance.package import pack
from ingest.backfill.crew import DEATHS, BackfillCrew, BackfillFailed, Parcel, Stopped
from ingest.backfill.progress import BackfillProgress
from ingest.backfill.reading import Reading
from ingest.backfill.worker import complete
from ingest.clocks import UnknownTime
from ingest.ledger import accounts
from ingest.models import Batch
from ingest.reports import LineCounts, MessageBatch
from ingest.sources.common.contract import SourceError
from resilience.database.sqlstate import Verdict, classify, is_outage
from resilience.queue.broker import REPLAY
from tracking.history import partitions

T = TypeVar("T")

RETRY_SECONDS = 1.0
READ_AGAIN = 5
UNTIMED = "it gives no times: say when it began, as in --start 2026-01-01T00:00:00Z --rate 100"
_DAY_MS = 24 * 3600 * 1000


class Stop(NamedTuple):
    """What Ctrl-C sets: first `reading`, so that no more is read, then `waiting`, so that nothing is waited for."""

    reading: threading.Event
    waiting: threading.Event


class BookedBatch(NamedTuple):
    """What the ledger has of a batch: `complete` when its identities are written too."""

    messages: int
    complete: bool


class FileOutcome(NamedTuple):
    """What became of a file: the lines read, the messages that the ledger must have, those that it had before, its
    account of this run and earlier ones, whether all was read, and the bytes that were and those there are (None where
    unknown). `error` is why not all was read, if that was nobody's wish.
    """

    counts: LineCounts
    accepted: int
    already: int
    booked: accounts.Account
    whole: bool
    place: tuple[int, int] | None
    error: str = ""

    def violations(self) -> list[str]:
        """The equations that do not hold. What an earlier run read is not known to one that was stopped before it."""
        read = self.counts if self.whole else None
        return accounts.violations(self.booked, read, self.accepted)


class _Pass(msgspec.Struct):
    """One reading of a file: the lines of its batches, those that were sent or known, and the rest of an Outcome."""

    counts: LineCounts
    batches: set[uuid.UUID] = set()
    whole: bool = True
    place: tuple[int, int] | None = None
    error: str = ""


class Backfill:
    """Takes files in, one after the other, with one crew."""

    def __init__(self, processes: int, stop: Stop, progress: BackfillProgress) -> None:
        self._stop, self._progress = stop, progress
        self._days: set[dt.date] = set()
        self.crew = BackfillCrew(processes, self._make_dead_letter, progress.say)

    def take(self, reading: Reading) -> FileOutcome:
        """Store a file. Raises SourceError and UnknownFormat before anything is stored, Failed, and Stopped when told
        not to wait; then the crew must be closed."""
        run = reading.open()
        known = self._until_there(lambda: _known(run))
        self.crew.lost.clear()
        read = self._pass(reading, {batch for batch, found in known.items() if found.complete})
        for _ in range(READ_AGAIN):
            if not (read.whole and self.crew.lost):
                break
            self._progress.say(f"{len(self.crew.lost)} batches of workers that died are read once more")
            lost, self.crew.lost = self.crew.lost, set()
            read = self._pass(reading, {batch for batch in read.batches if batch not in lost})
        if self.crew.lost and read.whole:
            raise BackfillFailed(f"workers died again and again; {len(self.crew.lost)} batches lack their identities")
        booked = self._until_there(lambda: _account(run))
        accepted = reading.messages if read.whole else booked.messages
        already = sum(known[batch].messages for batch in read.batches if batch in known)
        return FileOutcome(read.counts, accepted, already, booked, read.whole, read.place, read.error)

    def _pass(self, reading: Reading, complete: set[uuid.UUID]) -> _Pass:
        """Read the file once and have stored what is not complete."""
        done = _Pass(LineCounts(malformed={}, remarks={}))
        before = self.crew.stored
        try:
            for batch in reading.batches():
                if self._stop.reading.is_set():
                    raise Stopped
                done.place = reading.source.progress()
                self.crew.turn(0.0)
                self._progress.show(self.crew.stored - before, done.place)
                if batch is None:
                    continue
                if batch.id not in complete:
                    self._send(batch)
                done.batches.add(batch.id)
                _add(done.counts, batch.counts)
        except Stopped:
            done.whole = False
        except (SourceError, partitions.TooManyDays) as failure:
            done.whole, done.error = False, str(failure)
        except UnknownTime:
            done.whole, done.error = False, UNTIMED
        self.crew.finish(self._stop.waiting)
        return done

    def close(self) -> None:
        """End the workers."""
        self.crew.close()

    def _send(self, batch: MessageBatch) -> None:
        """Make its partitions, then give it to a worker."""
        days = _days_of(batch) - self._days
        if days:
            self._days |= days
            self._until_there(lambda: partitions.make(self._days))
        self.crew.give(Parcel(batch.id, len(batch.messages), msgspec.msgpack.encode(batch)), self._stop.reading)

    def _make_dead_letter(self, packed: bytes) -> None:
        """A batch that kills workers becomes a dead letter, as one of the queue does."""
        batch = msgspec.msgpack.decode(packed, type=MessageBatch)
        task = SignedPackage.dumps({"args": (pack(msgspec.structs.replace(batch, index=None)),)})
        self._until_there(lambda: consumption.make_dead_letter(task, REPLAY, DEATHS))
        self._until_there(lambda: complete({batch.id: batch.index}))

    def _until_there(self, question: Callable[[], T]) -> T:
        """Ask PostgreSQL, waiting for it while it is away. Raises Stopped when told not to."""
        told = False
        while True:
            try:
                with ledger_deadline():
                    return question()
            except Exception as error:
                if classify(error) not in (Verdict.INFRASTRUCTURE, Verdict.CONTENTION):
                    raise
                if not told and is_outage(error):
                    told = True
                    why = str(error).partition("\n")[0]
                    self._progress.say(f"the database is away, waiting for it; Ctrl-C twice ends the wait: {why}")
                if self._stop.waiting.wait(RETRY_SECONDS):
                    raise Stopped from error
            finally:
                connections.close_all()  # workers that are forked later must not share them


def _known(run: uuid.UUID) -> dict[uuid.UUID, BookedBatch]:
    """What the ledger has of a run."""
    rows = Batch.objects.filter(run=run).values_list("id", "messages", "index")
    return {batch: BookedBatch(messages, index is not None) for batch, messages, index in rows}


def _account(run: uuid.UUID) -> accounts.Account:
    return accounts.account(Q(run=run))


def _days_of(batch: MessageBatch) -> set[dt.date]:
    """The days (UTC) of its messages; what is of the future is refused later."""
    times = [message.received_at for message in batch.messages]
    if not times:
        return set()
    first, last = min(times) // _DAY_MS, max(times) // _DAY_MS
    days = {first} if first == last else {time // _DAY_MS for time in times}
    today = time.time_ns() // 1_000_000 // _DAY_MS
    epoch = dt.date(1970, 1, 1)
    return {epoch + dt.timedelta(days=day) for day in days if 0 <= day <= today}


def _add(total: LineCounts, more: LineCounts) -> None:
    """Add one account of lines to another."""
    total.lines += more.lines
    total.foreign += more.foreign
    total.sentences += more.sentences
    total.malformed = dict(Counter(total.malformed) + Counter(more.malformed))
    total.remarks = dict(Counter(total.remarks) + Counter(more.remarks))


__all__ = ["Backfill", "BackfillFailed", "FileOutcome", "Stop", "Stopped"]
