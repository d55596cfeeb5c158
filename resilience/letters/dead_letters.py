"""What can be done with a dead letter: retry it, retry all that are due, discard it.

Letters come in by id; what leaves is what became of each. This module knows which are due and how one is closed. What a
letter says is known to the handler registered for its kind, which replays it. It never deletes a letter, and it creates
none: whoever fails to store a message writes it in that same transaction. Beside it are editing (mend a message and
retry it), redrive (all letters of a filter), expiry, exports and letter_groups; failures says what an error means.
"""

import logging
import random
import time
import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from enum import StrEnum

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from resilience import clocks
from resilience.breaker.guarded import BREAKER, guarded, guarded_transaction, is_away, short_deadline
from resilience.breaker.registry import get_breaker
from resilience.database.sqlstate import Verdict, classify
from resilience.letters.failures import BUG, failure_of, next_retry
from resilience.letters.handlers import Handler, NoHandler, handler_of, register
from resilience.models import DeadLetter

logger = logging.getLogger(__name__)

__all__ = [
    "Handler",
    "LetterOutcome",
    "NoHandler",
    "Result",
    "RetrySummary",
    "discard",
    "next_retry",
    "register",
    "retry",
]

SCHEDULE = "schedule"  # who closes the letters that nobody asked for

HISTORY_ENTRIES = 20
BEGUN = "begun"  # in the history while a scheduled retry lasts, and for ever where its worker died of it
OPEN = Q(status__in=DeadLetter.OPEN)
RETRIABLE = Q(status__in=DeadLetter.RETRIABLE)
# One letter whose replay always exceeds its deadline looks like an outage and must not hold back the ones behind it.
_OUTAGES_IN_A_ROW = 2
_DISCARDS_PER_TRANSACTION = 200
_jitter = random.SystemRandom()


class Result(StrEnum):
    """What became of one letter."""

    RESOLVED = "resolved"
    FAILED = "failed"  # again; there will be another retry
    EXHAUSTED = "exhausted"  # again, and no automatic retry is left
    SKIPPED = "skipped"  # closed, not due any more, or in somebody else's hands: untouched
    UNAVAILABLE = "unavailable"  # PostgreSQL is away or its breaker refuses: untouched


@dataclass(frozen=True, slots=True)
class LetterOutcome:
    """What became of a letter, and the handler's outcome or the reason of the failure."""

    letter_id: uuid.UUID
    result: Result
    detail: str = ""


@dataclass(slots=True)
class RetrySummary:
    """What became of each letter, in order. `stopped` is empty, `breaker`, `unavailable` or `time`."""

    outcomes: list[LetterOutcome] = field(default_factory=list)
    stopped: str = ""

    def count(self, result: Result) -> int:
        """How many letters ended so."""
        return sum(outcome.result is result for outcome in self.outcomes)

    def __str__(self) -> str:
        counts = ", ".join(f"{self.count(result)} {result}" for result in Result if self.count(result))
        return (counts or "nothing to do") + (f"; stopped: {self.stopped}" if self.stopped else "")


def retry(
    letter_id: uuid.UUID, by: str, now: datetime | None = None, prepare: Callable[[DeadLetter], None] | None = None
) -> LetterOutcome:
    """Replay one open or expired letter in one transaction of its own, whether or not it is due.

    Success closes it in `by`'s name, a failure is written to it and puts the next retry off. Raises nothing of the
    replay. `prepare` gets the locked letter first, in the same transaction; what it raises comes through.
    """
    return _retry(letter_id, by, now or timezone.now(), RETRIABLE, prepare)


def retry_many(letter_ids: Sequence[uuid.UUID], by: str, seconds: float) -> RetrySummary:
    """Replay these letters one after the other for at most `seconds` and the letter then in hand (10 s at most)."""
    return _run(letter_ids, by, timezone.now(), seconds, RETRIABLE)


