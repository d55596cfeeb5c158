"""Rows of PostgreSQL's COPY in its binary form, from and to columns of Arrow, and a hash of many that has no order.

Enters rows as COPY … TO STDOUT (FORMAT binary) sends them, a message a row, and columns (`columns`); leaves record
batches, and the other way round. No value passes through text, so each bit of a number is the one that PostgreSQL has,
and a row that was read from a file is, byte for byte, the row that was written if nothing was lost.

A row is its number of fields in 16 bits, then each field: its length in 32 bits, -1 for NULL, and its bytes; all of it
big-endian. A time is a count of microseconds since 2000-01-01 UTC. Source: PostgreSQL's documentation of COPY, "Binary
Format", and array_send in src/backend/utils/adt/arrayfuncs.c.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tracking.history.files.columns import Column

HEADER = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
TRAILER = b"\xff\xff"
_EPOCH_MICROSECONDS = 946_684_800_000_000  # of 2000-01-01 after 1970-01-01
_NUMBERS = {
    pa.int64(): ">i8",
    pa.int32(): ">i4",
    pa.int16(): ">i2",
    pa.float64(): ">f8",
    pa.bool_(): ">u1",
    pa.timestamp("us", tz="UTC"): ">i8",
}
_FIELDS, _LENGTH = np.dtype(">i2"), np.dtype(">i4")
_CODES = {20: "q", 23: "i", 21: "h", 701: "d"}


class Digest:
    """A hash of rows whatever their order: the sums of both halves of each row's BLAKE2 hash, modulo 2**64."""

    def __init__(self) -> None:
        self.rows = 0
        self._sums = np.zeros(2, np.uint64)

    def add(self, rows: Iterable[bytes]) -> None:
        """Rows in the binary form, without header and trailer."""
        digests = b"".join([hashlib.blake2b(row, digest_size=16).digest() for row in rows])
        halves = np.frombuffer(digests, "<u8").reshape(-1, 2)
        self.rows += len(halves)
        self._sums += halves.sum(axis=0, dtype=np.uint64)

    def hex(self) -> str:
        """32 hex digits."""
        return self._sums.astype("<u8").tobytes().hex()


def decode(rows: Sequence[bytes], columns: Sequence[Column]) -> pa.RecordBatch:
    """The rows as columns. The rows must have exactly these fields."""
    lengths = np.fromiter(map(len, rows), np.int64, len(rows))
    data = np.frombuffer(b"".join(rows), np.uint8)
    at = np.cumsum(lengths) - lengths + 2
    arrays = []
    for column in columns:
        sizes = _numbers_at(data, _LENGTH)[at].astype(np.int64)
        at = at + 4
        arrays.append(_decoded(data, at, sizes, column.type))
        at = at + np.maximum(sizes, 0)
    return pa.RecordBatch.from_arrays(arrays, names=[column.name for column in columns])


def _numbers_at(data: np.ndarray, code: np.dtype[Any]) -> np.ndarray:
    """The number that begins at each byte: as a view, so it is read and written in place."""
    return np.ndarray((max(len(data) - code.itemsize + 1, 0),), code, data, strides=(1,))


def _decoded(data: np.ndarray, at: np.ndarray, sizes: np.ndarray, kind: pa.DataType) -> pa.Array:
    if kind in _NUMBERS:
        return _decoded_numbers(data, at, sizes, kind)
    texts = _slices(data, at, sizes)
    if pa.types.is_list(kind):
        return pa.array([None if text is None else _array_values(text) for text in texts.to_pylist()], kind)
    return texts.cast(kind)


def _decoded_numbers(data: np.ndarray, at: np.ndarray, sizes: np.ndarray, kind: pa.DataType) -> pa.Array:
    code = np.dtype(_NUMBERS[kind])
    present = sizes >= 0
    values = np.zeros(len(at), code.newbyteorder("="))
    values[present] = _numbers_at(data, code)[at[present]]
    if kind == pa.bool_():
        return pa.array(values.astype(bool), mask=~present)
    if pa.types.is_timestamp(kind):
        return pa.array(values + _EPOCH_MICROSECONDS, pa.int64(), mask=~present).cast(kind)
    return pa.array(values, kind, mask=~present)


def _slices(data: np.ndarray, at: np.ndarray, sizes: np.ndarray) -> pa.Array:
    """The bytes of each place, null where its size is -1."""
    taken = np.maximum(sizes, 0)
    ends = np.cumsum(taken)
    offsets = np.concatenate(([0], ends)).astype(np.int32)
    flat = data[np.repeat(at - (ends - taken), taken) + np.arange(int(taken.sum()))]
    absent = pa.array(sizes < 0)
    return pa.BinaryArray.from_buffers(
        pa.binary(),
        len(at),
        [_validity(absent), pa.py_buffer(offsets.tobytes()), pa.py_buffer(flat.tobytes())],
    )


