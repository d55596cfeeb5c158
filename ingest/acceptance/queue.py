"""When a batch counts as accepted, and where it goes from there.

Enters a MessageBatch of a collector; when `accept` returns, the batch is safe: on the queue's append-only file or,
while the queue refuses, in this host's spool (QueueAcceptance), or booked in PostgreSQL (InlineAcceptance, which runs
the pipeline in place). Until then the collector reads no further: a full spool slows the source down, costing nothing.
The place in a recording is saved in the same transaction as the batch, so a restart neither skips nor repeats.

While something waits in the spool, what comes after waits behind it. Only the order in the large depends on that: a
batch that a timed-out XADD added after all, or that is drained twice, is booked once.
"""

from __future__ import annotations

import logging
import threading
import uuid
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Protocol, TypeVar

import msgspec
import redis
from django.conf import settings
from django.db import close_old_connections, connections
from django_redis import get_redis_connection

from ingest import pipeline
from ingest.acceptance.live_thread import LiveThread
from ingest.models import Batch
from ingest.reports import MessageBatch
from ingest.stages.store import Counts
from resilience.breaker.registry import CircuitOpen, in_process_breaker
from resilience.database.deadline import deadline
from resilience.database.sqlstate import is_outage
from resilience.queue.broker import LIVE, REPLAY
from resilience.queue.resubmission import signed
from resilience.spool import drain
from resilience.spool.spool import SpoolRefusal, SpoolUnusable, get_spool

T = TypeVar("T")

logger = logging.getLogger(__name__)

TASK = "ingest.tasks.process_batch"
RESUME_PREFIX = "tracking:resume:"
RETRY_SECONDS = (0.5, 1.0, 2.0, 5.0)
# What waiting cures: a queue that loads, is read-only or cannot save says so in errors of many kinds.
_AWAY = (CircuitOpen, SpoolRefusal, redis.RedisError)

_decoder = msgspec.msgpack.Decoder(MessageBatch)


class Interrupted(Exception):
    """The run was stopped while a batch could not be accepted; the batch stays where it came from."""


class Acceptance(Protocol):
    """Makes batches safe, one after the other."""

    def accept(self, batch: MessageBatch) -> Counts | None:
        """Return when the batch is safe; its counts if it is booked already. Raises Interrupted when stopped first."""

    def resume_point(self, source: str, origin: str) -> ResumePoint | None:
        """Where the recording `origin` goes on, None when nothing of it was accepted before."""

    def close(self) -> None:
        """Release the connections of the thread that accepted."""


class ResumePoint(msgspec.Struct):
    """A place in a recording: bytes from its start, number of the next message, when it was accepted (ms)."""

    offset: int
    index: int
    accepted_at: int
    format: str


def pack(batch: MessageBatch) -> bytes:
    """A batch as the queue carries it: about 34 bytes a message."""
    return zlib.compress(msgspec.msgpack.encode(batch), 1)


def unpack(packed: bytes) -> MessageBatch:
    """The batch again. Raises zlib.error or msgspec.DecodeError for anything else."""
    return _decoder.decode(zlib.decompress(packed))


def enqueue(batch: MessageBatch) -> None:
    """Add a batch, and its place in a recording, to the queue or to the spool: accepted once this returns.

    One try, without waiting. Raises SpoolRefusal when neither takes it; the queue may have added it all the same when
    it did not answer in time.
    """
    alongside = {}
    if batch.offset is not None and batch.index is not None:
        point = ResumePoint(batch.offset, batch.index, batch.accepted_at, batch.format)
        alongside = {resume_key(batch.source, batch.origin): msgspec.json.encode(point).decode()}
    stream = REPLAY if batch.recorded else LIVE
    _hand_over(stream, _packages([batch], stream), alongside)


def enqueue_all(batches: Sequence[MessageBatch]) -> None:
    """Add live batches to the queue or to the spool in their order, all or none; otherwise like `enqueue`."""
    if batches:
        _hand_over(LIVE, _packages(batches, LIVE), {})


def _hand_over(stream: str, packages: Sequence[str], alongside: Mapping[str, str]) -> None:
    """To the queue, or to the spool if the queue refuses or older batches wait there."""
    spool = get_spool()
    try:
        if not spool.is_empty():
            spool.append(stream, packages, alongside)
            drain.wake()
            return
    except SpoolUnusable as error:  # then the queue at once: the order is worth less than going on
        logger.debug("the spool is passed over: %s", error)
    try:
        drain.add(stream, packages, alongside)
    except redis.RedisError as error:
        try:
            spool.append(stream, packages, alongside)
        except SpoolRefusal as refusal:
            raise refusal from error
        logger.warning("the queue does not take batches, they wait in %s: %s", spool.directory, error)
        drain.wake()


