"""The one door for batch upserts of positions: `bulk_create(rows, update_conflicts=True)`.

Rows are anything that has the fields' attributes (the pipeline passes light structs, model instances work too); they
leave as one `INSERT … SELECT FROM unnest(…) ORDER BY key ON CONFLICT DO UPDATE … WHERE something changed`, in about a
third of the time of Django's own statement. Rows sorted by key cannot deadlock with another writer's.

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

from django.conf import settings
from django.db import models, transaction

from tracking.positions.twins import APART_LATITUDE, APART_LONGITUDE, MOST_MS, UNITS, are_apart, twin_ms
from tracking.postgresql import arrays

_ARRAY_TYPES = {
    "BigAutoField": "bigint",
    "BigIntegerField": "bigint",
    "IntegerField": "integer",
    "SmallIntegerField": "smallint",
    "FloatField": "float8",
    "BooleanField": "boolean",
    "DateTimeField": "timestamptz",
    "CharField": "text",
}
_PLACE = ("latitude", "longitude")
_HEARD = ("score", "received_at", "source")
_RANK = (*_HEARD, *_PLACE)
_heard, _place = attrgetter(*_HEARD), attrgetter(*_PLACE)
_JUDGED = ("track",)  # written by the judge alone
_RECEIVERS = "heard_by"
MOST_RECEIVERS = 24
_ALWAYS = ("latitude", "longitude", "received_at", "source", "score")


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
    """The upsert statement of one position model: columns, SQL and parameters."""

    def __init__(self, model: type[models.Model]) -> None:
        own = (*_JUDGED, _RECEIVERS)
        fields = [f for f in model._meta.concrete_fields if not f.primary_key and f.name not in own]
        self.table = model._meta.db_table
        self.columns = [field.column for field in fields]
        self.casts = [f"%b::{_array_type(field)}[]" for field in fields]
        self.key = next(
            [model._meta.get_field(name).column for name in constraint.fields]
            for constraint in model._meta.constraints
            if isinstance(constraint, models.UniqueConstraint)
        )
        self.filled = [column for column in self.columns if column not in (*self.key, *_ALWAYS)]
        self.has_twins = bool(getattr(model, "once_a_second", False))
        self.values_of = attrgetter(*self.columns)
        self.sql = self._sql()

    def fold(self, rows: Iterable[Any]) -> tuple[list[Any], int, int]:
        """Rows of one batch with one row a key: (rows, merged, unchanged), the counts being of the rows folded away.

        Rows are changed in place where the winner takes a value of the loser.
        """
        identity = attrgetter(*self.key)
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
        if not self.has_twins or one.timestamp.microsecond:
            return False
        return are_apart(one.latitude, one.longitude, other.latitude, other.longitude)

    def _take(self, winner: Any, loser: Any) -> bool:
        """Give the winner the values that it takes of the loser; whether there are any."""
        at_once = _heard(winner) == _heard(loser)
        if at_once and _place(winner) != _place(loser):
            return False
        taken = False
        for column in self.filled:
            mine, theirs = getattr(winner, column), getattr(loser, column)
            if theirs is not None and (mine is None or (at_once and theirs > mine)):
                setattr(winner, column, theirs)
                taken = True
        return taken

    def send(self, rows: Sequence[Any], using: str) -> tuple[int, int]:
        """Upsert the rows, at least one and none twice: how many were created and merged."""
        counts = arrays.execute(using, self.sql, zip(*map(self.values_of, rows), strict=True))
        assert counts is not None, "an aggregate without GROUP BY returns one row"
        return counts[0], counts[1]

    def merge_sql(self, source: str, target: str) -> str:
        """The statement that puts all rows of one table, ids included, into another of the same columns."""
        names = ", ".join(f'"{column}"' for column in ("id", *self.columns, _RECEIVERS))
        key = ", ".join(f'"{column}"' for column in self.key)
        assignments, changed = self._rule(f'"{target}"')
        return (
            f'INSERT INTO "{target}" ({names}) SELECT {names} FROM "{source}"'
            f" ON CONFLICT ({key}) DO UPDATE SET {assignments} WHERE {changed}"
        )

    def _sql(self) -> str:
        """INSERT … ON CONFLICT with the conflict rule, returning (created, merged)."""
        table = f'"{self.table}"'
        names = ", ".join(f'"{column}"' for column in self.columns)
        given = ", ".join(self.casts)
        key = ", ".join(f'"{column}"' for column in self.key)
        assignments, changed = self._rule(table)
        if self.has_twins:
            return self._sql_with_twins(table, names, given, key, assignments, changed)
        return f"""
            WITH upserted AS (
                INSERT INTO {table} ({names})
                SELECT * FROM unnest({given}) AS given({names}) ORDER BY {key}
                ON CONFLICT ({key}) DO UPDATE SET {assignments}
                WHERE {changed}
                RETURNING (old.id IS NULL) AS created
            )
            SELECT count(*) FILTER (WHERE created), count(*) FILTER (WHERE NOT created) FROM upserted"""

    def _sql_with_twins(self, table: str, names: str, given: str, key: str, assignments: str, changed: str) -> str:
        """The same, with losers of another place inserted beside; they count as created.

        The row as it was is returned as one value, which is NULL and costs next to nothing for nearly all rows.
        """
        contradicts = _apart(f'{table}."timestamp"', table, "excluded")
        by_key = " AND ".join(f'g."{c}" = (u.was)."{c}"' for c in self.key)
        held = "(g.latitude, g.longitude) = (u.latitude, u.longitude)"
        loser = {c: f'CASE WHEN {held} THEN (u.was)."{c}" ELSE g."{c}" END' for c in self.columns}
        units = f"round(({loser['latitude']}) * {UNITS})::bigint * 31 + round(({loser['longitude']}) * {UNITS})::bigint"
        loser["timestamp"] = f"g.\"timestamp\" + (1 + abs({units}) %% {MOST_MS}) * interval '1 ms'"
        loser[_RECEIVERS] = f"CASE WHEN {held} THEN (u.was).{_RECEIVERS} END"
        losers = ", ".join(f'{value} AS "{column}"' for column, value in loser.items())
        kept = ", ".join(f'"{column}"' for column in loser)
        return f"""
            WITH given({names}) AS MATERIALIZED (SELECT * FROM unnest({given})), upserted AS (
                INSERT INTO {table} ({names}) SELECT * FROM given ORDER BY {key}
                ON CONFLICT ({key}) DO UPDATE SET {assignments}
                WHERE {changed} OR {contradicts}
                RETURNING (old.id IS NULL) AS created, CASE WHEN old.id IS NOT NULL THEN old END AS was,
                    new.latitude, new.longitude
            ), losers AS (
                SELECT {losers} FROM upserted u JOIN given g ON {by_key} AND {_apart('g."timestamp"', "g", "(u.was)")}
                WHERE NOT u.created
            ), twins AS (
                INSERT INTO {table} ({kept}) SELECT {kept} FROM losers ORDER BY {key}
                ON CONFLICT DO NOTHING RETURNING 1
            )
            SELECT count(*) FILTER (WHERE created) + (SELECT count(*) FROM twins),
                   count(*) FILTER (WHERE NOT created) - (SELECT count(*) FROM losers) FROM upserted"""

    def _rule(self, table: str) -> tuple[str, str]:
        """The conflict rule as the assignments of an UPDATE and the condition that they change something.

        Rows compare column by column up to the first difference, and values of equals are compared last of all: to
        ordinary rows they cost nothing.
        """
        won = f"{_row_of('excluded', _RANK, table)} > {_row_of(table, _RANK, 'excluded')}"
        at_once = f"{_row_of(table, _HEARD, table)} = {_row_of('excluded', _HEARD, 'excluded')}"
        one_place = f"{_row_of(table, _PLACE, table)} = {_row_of('excluded', _PLACE, 'excluded')}"
        assignments = [f'"{c}" = CASE WHEN {won} THEN excluded."{c}" ELSE {table}."{c}" END' for c in _ALWAYS]
        apart = _apart(f'{table}."timestamp"', table, "excluded") if self.has_twins else "false"
        assignments += [
            f'"{c}" = CASE WHEN {apart} THEN CASE WHEN {won} THEN excluded."{c}" ELSE {table}."{c}" END'
            f' WHEN {at_once} THEN CASE WHEN {one_place} THEN GREATEST({table}."{c}", excluded."{c}")'
            f' WHEN {won} THEN excluded."{c}" ELSE {table}."{c}" END'
            f' WHEN {won} THEN COALESCE(excluded."{c}", {table}."{c}")'
            f' ELSE COALESCE({table}."{c}", excluded."{c}") END'
            for c in self.filled
        ]
        assignments.append(f"{_RECEIVERS} = {_receivers(table, apart, won)}")
        gaps = " OR ".join(f'({table}."{c}" IS NULL AND excluded."{c}" IS NOT NULL)' for c in self.filled)
        greater = " OR ".join(f'excluded."{c}" > {table}."{c}"' for c in self.filled)
        fills = f"({gaps}) AND NOT ({at_once} AND NOT {one_place}) AND NOT {apart}"
        joins = f"{_joins(table)} AND NOT {apart}"
        return ", ".join(assignments), f"{won} OR {fills} OR {at_once} AND {one_place} AND ({greater}) OR {joins}"


def _apart(moment: str, one: str, other: str) -> str:
    """The condition that two rows of that moment are twins: their places lie apart, and it is a whole second."""
    return (
        f"((abs({one}.latitude - {other}.latitude) > {APART_LATITUDE}"
        f" OR abs({one}.longitude - {other}.longitude) > {APART_LONGITUDE})"
        f" AND date_trunc('second', {moment}) = {moment})"
    )


def _joins(table: str) -> str:
    """The condition that the given row is of a source whose label the stored row lacks, and that there is room."""
    if not settings.KEEP_HEARD_BY:
        return "false"
    held, label = f"{table}.{_RECEIVERS}", 'excluded."source" COLLATE "C"'
    return (
        f'({label} <> {table}."source" AND ({held} IS NULL'
        f" OR {label} <> ALL ({held}) AND cardinality({held}) < {MOST_RECEIVERS}))"
    )


def _receivers(table: str, apart: str, won: str) -> str:
    """The labels of a row afterwards; of a twin those of the row that stays."""
    held = f"{table}.{_RECEIVERS}"
    labels = f'COALESCE({held}, ARRAY[{table}."source"]) || excluded."source"'
    return (
        f"CASE WHEN {apart} THEN CASE WHEN NOT {won} THEN {held} END"
        f' WHEN {_joins(table)} THEN ARRAY(SELECT label FROM unnest({labels}) AS label ORDER BY label COLLATE "C")'
        f" ELSE {held} END"
    )


def _row_of(mine: str, columns: Sequence[str], theirs: str) -> str:
    """A row expression to compare by rank; received_at is taken from the other side because earlier is better.

    Labels compare by code point, as in Python, whatever the server's collation: en_US puts "alpha" before "Zulu".
    """
    terms = {column: f'{mine}."{column}"' for column in columns}
    if "source" in terms:
        terms |= {"received_at": f'{theirs}."received_at"', "source": f'{mine}."source" COLLATE "C"'}
    return f"({', '.join(terms.values())})"


def _array_type(field: models.Field[Any, Any]) -> str:
    """The PostgreSQL type of the field's values in an array."""
    target = field.target_field if isinstance(field, models.ForeignKey) else field
    return _ARRAY_TYPES[target.get_internal_type()]


_statements: dict[type[models.Model], Upsert] = {}


def upsert_of(model: type[models.Model]) -> Upsert:
    """The upsert of a position model, built once."""
    if model not in _statements:
        _statements[model] = Upsert(model)
    return _statements[model]


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