def _validity(absent: pa.BooleanArray) -> pa.Buffer | None:
    """The bits of what is there; None: all of it."""
    present = np.packbits(~absent.to_numpy(zero_copy_only=False), bitorder="little")
    return pa.py_buffer(present.tobytes())


def _array_values(data: bytes) -> list[Any]:
    """The elements of an array of one dimension, or of none."""
    dimensions, _, oid = struct.unpack_from(">iii", data)
    if dimensions == 0:
        return []
    (count, _), at, values = struct.unpack_from(">ii", data, 12), 20, []
    for _ in range(count):
        (size,) = struct.unpack_from(">i", data, at)
        at += 4
        values.append(None if size < 0 else _element(data[at : at + size], oid))
        at += max(size, 0)
    return values


def _element(data: bytes, oid: int) -> Any:
    return struct.unpack(f">{_CODES[oid]}", data)[0] if oid in _CODES else data.decode()


def encode(batch: pa.RecordBatch, columns: Sequence[Column]) -> list[bytes]:
    """The rows of a batch, with these columns; one that the batch has not is its default throughout."""
    count = batch.num_rows
    fields = [_encoded(_column(batch, column), column) for column in columns]
    lengths = np.full(count, 2 + 4 * len(fields), np.int64)
    for sizes, _ in fields:
        lengths += np.maximum(sizes, 0)
    ends = np.cumsum(lengths)
    data = np.empty(int(ends[-1]) if count else 0, np.uint8)
    at = ends - lengths
    _numbers_at(data, _FIELDS)[at] = len(fields)
    at = at + 2
    for sizes, values in fields:
        _numbers_at(data, _LENGTH)[at] = sizes
        at = at + 4
        _place(data, at, sizes, values)
        at = at + np.maximum(sizes, 0)
    whole = data.tobytes()  # slices of bytes, not of a memoryview: the garbage collector would follow each of those
    return [whole[start:end] for start, end in zip((ends - lengths).tolist(), ends.tolist(), strict=True)]


def _column(batch: pa.RecordBatch, column: Column) -> pa.Array:
    if column.name in batch.schema.names:
        found = batch.column(column.name)
        return found.cast(column.type) if found.type != column.type else found
    return pa.array([column.default] * batch.num_rows, column.type)


def _encoded(array: pa.Array, column: Column) -> tuple[np.ndarray, np.ndarray]:
    """(size of each field, -1 for NULL; numbers by row, or the bytes of all that are not NULL one after the other)"""
    present = ~array.is_null().to_numpy(zero_copy_only=False)
    if column.type == pa.bool_():
        return np.where(present, 1, -1), _numbers(array, column.type)[present].astype(np.uint8)
    if column.type in _NUMBERS:
        code = np.dtype(_NUMBERS[column.type])
        return np.where(present, code.itemsize, -1), _numbers(array, column.type).astype(code)
    texts = pa.array(_packed(array, column.element), pa.binary()) if column.element else array.cast(pa.binary())
    sizes = pc.binary_length(texts).fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
    return sizes, np.frombuffer(b"".join(filter(None, texts.to_pylist())), np.uint8)


def _numbers(array: pa.Array, kind: pa.DataType) -> np.ndarray:
    """The values, anything where one is null."""
    if pa.types.is_timestamp(kind):
        return array.cast(pa.int64()).fill_null(0).to_numpy(zero_copy_only=False) - _EPOCH_MICROSECONDS
    zero = False if kind == pa.bool_() else 0
    return array.fill_null(pa.scalar(zero, kind)).to_numpy(zero_copy_only=False)


def _packed(array: pa.Array, oid: int) -> list[bytes | None]:
    return [None if values is None else _array_bytes(values, oid) for values in array.to_pylist()]


def _array_bytes(values: Sequence[Any], oid: int) -> bytes:
    if not values:
        return struct.pack(">iii", 0, 0, oid)
    head = struct.pack(">iiiii", 1, None in values, oid, len(values), 1)
    return head + b"".join(_element_bytes(value, oid) for value in values)


def _element_bytes(value: Any, oid: int) -> bytes:
    if value is None:
        return struct.pack(">i", -1)
    data = struct.pack(f">{_CODES[oid]}", value) if oid in _CODES else value.encode()
    return struct.pack(">i", len(data)) + data


def _place(data: np.ndarray, at: np.ndarray, sizes: np.ndarray, values: np.ndarray) -> None:
    """Write the fields that are not NULL."""
    present = sizes >= 0
    if values.dtype != np.uint8:
        _numbers_at(data, values.dtype)[at[present]] = values[present]
        return
    taken = np.maximum(sizes, 0)
    ends = np.cumsum(taken)
    data[np.repeat(at - (ends - taken), taken) + np.arange(len(values))] = values
