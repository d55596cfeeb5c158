"""All the letters of a filter, retried or discarded by the queue: a job in, its progress in the job's row.

A job is worked off in slices on the replay stream, so that live traffic goes first and an open breaker withholds it.
Each slice ends by adding the next one to the stream. The counts of the job and its place in the list change in the
transaction of the letter they count: whenever a worker dies, no letter is lost and none counted twice. If two slices of
one job ever run at once (a redelivery), the later one takes over and the earlier one ends. `revive` adds the slices
that nobody has any more.
"""

import logging
import time
import uuid
from collections.abc import Callable
from datetime import datetime, timedelta
from enum import Enum

import redis
from django.conf import settings
from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from resilience.breaker.guarded import BREAKER, guarded, guarded_transaction, is_away
from resilience.breaker.registry import get_breaker
from resilience.database.sqlstate import Verdict, classify
from resilience.letters import dead_letters
from resilience.letters.dead_letters import Result
from resilience.letters.handlers import NoHandler
from resilience.letters.selection import Selection, count_up_to
from resilience.models import DeadLetter, LetterJob
from resilience.queue.broker import REPLAY
from resilience.queue.resubmission import resubmit

logger = logging.getLogger(__name__)

# The permission that an action needs.
NEEDED = {
    LetterJob.Action.RETRY: "resilience.retry_deadletter",
    LetterJob.Action.DISCARD: "resilience.discard_deadletter",
}

TASKS = {
    LetterJob.Action.RETRY: "resilience.tasks.retry_selection",
    LetterJob.Action.DISCARD: "resilience.tasks.discard_selection",
}
ELIGIBLE = {
    LetterJob.Action.RETRY: dead_letters.RETRIABLE,
    LetterJob.Action.DISCARD: dead_letters.OPEN,
}
SLICE_SECONDS = 5.0
TOTAL_AT_MOST = 1_000_000
# How often a letter may be begun: its worker was killed, or PostgreSQL went away, each time but the last.
MAX_TRIES = 3
ABANDONED_AFTER = timedelta(minutes=10)
_OUTAGE_PAUSE_SECONDS = 1.0
_ACTIVE = Q(status__in=LetterJob.ACTIVE)


class _SliceStep(Enum):
    """What one letter of a slice came to."""

    NEXT = "next"
    ENDED = "ended"  # cancelled, done, or in the hands of a later slice
    AWAY = "away"


def start(action: LetterJob.Action, selection: Selection, frozen_at: datetime, by: str, reason: str = "") -> LetterJob:
    """Have the letters of `selection`, as it was at `frozen_at`, retried or (for `reason`) discarded in `by`'s name.

    Returns at once. When the queue does not answer, the job waits for `revive`. Raises ValueError when a reason is
    missing.
    """
    if action == LetterJob.Action.DISCARD and not reason.strip():
        raise ValueError("a reason is required")
    job = LetterJob.objects.create(
        action=action, selection=selection.as_dict(), frozen_at=frozen_at, created_by=by, reason=reason.strip()
    )
    transaction.on_commit(lambda: _send(job))
    return job


def meant(action: LetterJob.Action, selection: Selection, frozen_at: datetime) -> QuerySet[DeadLetter]:
    """The letters that a job would deal with."""
    return selection.letters(frozen_at, frozen=True).filter(ELIGIBLE[action])


def cancel(job_id: uuid.UUID) -> bool:
    """Stop a job before its next letter; whether it was still active. What is done stays done."""
    now = timezone.now()
    done = LetterJob.objects.filter(_ACTIVE, id=job_id).update(status=LetterJob.Status.CANCELLED, finished_at=now)
    return done == 1


def revive(now: datetime | None = None) -> int:
    """Add slices for the active jobs that no worker had for 10 minutes; how many. Several slices do no harm.

    0 when PostgreSQL is away: the next run comes.
    """
    since = (now or timezone.now()) - ABANDONED_AFTER
    abandoned = Q(progressed_at__lt=since) | Q(progressed_at=None, created_at__lt=since)
    try:
        with guarded():
            jobs = list(LetterJob.objects.filter(_ACTIVE, abandoned).order_by("created_at")[:100])
    except Exception as error:
        if not is_away(error):
            raise
        return 0
    return sum(_send(job) for job in jobs)


def work(
    job_id: uuid.UUID, pause: Callable[[float], None] = time.sleep, clock: Callable[[], float] = time.monotonic
) -> str:
    """One slice of a job: about 5 s, at most DEAD_LETTER_RETRIES_PER_SECOND letters a second, then the next slice is
    added. What it did, as text. Raises redis.RedisError when the next slice cannot be added (so this one stays)."""
    slice_ = _Slice(job_id, pause, clock)
    try:
        step = slice_.run()
    except Exception as error:
        if not is_away(error) and classify(error) is not Verdict.CONTENTION:
            raise
        logger.warning("dead-letter job %s waits: %s", job_id, error)
        step = _SliceStep.AWAY
    if step is _SliceStep.ENDED:
        return f"{slice_.handled} letters, ended"
    if step is _SliceStep.AWAY:
        pause(_OUTAGE_PAUSE_SECONDS)
    resubmit(TASKS[slice_.action], str(job_id), stream=REPLAY)
    return f"{slice_.handled} letters, to be continued"


