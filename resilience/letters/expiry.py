"""Retention of dead letters: open ones that nobody resolved in time expire and stay, closed ones are deleted.

Neither time nor this module ever deletes a letter that is unresolved: an expired one keeps its message and may still
be retried by a person; its handler accounts for it as discarded.
"""

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from time import monotonic

from django.conf import settings

from resilience import clocks
from resilience.breaker.guarded import BREAKER, guarded, guarded_transaction, is_away
from resilience.breaker.registry import get_breaker
from resilience.letters import dead_letters
from resilience.letters.dead_letters import OPEN, SCHEDULE
from resilience.letters.handlers import handler_of, kinds
from resilience.models import DeadLetter, LetterJob

logger = logging.getLogger(__name__)

_AT_ONCE = 100
_DELETED_AT_ONCE = 1000


@dataclass(slots=True)
class ExpirySummary:
    """How many letters expired, how many were deleted, how many are overdue but have no handler that could account for
    them (1,000 at most counted). `stopped` is empty, `breaker`, `unavailable`, `clocks` or `time`."""

    expired: int = 0
    deleted: int = 0
    unhandled: int = 0
    stopped: str = ""

    def __str__(self) -> str:
        counts = f"{self.expired} expired, {self.deleted} deleted"
        counts += f", {self.unhandled} overdue without a handler" if self.unhandled else ""
        return counts + (f"; stopped: {self.stopped}" if self.stopped else "")


def expire(now: datetime | None = None, seconds: float = 45) -> ExpirySummary:
    """Apply KEEP_DEAD_LETTERS_DAYS (0: for ever) for at most `seconds` and the transaction then in hand.

    `now` is `clocks.settled_now()` unless told: while the clocks differ nothing is done.
    """
    summary = ExpirySummary()
    if settings.KEEP_DEAD_LETTERS_DAYS <= 0:
        return summary
    end = monotonic() + seconds
    try:
        now = now or clocks.settled_now()
        horizon = now - timedelta(days=settings.KEEP_DEAD_LETTERS_DAYS)
        while not summary.stopped and (number := _expire_some(horizon, now)):
            summary.expired += number
            summary.stopped = _must_stop(end)
        while not summary.stopped and (number := _delete_some(horizon)):
            summary.deleted += number
            summary.stopped = _must_stop(end)
        summary.unhandled = _unhandled(horizon)
    except clocks.ClocksDiffer as error:
        logger.error("no dead letter expires: %s", error)
        summary.stopped = "clocks"
    except Exception as error:
        if not is_away(error):
            raise
        summary.stopped = "unavailable"
    return summary


def _must_stop(end: float) -> str:
    if get_breaker(BREAKER).permits() is not None:
        return "breaker"
    return "time" if monotonic() >= end else ""


def _expire_some(horizon: datetime, now: datetime) -> int:
    """Handlers write to their batches, so all transactions go through them in one order."""
    note = f"not resolved within {settings.KEEP_DEAD_LETTERS_DAYS} days"
    with guarded_transaction():
        overdue = DeadLetter.objects.select_for_update(skip_locked=True).filter(
            OPEN, created_at__lt=horizon, kind__in=kinds()
        )
        letters = list(overdue.order_by("created_at")[:_AT_ONCE])
        for letter in sorted(letters, key=lambda letter: (letter.batch_id, letter.ordinal)):
            handler_of(letter.kind).discarded(letter)
            dead_letters.close(letter, DeadLetter.Status.EXPIRED, SCHEDULE, note, now)
    return len(letters)


def _delete_some(horizon: datetime) -> int:
    """Closed letters, and the jobs that are as old."""
    with guarded():
        closed = DeadLetter.objects.filter(status__in=DeadLetter.CLOSED, closed_at__lt=horizon)
        ids = list(closed.order_by("closed_at").values_list("id", flat=True)[:_DELETED_AT_ONCE])
        deleted, _ = DeadLetter.objects.filter(id__in=ids, status__in=DeadLetter.CLOSED).delete()
        if not deleted:
            LetterJob.objects.exclude(status__in=LetterJob.ACTIVE).filter(finished_at__lt=horizon).delete()
    return deleted


def _unhandled(horizon: datetime) -> int:
    overdue = DeadLetter.objects.filter(OPEN, created_at__lt=horizon).exclude(kind__in=kinds())
    return len(overdue.values_list("id", flat=True)[:1000])
