"""The SQL that writes positions: the conflict rule of `tracking/positions/upsert.py` as assignments and conditions.

Enters a model; leaves its columns and the texts of its statements. Nothing is sent here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from django.conf import settings
from django.db import models

from tracking.positions.twins import APART_LATITUDE, APART_LONGITUDE, MOST_MS, UNITS

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
_JUDGED = ("track",)  # written by the judge alone
_RECEIVERS = "heard_by"
MOST_RECEIVERS = 24
_ALWAYS = ("latitude", "longitude", "received_at", "source", "score")


class PositionSql:
    """The statements of one position model. Values of rows come as an array a column, in the order of `columns`.

    `key`: the columns of the unique constraint; `filled`: those whose gaps another report fills; `has_twins`: whether
    reports of one key may contradict each other. `insert` is for rows whose keys are not there, and returns nothing;
    `upsert` returns (created, merged).
    """

    def __init__(self, model: type[models.Model]) -> None:
        own = (*_JUDGED, _RECEIVERS)
        fields = [f for f in model._meta.concrete_fields if not f.primary_key and f.name not in own]
        self.table = model._meta.db_table
        self.columns = [field.column for field in fields]
        self.key = next(
            [model._meta.get_field(name).column for name in constraint.fields]
            for constraint in model._meta.constraints
            if isinstance(constraint, models.UniqueConstraint)
        )
        self.filled = [column for column in self.columns if column not in (*self.key, *_ALWAYS)]
        self.has_twins = bool(getattr(model, "once_a_second", False))
        given = ", ".join(f"%b::{_array_type(field)}[]" for field in fields)
        names, key = _names(self.columns), _names(self.key)
        self.insert = (
            f'INSERT INTO "{self.table}" ({names}) SELECT * FROM unnest({given}) AS given({names}) ORDER BY {key}'
        )
        self.upsert = self._upsert(names, given, key)

    def merge(self, source: str, target: str) -> str:
        """The statement that puts all rows of one table, ids included, into another of the same columns."""
        names, key = _names(("id", *self.columns, _RECEIVERS)), _names(self.key)
        assignments, changed = self._rule(f'"{target}"')
        return (
            f'INSERT INTO "{target}" ({names}) SELECT {names} FROM "{source}"'
            f" ON CONFLICT ({key}) DO UPDATE SET {assignments} WHERE {changed}"
        )

    def _upsert(self, names: str, given: str, key: str) -> str:
        """INSERT … ON CONFLICT with the conflict rule."""
        table = f'"{self.table}"'
        assignments, changed = self._rule(table)
        if self.has_twins:
            return self._upsert_with_twins(table, names, given, key, assignments, changed)
        return f"""
            WITH upserted AS (
                INSERT INTO {table} ({names})
                SELECT * FROM unnest({given}) AS given({names}) ORDER BY {key}
                ON CONFLICT ({key}) DO UPDATE SET {assignments}
                WHERE {changed}
                RETURNING (old.id IS NULL) AS created
            )
            SELECT count(*) FILTER (WHERE created), count(*) FILTER (WHERE NOT created) FROM upserted"""

    def _upsert_with_twins(self, table: str, names: str, given: str, key: str, assignments: str, changed: str) -> str:
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
        kept = _names(loser)
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


def _names(columns: Iterable[str]) -> str:
    return ", ".join(f'"{column}"' for column in columns)


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