def retry_due(now: datetime | None = None, limit: int = 500, seconds: float = 45) -> RetrySummary:
    """Replay the letters that are due at `now`, the longest due first: at most `limit`, for at most `seconds` and the
    letter then in hand (10 s at most). Stops when the breaker is not closed. Safe to run in several processes."""
    if get_breaker(BREAKER).permits() is not None:
        return RetrySummary(stopped="breaker")
    try:
        with guarded():
            now = now or clocks.database_now()
            due = Q(status=DeadLetter.Status.PENDING, next_retry_at__lte=now)
            ids = list(DeadLetter.objects.filter(due).order_by("next_retry_at").values_list("id", flat=True)[:limit])
    except Exception as error:
        if not is_away(error):
            raise
        return RetrySummary(stopped="unavailable")
    return _run(ids, SCHEDULE, now, seconds, due)


def discard(ids: Iterable[uuid.UUID], by: str, reason: str) -> int:
    """Give up the open ones of these letters for `reason`; how many, those under retry left out.

    Raises ValueError without a reason, and NoHandler before anything is touched: a letter nobody keeps accounts of
    cannot be given up.
    """
    if not reason.strip():
        raise ValueError("a reason is required")
    chosen = list(DeadLetter.objects.filter(OPEN, id__in=list(ids)).values_list("batch_id", "ordinal", "id", "kind"))
    for kind in {kind for *_, kind in chosen}:
        handler_of(kind)
    # Handlers write to their batches: all transactions do so in one order, or two of them wait for each other.
    ordered = [letter_id for *_, letter_id, _ in sorted(chosen)]
    starts = range(0, len(ordered), _DISCARDS_PER_TRANSACTION)
    return sum(_discard(ordered[start : start + _DISCARDS_PER_TRANSACTION], by, reason.strip()) for start in starts)


def open_count() -> int:
    """How many letters wait for a retry or for a person."""
    return DeadLetter.objects.filter(OPEN).count()


def _run(ids: Sequence[uuid.UUID], by: str, now: datetime, seconds: float, wanted: Q) -> RetrySummary:
    summary = RetrySummary()
    end = time.monotonic() + seconds
    outages = 0
    for letter_id in ids:
        if time.monotonic() >= end:
            summary.stopped = "time"
        elif get_breaker(BREAKER).permits() is not None:
            summary.stopped = "breaker"
        elif outages >= _OUTAGES_IN_A_ROW:
            summary.stopped = "unavailable"
        if summary.stopped:
            break
        outcome = _retry(letter_id, by, now, wanted)
        summary.outcomes.append(outcome)
        outages = outages + 1 if outcome.result is Result.UNAVAILABLE else 0
    return summary


def _retry(
    letter_id: uuid.UUID, by: str, now: datetime, wanted: Q, prepare: Callable[[DeadLetter], None] | None = None
) -> LetterOutcome:
    try:
        if by == SCHEDULE:
            if not _begin(letter_id, wanted, now):
                return LetterOutcome(letter_id, Result.SKIPPED)
            wanted = Q(status=DeadLetter.Status.PENDING)
        with guarded_transaction():
            letter = lock(letter_id, wanted)
            if letter is None:
                return LetterOutcome(letter_id, Result.SKIPPED)
            if prepare is not None:
                prepare(letter)
            return replay(letter, by, now)
    except Exception as error:
        if is_away(error):
            logger.warning("dead letter %s waits: %s", letter_id, error)
            return LetterOutcome(letter_id, Result.UNAVAILABLE, str(error)[:200])
        if classify(error) is Verdict.CONTENTION:
            return LetterOutcome(letter_id, Result.SKIPPED)
        raise


def _begin(letter_id: uuid.UUID, due: Q, now: datetime) -> bool:
    """Write that a scheduled retry begins and put the next one off; whether it may be made.

    Or a letter that kills its worker would be the first of every run, for ever, and those behind it never retried. One
    that was begun and has no verdict has used up an attempt.
    """
    with guarded_transaction():
        letter = lock(letter_id, due)
        if letter is None:
            return False
        letter.attempts += bool(letter.history) and letter.history[-1]["result"] == BEGUN
        letter.next_retry_at = next_retry(letter.attempts, now, _jitter)
        if letter.next_retry_at is None:
            letter.status = DeadLetter.Status.EXHAUSTED
        remember(letter, SCHEDULE, "retry", BEGUN, "", now)
        letter.save(update_fields=["attempts", "next_retry_at", "status", "history"])
        return letter.next_retry_at is not None


