"""Positions read for the judge, many identities at once, as columns.

Enter spans of identities; leaves their positions in order of identity and time: the last accepted ones before the span,
all of it, those of the time after it, and the first beyond that. PostgreSQL packs a row into 50 bytes and all of them
into one value: psycopg's own times cost twenty times as much. Borders of time stand in the statement as constants, so
that only partitions of these days are opened.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from django.db import connection

from tracking.postgresql import arrays
from tracking.truth.models import PositionKind
from tracking.truth.notes import Key, moment
from tracking.truth.rule import MOST_TRACKS, TAIL, RefusalCode
from tracking.truth.steady import PositionColumns

AFTER_MS = 3_600_000  # what is read after a span: nothing that was said longer ago is compared with
BEFORE = dt.timedelta(days=1)  # the longest that TAIL positions of one track can take
FOREVER_MS = 253_402_214_400_000  # the end of the year 9999, almost
BEFORE_PART, WITHIN_PART, AFTER_PART, BEYOND_PART = range(4)

_EPOCH_US = 946_684_800_000_000  # PostgreSQL counts from 2000
_ROW = np.dtype(
    {
        "names": ["whose", "part", "ts", "latitude", "longitude", "speed", "course", "number"],
        "formats": [">i4", ">i2", ">i8", ">f8", ">f8", ">f8", ">f8", ">i2"],
    }
)
_NOT_SEEN = (RefusalCode.REPEAT, RefusalCode.COARSE, RefusalCode.NULL_ISLAND, RefusalCode.BY_HAND)
_UNSEEN = ", ".join(str(int(reason)) for reason in _NOT_SEEN)


class SubjectTable(NamedTuple):
    """The table of one subject and its columns."""

    subject: PositionKind
    table: str
    key: str
    key_type: str
    speed: str
    course: str


SOURCES = {
    PositionKind.VESSEL: SubjectTable(
        PositionKind.VESSEL, "tracking_vesselposition", "vessel_id", "integer", "speed", "course"
    ),
    PositionKind.AIRCRAFT: SubjectTable(
        PositionKind.AIRCRAFT, "tracking_aircraftposition", "aircraft_id", "text", "ground_speed", "heading"
    ),
}


class IdentitySpan(NamedTuple):
    """What to read of an identity, ms since 1970; `before`: how many positions before it."""

    key: Key
    since: int
    until: int
    before: int = TAIL

    @property
    def endless(self) -> bool:
        """Whether everything after it is read, too."""
        return self.until >= FOREVER_MS


class Read(NamedTuple):
    """Positions; `whose` are indexes of the spans. `part`: before, within, after, beyond. `number`: as it was."""

    rows: PositionColumns
    part: npt.NDArray[np.int64]
    number: npt.NDArray[np.int64]


def read(source: SubjectTable, spans: Sequence[IdentitySpan]) -> Read:
    """The positions of the spans. Raises django.db errors."""
    columns = [
        [span.key for span in spans],
        [moment(span.since) for span in spans],
        [moment(min(span.until + AFTER_MS, FOREVER_MS)) for span in spans],
        [span.before for span in spans],
    ]
    found = arrays.execute("default", _statement(source, spans), columns, prepare=False)
    packed = np.frombuffer(found[0] if found and found[0] else b"", _ROW)
    packed = packed[np.lexsort((packed["ts"], packed["whose"]))]
    ts = (packed["ts"].astype(np.int64) + _EPOCH_US) // 1000
    whose = packed["whose"].astype(np.int64) - 1
    part = packed["part"].astype(np.int64)
    until = np.array([span.until for span in spans], np.int64)
    part[(part == WITHIN_PART) & (ts > until[whose])] = AFTER_PART
    rows = PositionColumns(whose, ts, *(packed[name].astype(np.float64) for name in PositionColumns._fields[2:]))
    return Read(rows, part, packed["number"].astype(np.int64))


def _statement(source: SubjectTable, spans: Sequence[IdentitySpan]) -> str:
    """For each span three ranges of the primary key."""
    first = moment(min(span.since for span in spans)) - BEFORE
    where = f"FROM {source.table} p WHERE p.{source.key} = s.key AND p.\"timestamp\" >= '{first.isoformat()}'"
    sent = 'timestamptz_send(p."timestamp") || float8send(p.latitude) || float8send(p.longitude)'
    for column in (source.speed, source.course):
        sent += f" || float8send(COALESCE(p.{column}, 'NaN'))"
    sent += " || int2send(p.track)"
    return f"""
        WITH s AS MATERIALIZED (
            SELECT * FROM unnest(%b::{source.key_type}[], %b::timestamptz[], %b::timestamptz[], %b::smallint[])
            WITH ORDINALITY AS s(key, since, until, before, whose)
        )
        SELECT string_agg(int4send(s.whose::integer) || r.packed, '') FROM s CROSS JOIN LATERAL (
            (SELECT int2send({BEFORE_PART}::smallint) || {sent} AS packed {where}
                AND p."timestamp" < s.since AND p."timestamp" >= s.since - interval '1 day'
                AND p.track BETWEEN 0 AND {MOST_TRACKS} ORDER BY p."timestamp" DESC LIMIT s.before)
            UNION ALL (SELECT int2send({WITHIN_PART}::smallint) || {sent} {where}
                AND p."timestamp" >= s.since AND p."timestamp" <= s.until)
            UNION ALL (SELECT int2send({BEYOND_PART}::smallint) || {sent} {where}
                AND p."timestamp" > s.until ORDER BY p."timestamp" LIMIT 1)) r"""


def seen_before(source: SubjectTable, spans: Sequence[IdentitySpan]) -> dict[Key, dict[tuple[float, ...], int]]:
    """What each identity said on the move within the hour before its span: (latitude, longitude, speed, course) with
    the last time. Raises django.db errors."""
    low = (moment(min(span.since for span in spans)) - BEFORE).isoformat()
    statement = f"""
        SELECT s.key, (extract(epoch FROM p."timestamp") * 1000)::bigint, p.latitude, p.longitude, p.{source.speed},
               COALESCE(p.{source.course}, -1)
        FROM unnest(%s::{source.key_type}[], %s::timestamptz[]) AS s(key, since)
        JOIN {source.table} p ON p.{source.key} = s.key AND p."timestamp" < s.since
            AND p."timestamp" >= s.since - interval '1 hour' AND p."timestamp" >= '{low}'
        WHERE p.track NOT IN ({_UNSEEN}) AND p.{source.speed} IS NOT NULL ORDER BY 1, 2"""
    seen: dict[Key, dict[tuple[float, ...], int]] = {}
    with connection.cursor() as cursor:
        cursor.execute(statement, [[span.key for span in spans], [moment(span.since) for span in spans]])
        for key, ts, *said in cursor.fetchall():
            seen.setdefault(key, {})[tuple(said)] = ts
    return seen


def as_key(source: SubjectTable, identity: str) -> Key:
    """The key of an identity that is written as text."""
    return int(identity) if source.key_type == "integer" else identity
