"""The columns of positions as they leave for files: names, types, units, taken from the model.

Enters a position model; leaves a Column a field, in the model's order, and the Arrow schema of its files. A column that
the model gets later is archived like the others, and a file that was written before has its default. Not here: the
bytes (`wire`) and the files (`files`).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import pyarrow as pa
from django.contrib.postgres.fields import ArrayField
from django.db import models

from tracking.models import AircraftPosition, Position, VesselPosition

KINDS: dict[str, type[Position]] = {"vessel": VesselPosition, "aircraft": AircraftPosition}

_TYPES: dict[str, pa.DataType] = {
    "BigAutoField": pa.int64(),
    "BigIntegerField": pa.int64(),
    "IntegerField": pa.int32(),
    "SmallIntegerField": pa.int16(),
    "FloatField": pa.float64(),
    "BooleanField": pa.bool_(),
    "DateTimeField": pa.timestamp("us", tz="UTC"),
    "CharField": pa.string(),
    "TextField": pa.string(),
}
_ELEMENTS = {
    "BigIntegerField": 20,
    "IntegerField": 23,
    "SmallIntegerField": 21,
    "FloatField": 701,
    "CharField": 1043,
    "TextField": 25,
}


@dataclass(frozen=True)
class Column:
    """A column: its name in the database and in the file, its type there, what it means, and what old files have.

    `element`: the OID of the elements' type in PostgreSQL where it holds arrays, else 0.
    """

    name: str
    type: pa.DataType
    help: str
    default: Any
    element: int = 0


def kind_of(model: type[Position]) -> str:
    """The name of a model's files: `vessel` or `aircraft`."""
    return next(kind for kind, known in KINDS.items() if known is model)


@cache
def columns_of(model: type[Position]) -> tuple[Column, ...]:
    """All columns of the model. Raises KeyError for a field of a type that has no place in files."""
    return tuple(
        Column(field.column, _type_of(field), str(field.help_text), _default_of(field), _element_of(field))
        for field in model._meta.concrete_fields
    )


def _type_of(field: models.Field[Any, Any]) -> pa.DataType:
    target = field.target_field if isinstance(field, models.ForeignKey) else field
    if isinstance(target, ArrayField):
        return pa.list_(_type_of(target.base_field))
    return _TYPES[target.get_internal_type()]


def _element_of(field: models.Field[Any, Any]) -> int:
    return _ELEMENTS[field.base_field.get_internal_type()] if isinstance(field, ArrayField) else 0


def _default_of(field: models.Field[Any, Any]) -> Any:
    """What a row has that was archived before there was the column; None: NULL."""
    value = field.get_default() if field.has_default() else None
    if value is None and field.has_db_default():
        value = getattr(field.db_default, "value", field.db_default)
    return value


@cache
def key_of(model: type[Position]) -> tuple[str, ...]:
    """The columns that make a position one: the identity first, then the time."""
    constraint = next(c for c in model._meta.constraints if isinstance(c, models.UniqueConstraint))
    return tuple(model._meta.get_field(name).column for name in constraint.fields)


@cache
def schema_of(model: type[Position]) -> pa.Schema:
    """The schema of the model's files; what a column means and its unit is in the field's metadata."""
    return pa.schema(
        pa.field(column.name, column.type, metadata={"description": column.help or "number of the row"})
        for column in columns_of(model)
    )