def _packages(batches: Iterable[MessageBatch], stream: str) -> list[str]:
    """The packages that django-q2 signs, as the queue and the spool carry them."""
    return [signed(TASK, pack(batch), stream) for batch in batches]


class QueueAcceptance:
    """Adds batches to the queue, or to the spool: live ones and recordings to streams of their own."""

    def __init__(self, stop: threading.Event) -> None:
        self._stop = stop

    def accept(self, batch: MessageBatch) -> None:
        """Add the batch, trying until queue or spool takes it. The same batch added twice is booked once."""
        _until_done(lambda: enqueue(batch), self._stop, "neither queue nor spool takes batches")

    def resume_point(self, source: str, origin: str) -> ResumePoint | None:
        """The newest of what spool, queue and ledger know; waits for each. Raises Interrupted when stopped meanwhile.

        In the order in which batches travel: one that moves on meanwhile is seen twice, never missed.
        """
        key = resume_key(source, origin)
        said = [
            _until_done(lambda: get_spool().newest(key), self._stop, "the spool cannot tell where to go on"),
            _until_done(lambda: _queue().get(key), self._stop, "the queue does not tell where to go on"),
        ]
        points = [msgspec.json.decode(text, type=ResumePoint) for text in said if text]
        ledger = _known_to_the_ledger(source, origin, self._stop)
        return max([*points, *([ledger] if ledger else [])], key=lambda point: point.accepted_at, default=None)

    def close(self) -> None:
        """The queue's connections belong to a pool, the spool's to the process; Django's to threads."""
        connections.close_all()


class InlineAcceptance:
    """Runs the pipeline in place: accepted means booked. Needs no queue; breakers are the process's own.

    Live state is written in a thread of its own, while the next batch is assembled, decoded and stored.
    """

    def __init__(self, stop: threading.Event) -> None:
        self._stop = stop
        self._live = LiveThread()

    def accept(self, batch: MessageBatch) -> Counts:
        """Process the batch, waiting while PostgreSQL is away. Raises what a bug raises."""
        booking = _until_done(
            lambda: pipeline.process(batch, in_process_breaker, self._live.write),
            self._stop,
            "the database does not take batches",
        )
        return booking.counts

    def resume_point(self, source: str, origin: str) -> ResumePoint | None:
        """What the ledger knows; waits for it. Raises Interrupted when stopped meanwhile."""
        return _known_to_the_ledger(source, origin, self._stop)

    def close(self) -> None:
        """The last batch's live state is written; Django's connections belong to threads."""
        self._live.close()
        connections.close_all()


@contextmanager
def ledger_deadline() -> Iterator[None]:
    """Ask the ledger within DATABASE_DEADLINE_SECONDS, on a connection that works or is made anew."""
    close_old_connections()
    with deadline(settings.DATABASE_DEADLINE_SECONDS):
        yield


def resume_key(source: str, origin: str) -> str:
    """The key of a recording's place; named after the recording, so two with one label are not confused.

    It stays until the ledger has the place (`ingest/acceptance/places.py`).
    """
    return f"{RESUME_PREFIX}{source}:{uuid.uuid5(uuid.NAMESPACE_URL, origin)}"


def _queue() -> Any:
    return get_redis_connection("queue")


def _known_to_the_ledger(source: str, origin: str, stop: threading.Event) -> ResumePoint | None:
    return _until_done(lambda: _ledger_point(source, origin), stop, "the ledger does not tell where to go on")


def _ledger_point(source: str, origin: str) -> ResumePoint | None:
    with ledger_deadline():
        newest = (
            Batch.objects.filter(source=source, origin=origin, offset__isnull=False, index__isnull=False)
            .order_by("-accepted_at", "-offset")
            .first()
        )
    if newest is None or newest.offset is None or newest.index is None:
        return None
    return ResumePoint(newest.offset, newest.index, round(newest.accepted_at.timestamp() * 1000), newest.format)


def _until_done(attempt: Callable[[], T], stop: threading.Event, complaint: str) -> T:
    """Try again while the other side is away, saying so once; Interrupted when stopped meanwhile."""
    tries = 0
    while True:
        try:
            result = attempt()
        except Exception as error:
            if not isinstance(error, _AWAY) and not is_outage(error):
                raise
            if tries == 0:
                logger.warning("%s, waiting: %s", complaint, error)
            delay = RETRY_SECONDS[min(tries, len(RETRY_SECONDS) - 1)]
            tries += 1
            if stop.wait(delay):
                raise Interrupted from error
            continue
        if tries:
            logger.warning("no longer: %s", complaint)
        return result
