"""Parquet of positions: the columns that the archive has, units in the schema.

Enters fields, rows and the model; leaves pieces of a file, a row group at a time.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from itertools import islice

import pyarrow as pa
import pyarrow.parquet as pq

from tracking.exports.fields import UNITS, ExportFields, Row
from tracking.history.files.columns import KINDS, schema_of

ROW_GROUP = 50_000


class _Pieces(io.RawIOBase):
    """A file that is only written, and taken away piece by piece."""

    def __init__(self) -> None:
        super().__init__()
        self._pieces: list[bytes] = []
        self._at = 0

    def writable(self) -> bool:
        """Always."""
        return True

    def write(self, data: object) -> int:
        """Keep the bytes until they are taken."""
        piece = bytes(memoryview(data))  # type: ignore[arg-type]
        self._pieces.append(piece)
        self._at += len(piece)
        return len(piece)

    def tell(self) -> int:
        """How much was written."""
        return self._at

    def take(self) -> bytes:
        """What was written since the last time."""
        taken, self._pieces = b"".join(self._pieces), []
        return taken


def parquet(fields: ExportFields, rows: Iterable[Row]) -> Iterator[bytes]:
    """A Parquet file, zstd."""
    schema, sink, rows = _schema(fields), _Pieces(), iter(rows)
    with pq.ParquetWriter(sink, schema, compression="zstd") as writer:
        while part := list(islice(rows, ROW_GROUP)):
            writer.write_table(pa.Table.from_pylist(part, schema))
            yield sink.take()
    yield sink.take()


def _schema(fields: ExportFields) -> pa.Schema:
    whole = schema_of(KINDS[fields.kind])
    return pa.schema([whole.field(name).with_metadata(_metadata(whole, name)) for name in fields.names])


def _metadata(schema: pa.Schema, name: str) -> dict[bytes, bytes]:
    unit = {b"unit": UNITS[name].encode()} if name in UNITS else {}
    return {**(schema.field(name).metadata or {}), **unit}
