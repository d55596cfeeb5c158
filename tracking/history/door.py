"""The one door to history: positions of PostgreSQL and of the archive as one, in order, nothing twice.

Enters a model, a span of time (begin included, end excluded), an identity or a box; leaves plain dictionaries of all
the model's columns. PostgreSQL is asked first and the archive second, in one transaction: a day is recorded as archived
in the transaction that drops its partition, which waits for ours, so no row is in neither answer. Late rows of an
archived day lie in PostgreSQL beside it: two rows of one key become one by the conflict rule. Where a file is gone
because its day was restored meanwhile, all is asked again.

Boxes are west, south, east, north in degrees; west greater than east crosses the antimeridian. Raises django.db errors
and engine.ArchiveUnread.
"""

from __future__ import annotations

import datetime as dt
import heapq
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, islice
from operator import itemgetter
from types import SimpleNamespace
from typing import Any, TypeVar

from django.db import connections, transaction

from tracking.history import engine
from tracking.history.engine import ArchiveUnread, literal
from tracking.history.files.columns import columns_of, key_of, kind_of
from tracking.models import ArchivedDay, Position
from tracking.positions.upsert import upsert_of

T = TypeVar("T")
Row = dict[str, Any]
Box = tuple[float, float, float, float]
DAY = dt.timedelta(days=1)
TRIES = 3
PAGE = 5000  # rows that are read of PostgreSQL at once
ARCHIVED_PAGE = 20_000  # of the archive, where each page looks for its beginning


@dataclass(frozen=True)
class HistorySpan:
    """Positions of a model from `start`, included, to `end`, excluded: of one identity, or in a box, or all.

    `refused`: those that the judge refused, too.
    """

    model: type[Position]
    start: dt.datetime
    end: dt.datetime
    identity: Any = None
    box: Box | None = None
    refused: bool = False

    @property
    def key(self) -> str:
        """The column of the identity."""
        return key_of(self.model)[0]

    def condition(self, written: Callable[[Any], str]) -> str:
        """As SQL, each value as `written` has it."""
        parts = [f'"timestamp" >= {written(self.start)}', f'"timestamp" < {written(self.end)}']
        if self.identity is not None:
            parts.append(f'"{self.key}" = {written(self.identity)}')
        if not self.refused:
            parts.append('("track" IS NULL OR "track" >= 0)')  # of days that were archived before there were tracks
        return " AND ".join([*parts, *in_box(self.box, written)])


def in_box(box: Box | None, written: Callable[[Any], str]) -> list[str]:
    """The conditions of a box."""
    if box is None:
        return []
    west, south, east, north = box
    joined = "AND" if west <= east else "OR"
    return [
        f'"latitude" BETWEEN {written(south)} AND {written(north)}',
        f'("longitude" >= {written(west)} {joined} "longitude" <= {written(east)})',
    ]


def positions_of(span: HistorySpan, limit: int) -> list[Row]:
    """The first `limit` positions of one identity, in order of time."""
    order = f'ORDER BY "timestamp" LIMIT {limit}'
    return _whole(lambda: list(islice(_merged(span, *_both(span, order), by=itemgetter("timestamp")), limit)))


def selected(span: HistorySpan, stored: str, archived: str) -> list[Row]:
    """What two statements select, one for PostgreSQL and one for DuckDB, in order of time, as one.

    In both, `{columns}`, `{table}` and `{condition}` are filled in; each must give all columns.
    """
    return _whole(lambda: list(_merged(span, *_both(span, "", stored, archived), by=itemgetter("timestamp"))))


def latest(model: type[Position], identity: Any, until: dt.datetime) -> Row | None:
    """The archived position of an identity that is the latest up to a moment, within a day before it."""
    span = HistorySpan(model, until - DAY, until, identity)
    days = archived_days(span)
    order = f"SELECT {{columns}} FROM archived WHERE {span.condition(literal)} ORDER BY timestamp DESC LIMIT 1"
    return _whole(lambda: next(engine.rows(model, days, order), None)) if days else None


def world_at(model: type[Position], at: dt.datetime, ttl: dt.timedelta, box: Box | None, limit: int) -> list[Row]:
    """The latest position of each identity at a moment, at most `ttl` old, that lies in the box; `limit` at most."""
    span = HistorySpan(model, at - ttl, at + dt.timedelta(microseconds=1))
    newest = f'SELECT DISTINCT ON ("{span.key}") {{columns}} FROM {{table}} WHERE {{condition}}'
    order = f'ORDER BY "{span.key}", "timestamp" DESC'
    found = _whole(lambda: list(_newest(span, newest, order)))
    west, south, east, north = box or (-180.0, -90.0, 180.0, 90.0)
    inside = (row for row in found if south <= row["latitude"] <= north and _between(row["longitude"], west, east))
    return list(islice(inside, limit))


def _between(longitude: float, west: float, east: float) -> bool:
    return west <= longitude <= east if west <= east else longitude >= west or longitude <= east


def _newest(span: HistorySpan, newest: str, order: str) -> Iterator[Row]:
    """One row an identity, of both sides."""
    stored, archived = _both(span, order, newest)
    rows = _merged(span, stored, archived, by=itemgetter(span.key, "timestamp"))
    best: dict[Any, Row] = {}
    for row in rows:
        known = best.get(row[span.key])
        if known is None or row["timestamp"] > known["timestamp"]:
            best[row[span.key]] = row
    yield from best.values()


