"""The stage that stores: ledger, identities, positions, samples and dead letters of a batch in one transaction.

The transaction begins with the insertion of the ledger's row. When it is there already, the batch was booked before (a
redelivery, a commit whose answer was lost) and nothing is done again. So effects and counts are exact, however often
a batch is delivered.

Rows that PostgreSQL refuses are found among the others (`halving`) and become dead letters in the same transaction as
their neighbours, and so do messages that the decoder failed on. Errors of infrastructure, of contention and of this
host are raised (`resilience/database/sqlstate.py`), and so is what fails for every row: that speaks against us, not the
rows.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import logging
import random
import time
from collections.abc import Callable, Sequence, Set
from typing import Any

import msgspec
from django.conf import settings
from django.db import transaction

from ingest.errors import Rejected
from ingest.models import Batch
from ingest.reports import MessageBatch
from ingest.stages.decode import FEW, NothingPasses
from ingest.stages.storing import samples
from ingest.stages.storing.booking import insert_once, ledger_entry
from ingest.stages.storing.halving import AT_FAULT, Refusal, suspects, upsert_identities, upsert_positions
from ingest.stages.storing.known import KnownTargets
from ingest.stages.work import OUTCOMES, Counts, Fused, Report, Work, key_of
from resilience import clocks, memory
from resilience.database.deadline import deadline
from resilience.database.sqlstate import Verdict, classify
from resilience.letters.failures import failure_of, next_retry
from resilience.models import DeadLetter
from tracking.positions.identities import upsert_aircraft, upsert_stations, upsert_vessels
from tracking.truth.notes import note_rows

logger = logging.getLogger(__name__)

MESSAGE_KIND = "ingest.message"
CONTENTION_RETRIES = 3


known_vessels = KnownTargets()
known_aircraft = KnownTargets()
memory.forgotten_by(known_vessels.forget)
memory.forgotten_by(known_aircraft.forget)


def store(work: Work) -> None:
    """Book and store a batch within the deadline; somebody else's locks are waited for a few times, in place.

    Sets `repeated` where it was booked before. Raises what the database raises, and NothingPasses.
    """
    for attempt in range(CONTENTION_RETRIES + 1):
        try:
            with deadline(settings.DATABASE_DEADLINE_SECONDS):
                return book(work)
        except Exception as error:
            if attempt == CONTENTION_RETRIES or classify(error) is not Verdict.CONTENTION:
                raise
            time.sleep(random.uniform(0.05, 0.2))


def book(work: Work) -> None:
    """One attempt, within a transaction of the caller's or its own; after a failure the counts are as before."""
    careful = any(map(suspects.of, work.fused.rows.values()))
    try:
        _attempt(work, careful)
    except Exception as error:
        if careful or classify(error) not in AT_FAULT:
            raise
        # An identity was refused, or a row with an error that nobody expected: again with care, which costs more.
        _attempt(work, careful=True)


def _attempt(work: Work, careful: bool) -> None:
    before = msgspec.structs.replace(work.counts)
    try:
        _book(work, careful)
    except Exception:
        _reset(work.counts, before)
        raise


def _reset(counts: Counts, before: Counts) -> None:
    for outcome in OUTCOMES:
        setattr(counts, outcome, getattr(before, outcome))


def _book(work: Work, careful: bool) -> None:
    batch, counts = work.batch, work.counts
    with transaction.atomic():
        entry = ledger_entry(batch)
        work.repeated = not insert_once(entry)
        if work.repeated:
            return
        refused = _store_rows(work.fused, counts, careful)
        samples.keep(batch, work.refused)
        if refused or work.failed:
            now = clocks.database_now()
            letters = [dead_letter(batch, ordinal, "store", error, now) for ordinal, _, error in refused]
            letters += [dead_letter(batch, ordinal, "decode", error, now) for ordinal, error in work.failed]
            DeadLetter.objects.bulk_create(letters, ignore_conflicts=True)  # one that is there already stays as it is
            counts.dead += len(work.failed)
            _log_failed(work)
        Batch.objects.filter(id=entry.id).update(**msgspec.structs.asdict(counts))


def _log_failed(work: Work) -> None:
    for ordinal, error in work.failed[:1]:
        logger.error(
            "%d of %d messages of %s cannot be decoded and become dead letters, the first: %.200r",
            len(work.failed),
            len(work.batch.messages),
            work.batch.source,
            work.batch.messages[ordinal].raw,
            exc_info=error,
        )


