"""START HERE. What happens to one accepted batch, from raw messages to rows and live state.

    decode -> validate -> fuse -> store (one transaction, behind the breaker) -> commit -> live

Enters a MessageBatch, from the queue (`ingest/tasks.py`) or from a file (`manage.py ingest --inline`); leaves
positions, identities and a line of the ledger in PostgreSQL, and the newest of each target in RedisJSON. A message
that cannot be used is counted under its reason and stops nobody. Processing a batch twice is the same as once.

How batches come about is told by `ingest/feeds/collector.py`, what queues them by `ingest/acceptance/queue.py`.
"""

from __future__ import annotations

import datetime as dt
import logging
import random
import time
from collections.abc import Callable, Iterator, Sequence

import msgspec
from django.conf import settings

from ingest.errors import Rejected
from ingest.formats.common.context import Context
from ingest.formats.registry import FORMATS
from ingest.reports import Decoded, Message, MessageBatch
from ingest.stages import store
from ingest.stages.fusion import Fused, fuse
from ingest.stages.live import live_updates
from ingest.stages.store import FEW, OUTCOMES, Counts, Failed, NothingPasses
from resilience.breaker.registry import Breaker, CircuitOpen, get_breaker
from resilience.database.deadline import deadline
from resilience.database.sqlstate import Verdict, classify, is_outage
from tracking.history import partitions
from tracking.live import missed
from tracking.live.state import LiveState

logger = logging.getLogger(__name__)

CONTENTION_RETRIES = 3


class Booking(msgspec.Struct):
    """What became of a batch; `repeated`: it was booked before, and only live state was written again."""

    counts: Counts
    fused: Fused
    repeated: bool = False


def process(
    batch: MessageBatch,
    breakers: Callable[[str], Breaker] = get_breaker,
    live: Callable[[Fused, Breaker], None] | None = None,
) -> Booking:
    """Take a batch through all stages; `breakers` gives the guards of "database" and "live" (default: the shared ones).

    `live` writes live state (default: `write_live`, in place).

    Raises CircuitOpen, NothingPasses, or what PostgreSQL raises when it is away: then nothing of the batch was stored
    or booked, and it must be kept.
    """
    counts = Counts()
    failed: list[Failed] = []
    fused = fuse(decode(batch, counts, failed))
    with breakers("database").guard():
        if batch.recorded:
            make_partitions(fused)
        entry = _store(batch, fused, counts, failed)
    if batch.live:
        (live or write_live)(fused, breakers("live"))
    return Booking(counts, fused, repeated=entry is None)


def decode(batch: MessageBatch, counts: Counts, failed: list[Failed]) -> Iterator[tuple[int, Decoded]]:
    """Decode and validate each message; what is refused is counted under its reason.

    A message on which the decoder fails is added to `failed` and counted as a position: it becomes a dead letter.
    Raises NothingPasses where it fails on all of more than a FEW.
    """
    for ordinal, said in enumerate(_decoded(batch)):
        if isinstance(said, str):
            counts.rejected[said] += 1
            continue
        if isinstance(said, Exception):
            counts.positions += 1
            failed.append((ordinal, said))
            continue
        if said.position is not None:
            counts.positions += 1
        elif said.static is not None:
            counts.static += 1
        elif said.station is not None:
            counts.stations += 1
        else:
            counts.other += 1
        yield ordinal, said
    if failed:
        _judge_failures(batch, failed)


def _judge_failures(batch: MessageBatch, failed: Sequence[Failed]) -> None:
    ordinal, error = failed[0]
    if len(failed) == len(batch.messages) > FEW:
        raise NothingPasses(f"none of {len(failed)} messages can be decoded, the first: {error!r}") from error
    logger.error(
        "%d of %d messages of %s cannot be decoded and become dead letters, the first: %.200r",
        len(failed),
        len(batch.messages),
        batch.source,
        batch.messages[ordinal].raw,
        exc_info=error,
    )


def _decoded(batch: MessageBatch) -> Sequence[Decoded | str | Exception]:
    """What each message says, the reason why it is refused, or what the decoder raised; all at once where it can."""
    # Not by our own clock: a batch is judged alike wherever and whenever it is processed.
    context = Context(batch, now=batch.accepted_at)
    spec = FORMATS[batch.format]
    if spec.decode_all is not None:
        try:
            return spec.decode_all(batch.messages, context)
        except Exception as error:
            if classify(error) is Verdict.HOST:
                raise
            logger.exception("batch %s of %s is decoded message by message", batch.id, batch.source)
    return _one_by_one(batch, spec.decode, context)


def _one_by_one(
    batch: MessageBatch, decoder: Callable[[Message, Context], Decoded], context: Context
) -> list[Decoded | str | Exception]:
    """A message that the decoder was not made for costs only itself. What this host lacks is raised."""
    found: list[Decoded | str | Exception] = []
    for message in batch.messages:
        try:
            found.append(decoder(message, context))
        except Rejected as refusal:
            found.append(refusal.reason)
        except Exception as error:
            if classify(error) is Verdict.HOST:
                raise
            found.append(error)
    return found


def make_partitions(fused: Fused) -> None:
    """A recording may be of any day: make its partitions first, in a transaction of their own."""
    days = fused.days() - _ready_days
    if not days:
        return
    try:
        with deadline(settings.DATABASE_DEADLINE_SECONDS, using="direct"):
            partitions.make(days)
    except partitions.TooManyDays as error:
        logger.warning("%s; the rest is kept in the default partition", error)
    _ready_days.update(days)


_ready_days: set[dt.date] = set()


def forget_partitions() -> None:
    """Look again which partitions there are, for tests that make a database anew."""
    _ready_days.clear()


def _store(batch: MessageBatch, fused: Fused, counts: Counts, failed: Sequence[Failed]) -> object | None:
    """Store within the deadline; somebody else's locks are waited for a few times, in place."""
    for attempt in range(CONTENTION_RETRIES + 1):
        attempted = msgspec.structs.replace(counts)
        try:
            with deadline(settings.DATABASE_DEADLINE_SECONDS):
                entry = store.store(batch, fused, attempted, failed)
        except Exception as error:
            if attempt == CONTENTION_RETRIES or classify(error) is not Verdict.CONTENTION:
                raise
            time.sleep(random.uniform(0.05, 0.2))
            continue
        for outcome in OUTCOMES:
            setattr(counts, outcome, getattr(attempted, outcome))
        return entry
    raise AssertionError("the last attempt returns or raises")


def write_live(fused: Fused, breaker: Breaker) -> None:
    """Derived state: its failure holds no batch, it has a breaker of its own, and the keeper makes up for it."""
    missed.pay()
    try:
        with breaker.guard():
            for kind, updates in live_updates(fused).items():
                LiveState(kind).write(updates)
    except CircuitOpen:
        missed.note()  # a line in the log for each batch would say nothing new
    except Exception as error:
        # The batch is committed: nothing that happens here may send it through again.
        missed.note()
        logger.warning("live state was not written: %s", error, exc_info=not is_outage(error))
