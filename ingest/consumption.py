"""A batch from the queue through the pipeline, and back to the queue when that is not possible now.

A task never raises for infrastructure: the batch is added to its stream again, and the old entry is acknowledged
because the task ends. A crash between the two leaves both, and the ledger books one. Only a process that dies or hangs
leaves its entry without a verdict; the broker counts those deliveries and hands a batch that spent them to `bury`.

A bug (code and schema disagree) must not turn batches into dead letters: the batch goes back, and after
BUGS_IN_A_ROW such batches the breaker is tripped, which pauses consumption until a person resets it.
"""

from __future__ import annotations

import datetime as dt
import logging
import random
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django_q.signing import SignedPackage

from ingest import persistence, pipeline
from ingest.acceptance import TASK, pack, unpack
from ingest.health import recorder
from ingest.models import Batch
from ingest.reports import MessageBatch
from resilience.breaker import CircuitOpen, get_breaker
from resilience.deadline import deadline
from resilience.failures import fingerprint, next_retry
from resilience.models import DeadLetter
from resilience.resubmission import resubmit
from resilience.sqlstate import Verdict, classify

logger = logging.getLogger(__name__)

BATCH_KIND = "ingest.batch"
BUGS_IN_A_ROW = 5

_bugs = 0


def consume(packed: bytes, stream: str) -> None:
    """Process a packed batch, or give it back to `stream`. Raises only when the queue is away too."""
    global _bugs
    batch = unpack(packed)
    try:
        booking = pipeline.process(batch)
        _bugs = 0
        if not booking.repeated:
            recorder.booked(batch, booking.fused, booking.counts)
    except CircuitOpen:
        resubmit(TASK, packed, stream, stream=stream)
    except Exception as error:
        resubmit(TASK, packed, stream, stream=stream)
        if classify(error) in (Verdict.INFRASTRUCTURE, Verdict.CONTENTION):
            logger.warning("batch %s goes back to the queue: %s", batch.id, error)
            return
        _bugs += 1
        logger.exception("batch %s goes back to the queue: this is a bug, not bad data", batch.id)
        if _bugs >= BUGS_IN_A_ROW:
            _pause(error)


def _pause(error: Exception) -> None:
    """Stop consumption until somebody resets the breaker in the admin."""
    global _bugs
    _bugs = 0
    reason = f"{BUGS_IN_A_ROW} batches in a row failed: {type(error).__name__}: {error}"[:200]
    get_breaker("database").trip("pipeline", reason)
    logger.critical(
        "consumption is paused. %s. Mend the cause, then reset the breaker `database` in the admin.", reason
    )


def bury(task_payload: str, stream: str, deliveries: int) -> None:
    """Make a batch whose deliveries are spent a dead letter: its worker died or hung each time. Booked or buried once.

    The ledger counts its messages as positions that are dead; a replay replaces that line by the truth.
    """
    task: dict[str, Any] = SignedPackage.loads(task_payload)
    packed: bytes = task["args"][0]
    batch = unpack(packed)
    reason = f"no verdict in {deliveries} deliveries"
    with deadline(settings.DATABASE_DEADLINE_SECONDS), transaction.atomic():
        if not persistence.insert_once(_dead_entry(batch)):
            return
        DeadLetter.objects.bulk_create([_batch_letter(batch, stream, reason)], ignore_conflicts=True)
    logger.error("batch %s of %s became a dead letter: %s", batch.id, batch.source, reason)


def _dead_entry(batch: MessageBatch) -> Batch:
    entry = persistence.ledger_entry(batch)
    entry.positions = entry.dead = len(batch.messages)
    return entry


def _batch_letter(batch: MessageBatch, stream: str, reason: str) -> DeadLetter:
    now = timezone.now()
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