def store_again(work: Work) -> None:
    """Store the rows of one message whose batch is booked already, and count; the ledger is the caller's.

    Raises Rejected when it is refused, and what the decoder or the database says against it.
    """
    for reason in work.counts.rejected:
        raise Rejected(reason)
    for _, error in work.failed:
        raise error
    for _, _, error in _store_rows(work.fused, work.counts):
        raise error


def _store_rows(fused: Fused, counts: Counts, careful: bool = False) -> list[tuple[int, Report, Exception]]:
    """Upsert identities and positions, and count; the refused reports, each with its ordinal and the error.

    `careful`: an identity that is refused, though others are not, is left as it was, and the log names it; a row at
    which an unexpected error occurs is refused.
    """
    vessels = known_vessels.news(list(fused.vessels.values()))
    aircraft = known_aircraft.news(list(fused.aircraft.values()))
    fused.unchanged = len(fused.vessels) + len(fused.aircraft) - len(vessels) - len(aircraft)
    write = _write_with_care if careful else _write
    write(upsert_vessels, vessels)
    write(upsert_aircraft, aircraft)
    write(upsert_stations, list(fused.stations.values()))
    transaction.on_commit(lambda: known_vessels.remember(vessels))
    transaction.on_commit(lambda: known_aircraft.remember(aircraft))
    refused = _store_positions(fused, counts, AT_FAULT if careful else {Verdict.POISON})
    note_rows(fused.rows)
    return refused


def _write(upsert: Callable[[Sequence[Any]], None], sightings: Sequence[Any]) -> None:
    upsert(sightings)


def _write_with_care(upsert: Callable[[Sequence[Any]], None], sightings: Sequence[Any]) -> None:
    """Write those that are not refused. Raises the unexpected error that occurs at every one."""
    refused = upsert_identities(upsert, sightings)
    if len(refused) == len(sightings) and any(classify(error) is Verdict.BUG for _, error in refused):
        raise refused[0][1]
    for sighting, error in refused:
        logger.error("an identity is left as it was, it cannot be written: %.300r: %s", sighting, error)


def _store_positions(fused: Fused, counts: Counts, at_fault: Set[Verdict]) -> list[tuple[int, Report, Exception]]:
    """Upsert the rows and count; the refused reports, each with the ordinal of its message and the error."""
    counts.merged, counts.duplicate = fused.merged, fused.duplicate
    failed: list[Refusal] = []
    for model, rows in fused.rows.items():
        failed += upsert_positions(model, rows, counts, at_fault)
    if not failed:
        return []
    _check_that_some_pass(failed, sum(map(len, fused.rows.values())))
    errors = {key_of(row): error for row, error in failed}
    refused = [
        (ordinal, report, errors[key_of(report)]) for ordinal, report in fused.positions if key_of(report) in errors
    ]
    # Reports that were folded into a refused row share its fate, so they are neither merged nor duplicate.
    folded = len(refused) - len(failed)
    taken = min(folded, counts.merged)
    counts.merged -= taken
    counts.duplicate -= folded - taken
    counts.dead = len(refused)
    return refused


def _check_that_some_pass(failed: Sequence[Refusal], rows: int) -> None:
    """Raises NothingPasses where the rows cannot be blamed for it."""
    unexpected = any(classify(error) is Verdict.BUG for _, error in failed)
    if len(failed) == rows and (rows > FEW or unexpected):
        raise NothingPasses(f"all {rows} rows are refused, the first: {failed[0][1]}") from failed[0][1]


def dead_letter(batch: MessageBatch, ordinal: int, stage: str, error: Exception, now: dt.datetime) -> DeadLetter:
    """The dead letter of one message that failed `now`, with all that its replay needs."""
    message = batch.messages[ordinal]
    return DeadLetter(
        kind=MESSAGE_KIND,
        batch_id=batch.id,
        ordinal=ordinal,
        source=batch.source,
        received_at=dt.datetime.fromtimestamp(message.received_at / 1000, dt.UTC),
        raw=message.raw,
        context={
            "format": batch.format,
            "trust": batch.trust,
            "recorded": batch.recorded,
            "invented": batch.invented,
            "added": message.added.decode(errors="replace"),
        },
        stage=stage,
        **dataclasses.asdict(failure_of(error, stage)),
        failed_at=now,
        next_retry_at=next_retry(0, now, random.Random()),
    )
