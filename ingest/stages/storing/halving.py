"""Who is at fault when PostgreSQL refuses a statement of many rows: found by halves, or remembered from last time.

Rows enter; they are written but for those that are refused, which leave with the error of each. One bad row in 1,000
costs 70 statements by halves, at most. What is refused once is mostly refused again, a ship that a constraint of the
operator's forbids, and its feed brings it in each batch; so the targets of refused rows are remembered in this process,
and theirs are tried apart from the others: one statement for the good ones and one for each suspect.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence, Set
from operator import attrgetter
from typing import Any

from django.db import models, transaction

from ingest.stages.work import Counts, Report, key_of
from resilience import memory
from resilience.database.sqlstate import Verdict, classify

AT_FAULT: Set[Verdict] = frozenset({Verdict.POISON, Verdict.BUG})
SUSPECTS = 1000

Refusal = tuple[Report, Exception]


class Suspects:
    """Targets of which a row was refused, MMSI or address: bounded, the one refused longest ago leaves first."""

    def __init__(self, limit: int = SUSPECTS) -> None:
        self._limit = limit
        self._targets: OrderedDict[int | str, None] = OrderedDict()

    def of(self, rows: Sequence[Report]) -> list[Report]:
        """The rows whose target is one."""
        return [row for row in rows if key_of(row)[0] in self._targets] if self._targets else []

    def learn(self, accepted: Sequence[Report], refused: Sequence[Refusal]) -> None:
        """What became of the rows of some suspects: who is accepted is none any longer."""
        for row in accepted:
            self._targets.pop(key_of(row)[0], None)
        for row, _ in refused:
            self._targets[key_of(row)[0]] = None
            self._targets.move_to_end(key_of(row)[0])
        while len(self._targets) > self._limit:
            self._targets.popitem(last=False)

    def forget(self) -> None:
        self._targets.clear()


suspects = Suspects()
memory.forgotten_by(suspects.forget)


def upsert_positions(
    model: type[models.Model], rows: Sequence[Report], counts: Counts, at_fault: Set[Verdict]
) -> list[Refusal]:
    """Upsert rows of one model and count; those that are refused with a verdict of `at_fault`, whatever else is raised.

    Rows have keys of their own each, and are written in the order of the keys but for suspects, which come last.
    """
    suspected = suspects.of(rows)
    halving = _Halving(model, counts, at_fault)
    apart = {key_of(row) for row in suspected}
    halving.upsert([row for row in rows if key_of(row) not in apart] if apart else rows)
    for row in suspected:
        halving.upsert([row])
    if suspected or halving.refused:
        refused = {key_of(row) for row, _ in halving.refused}
        suspects.learn([row for row in suspected if key_of(row) not in refused], halving.refused)
    return halving.refused


class _Halving:
    """Upserts rows of one model, halving them around what is refused, which is added to `refused`."""

    def __init__(self, model: type[models.Model], counts: Counts, at_fault: Set[Verdict]) -> None:
        self.refused: list[Refusal] = []
        self._model, self._counts, self._at_fault = model, counts, at_fault

    def upsert(self, rows: Sequence[Report], known: Exception | None = None) -> None:
        """`known` is the error that these rows cause for certain, because their other half was accepted."""
        error = known or self._try(rows)
        if error is None:
            return
        if len(rows) == 1:
            self.refused.append((rows[0], error))
            return
        # In the order in which the statement locks them: halves in another order would deadlock with another writer.
        rows = sorted(rows, key=key_of)
        middle = len(rows) // 2
        found = len(self.refused)
        self.upsert(rows[:middle])
        self.upsert(rows[middle:], error if len(self.refused) == found else None)

    def _try(self, rows: Sequence[Report]) -> Exception | None:
        """Upsert under a savepoint and count; the error, if they are at fault."""
        if not rows:
            return None
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


def upsert_identities(upsert: Callable[[Sequence[Any]], None], sightings: Sequence[Any]) -> list[tuple[Any, Exception]]:
    """Upsert sightings of one kind; those that are refused, each with its error."""
    try:
        with transaction.atomic():
            upsert(sightings)
    except Exception as error:
        if classify(error) not in AT_FAULT:
            raise
        if len(sightings) == 1:
            return [(sightings[0], error)]
        ordered = sorted(sightings, key=attrgetter("key"))  # as the statement locks them
        middle = len(ordered) // 2
        return upsert_identities(upsert, ordered[:middle]) + upsert_identities(upsert, ordered[middle:])
    return []
