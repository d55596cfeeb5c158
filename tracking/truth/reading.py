"""Positions read for the judge, many identities at once, as columns.

Enter spans of identities; leaves their positions in order of identity and time: the last accepted ones before the span,
all of it, those of the time after it, and the first beyond that.

Each identity is looked up by the primary key, in three ranges; or, where many have rows that came lately, all rows of
the last minutes are read by time, which costs less: by the index of blocks (BRIN) only the end of the table is read,
because nothing that was stored earlier is newer. Both ways give the same. Borders of time stand in the statement as
constants, so that only partitions of these days are opened.

PostgreSQL packs a row into 48 bytes and all of them into one value: psycopg's own times cost twenty times as much. Four
numbers leave as a line segment and two as one integer: sending and joining each cost more than finding the row.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from django.db import connection

from resilience import clocks
from tracking.postgresql import arrays
from tracking.truth.models import PositionKind
from tracking.truth.notes import Key, milliseconds, moment
from tracking.truth.rule import MOST_TRACKS, TAIL
from tracking.truth.steady import Flags, PositionColumns, Whole
from tracking.truth.terms import RefusalCode

AFTER_MS = 3_600_000  # what is read after a span: nothing that was said longer ago is compared with
BEFORE = dt.timedelta(days=1)  # the longest that TAIL positions of one track can take
FOREVER_MS = 253_402_214_400_000  # the end of the year 9999, almost
BEFORE_PART, WITHIN_PART, AFTER_PART, BEYOND_PART = range(4)
MANY = 500  # identities, from which rows are read by time
RECENT_MS = 240_000  # rows stored since lie together; whoever is further behind has more of each identity
LEAD_MS = 45_000  # read before the spans: in it lie the last TAIL positions of most ships under way
MOST_BY_TIME = 200_000  # rows

_EPOCH_US = 946_684_800_000_000  # PostgreSQL counts from 2000
_VALUES = ("latitude", "longitude", "speed", "course")
_SENT = np.dtype([("tag", ">i8"), ("ts", ">i8"), *((name, ">f8") for name in _VALUES)])
_ROW = np.dtype([("whose", "i8"), ("ts", "i8"), *((name, "f8") for name in _VALUES), ("number", "i8")])
_TAG_BITS = 16  # of the number, a smallint, below `whose`
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
    columns = np.array([span[1:] for span in spans], np.int64).reshape(-1, 3)
    since, until, before = columns.T
    packed, complete = _read_by_time(source, spans, since, before)
    if not complete.all():
        packed = np.concatenate([packed, _look_up(source, spans, np.flatnonzero(~complete))])
    packed = packed[np.lexsort((packed["ts"], packed["whose"]))]
    ts, whose = packed["ts"], packed["whose"]
    end = np.minimum(until + AFTER_MS, FOREVER_MS)[whose]
    part = np.select(
        [ts < since[whose], ts <= until[whose], ts <= end], [BEFORE_PART, WITHIN_PART, AFTER_PART], BEYOND_PART
    )
    first = np.ones(len(part), bool)  # of what lies beyond
    first[1:] = (whose[1:] != whose[:-1]) | (part[:-1] != BEYOND_PART)
    kept = (part != BEYOND_PART) | first
    packed = packed[kept]
    columns = (np.ascontiguousarray(packed[name]) for name in PositionColumns._fields)
    return Read(PositionColumns(*columns), part[kept], packed["number"])


def _read_by_time(
    source: SubjectTable, spans: Sequence[IdentitySpan], since: Whole, before: Whole
) -> tuple[npt.NDArray[np.void], Flags]:
    """(rows, of which spans they are all): of those that begin lately, with most others, if these are many."""
    nothing, none = np.empty(0, _ROW), np.zeros(len(spans), bool)
    if len(spans) < MANY:
        return nothing, none
    first = int(np.quantile(since, 0.05))  # a few late rows must not make everything since them be read
    if first < milliseconds(clocks.database_now()) - RECENT_MS:
        return nothing, none
    asked = np.flatnonzero(since >= first)
    low = moment(first - LEAD_MS).isoformat()
    statement = f"""
        WITH s AS MATERIALIZED (
            SELECT * FROM unnest(%b::{source.key_type}[], %b::integer[]) AS s(key, whose)
        )
        SELECT string_agg(packed, '') FROM (
            SELECT {_sent(source)} AS packed FROM {source.table} p JOIN s ON s.key = p.{source.key}
            WHERE p."timestamp" >= '{low}' LIMIT {MOST_BY_TIME}) r"""
    # How many identities there are the planner cannot know: for few it would read the last minutes once for each.
    _allow_joins_by_loop_or_merge(False)
    rows = _packed(statement, [[spans[index].key for index in asked.tolist()], asked.tolist()])
    _allow_joins_by_loop_or_merge(True)
    if len(rows) == MOST_BY_TIME:
        return nothing, none
    rows = rows[np.lexsort((rows["ts"], rows["whose"]))]
    whose, number = rows["whose"], rows["number"]
    early = rows["ts"] < since[whose]
    accepted = ~early | ((number >= 0) & (number <= MOST_TRACKS))
    rows, whose, early = rows[accepted], whose[accepted], early[accepted]
    known = np.bincount(whose[early], minlength=len(spans))
    complete = none
    complete[asked] = known[asked] >= before[asked]
    place = np.arange(len(rows)) - np.searchsorted(whose, whose)  # within its identity
    return rows[complete[whose] & (~early | (place >= (known - before)[whose]))], complete


def _allow_joins_by_loop_or_merge(allowed: bool) -> None:
    """For the rest of the transaction, at most."""
    setting = "on" if allowed else "off"
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT set_config('enable_nestloop', %s, true), set_config('enable_mergejoin', %s, true)", [setting] * 2
        )


def _look_up(source: SubjectTable, spans: Sequence[IdentitySpan], asked: Whole) -> npt.NDArray[np.void]:
    """The rows of these spans: for each three ranges of the primary key."""
    mine = [spans[index] for index in asked.tolist()]
    first = moment(min(span.since for span in mine)) - BEFORE
    where = f"FROM {source.table} p WHERE p.{source.key} = s.key AND p.\"timestamp\" >= '{first.isoformat()}'"
    sent = _sent(source)
    statement = f"""
        WITH s AS MATERIALIZED (
            SELECT * FROM unnest(%b::{source.key_type}[], %b::integer[], %b::timestamptz[], %b::timestamptz[],
                %b::smallint[]) AS s(key, whose, since, until, before)
        )
        SELECT string_agg(r.packed, '') FROM s CROSS JOIN LATERAL (
            (SELECT {sent} AS packed {where}
                AND p."timestamp" < s.since AND p."timestamp" >= s.since - interval '1 day'
                AND p.track BETWEEN 0 AND {MOST_TRACKS} ORDER BY p."timestamp" DESC LIMIT s.before)
            UNION ALL (SELECT {sent} {where} AND p."timestamp" >= s.since AND p."timestamp" <= s.until)
            UNION ALL (SELECT {sent} {where} AND p."timestamp" > s.until ORDER BY p."timestamp" LIMIT 1)) r"""
    columns = [
        [span.key for span in mine],
        asked.tolist(),
        [moment(span.since) for span in mine],
        [moment(min(span.until + AFTER_MS, FOREVER_MS)) for span in mine],
        [span.before for span in mine],
    ]
    return _packed(statement, columns)


def _sent(source: SubjectTable) -> str:
    """A row as _SENT has it."""
    speed, course = (f"COALESCE(p.{column}, 'NaN')" for column in (source.speed, source.course))
    return (
        f'int8send(s.whose::bigint * {1 << _TAG_BITS} + p.track) || timestamptz_send(p."timestamp")'
        f" || lseg_send(lseg(point(p.latitude, p.longitude), point({speed}, {course})))"
    )


def _packed(statement: str, columns: Sequence[Sequence[Any]]) -> npt.NDArray[np.void]:
    """The rows that a statement gives as one value."""
    found = arrays.execute("default", statement, columns, prepare=False)
    sent = np.frombuffer(found[0] if found and found[0] else b"", _SENT)
    rows = np.empty(len(sent), _ROW)
    tag = sent["tag"].astype(np.int64)
    rows["whose"] = (tag + (1 << _TAG_BITS - 1)) >> _TAG_BITS  # the number may be negative
    rows["number"] = tag - (rows["whose"] << _TAG_BITS)
    rows["ts"] = (sent["ts"].astype(np.int64) + _EPOCH_US) // 1000
    for name in _VALUES:
        rows[name] = sent[name]
    return rows


def seen_before(
    source: SubjectTable, spans: Sequence[IdentitySpan], found: Read, whose: Sequence[int]
) -> dict[Key, dict[tuple[float, ...], int]]:
    """Which of the positions that were read of each span (`whose` among all) were said on the move before: (latitude,
    longitude, speed, course) with the last time within the hour before the span. Raises django.db errors."""
    low = (moment(min(span.since for span in spans)) - BEFORE).isoformat()
    mine = np.flatnonzero(np.isin(found.rows.whose, np.array(whose)) & (found.part != BEYOND_PART))
    names = dict(zip(whose, (span.key for span in spans), strict=True))
    said = [
        [names[index] for index in found.rows.whose[mine].tolist()],
        found.rows.latitude[mine].tolist(),
        found.rows.longitude[mine].tolist(),
    ]
    statement = f"""
        SELECT s.key, (extract(epoch FROM p."timestamp") * 1000)::bigint, p.latitude, p.longitude, p.{source.speed},
               COALESCE(p.{source.course}, -1)
        FROM unnest(%s::{source.key_type}[], %s::timestamptz[]) AS s(key, since)
        JOIN {source.table} p ON p.{source.key} = s.key AND p."timestamp" < s.since
            AND p."timestamp" >= s.since - interval '1 hour' AND p."timestamp" >= '{low}'
        WHERE p.track NOT IN ({_UNSEEN}) AND p.{source.speed} IS NOT NULL
            AND (p.{source.key}, p.latitude, p.longitude) IN (
                SELECT * FROM unnest(%s::{source.key_type}[], %s::float8[], %s::float8[]))
        ORDER BY 1, 2"""
    seen: dict[Key, dict[tuple[float, ...], int]] = {}
    with connection.cursor() as cursor:
        asked = [[span.key for span in spans], [moment(span.since) for span in spans]]
        cursor.execute(statement, [*asked, *said])
        for key, ts, *values in cursor.fetchall():
            seen.setdefault(key, {})[tuple(values)] = ts
    return seen


def as_key(source: SubjectTable, identity: str) -> Key:
    """The key of an identity that is written as text."""
    return int(identity) if source.key_type == "integer" else identity