def lock(letter_id: uuid.UUID, wanted: Q) -> DeadLetter | None:
    """The letter in nobody else's hands; `wanted` again because another run may have had it since the list was made."""
    return DeadLetter.objects.select_for_update(skip_locked=True).filter(wanted, id=letter_id).first()


def replay(letter: DeadLetter, by: str, now: datetime) -> LetterOutcome:
    """Replay a letter that the caller has locked, in the caller's transaction, behind breaker and deadline.

    Raises what speaks of the database and not of the letter: then nothing of it is to be kept.
    """
    try:
        with transaction.atomic():  # what a failing replay has written goes, the lock on the letter stays
            note = handler_of(letter.kind).replay(letter)
    except Exception as error:
        if is_away(error) or classify(error) is Verdict.CONTENTION:
            raise
        return _fail(letter, by, error, now)
    close(letter, DeadLetter.Status.RESOLVED, by, note, now)
    return LetterOutcome(letter.id, Result.RESOLVED, note)


def give_up(letter: DeadLetter, by: str, reason: str, now: datetime) -> None:
    """Discard an open letter that the caller has locked, in the caller's transaction. Raises NoHandler."""
    handler_of(letter.kind).discarded(letter)
    close(letter, DeadLetter.Status.DISCARDED, by, reason, now)


def close(letter: DeadLetter, status: DeadLetter.Status, by: str, note: str, now: datetime) -> None:
    """Write that a locked letter is resolved, discarded or expired."""
    letter.status, letter.note = status, note
    letter.closed_at, letter.closed_by = now, by
    letter.next_retry_at = None
    remember(letter, by, "retry" if status == DeadLetter.Status.RESOLVED else "close", status, note, now)
    letter.save(update_fields=["status", "note", "closed_at", "closed_by", "next_retry_at", "history"])


def _fail(letter: DeadLetter, by: str, error: Exception, now: datetime) -> LetterOutcome:
    """One more attempt failed. An expired letter stays expired: the accounts hold it as discarded."""
    failure = failure_of(error, letter.stage)
    if failure.reason == BUG:
        logger.error("dead letter %s: its handler failed", letter.id, exc_info=error)
    letter.attempts += 1
    letter.failed_at = now
    if letter.is_open:
        letter.next_retry_at = next_retry(letter.attempts, now, _jitter)
        letter.status = DeadLetter.Status.PENDING if letter.next_retry_at else DeadLetter.Status.EXHAUSTED
    for name, value in asdict(failure).items():
        setattr(letter, name, value)
    result = Result.FAILED if letter.next_retry_at else Result.EXHAUSTED
    remember(letter, by, "retry", result, failure.reason, now)
    letter.save(update_fields=["attempts", "next_retry_at", "status", "failed_at", "history", *asdict(failure)])
    return LetterOutcome(letter.id, result, failure.reason)


def remember(letter: DeadLetter, by: str, action: str, result: str, detail: str, now: datetime) -> None:
    """Add to the history of `letter`, which the caller saves."""
    entry = {"at": now.isoformat(), "by": by, "action": action, "result": str(result), "detail": detail[:300]}
    before = [other for other in letter.history if other["result"] != BEGUN]
    letter.history = [*before, entry][-HISTORY_ENTRIES:]


def _discard(ids: Sequence[uuid.UUID], by: str, reason: str) -> int:
    with short_deadline(), transaction.atomic(durable=True):
        locked = DeadLetter.objects.select_for_update(skip_locked=True).filter(OPEN, id__in=ids)
        letters = list(locked.order_by("batch_id", "ordinal"))
        for letter in letters:
            give_up(letter, by, reason, timezone.now())
    return len(letters)
