"""CSV, NDJSON and GeoJSON of positions, row by row.

Enters fields and rows; leaves pieces of UTF-8. Times are ISO 8601 with a Z, numbers are written so that reading them
gives the same number. A cell of CSV that a spreadsheet would take for a formula has an apostrophe in front.
"""

from __future__ import annotations

import csv
import datetime as dt
import io
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

import msgspec

from resilience.letters.exports import might_compute
from tracking.exports.fields import ExportFields, Row

ROWS_AT_ONCE = 1000

_encode = msgspec.json.Encoder().encode


def written_csv(fields: ExportFields, rows: Iterable[Row]) -> Iterator[bytes]:
    """A header with units, then a line a position; nothing stands for what is not known."""
    yield _lines([[fields.heading(name) for name in fields.names]])
    for part in _parts(rows):
        yield _lines([[_cell(row[name]) for name in fields.names] for row in part])


def _lines(cells: Iterable[list[Any]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerows(cells)
    return text.getvalue().encode()


def _cell(value: Any) -> Any:
    if isinstance(value, str):
        return f"'{value}" if value and might_compute(value) else value
    if isinstance(value, dt.datetime):
        return instant(value)
    return " ".join(map(str, value)) if isinstance(value, list) else value


def instant(value: dt.datetime) -> str:
    """ISO 8601 with a Z."""
    return value.astimezone(dt.UTC).replace(tzinfo=None).isoformat() + "Z"


def ndjson(fields: ExportFields, rows: Iterable[Row]) -> Iterator[bytes]:
    """An object a line, with the names of the columns."""
    for part in _parts(rows):
        yield b"".join(_encode(_object(fields, row)) + b"\n" for row in part)


def _object(fields: ExportFields, row: Row) -> dict[str, Any]:
    return {name: row[name] for name in fields.names}


def geojson(fields: ExportFields, rows: Iterable[Row]) -> Iterator[bytes]:
    """A FeatureCollection with a point a position (RFC 7946); what is not its place is in its properties."""
    names = [name for name in fields.names if name not in ("latitude", "longitude")]
    yield b'{"type":"FeatureCollection","features":['
    separator = b"\n"
    for part in _parts(rows):
        yield separator + b",\n".join(_feature(names, row) for row in part)
        separator = b",\n"
    yield b"\n]}\n"


def _feature(names: Iterable[str], row: Row) -> bytes:
    place = {"type": "Point", "coordinates": (row["longitude"], row["latitude"])}
    return _encode({"type": "Feature", "geometry": place, "properties": {name: row[name] for name in names}})


def _parts(rows: Iterable[Row]) -> Iterator[list[Row]]:
    rows = iter(rows)
    while part := list(islice(rows, ROWS_AT_ONCE)):
        yield part
