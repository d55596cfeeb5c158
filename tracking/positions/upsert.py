"""The one door for batch upserts of positions: `bulk_create(rows, update_conflicts=True)`.

Rows are anything that has the fields' attributes (the pipeline passes light structs, model instances work too); they
leave as one `INSERT … SELECT FROM unnest(…) ORDER BY key ON CONFLICT DO UPDATE … WHERE something changed`, in about a
third of the time of Django's own statement. Rows sorted by key cannot deadlock with another writer's. To look for
conflicts takes PostgreSQL a third of that time: where the LATELY statements before met none, as those of a recording or
a single receiver, rows are inserted without, and sent again if one was there after all.

The conflict rule: of two reports with the same key the greater (score, then earlier received_at, then source label,
then latitude, longitude) wins position, source, score and every value it has; so the order of delivery never chooses
the winner. What it lacks is filled from the other, unless the two tie up to the source label and name different
places: then they contradict each other, and a mixture would be a report that nobody sent. Two that tie in all of these
are equals: of each value the greater stays, any value rather than none, so no order and no cut into batches is seen in
the row. (The greater report as a whole would not do: a row does not tell which of its values filled a gap.) `wins` and
`fold` are the same rule for rows of one batch, because a statement must not hold one key twice.

Two reports of a ship in one whole second whose places lie apart (`twins`) are not two readings of one report: neither
is given up. The loser moves to a millisecond of that second which its own place gives, a twin of the row that stays, so
the set of rows depends on no order, and no value of one fills a gap of the other. Which of them is true is for the
judge of history (`tracking/truth/judge.py`).

`heard_by` is not sent: the rows of one statement have one source. Where another source reports a row that is there, its
label joins those of the row, sorted by code point; the row alone of a source has none. MOST_RECEIVERS are kept. A loser
that moves to its millisecond keeps those it had; whoever reports it again does not join them.

A value that filled a gap counts as the winner's own from then on. So which of several losers fills a gap, and whether
it stands against an equal of the winner, does depend on the order of delivery.

Not done here: partitions (`tracking/history/partitions.py` makes them before a batch), identities, validation.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable, Sequence
from contextlib import nullcontext
from operator import attrgetter
from typing import Any, Protocol

from django.db import IntegrityError, models, transaction
from psycopg.errors import UniqueViolation

from tracking.positions.statements import PositionSql
from tracking.positions.twins import are_apart, twin_ms
from tracking.postgresql import arrays

_heard, _place = attrgetter("score", "received_at", "source"), attrgetter("latitude", "longitude")
LATELY = 20  # statements; twice as many after each conflict, which is an error in PostgreSQL's log
MOST_LATELY = 64 * LATELY
FEW = 100  # rows, for which the savepoint would cost more than it saves


class PositionRow(Protocol):
    """What every row has; the model's other columns are attributes of the same names."""

    score: int
    received_at: Any
    source: str
    latitude: float
    longitude: float


class Upserted(list[Any]):
    """The rows as given, and what became of them: `created + merged + unchanged == len(rows)`."""

    created = 0
    merged = 0
    unchanged = 0


def wins(challenger: PositionRow, holder: PositionRow) -> bool:
    """Whether `challenger` takes position, source and score from `holder` (both of one key)."""
    if challenger.score != holder.score:
        return challenger.score > holder.score
    if challenger.received_at != holder.received_at:
        return bool(challenger.received_at < holder.received_at)
    return (challenger.source, challenger.latitude, challenger.longitude) > (
        holder.source,
        holder.latitude,
        holder.longitude,
    )


