"""When a batch counts as accepted, and where it goes from there.

Enters a MessageBatch of a collector; when `accept` returns, the batch is safe: on the queue's append-only file
(QueueAcceptance), or booked in PostgreSQL (InlineAcceptance, which runs the pipeline in place). Until then the
collector reads no further, so a full or absent queue slows the source down and costs nothing. The place in a recording
is saved in the same transaction as the batch, so a restart neither skips nor repeats.
"""

from __future__ import annotations

import logging
import threading
import uuid
import zlib
from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

import msgspec
from django.db import connections
from django_redis import get_redis_connection

from ingest import pipeline
from ingest.models import Batch
from ingest.persistence import Counts
from ingest.reports import MessageBatch
from resilience.breaker import CircuitOpen, in_process_breaker
from resilience.broker import LIVE, REPLAY, StreamsBroker
from resilience.sqlstate import is_outage

T = TypeVar("T")

logger = logging.getLogger(__name__)

TASK = "ingest.tasks.process_batch"
RETRY_SECONDS = (0.5, 1.0, 2.0, 5.0)

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
    """Add a batch, and its place in a recording, to the queue: accepted once this returns.

    One try, without waiting. Raises redis.RedisError; after a time-out the batch may have been added all the same.
    """
    broker = StreamsBroker.for_stream(REPLAY if batch.recorded else LIVE)
    if batch.offset is not None and batch.index is not None:
        point = ResumePoint(batch.offset, batch.index, batch.accepted_at, batch.format)
        broker.alongside = {_resume_key(batch.source, batch.origin): msgspec.json.encode(point).decode()}
    _submit(batch, broker)


def enqueue_all(batches: Sequence[MessageBatch]) -> None:
    """Add live batches to the queue in their order, all or none; otherwise like `enqueue`."""
    broker = _Gathering(stream=LIVE)
    for batch in batches:
        _submit(batch, broker)
    if broker.gathered:
        broker.streams.add_all(broker.stream, broker.gathered, {})


class _Gathering(StreamsBroker):
    """Keeps the packages that django-q2 signs, so that they can be added together."""

    def __init__(self, list_key: str | None = None, stream: str = LIVE) -> None:
        super().__init__(list_key, stream)
        self.gathered: list[str] = []

    def enqueue(self, task: str) -> str:
        """Nothing is sent yet."""
        self.gathered.append(task)
        return "gathered"


def _submit(batch: MessageBatch, broker: StreamsBroker) -> None:
    from django_q.tasks import async_task  # imports models: the apps must be ready

    async_task(TASK, pack(batch), broker.stream, broker=broker)


class QueueAcceptance:
    """Adds batches to the queue: live ones and recordings to streams of their own."""

    def __init__(self, stop: threading.Event) -> None:
        self._stop = stop

    def accept(self, batch: MessageBatch) -> None:
        """Add the batch, trying until the queue takes it. The same batch added twice is booked once."""
        _until_done(lambda: enqueue(batch), self._stop, "queue")

    def resume_point(self, source: str, origin: str) -> ResumePoint | None:
        """The newer of what the queue and the ledger know. Raises redis.RedisError."""
        saved = get_redis_connection("queue").get(_resume_key(source, origin))
        points = [_ledger_point(source, origin), msgspec.json.decode(saved, type=ResumePoint) if saved else None]
        return max((point for point in points if point), key=lambda point: point.accepted_at, default=None)

    def close(self) -> None:
        """The queue's connections belong to a pool."""


class InlineAcceptance:
    """Runs the pipeline in place: accepted means booked. Needs no queue; breakers are the process's own."""

    def __init__(self, stop: threading.Event) -> None:
        self._stop = stop

    def accept(self, batch: MessageBatch) -> Counts:
        """Process the batch, waiting while PostgreSQL is away. Raises what a bug raises."""
        booking = _until_done(lambda: pipeline.process(batch, in_process_breaker), self._stop, "database")
        return booking.counts

    def resume_point(self, source: str, origin: str) -> ResumePoint | None:
        """What the ledger knows."""
        return _ledger_point(source, origin)

    def close(self) -> None:
        """Django's connections belong to threads."""
        connections.close_all()


def waiting(batches: dict[uuid.UUID, int]) -> int:
    """Messages of those accepted batches (id -> messages) that are not booked yet; the booked ones are removed."""
    for start in range(0, len(batches), 1000):
        some = list(batches)[start : start + 1000]
        for booked in Batch.objects.filter(id__in=some).values_list("id", flat=True):
            batches.pop(booked, None)
    return sum(batches.values())


def _resume_key(source: str, origin: str) -> str:
    """The key of a recording's place; named after the recording, so two with one label are not confused."""
    return f"tracking:resume:{source}:{uuid.uuid5(uuid.NAMESPACE_URL, origin)}"


def _ledger_point(source: str, origin: str) -> ResumePoint | None:
    newest = (
        Batch.objects.filter(source=source, origin=origin, offset__isnull=False, index__isnull=False)
        .order_by("-accepted_at", "-offset")
        .first()
    )
    if newest is None or newest.offset is None or newest.index is None:
        return None
    return ResumePoint(newest.offset, newest.index, round(newest.accepted_at.timestamp() * 1000), newest.format)


def _until_done(attempt: Callable[[], T], stop: threading.Event, what: str) -> T:
    """Try again while the other side is away, saying so once; Interrupted when stopped meanwhile."""
    tries = 0
    while True:
        try:
            result = attempt()
        except Exception as error:
            if not isinstance(error, CircuitOpen) and not is_outage(error):
                raise
            if tries == 0:
                logger.warning("the %s does not take batches, waiting for it: %s", what, error)
            delay = RETRY_SECONDS[min(tries, len(RETRY_SECONDS) - 1)]
            tries += 1
            if stop.wait(delay):
                raise Interrupted from error
            continue
        if tries:
            logger.warning("the %s takes batches again", what)
        return result