def stream(span: HistorySpan, after: tuple[Any, dt.datetime] | None = None) -> Iterator[Row]:
    """All positions of the span: day by day, in a day by identity, of an identity by time. Holds a page at a time.

    With `after`, an identity and a time in the span, those that follow.
    """
    day = max(span.start, after[1] if after else span.start).astimezone(dt.UTC).date()
    while (begin := dt.datetime.combine(day, dt.time(), dt.UTC)) < span.end:
        is_last = day == dt.date.max
        one = replace(span, start=max(span.start, begin), end=span.end if is_last else min(span.end, begin + DAY))
        yield from _day(one, after if after and begin <= after[1] < one.end else None)
        if is_last:
            return
        day += DAY


def _day(span: HistorySpan, after: tuple[Any, ...] | None) -> Iterator[Row]:
    """A day's rows in order. Of a day that is archived while it is read, the rest is read from the archive."""
    keys = key_of(span.model)
    while True:
        with transaction.atomic(savepoint=False):
            page = _page(span, after)
            days = archived_days(span)
        if days:
            yield from _merged(span, _pages(span, page), _archived_after(span, days, after), by=itemgetter(*keys))
            return
        yield from page
        if len(page) < PAGE:
            return
        after = tuple(page[-1][name] for name in keys)


def _pages(span: HistorySpan, page: list[Row]) -> Iterator[Row]:
    """The page and those after it: late rows of an archived day."""
    while True:
        yield from page
        if len(page) < PAGE:
            return
        page = _page(span, tuple(page[-1][name] for name in key_of(span.model)))


def _page(span: HistorySpan, after: tuple[Any, ...] | None) -> list[Row]:
    keys = ", ".join(_collated(span.model))
    rest = [f"({keys}) > (%s, %s)"] if after is not None else []
    return list(_stored(span, f"ORDER BY {keys} LIMIT {PAGE}", rest, list(after or ())))


def _collated(model: type[Position]) -> list[str]:
    """The key's columns for an ORDER BY that compares texts by code point, as the files do."""
    identity, time = key_of(model)[:2]
    is_text = str(next(column.type for column in columns_of(model) if column.name == identity)) == "string"
    return [f'"{identity}" COLLATE "C"' if is_text else f'"{identity}"', f'"{time}"']


def _archived_after(span: HistorySpan, days: Sequence[dt.date], after: tuple[Any, ...] | None) -> Iterator[Row]:
    """The archived rows in order, a page at a time: whoever takes them slowly holds no session of the engine."""
    names = key_of(span.model)[:2]
    keys = ", ".join(f'"{name}"' for name in names)
    while True:
        rest = ""
        if after is not None:
            first, second = map(literal, after[:2])
            rest = f' AND "{names[0]}" >= {first} AND ({keys}) > ({first}, {second})'
        condition = f"{span.condition(literal)}{rest} ORDER BY {keys} LIMIT {ARCHIVED_PAGE}"
        page = list(engine.rows(span.model, days, f"SELECT {{columns}} FROM archived WHERE {condition}"))
        yield from page
        if len(page) < ARCHIVED_PAGE:
            return
        after = tuple(page[-1][name] for name in names)


def archived_days(span: HistorySpan) -> list[dt.date]:
    """The days of the span that lie in the archive."""
    if span.end <= span.start:
        return []
    last = (span.end - dt.timedelta(microseconds=1)).astimezone(dt.UTC).date()
    found = ArchivedDay.objects.filter(
        kind=kind_of(span.model), day__gte=span.start.astimezone(dt.UTC).date(), day__lte=last, restored_at=None
    )
    return list(found.order_by("day").values_list("day", flat=True))


_SELECT = "SELECT {columns} FROM {table} WHERE {condition}"


def _both(
    span: HistorySpan, order: str, select: str = _SELECT, archived: str | None = None
) -> tuple[list[Row], Iterable[Row]]:
    """(rows of PostgreSQL, rows of the archive), by one statement for both, or by one for each"""
    with transaction.atomic(savepoint=False):
        stored = list(_stored(span, order, (), (), select))
        days = archived_days(span)
    if not days:
        return stored, ()
    sql = (archived or select).replace("{table}", "archived").replace("{condition}", span.condition(literal))
    return stored, engine.rows(span.model, days, f"{sql} {order}")


def _stored(
    span: HistorySpan, order: str, more: Sequence[str] = (), values: Sequence[Any] = (), select: str = _SELECT
) -> Iterator[Row]:
    """Rows of PostgreSQL."""
    given: list[Any] = []

    def written(value: Any) -> str:
        given.append(value)
        return "%s"

    names = [column.name for column in columns_of(span.model)]
    condition = " AND ".join([span.condition(written), *more])
    columns = ", ".join(f'"{name}"' for name in names)
    sql = select.format(columns=columns, table=f'"{span.model._meta.db_table}"', condition=condition)
    with connections["default"].cursor() as cursor:
        cursor.execute(f"{sql} {order}", [*given, *values])
        while rows := cursor.fetchmany(PAGE):
            yield from (dict(zip(names, row, strict=True)) for row in rows)


def _merged(
    span: HistorySpan, stored: Iterable[Row], archived: Iterable[Row], by: Callable[[Row], Any]
) -> Iterator[Row]:
    """Both, which are in order, as one in order: two rows of one key become one by the conflict rule."""
    upsert = upsert_of(span.model)
    same = itemgetter(*upsert.sql.key)
    for _, rows in groupby(heapq.merge(stored, archived, key=by), key=same):
        first, *others = rows
        if others:
            # A twin of the winner is shown when the day is merged.
            first, *_ = [vars(row) for row in upsert.fold([SimpleNamespace(**row) for row in (first, *others)])[0]]
        yield first


def _whole(ask: Callable[[], T]) -> T:
    """What `ask` gives; asked again where a file went away meanwhile. Raises ArchiveUnread."""
    for _ in range(TRIES - 1):
        try:
            return ask()
        except ArchiveUnread as error:
            if not error.is_gone:
                raise
    return ask()
