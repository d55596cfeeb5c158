"""Archived days as Parquet: written from rows of PostgreSQL, read back, hashed.

Enters a model and rows in order of identity and time (`wire`); leaves a file with the model's columns as they are,
units in the schema, row groups of which a track takes one or two, and statistics to find them by. Numbers are stored as
they are: which of the encodings a column has is nothing that a reader has to know.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tracking.history.files import wire
from tracking.history.files.columns import Column, columns_of, key_of, kind_of, schema_of
from tracking.history.files.storage import Storage
from tracking.models import Position

NAME = "positions.parquet"
ROW_GROUP = 65_536  # rows: a vessel's day is in one of them, or two, and a column of one is half a megabyte
ZSTD_LEVEL = 6
_DICTIONARIES = {"speed", "course", "ground_speed", "heading", "vertical_rate", "altitude"}  # few values, all again


def name_of(model: type[Position], day: Any) -> str:
    """Where the day's file lies, the partitions in the form that all tools take as columns."""
    return f"kind={kind_of(model)}/day={day:%Y-%m-%d}/{NAME}"


def write(storage: Storage, path: str, model: type[Position], rows: Iterable[bytes]) -> wire.Digest:
    """Write the rows, which come in order, to `path`; their hash. Raises OSError."""
    digest, columns = wire.Digest(), columns_of(model)
    with (
        storage.files.open_output_stream(path) as sink,
        pq.ParquetWriter(sink, schema_of(model), **_options(model)) as writer,
    ):
        for part in _parts(rows, ROW_GROUP):
            digest.add(part)
            writer.write_batch(wire.decode(part, columns).cast(schema_of(model)), row_group_size=ROW_GROUP)
    return digest


def _options(model: type[Position]) -> dict[str, Any]:
    """How the columns are packed: a dictionary where values come again, differences where they grow, else by bytes."""
    columns = columns_of(model)
    packed = {pa.int64(), pa.int32(), pa.int16(), pa.timestamp("us", tz="UTC")}
    repeated = [c.name for c in columns if c.name in _DICTIONARIES or pa.types.is_string(c.type)]
    encodings = {c.name: "DELTA_BINARY_PACKED" for c in columns if c.type in packed}
    encodings |= {c.name: "BYTE_STREAM_SPLIT" for c in columns if c.type == pa.float64()}
    return {
        "compression": "zstd",
        "compression_level": ZSTD_LEVEL,
        "use_dictionary": repeated,
        "column_encoding": {name: encoding for name, encoding in encodings.items() if name not in repeated},
        "sorting_columns": pq.SortingColumn.from_ordering(schema_of(model), [(n, "ascending") for n in key_of(model)]),
        "write_page_index": True,
        "store_decimal_as_integer": True,
    }


def _parts(rows: Iterable[bytes], size: int) -> Iterator[list[bytes]]:
    rows = iter(rows)
    while part := list(islice(rows, size)):
        yield part


def batches(storage: Storage, path: str) -> Iterator[pa.RecordBatch]:
    """The file's rows, a row group at a time. Raises OSError and pyarrow.ArrowInvalid."""
    with storage.files.open_input_file(path) as source, pq.ParquetFile(source) as file:
        yield from file.iter_batches(batch_size=ROW_GROUP, use_threads=False)


def digest(storage: Storage, path: str, columns: Sequence[Column]) -> wire.Digest:
    """The hash of what is in the file, those columns. Raises OSError and pyarrow.ArrowInvalid."""
    found = wire.Digest()
    for batch in batches(storage, path):
        found.add(wire.encode(batch, columns))
    return found


def columns_in(storage: Storage, path: str, model: type[Position]) -> list[Column]:
    """The columns that the file was written with. Raises OSError and pyarrow.ArrowInvalid."""
    with storage.files.open_input_file(path) as source, pq.ParquetFile(source) as file:
        names = set(file.schema_arrow.names)
    return [column for column in columns_of(model) if column.name in names]
