"""The one door for batch upserts of positions: `bulk_create(rows, update_conflicts=True)`.

Rows are anything that has the fields' attributes (the pipeline passes light structs, model instances work too); they
leave as one `INSERT … SELECT FROM unnest(…) ORDER BY key ON CONFLICT DO UPDATE … WHERE something changed`, in about a
third of the time of Django's own statement. Rows sorted by key cannot deadlock with another writer's.

The conflict rule: of two reports with the same key the greater (score, then earlier received_at, then source label,
then latitude, longitude) wins position, source, score and every value it has; so the order of delivery never chooses
the winner. What it lacks is filled from the other, unless the two tie up to the source label and name different
places: then they contradict each other, and a mixture would be a report that nobody sent. `wins`, `complement` and
`fold` are the same rule for rows of one batch, because a statement must not hold one key twice.

Not done here: partitions (`tracking/partitions.py` makes them before a batch), identities, validation.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from contextlib import nullcontext
from operator import attrgetter
from typing import Any, Protocol

from django.db import models, transaction

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
_RANK = ("score", "received_at", "source", "latitude", "longitude")
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


def complement(one: PositionRow, other: PositionRow) -> bool:
    """Whether gaps of one may be filled from the other: not where one receiver names two places at once."""
    same = (one.score, one.received_at, one.source) == (other.score, other.received_at, other.source)
    return not same or (one.latitude, one.longitude) == (other.latitude, other.longitude)


class Upsert:
    """The upsert statement of one position model: columns, SQL and parameters."""

    def __init__(self, model: type[models.Model]) -> None:
        fields = [field for field in model._meta.concrete_fields if not field.primary_key]
        self.table = model._meta.db_table
        self.columns = [field.column for field in fields]
        self.casts = [f"%b::{_array_type(field)}[]" for field in fields]
        self.key = next(
            [model._meta.get_field(name).column for name in constraint.fields]
            for constraint in model._meta.constraints
            if isinstance(constraint, models.UniqueConstraint)
        )
        self.filled = [column for column in self.columns if column not in (*self.key, *_ALWAYS)]
        self.values_of = attrgetter(*self.columns)
        self.sql = self._sql()

    def fold(self, rows: Iterable[Any]) -> tuple[list[Any], int, int]:
        """Rows of one batch with one row a key: (rows, merged, unchanged), the counts being of the rows folded away.

        Rows are changed in place where the loser fills a gap of the winner.
        """
        identity = attrgetter(*self.key)
        kept: dict[Any, Any] = {}
        merged = unchanged = 0
        for row in rows:
            key = identity(row)
            holder = kept.get(key)
            if holder is None:
                kept[key] = row
                continue
            won = wins(row, holder)
            winner, loser = (row, holder) if won else (holder, row)
            filled = complement(winner, loser) and self._fill(winner, loser)
            kept[key] = winner
            if won or filled:
                merged += 1
            else:
                unchanged += 1
        return list(kept.values()), merged, unchanged

    def _fill(self, winner: Any, loser: Any) -> bool:
        """Give the winner the values it lacks; whether it took any."""
        gaps = [
            column for column in self.filled if getattr(winner, column) is None and getattr(loser, column) is not None
        ]
        for column in gaps:
            setattr(winner, column, getattr(loser, column))
        return bool(gaps)

    def send(self, rows: Sequence[Any], using: str) -> tuple[int, int]:
        """Upsert the rows, at least one and none twice: how many were created and merged."""
        counts = arrays.execute(using, self.sql, zip(*map(self.values_of, rows), strict=True))
        assert counts is not None, "an aggregate without GROUP BY returns one row"
        return counts[0], counts[1]

    def _sql(self) -> str:
        """INSERT … ON CONFLICT with the conflict rule, returning (created, merged)."""
        table = f'"{self.table}"'
        names = ", ".join(f'"{column}"' for column in self.columns)
        given = ", ".join(self.casts)
        key = ", ".join(f'"{column}"' for column in self.key)
        better = _row_of("excluded", _RANK, table), _row_of(table, _RANK, "excluded")
        wins_sql = f"{better[0]} > {better[1]}"
        assignments = [f'"{c}" = CASE WHEN {wins_sql} THEN excluded."{c}" ELSE {table}."{c}" END' for c in _ALWAYS]
        tied = (_row_of(row, _RANK[:3], row) for row in (table, "excluded"))
        places = (f'({row}."latitude", {row}."longitude")' for row in (table, "excluded"))
        contradict = f"({' = '.join(tied)} AND {' <> '.join(places)})"
        assignments += [
            f'"{c}" = CASE WHEN {contradict} THEN CASE WHEN {wins_sql} THEN excluded."{c}" ELSE {table}."{c}" END'
            f' WHEN {wins_sql} THEN COALESCE(excluded."{c}", {table}."{c}")'
            f' ELSE COALESCE({table}."{c}", excluded."{c}") END'
            for c in self.filled
        ]
        gaps = " OR ".join(f'({table}."{c}" IS NULL AND excluded."{c}" IS NOT NULL)' for c in self.filled)
        return f"""
            WITH upserted AS (
                INSERT INTO {table} ({names})
                SELECT * FROM unnest({given}) AS given({names}) ORDER BY {key}
                ON CONFLICT ({key}) DO UPDATE SET {", ".join(assignments)}
                WHERE {wins_sql} OR ({gaps}) AND NOT {contradict}
                RETURNING (old.id IS NULL) AS created
            )
            SELECT count(*) FILTER (WHERE created), count(*) FILTER (WHERE NOT created) FROM upserted"""


def _row_of(mine: str, columns: Sequence[str], theirs: str) -> str:
    """A row expression to compare by rank; received_at is taken from the other side because earlier is better.

    Labels compare by code point, as in Python, whatever the server's collation: en_US puts "alpha" before "Zulu".
    """
    terms = {column: f'{mine}."{column}"' for column in columns}
    terms["received_at"] = f'{theirs}."received_at"'
    terms["source"] += ' COLLATE "C"'
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
