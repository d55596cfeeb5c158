"""What accepts batches promises, and where a recording goes on that was accepted in part."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol, TypeVar

import msgspec
import redis
from django.conf import settings
from django.db import close_old_connections

from ingest.models import Batch
from ingest.reports import MessageBatch
from ingest.stages.work import Counts
from resilience import patience
from resilience.breaker.registry import CircuitOpen
from resilience.database.deadline import deadline
from resilience.database.sqlstate import is_outage
from resilience.patience import Interrupted
from resilience.spool.spool import SpoolRefusal

__all__ = ["Acceptance", "Interrupted", "ResumePoint", "ledger_deadline", "ledger_point", "resume_key", "until_done"]

RESUME_PREFIX = "tracking:resume:"
# What waiting cures: a queue that loads, is read-only or cannot save says so in errors of many kinds.
_AWAY = (CircuitOpen, SpoolRefusal, redis.RedisError)

T = TypeVar("T")


class Acceptance(Protocol):
    """Makes batches safe, one after the other. Until a batch is safe, its source is read no further."""

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


def resume_key(source: str, origin: str) -> str:
    """The key of a recording's place; named after the recording, so two with one label are not confused.

    It stays until the ledger has the place (`ingest/acceptance/places.py`).
    """
    return f"{RESUME_PREFIX}{source}:{uuid.uuid5(uuid.NAMESPACE_URL, origin)}"


@contextmanager
def ledger_deadline() -> Iterator[None]:
    """Ask the ledger within DATABASE_DEADLINE_SECONDS, on a connection that works or is made anew."""
    close_old_connections()
    with deadline(settings.DATABASE_DEADLINE_SECONDS):
        yield


def ledger_point(source: str, origin: str, stop: threading.Event) -> ResumePoint | None:
    """What the ledger knows of a recording; waits for it. Raises Interrupted when stopped meanwhile."""
    return until_done(lambda: _ledger_point(source, origin), stop, "the ledger does not tell where to go on")


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


def until_done(attempt: Callable[[], T], stop: threading.Event, complaint: str) -> T:
    """Try again while queue, spool and database are away; Interrupted when stopped meanwhile."""
    return patience.until_done(
        attempt, lambda error: isinstance(error, _AWAY) or is_outage(error), stop.wait, complaint
    )
