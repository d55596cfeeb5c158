"""A fused batch to PostgreSQL: ledger, identities, positions and dead letters in one transaction.

The transaction begins with the insertion of the ledger's row. When it is there already, the batch was booked before (a
redelivery, a commit whose answer was lost) and nothing is done again. So effects and counts are exact, however often
a batch is delivered.

Rows that PostgreSQL refuses are searched by halves under savepoints and become dead letters in the same transaction as
their neighbours, and so do messages that the decoder failed on. Errors of infrastructure, of contention and of this
host are raised (`resilience/database/sqlstate.py`), and so is what fails for every row: that speaks against us, not the
rows.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import logging
import random
from collections import Counter
from collections.abc import Callable, Sequence, Set
from operator import attrgetter
from typing import Any, TypeVar

import msgspec
from django.db import connection, models, transaction

from ingest.models import Batch
from ingest.reports import MessageBatch
from ingest.stages.fusion import Fused, Report, key_of
from resilience import clocks
from resilience.database.sqlstate import Verdict, classify
from resilience.letters.failures import failure_of, next_retry
from resilience.models import DeadLetter
from tracking.positions.identities import (
    REWRITE_SECONDS,
    AircraftSighting,
    VesselSighting,
    upsert_aircraft,
    upsert_stations,
    upsert_vessels,
)

logger = logging.getLogger(__name__)

MESSAGE_KIND = "ingest.message"
FEW = 20  # so many messages may be at fault although nothing else of their batch passes
KNOWN_TARGETS = 200_000

OUTCOMES = ("stored", "merged", "duplicate", "dead")  # of positions, in Counts
_AT_FAULT = {Verdict.POISON, Verdict.BUG}

S = TypeVar("S", VesselSighting, AircraftSighting)


class Counts(msgspec.Struct):
    """What became of the messages of a batch; field names are those of the ledger."""

    positions: int = 0
    static: int = 0
    stations: int = 0
    other: int = 0
    rejected: Counter[str] = msgspec.field(default_factory=Counter)
    stored: int = 0
    merged: int = 0
    duplicate: int = 0
    dead: int = 0


class NothingPasses(Exception):
    """All of a batch failed, and it was more than a FEW or not refused as data: the batch is kept as it is."""


Failed = tuple[int, Exception]  # the ordinal of a message, and what the decoder raised


class KnownTargets:
    """Which targets were written recently, so that most sightings need no statement. Bounded; filled after commit.

    Only an optimisation: what is forgotten is written once more.
    """

    def __init__(self, limit: int = KNOWN_TARGETS) -> None:
        self._limit = limit
        self._seen: dict[int | str, tuple[dt.datetime, dt.datetime]] = {}

    def news(self, sightings: Sequence[S]) -> list[S]:
        """Those that change something: unknown, with static data, or seen a minute before or after what is known."""
        return [sighting for sighting in sightings if self._is_news(sighting)]

    def remember(self, sightings: Sequence[VesselSighting | AircraftSighting]) -> None:
        """These are written and committed."""
        if len(self._seen) + len(sightings) > self._limit:
            self._seen.clear()
        for sighting in sightings:
            self._seen[sighting.key] = (sighting.first_seen, sighting.last_seen)

    def forget(self) -> None:
        """Forget all, for tests that empty the tables."""
        self._seen.clear()

    def _is_news(self, sighting: VesselSighting | AircraftSighting) -> bool:
        known = self._seen.get(sighting.key)
        if known is None or sighting.static_at is not None:
            return True
        return sighting.first_seen < known[0] or (sighting.last_seen - known[1]).total_seconds() >= REWRITE_SECONDS


known_vessels = KnownTargets()
known_aircraft = KnownTargets()


def store(batch: MessageBatch, fused: Fused, counts: Counts, failed: Sequence[Failed] = ()) -> Batch | None:
    """Book and store a batch; its line of the ledger, None when it was booked before.

    `counts` gets what became of the positions; `failed` are messages that it counts as positions, though nobody could
    decode them. Raises what the database raises, and NothingPasses.
    """
    before = msgspec.structs.replace(counts)
    try:
        return _store(batch, fused, counts, failed)
    except Exception as error:
        if classify(error) not in _AT_FAULT:
            raise
        for outcome in OUTCOMES:
            setattr(counts, outcome, getattr(before, outcome))
        # An identity was refused, or a row with an error that nobody expected: again with care, which costs more.
        return _store(batch, fused, counts, failed, careful=True)


def _store(
    batch: MessageBatch, fused: Fused, counts: Counts, failed: Sequence[Failed], careful: bool = False
) -> Batch | None:
    with transaction.atomic():
        entry = ledger_entry(batch)
        if not insert_once(entry):
            return None
        refused = store_rows(fused, counts, careful)
        if refused or failed:
            now = clocks.database_now()
            letters = [dead_letter(batch, ordinal, "store", error, now) for ordinal, _, error in refused]
            letters += [dead_letter(batch, ordinal, "decode", error, now) for ordinal, error in failed]
            DeadLetter.objects.bulk_create(letters, ignore_conflicts=True)  # one that is there already stays as it is
            counts.dead += len(failed)
        Batch.objects.filter(id=entry.id).update(**msgspec.structs.asdict(counts))
    return entry


def store_rows(fused: Fused, counts: Counts, careful: bool = False) -> list[tuple[int, Report, Exception]]:
    """Upsert identities and positions, and count; the refused reports, each with its ordinal and the error.

    `careful`: an identity that is refused, though others are not, is left as it was, and the log names it; a row at
    which an unexpected error occurs is refused.
    """
    vessels = known_vessels.news(list(fused.vessels.values()))
    aircraft = known_aircraft.news(list(fused.aircraft.values()))
    write = _write_with_care if careful else _write
    write(upsert_vessels, vessels)
    write(upsert_aircraft, aircraft)
    write(upsert_stations, list(fused.stations.values()))
    transaction.on_commit(lambda: known_vessels.remember(vessels))
    transaction.on_commit(lambda: known_aircraft.remember(aircraft))
    return _store_positions(fused, counts, _AT_FAULT if careful else {Verdict.POISON})


def _write(upsert: Callable[[Sequence[Any]], None], sightings: Sequence[Any]) -> None:
    upsert(sightings)


def _write_with_care(upsert: Callable[[Sequence[Any]], None], sightings: Sequence[Any]) -> None:
    """Write those that are not refused. Raises the unexpected error that occurs at every one."""
    refused = _refused(upsert, sightings)
    if len(refused) == len(sightings) and any(classify(error) is Verdict.BUG for _, error in refused):
        raise refused[0][1]
    for sighting, error in refused:
        logger.error("an identity is left as it was, it cannot be written: %.300r: %s", sighting, error)


def _refused(upsert: Callable[[Sequence[Any]], None], sightings: Sequence[Any]) -> list[tuple[Any, Exception]]:
    """Upsert the sightings, halving them around what is refused; those that are, with their errors."""
    try:
        with transaction.atomic():
            upsert(sightings)
    except Exception as error:
        if classify(error) not in _AT_FAULT:
            raise
        if len(sightings) == 1:
            return [(sightings[0], error)]
        ordered = sorted(sightings, key=attrgetter("key"))  # as the statement locks them
        middle = len(ordered) // 2
        return _refused(upsert, ordered[:middle]) + _refused(upsert, ordered[middle:])
    return []


def ledger_entry(batch: MessageBatch) -> Batch:
    """The line of the ledger with what the collector counted."""
    return Batch(
        id=batch.id,
        run=batch.run,
        source=batch.source,
        origin=batch.origin,
        format=batch.format,
        accepted_at=dt.datetime.fromtimestamp(batch.accepted_at / 1000, dt.UTC),
        messages=len(batch.messages),
        offset=batch.offset,
        index=batch.index,
        **msgspec.structs.asdict(batch.counts),
    )


def insert_once(entry: Batch) -> bool:
    """Insert the line; whether it was not there yet. Another delivery in flight is waited for, up to its commit."""
    # Its age decides when the line is rolled up, so the time of booking is the database's, never this host's.
    fields = [field for field in Batch._meta.concrete_fields if field.name != "booked_at"]
    names = ", ".join(f'"{field.column}"' for field in fields)
    places = ", ".join(["%s"] * len(fields))
    values = [field.get_db_prep_save(getattr(entry, field.attname), connection) for field in fields]
    table = Batch._meta.db_table
    with connection.cursor() as cursor:
        cursor.execute(
            f'INSERT INTO "{table}" ({names}, booked_at) VALUES ({places}, now()) ON CONFLICT (id) DO NOTHING', values
        )
        return bool(cursor.rowcount == 1)


def _store_positions(fused: Fused, counts: Counts, at_fault: Set[Verdict]) -> list[tuple[int, Report, Exception]]:
    """Upsert the rows and count; the refused reports, each with the ordinal of its message and the error."""
    counts.merged, counts.duplicate = fused.merged, fused.duplicate
    failed: list[tuple[Report, Exception]] = []
    for model, rows in fused.rows.items():
        _Halving(model, counts, failed, at_fault).upsert(rows)
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


def _check_that_some_pass(failed: Sequence[tuple[Report, Exception]], rows: int) -> None:
    """Raises NothingPasses where the rows cannot be blamed for it."""
    unexpected = any(classify(error) is Verdict.BUG for _, error in failed)
    if len(failed) == rows and (rows > FEW or unexpected):
        raise NothingPasses(f"all {rows} rows are refused, the first: {failed[0][1]}") from failed[0][1]


class _Halving:
    """Upserts rows of one model, halving them around what is refused with a verdict of `at_fault`: added to `failed`.

    One such row in 1,000 takes 70 statements at most.
    """

    def __init__(
        self,
        model: type[models.Model],
        counts: Counts,
        failed: list[tuple[Report, Exception]],
        at_fault: Set[Verdict],
    ) -> None:
        self._model, self._counts, self._failed, self._at_fault = model, counts, failed, at_fault

    def upsert(self, rows: Sequence[Report], known: Exception | None = None) -> None:
        """`known` is the error that these rows cause for certain, because their other half was accepted."""
        error = known or self._try(rows)
        if error is None:
            return
        if len(rows) == 1:
            self._failed.append((rows[0], error))
            return
        # In the order in which the statement locks them: halves in another order would deadlock with another writer.
        rows = sorted(rows, key=key_of)
        middle = len(rows) // 2
        found = len(self._failed)
        self.upsert(rows[:middle])
        self.upsert(rows[middle:], error if len(self._failed) == found else None)

    def _try(self, rows: Sequence[Report]) -> Exception | None:
        """Upsert under a savepoint and count; the error, if they are at fault."""
        try:
            with transaction.atomic():
                done: Any = self._model._default_manager.bulk_create(rows, update_conflicts=True)  # type: ignore[arg-type]
        except Exception as error:
            if classify(error) not in self._at_fault:
                raise
            return error
        self._counts.stored += done.created
        self._counts.merged += done.merged
        self._counts.duplicate += done.unchanged
        return None


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
        },
        stage=stage,
        **dataclasses.asdict(failure_of(error, stage)),
        failed_at=now,
        next_retry_at=next_retry(0, now, random.Random()),
    )
