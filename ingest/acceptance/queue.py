"""Acceptance by the queue: a batch enters, and is on the queue's append-only file when the call returns.

While the queue refuses, it is in this host's spool instead; a full spool slows the source down, costing nothing. The
place in a recording is saved in the same transaction as the batch, so a restart neither skips nor repeats.

While something waits in the spool, what comes after waits behind it. Only the order in the large depends on that: a
batch that a timed-out XADD added after all, or that is drained twice, is booked once.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
import redis
from django.db import connections
from django_redis import get_redis_connection

from ingest.acceptance.contract import ResumePoint, ledger_point, resume_key, until_done
from ingest.acceptance.package import TASK, pack
from ingest.reports import MessageBatch
from resilience.queue.broker import LIVE, REPLAY
from resilience.queue.resubmission import signed
from resilience.spool import drain
from resilience.spool.spool import SpoolRefusal, SpoolUnusable, get_spool

logger = logging.getLogger(__name__)


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
        until_done(lambda: enqueue(batch), self._stop, "neither queue nor spool takes batches")

    def resume_point(self, source: str, origin: str) -> ResumePoint | None:
        """The newest of what spool, queue and ledger know; waits for each. Raises Interrupted when stopped meanwhile.

        In the order in which batches travel: one that moves on meanwhile is seen twice, never missed.
        """
        key = resume_key(source, origin)
        said = [
            until_done(lambda: get_spool().newest(key), self._stop, "the spool cannot tell where to go on"),
            until_done(lambda: _queue().get(key), self._stop, "the queue does not tell where to go on"),
        ]
        points = [msgspec.json.decode(text, type=ResumePoint) for text in said if text]
        ledger = ledger_point(source, origin, self._stop)
        return max([*points, *([ledger] if ledger else [])], key=lambda point: point.accepted_at, default=None)

    def close(self) -> None:
        """The queue's connections belong to a pool, the spool's to the process; Django's to threads."""
        connections.close_all()


def _queue() -> Any:
    return get_redis_connection("queue")