class Upsert:
    """The batch upsert of one position model."""

    def __init__(self, model: type[models.Model]) -> None:
        self.sql = PositionSql(model)
        self._identity_of, self.values_of = attrgetter(*self.sql.key), attrgetter(*self.sql.columns)
        self._without_conflict = 0  # statements in a row of this process
        self._lately = LATELY

    def fold(self, rows: Iterable[Any]) -> tuple[list[Any], int, int]:
        """Rows of one batch with one row a key: (rows, merged, unchanged), the counts being of the rows folded away.

        Rows are changed in place where the winner takes a value of the loser.
        """
        rows, identity = list(rows), self._identity_of
        if len(set(map(identity, rows))) == len(rows):
            return rows, 0, 0
        kept: dict[Any, Any] = {}
        merged = unchanged = 0
        for row in rows:
            key = identity(row)
            holder = kept.get(key)
            if holder is not None and self._are_twins(row, holder):
                winner, row = (row, holder) if wins(row, holder) else (holder, row)
                kept[key] = winner
                row.timestamp += dt.timedelta(milliseconds=twin_ms(row.latitude, row.longitude))
                key = identity(row)
                holder = kept.get(key)
            if holder is None:
                kept[key] = row
                continue
            won = wins(row, holder)
            winner, loser = (row, holder) if won else (holder, row)
            taken = self._take(winner, loser)
            kept[key] = winner
            if won or taken:
                merged += 1
            else:
                unchanged += 1
        return list(kept.values()), merged, unchanged

    def _are_twins(self, one: Any, other: Any) -> bool:
        """Whether two reports of one key contradict each other, so that both stay."""
        if not self.sql.has_twins or one.timestamp.microsecond:
            return False
        return are_apart(one.latitude, one.longitude, other.latitude, other.longitude)

    def _take(self, winner: Any, loser: Any) -> bool:
        """Give the winner the values that it takes of the loser; whether there are any."""
        at_once = _heard(winner) == _heard(loser)
        if at_once and _place(winner) != _place(loser):
            return False
        taken = False
        for column in self.sql.filled:
            mine, theirs = getattr(winner, column), getattr(loser, column)
            if theirs is not None and (mine is None or (at_once and theirs > mine)):
                setattr(winner, column, theirs)
                taken = True
        return taken

    def send(self, rows: Sequence[Any], using: str) -> tuple[int, int]:
        """Upsert the rows, at least one and none twice: how many were created and merged."""
        columns = list(zip(*map(self.values_of, rows), strict=True))
        if self._without_conflict >= self._lately and len(rows) >= FEW and self._insert(columns, using):
            return len(rows), 0
        counts = arrays.execute(using, self.sql.upsert, columns)
        assert counts is not None, "an aggregate without GROUP BY returns one row"
        created, merged = counts
        self._without_conflict = self._without_conflict + 1 if created == len(rows) else 0
        return created, merged

    def _insert(self, columns: Sequence[Sequence[Any]], using: str) -> bool:
        """Insert rows by columns; False, and nothing done, where the key of one is there already."""
        try:
            with transaction.atomic(using=using):
                arrays.execute(using, self.sql.insert, columns)
        except IntegrityError as error:
            if not isinstance(error.__cause__, UniqueViolation):
                raise
            self._without_conflict, self._lately = 0, min(2 * self._lately, MOST_LATELY)
            return False
        return True


_upserts: dict[type[models.Model], Upsert] = {}


def upsert_of(model: type[models.Model]) -> Upsert:
    """The upsert of a position model, built once."""
    if model not in _upserts:
        _upserts[model] = Upsert(model)
    return _upserts[model]


class PositionQuerySet(models.QuerySet[Any]):
    """Positions; `bulk_create(rows, update_conflicts=True)` is the batch upsert of this module."""

    def bulk_create(
        self,
        objs: Iterable[Any],
        batch_size: int | None = None,
        ignore_conflicts: bool = False,
        update_conflicts: bool = False,
        update_fields: Collection[str] | None = None,
        unique_fields: Collection[str] | None = None,
    ) -> list[Any]:
        """Insert the rows; with `update_conflicts` merge them by the conflict rule and return an `Upserted`.

        Without `update_conflicts` this is Django's own. With it the other conflict arguments raise ValueError, since
        the rule is fixed, and the rows are sent in statements of `batch_size` rows (default: all in one), in one
        transaction. No row may hold a key twice: use `upsert_of(model).fold`. Raises what the database raises, as
        django.db errors.
        """
        if not update_conflicts:
            return super().bulk_create(
                objs,
                batch_size=batch_size,
                ignore_conflicts=ignore_conflicts,
                update_fields=update_fields,
                unique_fields=unique_fields,
            )
        if ignore_conflicts or update_fields or unique_fields:
            raise ValueError("the conflict rule of positions is fixed: pass update_conflicts=True alone")
        if batch_size is not None and batch_size < 1:
            raise ValueError("batch_size must be positive")
        rows = Upserted(objs)
        self._for_write = True
        upsert = upsert_of(self.model)
        size = batch_size or len(rows) or 1
        parts = [rows[start : start + size] for start in range(0, len(rows), size)]
        # One statement is a transaction by itself, without the two round trips that begin and end one.
        with nullcontext() if len(parts) == 1 else transaction.atomic(using=self.db, savepoint=False):
            for part in parts:
                created, merged = upsert.send(part, self.db)
                rows.created += created
                rows.merged += merged
        rows.unchanged = len(rows) - rows.created - rows.merged
        return rows
