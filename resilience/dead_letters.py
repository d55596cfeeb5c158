"""What can be done with a dead letter: retry it, retry all that are due, discard it.

Letters come in by id; what leaves is what became of each. This module knows when a retry is due, what a failure means
and how a letter is closed. What a letter says is known to the handler registered for its kind, which replays it. It
never deletes a letter, and it creates none: whoever fails to store a message writes it in that same transaction.
"""

import logging
import random
import re
import time
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from django.conf import settings
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from resilience.breaker import CircuitOpen, get_breaker
from resilience.deadline import deadline
from resilience.models import DeadLetter
from resilience.sqlstate import Verdict, classify

logger = logging.getLogger(__name__)

MAX_ATTEMPTS = 8
BREAKER = "database"
SCHEDULE = "schedule"  # who closes the letters that nobody asked for

_OPEN = Q(status__in=DeadLetter.OPEN)
_FIRST_DELAY_SECONDS = 300
_LONGEST_DELAY_SECONDS = 6 * 3600
# One letter is at most one batch, a tenth of a second. With retry_due's 45 s it stays below the queue's time-out of 60.
_LETTER_SECONDS = 10.0
# One letter whose replay always exceeds its deadline looks like an outage and must not hold back the ones behind it.
_OUTAGES_IN_A_ROW = 2
_DISCARDS_PER_TRANSACTION = 200
_REASON_CODE = re.compile(r"[a-z0-9_]{1,64}")
_jitter = random.SystemRandom()


class Handler(Protocol):
    """What an app registers for the letters that it writes.

    Both run within a deadline and the transaction that closes the letter, `replay` behind the database's breaker too:
    they take none of these themselves.
    """

    def replay(self, letter: DeadLetter) -> str:
        """Do what failed, and the accounts with it; the outcome as a code such as `stored`. Raises to fail again:
        a `reason` attribute of the exception becomes the letter's."""

    def discarded(self, letter: DeadLetter) -> None:
        """Do the accounts of a letter that is being given up."""


class NoHandler(LookupError):
    """Nobody registered for this kind of letter."""

    reason = "no_handler"


class Result(StrEnum):
    """What became of one letter."""

    RESOLVED = "resolved"
    FAILED = "failed"  # again; there will be another retry
    EXHAUSTED = "exhausted"  # again, and no automatic retry is left
    SKIPPED = "skipped"  # closed, not due any more, or in somebody else's hands: untouched
    UNAVAILABLE = "unavailable"  # PostgreSQL is away or its breaker refuses: untouched


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a letter, and the handler's outcome or the reason of the failure."""

    letter_id: uuid.UUID
    result: Result
    detail: str = ""


@dataclass(slots=True)
class RetrySummary:
    """What became of each letter, in order. `stopped` is empty, `breaker`, `unavailable` or `time`."""

    outcomes: list[Outcome] = field(default_factory=list)
    stopped: str = ""

    def count(self, result: Result) -> int:
        """How many letters ended so."""
        return sum(outcome.result is result for outcome in self.outcomes)

    def __str__(self) -> str:
        counts = ", ".join(f"{self.count(result)} {result}" for result in Result if self.count(result))
        return (counts or "nothing to do") + (f"; stopped: {self.stopped}" if self.stopped else "")


_handlers: dict[str, Handler] = {}


def register(kind: str, handler: Handler) -> None:
    """Let `handler` replay the letters of `kind` (32 characters at most). A second one for the kind replaces it."""
    _handlers[kind] = handler


def next_retry(attempts: int, now: datetime, rng: random.Random) -> datetime | None:
    """When to retry a letter that was retried `attempts` times: after 5 minutes doubled each time, 6 hours at most,
    times 0.5 to 1.5 so that letters of one moment spread. None after 8."""
    if attempts >= MAX_ATTEMPTS:
        return None
    seconds = min(_LONGEST_DELAY_SECONDS, _FIRST_DELAY_SECONDS * 2**attempts)
    return now + timedelta(seconds=seconds * rng.uniform(0.5, 1.5))


def retry(letter_id: uuid.UUID, by: str, now: datetime | None = None) -> Outcome:
    """Replay one open letter in one transaction of its own, whether or not it is due.

    Success closes it in `by`'s name, a failure is written to it and puts the next retry off. Raises nothing of the
    replay.
    """
    return _retry(letter_id, by, now or timezone.now(), _OPEN)


def retry_many(letter_ids: Sequence[uuid.UUID], by: str, seconds: float) -> RetrySummary:
    """Replay these letters one after the other for at most `seconds` and the letter then in hand (10 s at most)."""
    return _run(letter_ids, by, timezone.now(), seconds, _OPEN)


def retry_due(now: datetime | None = None, limit: int = 500, seconds: float = 45) -> RetrySummary:
    """Replay the letters that are due at `now`, the longest due first: at most `limit`, for at most `seconds` and the
    letter then in hand (10 s at most). Stops when the breaker is not closed. Safe to run in several processes."""
    now = now or timezone.now()
    due = Q(status=DeadLetter.Status.PENDING, next_retry_at__lte=now)
    if get_breaker(BREAKER).permits() is not None:
        return RetrySummary(stopped="breaker")
    try:
        with get_breaker(BREAKER).guard(), deadline(_deadline_seconds()):
            ids = list(DeadLetter.objects.filter(due).order_by("next_retry_at").values_list("id", flat=True)[:limit])
    except Exception as error:
        if not _is_away(error):
            raise
        return RetrySummary(stopped="unavailable")
    return _run(ids, SCHEDULE, now, seconds, due)


