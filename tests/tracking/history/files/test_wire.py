"""Rows as bytes: what PostgreSQL sends is what it would be sent, through columns of Arrow and back."""

import datetime as dt

import pyarrow as pa
import pytest
from django.db import connections

from tracking.history.files import wire
from tracking.history.files.columns import Column

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "direct"])

COLUMNS = [
    Column("a", pa.int64(), "", None),
    Column("b", pa.int16(), "", None),
    Column("c", pa.float64(), "", None),
    Column("d", pa.bool_(), "", None),
    Column("e", pa.timestamp("us", tz="UTC"), "", None),
    Column("f", pa.string(), "", None),
    Column("g", pa.list_(pa.string()), "", None, 1043),
    Column("h", pa.list_(pa.int16()), "", None, 21),
]
NAMES = "a, b::smallint, c, d, e, f, g, h"
VALUES = """(VALUES
    (1::bigint, 2::smallint, 0.1::float8, true, '2026-05-01 12:00:00.000001+00'::timestamptz, 'söuth',
     '{a,ü,NULL}'::varchar(32)[], '{1,-2}'::smallint[]),
    (NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
    (-9223372036854775808, -32768, '-0', false, '1969-12-31 00:00+00', '', '{}', '{}'),
    (9223372036854775807, 32767, 'NaN', NULL, '1999-01-01 00:00+00', 'x', '{"a,b"}', '{NULL}')
) AS v (a, b, c, d, e, f, g, h)"""


def sent() -> list[bytes]:
    with (
        connections["direct"].cursor() as cursor,
        cursor.copy(f"COPY (SELECT {NAMES} FROM {VALUES}) TO STDOUT (FORMAT binary)") as copy,
    ):
        rows = [bytes(message).removeprefix(wire.HEADER) for message in copy]
    return [row for row in rows if row != wire.TRAILER]


def test_rows_come_back_byte_for_byte() -> None:
    rows = sent()
    assert len(rows) == 4
    assert wire.encode(wire.decode(rows, COLUMNS), COLUMNS) == rows


def test_columns_hold_what_the_rows_say() -> None:
    first, second = wire.decode(sent(), COLUMNS).to_pylist()[:2]
    assert first["e"] == dt.datetime(2026, 5, 1, 12, microsecond=1, tzinfo=dt.UTC)
    assert (first["a"], first["b"], first["c"], first["d"], first["f"]) == (1, 2, 0.1, True, "söuth")
    assert (first["g"], first["h"]) == (["a", "ü", None], [1, -2])
    assert set(second.values()) == {None}


def test_slices_and_empty_batches_are_encoded_as_they_are() -> None:
    rows = sent()
    whole = wire.decode(rows, COLUMNS)
    assert wire.encode(whole.slice(1, 2), COLUMNS) == rows[1:3]
    assert wire.encode(whole.slice(0, 0), COLUMNS) == []


def test_a_column_that_came_later_has_its_default() -> None:
    old = wire.decode(sent(), COLUMNS).select(["a"])
    columns = [COLUMNS[0], Column("track", pa.int16(), "", 0), COLUMNS[6]]
    again = wire.decode(wire.encode(old, columns), columns).to_pylist()
    assert [row["track"] for row in again] == [0] * 4 and {row["g"] for row in again} == {None}


def test_the_hash_knows_no_order_and_every_row() -> None:
    rows, one, other, fewer = sent(), wire.Digest(), wire.Digest(), wire.Digest()
    one.add(rows)
    other.add(rows[2:])
    other.add(rows[:2])
    fewer.add([rows[0], rows[0], *rows[2:]])
    assert (one.rows, one.hex()) == (other.rows, other.hex())
    assert one.hex() != fewer.hex()