class _Slice:
    """Five seconds of a job."""

    def __init__(self, job_id: uuid.UUID, pause: Callable[[float], None], clock: Callable[[], float]) -> None:
        self._id, self._pause, self._clock = job_id, pause, clock
        self._runner = uuid.uuid4()
        self.handled = 0
        self.action = LetterJob.Action.RETRY

    def run(self) -> _SliceStep:
        """Deal with letters until the time is over, the job ends or PostgreSQL is away."""
        rate = max(0.1, float(settings.DEAD_LETTER_RETRIES_PER_SECOND))
        limit = max(1, int(rate * SLICE_SECONDS))
        begun = self._clock()
        ids = self._begin(limit)
        if ids is None:
            return _SliceStep.ENDED
        for letter_id in ids:
            if get_breaker(BREAKER).permits() is not None:
                return _SliceStep.AWAY
            if (step := self._deal_with(letter_id)) is not _SliceStep.NEXT:
                return step
            self.handled += 1
            ahead = begun + self.handled / rate - self._clock()
            if ahead > 0:
                self._pause(ahead)
            if self._clock() - begun >= SLICE_SECONDS:
                return _SliceStep.NEXT
        return _SliceStep.NEXT if len(ids) == limit else self._finish()

    def _begin(self, limit: int) -> list[uuid.UUID] | None:
        """Take the job over: the next letters, in the order of their ids; None when there is nothing to take."""
        with guarded_transaction():
            job = LetterJob.objects.select_for_update().filter(_ACTIVE, id=self._id).first()
            if job is None:
                return None
            self.action = LetterJob.Action(job.action)
            letters = meant(self.action, Selection.of(job.selection), job.frozen_at)
            if job.total is None:
                job.total = count_up_to(letters, TOTAL_AT_MOST)[0]
            job.status, job.runner, job.progressed_at = LetterJob.Status.RUNNING, self._runner, timezone.now()
            job.save(update_fields=["status", "runner", "progressed_at", "total"])
            if job.cursor:
                letters = letters.filter(id__gt=job.cursor)
            return list(letters.order_by("id").values_list("id", flat=True)[:limit])

    def _deal_with(self, letter_id: uuid.UUID) -> _SliceStep:
        if not self._claim(letter_id):
            return _SliceStep.ENDED
        try:
            with guarded_transaction():
                job = self._locked()
                if job is None:
                    return _SliceStep.ENDED
                result = Result.SKIPPED if job.tries > MAX_TRIES else self._act(job, letter_id)
                self._advance(job, letter_id, result)
        except Exception as error:
            if is_away(error):
                logger.warning("dead letter %s waits: %s", letter_id, error)
                return _SliceStep.AWAY
            if classify(error) is Verdict.CONTENTION:
                return self._deal_with(letter_id)  # MAX_TRIES times at most
            raise
        return _SliceStep.NEXT

    def _claim(self, letter_id: uuid.UUID) -> bool:
        """Write that the letter after the cursor is begun, so that one that kills its workers is known."""
        with guarded():
            return self._mine().update(tries=F("tries") + 1, progressed_at=timezone.now()) == 1

    def _mine(self) -> QuerySet[LetterJob]:
        return LetterJob.objects.filter(id=self._id, runner=self._runner, status=LetterJob.Status.RUNNING)

    def _locked(self) -> LetterJob | None:
        return self._mine().select_for_update().first()

    def _act(self, job: LetterJob, letter_id: uuid.UUID) -> Result:
        letter = dead_letters.lock(letter_id, ELIGIBLE[self.action])
        if letter is None:
            return Result.SKIPPED
        now = timezone.now()
        if self.action == LetterJob.Action.RETRY:
            return dead_letters.replay(letter, job.created_by, now).result
        try:
            dead_letters.give_up(letter, job.created_by, job.reason, now)
        except NoHandler as error:
            logger.warning("dead letter %s is not discarded: %s", letter_id, error)
            return Result.FAILED
        return Result.RESOLVED

    def _advance(self, job: LetterJob, letter_id: uuid.UUID, result: Result) -> None:
        name = {Result.RESOLVED: "resolved", Result.SKIPPED: "skipped"}.get(result, "failed")
        counts = {"done": F("done") + 1, name: F(name) + 1}
        LetterJob.objects.filter(id=job.id).update(cursor=letter_id, tries=0, progressed_at=timezone.now(), **counts)

    def _finish(self) -> _SliceStep:
        with guarded():
            self._mine().update(status=LetterJob.Status.DONE, finished_at=timezone.now())
        return _SliceStep.ENDED


def _send(job: LetterJob) -> bool:
    try:
        resubmit(TASKS[LetterJob.Action(job.action)], str(job.id), stream=REPLAY)
    except redis.RedisError as error:
        logger.warning("dead-letter job %s waits for the queue: %s", job.id, error)
        return False
    return True
