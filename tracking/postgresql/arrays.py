"""Statements over columns of values, sent as PostgreSQL's binary arrays: several times faster than psycopg's own.

Enters a statement with a placeholder `%b::type[]` a column; `execute` sends it on Django's connection and returns its
row, if any. A column that does not fit its type goes as the list it was, so that psycopg and PostgreSQL refuse it with
their own errors. Not here: what the values mean.

An array is a header of five 32-bit integers (dimensions, whether there are NULLs, type of the elements, their number,
lower bound) and each element with its length before it, -1 for NULL; all of it big-endian. Source: array_recv in
PostgreSQL's src/backend/utils/adt/arrayfuncs.c. A time is a count of microseconds since 2000-01-01 UTC.
"""

from __future__ import annotations

import datetime as dt
import functools
import re
import struct
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import psycopg
from django.db import connections
from psycopg.adapt import Buffer, Dumper
from psycopg.pq import Format

_EPOCH = dt.datetime(2000, 1, 1, tzinfo=dt.UTC)
_MICROSECOND = dt.timedelta(microseconds=1)
_NULL = struct.pack(">i", -1)
_HEADER = struct.Struct(">5i")
_MEMORY = 20_000  # packed elements remembered a type: headings, speeds, times and labels come again and again


class Packed(bytes):
    """An array in PostgreSQL's binary form."""


class PackedDumper(Dumper):
    """Sends a Packed as it is; the placeholder's cast says which type it has."""

    format = Format.BINARY

    def dump(self, obj: Any) -> Buffer | None:
        """The bytes themselves."""
        return obj


class _Type(NamedTuple):
    """`oid` of the elements; `code`: the struct format of those that have a fixed size; `element`: packs one."""

    oid: int
    code: str
    element: Callable[[Any], bytes]


class _PackedElements(dict[Any, bytes]):
    """Packed elements by value, NULL among them. Bounded: begins anew when full."""

    def __init__(self, element: Callable[[Any], bytes]) -> None:
        super().__init__()
        self._element = element

    def __missing__(self, value: Any) -> bytes:
        packed = _NULL if value is None else self._element(value)
        if len(self) >= _MEMORY:
            self.clear()
        self[value] = packed
        return packed


def _fixed(oid: int, code: str) -> _Type:
    size = struct.calcsize(f">{code}")
    pack = struct.Struct(f">i{code}").pack
    return _Type(oid, code, lambda value: pack(size, value))


def _text(value: str) -> bytes:
    encoded = value.encode()
    return len(encoded).to_bytes(4, "big") + encoded


_pack_time = struct.Struct(">iq").pack


def _time(value: dt.datetime) -> bytes:
    return _pack_time(8, (value - _EPOCH) // _MICROSECOND)


_BOOLEANS = {value: struct.pack(">i?", 1, value) for value in (True, False)}

TYPES = {
    "bigint": _fixed(20, "q"),
    "integer": _fixed(23, "i"),
    "smallint": _fixed(21, "h"),
    "float8": _fixed(701, "d"),
    "boolean": _Type(16, "", _BOOLEANS.__getitem__),
    "timestamptz": _Type(1184, "", _time),
    "text": _Type(25, "", _text),
}
_memories = {name: _PackedElements(kind.element) for name, kind in TYPES.items()}


def pack(values: Sequence[Any], name: str) -> Packed | list[Any]:
    """`values`, None among them for NULL, as an array of the type `name` of TYPES; a list of them if they do not fit.

    Raises UnicodeEncodeError for a text that is no Unicode.
    """
    kind = TYPES[name]
    nulls = None in values
    try:
        if kind.code and not nulls:
            elements = _side_by_side(kind.code, values)
        else:
            elements = b"".join(map(_memories[name].__getitem__, values))
    except (struct.error, TypeError, AttributeError, KeyError, OverflowError):
        return list(values)
    return Packed(_HEADER.pack(1, nulls, kind.oid, len(values), 1) + elements)


def execute(
    using: str, statement: str, columns: Iterable[Sequence[Any]], prepare: bool = True
) -> tuple[Any, ...] | None:
    """Run `statement` on the alias `using` with a column for each of its placeholders; its first row, None without one.

    `prepare`: the same text will come again and again.

    On psycopg's cursor: Django's would merge the arrays into the text. Raises django.db errors.
    """
    packed = [pack(values, name) for values, name in zip(columns, _types(statement), strict=True)]
    connection = connections[using]
    connection.ensure_connection()
    with connection.wrap_database_errors, psycopg.Cursor(connection.connection) as cursor:
        cursor.adapters.register_dumper(Packed, PackedDumper)
        cursor.execute(statement, packed, prepare=prepare)
        return cursor.fetchone() if cursor.description else None


@functools.lru_cache(maxsize=64)
def _types(statement: str) -> list[str]:
    return re.findall(r"%b::(\w+)\[\]", statement)


def _side_by_side(code: str, values: Sequence[Any]) -> bytes:
    """All elements in one call, each after its size."""
    size = struct.calcsize(f">{code}")
    elements: list[Any] = [size] * (2 * len(values))
    elements[1::2] = values
    return _layout(code, len(values)).pack(*elements)


@functools.lru_cache(maxsize=64)
def _layout(code: str, count: int) -> struct.Struct:
    return struct.Struct(">" + f"i{code}" * count)