def make_due(letters: QuerySet[DeadLetter], now: datetime | None = None) -> int:
    """Leave the open ones of `letters` to the schedule's next run; how many there are. For more than one request."""
    return letters.filter(_OPEN).update(status=DeadLetter.Status.PENDING, next_retry_at=now or timezone.now())


def discard(ids: Iterable[uuid.UUID], by: str, reason: str) -> int:
    """Give up the open ones of these letters for `reason`; how many it were, those under retry left out.

    Raises ValueError without a reason, and NoHandler before anything is touched: a letter nobody keeps accounts of
    cannot be given up.
    """
    if not reason.strip():
        raise ValueError("a reason is required")
    chosen = list(DeadLetter.objects.filter(_OPEN, id__in=list(ids)).values_list("batch_id", "ordinal", "id", "kind"))
    for kind in {kind for *_, kind in chosen}:
        _handler(kind)
    # Handlers write to their batches: all transactions do so in one order, or two of them wait for each other.
    ordered = [letter_id for *_, letter_id, _ in sorted(chosen)]
    starts = range(0, len(ordered), _DISCARDS_PER_TRANSACTION)
    return sum(_discard(ordered[start : start + _DISCARDS_PER_TRANSACTION], by, reason.strip()) for start in starts)


def open_count() -> int:
    """How many letters are neither resolved nor discarded."""
    return DeadLetter.objects.filter(_OPEN).count()


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


def _retry(letter_id: uuid.UUID, by: str, now: datetime, wanted: Q) -> Outcome:
    try:
        with get_breaker(BREAKER).guard(), deadline(_deadline_seconds()), transaction.atomic(durable=True):
            letter = _lock(letter_id, wanted)
            return _replay(letter, by, now) if letter else Outcome(letter_id, Result.SKIPPED)
    except Exception as error:
        if _is_away(error):
            logger.warning("dead letter %s waits: %s", letter_id, error)
            return Outcome(letter_id, Result.UNAVAILABLE, str(error)[:200])
        if classify(error) is Verdict.CONTENTION:
            return Outcome(letter_id, Result.SKIPPED)
        raise


def _lock(letter_id: uuid.UUID, wanted: Q) -> DeadLetter | None:
    """The letter in nobody else's hands; `wanted` again because another run may have had it since the list was made."""
    return DeadLetter.objects.select_for_update(skip_locked=True).filter(wanted, id=letter_id).first()


def _replay(letter: DeadLetter, by: str, now: datetime) -> Outcome:
    try:
        with transaction.atomic():  # what a failing replay has written goes, the lock on the letter stays
            note = _handler(letter.kind).replay(letter)
    except Exception as error:
        if _is_away(error) or classify(error) is Verdict.CONTENTION:
            raise
        return _fail(letter, error, now)
    _close(letter, DeadLetter.Status.RESOLVED, by, note)
    return Outcome(letter.id, Result.RESOLVED, note)


def _fail(letter: DeadLetter, error: Exception, now: datetime) -> Outcome:
    reason = _reason(error)
    if reason == "replay_error":
        logger.error("dead letter %s: its handler failed", letter.id, exc_info=error)
    letter.attempts += 1
    letter.next_retry_at = next_retry(letter.attempts, now, _jitter)
    letter.status = DeadLetter.Status.PENDING if letter.next_retry_at else DeadLetter.Status.EXHAUSTED
    letter.failed_at = now
    letter.reason = reason
    letter.sqlstate = _sqlstate(error)
    # An error about a text quotes it: PostgreSQL takes neither NUL nor a lone surrogate.
    letter.message = str(error).replace("\0", "").encode(errors="replace").decode()[:500]
    letter.save(update_fields=["attempts", "next_retry_at", "status", "failed_at", "reason", "sqlstate", "message"])
    return Outcome(letter.id, Result.FAILED if letter.next_retry_at else Result.EXHAUSTED, reason)


def _reason(error: Exception) -> str:
    """The exception's own code, if it has one; UnicodeEncodeError's `reason`, for one, is prose."""
    own = getattr(error, "reason", None)
    if isinstance(own, str) and _REASON_CODE.fullmatch(own):
        return own
    return "database_refused" if classify(error) is Verdict.POISON else "replay_error"


def _sqlstate(error: BaseException) -> str:
    link: BaseException | None = error
    while link is not None:
        if code := getattr(link, "sqlstate", None):
            return str(code)
        link = link.__cause__
    return ""


def _discard(ids: Sequence[uuid.UUID], by: str, reason: str) -> int:
    with deadline(_deadline_seconds()), transaction.atomic(durable=True):
        locked = DeadLetter.objects.select_for_update(skip_locked=True).filter(_OPEN, id__in=ids)
        letters = list(locked.order_by("batch_id", "ordinal"))
        for letter in letters:
            _handler(letter.kind).discarded(letter)
            _close(letter, DeadLetter.Status.DISCARDED, by, reason)
    return len(letters)


def _close(letter: DeadLetter, status: DeadLetter.Status, by: str, note: str) -> None:
    letter.status, letter.note = status, note
    letter.closed_at, letter.closed_by = timezone.now(), by
    letter.next_retry_at = None
    letter.save(update_fields=["status", "note", "closed_at", "closed_by", "next_retry_at"])


def _handler(kind: str) -> Handler:
    if kind not in _handlers:
        raise NoHandler(f"no handler is registered for {kind}")
    return _handlers[kind]


def _is_away(error: Exception) -> bool:
    return isinstance(error, CircuitOpen) or classify(error) is Verdict.INFRASTRUCTURE


def _deadline_seconds() -> float:
    return min(_LETTER_SECONDS, float(settings.DATABASE_DEADLINE_SECONDS))
