"""A batch from the queue through the pipeline, and back to the queue when that is not possible now.

A task never raises for infrastructure: the batch is added to its stream again, and the old entry is acknowledged
because the task ends. A crash between the two leaves both, and the ledger books one. Only a process that dies or hangs
leaves its entry without a verdict; the broker counts those deliveries and hands a batch that spent them to
`make_dead_letter`.

A batch that fails as a whole, with an error that nobody expected, harms itself alone. Its attempts are counted in its
own package, each is later than the one before, and after BATCH_ATTEMPTS it is parked with the traceback for a person
to look at (`manage.py parked`). Only when many different batches of several feeds fail, and none passes in between, the
fault is ours: then consumption is suspended by the breaker, which tries again by itself.
"""

from __future__ import annotations

import datetime as dt
import logging
import random
import uuid
from collections import defaultdict
from typing import Any

from django.conf import settings
from django.db import transaction
from django_q.signing import SignedPackage

from ingest.acceptance.package import TASK, pack, unpack
from ingest.health.recorder import recorder
from ingest.models import Batch
from ingest.pipeline import process
from ingest.reports import MessageBatch
from ingest.stages.storing.booking import insert_once, ledger_entry
from resilience import clocks, memory
from resilience.breaker.registry import CircuitOpen, Phase, get_breaker
from resilience.database.deadline import deadline
from resilience.database.sqlstate import Verdict, classify
from resilience.letters.failures import failure_of, fingerprint, next_retry
from resilience.models import DeadLetter
from resilience.queue.resubmission import end_worker, park, resubmit, resubmit_later

logger = logging.getLogger(__name__)

BATCH_KIND = "ingest.batch"
FAILING_BATCHES = 5  # different ones, one after the other, of FAILING_FEEDS at least: then the fault is ours
FAILING_FEEDS = 2
SUSPENDED = "unexpected errors in batches of several feeds"  # how the breaker's reason begins
FIRST_DELAY_SECONDS, LONGEST_DELAY_SECONDS = 1.0, 60.0


class FailingFeeds:
    """The batches that failed in this process since one passed, by feed."""

    def __init__(self) -> None:
        self._batches: defaultdict[str, set[uuid.UUID]] = defaultdict(set)

    def reset(self) -> None:
        """A batch passed."""
        self._batches.clear()

    def add(self, batch: MessageBatch) -> bool:
        """Whether there are, with this batch, so many that the fault is ours."""
        self._batches[batch.source].add(batch.id)
        failed = sum(map(len, self._batches.values()))
        return failed >= FAILING_BATCHES and len(self._batches) >= FAILING_FEEDS


failing = FailingFeeds()
memory.forgotten_by(failing.reset)


def consume(packed: bytes, stream: str, attempts: int = 0) -> None:
    """Process a packed batch, or give it back to `stream`; `attempts` of it have failed unexpectedly.

    Raises only when the queue is away too. Ends the worker where this host failed.
    """
    batch = unpack(packed)
    try:
        work = process(batch)
    except CircuitOpen:
        resubmit(TASK, packed, stream, attempts, stream=stream)
    except Exception as error:
        match classify(error):
            case Verdict.HOST:
                end_worker(error)
            case Verdict.INFRASTRUCTURE | Verdict.CONTENTION:
                resubmit(TASK, packed, stream, attempts, stream=stream)
                logger.warning("batch %s goes back to the queue: %s", batch.id, error)
            case _:
                _try_later(packed, batch, stream, attempts + 1, error)
                _suspend_if_ours(batch, error)
    else:
        failing.reset()
        if not work.repeated:
            recorder.booked(batch, work.fused, work.counts)


def _try_later(packed: bytes, batch: MessageBatch, stream: str, attempts: int, error: Exception) -> None:
    """Give a batch back that failed as a whole, or park it once its attempts are used up."""
    if attempts < settings.BATCH_ATTEMPTS:
        seconds = min(LONGEST_DELAY_SECONDS, FIRST_DELAY_SECONDS * 2 ** (attempts - 1)) * random.uniform(0.75, 1.25)
        resubmit_later(seconds, TASK, packed, stream, attempts, stream=stream)
        logger.warning(
            "batch %s of %s failed unexpectedly, attempt %d of %d; the next one follows in %.0f s: %r",
            batch.id,
            batch.source,
            attempts,
            settings.BATCH_ATTEMPTS,
            seconds,
            error,
        )
        return
    failure = failure_of(error, "worker")
    park(
        TASK,
        packed,
        stream,
        stream=stream,
        reason=f"{failure.reason}: {failure.message}"[:200],
        attempts=attempts,
        subject=batch.source,
        traceback=failure.traceback,
    )
    logger.exception(
        "batch %s of %s is parked after %d attempts, see `manage.py parked`", batch.id, batch.source, attempts
    )


def _suspend_if_ours(batch: MessageBatch, error: Exception) -> None:
    """Let the breaker hold batches back when many fail, and again when its probe fails like them."""
    breaker = get_breaker("database")
    found = breaker.snapshot()
    opened = next((moved for moved in found.history if moved.to_phase is Phase.OPEN), None)
    is_probe = found.state.phase is Phase.HALF_OPEN and opened is not None and opened.reason.startswith(SUSPENDED)
    if failing.add(batch) or is_probe:
        failing.reset()
        breaker.suspend(f"{SUSPENDED}, the last: {type(error).__name__}: {error}"[:200])
        logger.critical(
            "consumption is suspended: %s, the last of %s: %r. It is tried again every %g s.",
            SUSPENDED,
            batch.source,
            error,
            breaker.config.reset_seconds,
        )


def make_dead_letter(task_payload: str, stream: str, deliveries: int) -> None:
    """Make a batch whose deliveries are spent a dead letter, once: its worker died or hung each time.

    The ledger counts its messages as positions that are dead; a replay replaces that line by the truth.
    """
    task: dict[str, Any] = SignedPackage.loads(task_payload)
    packed: bytes = task["args"][0]
    batch = unpack(packed)
    reason = f"no verdict in {deliveries} deliveries"
    with deadline(settings.DATABASE_DEADLINE_SECONDS), transaction.atomic():
        if not insert_once(_dead_entry(batch)):
            return
        DeadLetter.objects.bulk_create([_batch_letter(batch, stream, reason)], ignore_conflicts=True)
    logger.error("batch %s of %s became a dead letter: %s", batch.id, batch.source, reason)


def _dead_entry(batch: MessageBatch) -> Batch:
    entry = ledger_entry(batch)
    entry.positions = entry.dead = len(batch.messages)
    return entry


def _batch_letter(batch: MessageBatch, stream: str, reason: str) -> DeadLetter:
    now = clocks.database_now()
    return DeadLetter(
        kind=BATCH_KIND,
        batch_id=batch.id,
        ordinal=-1,
        source=batch.source,
        received_at=dt.datetime.fromtimestamp(batch.accepted_at / 1000, dt.UTC),
        raw=pack(batch),
        context={"stream": stream, "messages": len(batch.messages)},
        stage="worker",
        reason="no_verdict",
        message=reason,
        fingerprint=fingerprint("worker", "no_verdict", "", reason),
        failed_at=now,
        next_retry_at=next_retry(0, now, random.Random()),
    )
