"""Makes the scorecards of a day: one row a feed, from the ledger and from a sample of the day's positions.

Enters a day that is over; leaves a Scorecard for every feed that has none of it yet. Counts of messages are the
ledger's, by day of booking. What only rows tell (heard by nobody else, delay, ranges) is of at most some SAMPLE rows of
each table, in whole blocks, and scaled up. Rows of the archive are not read.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

import msgspec
from django.db import connection

from ingest.ledger.accounts import Account, AccountSelection, by_day
from ingest.models import Feed, Scorecard
from tracking.truth.reading import SOURCES
from tracking.truth.terms import ACCEPTED

SAMPLE = 200_000
SECTORS = 36
KEEP_DAYS = 400
_NAUTICAL_MILES = 3440.065  # the radius of the earth
_NORTH, _EAST = "radians(p.latitude - f.lat)", "radians(p.longitude - f.lon) * cos(radians(f.lat))"

_BEARING = f"(degrees(atan2({_EAST}, {_NORTH})) + 360)"


class Sector(msgspec.Struct, array_like=True):
    """How far a feed heard in one direction, nautical miles: the furthest position, and 95 of 100."""

    furthest_nm: float
    usual_nm: float


class _ScoreRows(msgspec.Struct):
    """What the rows of a table say of a feed."""

    alone: int = 0
    delays: list[tuple[int, float]] = []  # (rows, median ms) of each table
    sectors: dict[int, Sector] = {}


def make(day: dt.date) -> int:
    """Write the scorecards of a day that are missing, and drop old ones; how many were written.

    Raises django.db errors.
    """
    known = set(Scorecard.objects.filter(day=day).values_list("source", flat=True))
    feeds = [feed for feed in Feed.objects.order_by("source") if feed.source not in known]
    if not feeds:
        return 0
    rows = _rows_of(feeds, day)
    cards = [_card(feed, day, rows.get(feed.source, _ScoreRows())) for feed in feeds]
    Scorecard.objects.bulk_create(cards, ignore_conflicts=True)
    Scorecard.objects.filter(day__lt=day - dt.timedelta(days=KEEP_DAYS)).delete()
    return len(cards)


def _card(feed: Feed, day: dt.date, rows: _ScoreRows) -> Scorecard:
    booked = by_day(AccountSelection(feed.source, since=day, until=day)).get(feed.source, {}).get(day) or Account()
    _, delay = max(rows.delays, default=(0, None))
    sectors = [rows.sectors.get(number, Sector(0, 0)) for number in range(SECTORS)] if rows.sectors else None
    return Scorecard(
        source=feed.source,
        day=day,
        heard=booked.positions,
        first=booked.stored,
        alone=rows.alone,
        refused=sum(booked.rejected.values()),
        delay_ms=None if delay is None else round(delay),
        sectors=None if sectors is None else msgspec.to_builtins(sectors),
    )


def _rows_of(feeds: Sequence[Feed], day: dt.date) -> dict[str, _ScoreRows]:
    """By label."""
    found: dict[str, _ScoreRows] = {feed.source: _ScoreRows() for feed in feeds}
    for source in SOURCES.values():
        share = _share(source.table, day)
        for label, sector, count, alone, delay, furthest, usual in _asked(source.table, feeds, day, share):
            rows = found[label]
            if sector is None:
                rows.alone += round(alone / share)
                rows.delays = [*rows.delays, (count, delay)] if delay is not None else rows.delays
            elif furthest is not None:
                before = rows.sectors.get(sector, Sector(0, 0))
                further = Sector(round(max(before.furthest_nm, furthest), 1), round(max(before.usual_nm, usual), 1))
                rows.sectors = {**rows.sectors, sector: further}
    return found


def _share(table: str, day: dt.date) -> float:
    """Which share of the day's rows is read, by what the planner believes that there are."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT reltuples FROM pg_class WHERE relname = %s", [f"{table}_{day:%Y%m%d}"])
        row = cursor.fetchone()
    return min(1.0, SAMPLE / row[0]) if row and row[0] > SAMPLE else 1.0


def _asked(table: str, feeds: Sequence[Feed], day: dt.date, share: float) -> list[tuple[Any, ...]]:
    """(label, sector or None for all, rows, rows of nobody else, median delay in ms, furthest, usual) of the sample."""
    sample = "" if share == 1.0 else f"TABLESAMPLE SYSTEM ({100 * share:.4f}) REPEATABLE (1)"
    columns = [
        [getattr(feed, name) for feed in feeds] for name in ("source", "receiver_latitude", "receiver_longitude")
    ]
    start = dt.datetime.combine(day, dt.time(), dt.UTC)
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH f AS (SELECT * FROM unnest(%s::text[], %s::float8[], %s::float8[]) AS f(label, lat, lon)), h AS (
                SELECT f.label, p.heard_by, f.label = p.source AS won,
                    extract(epoch FROM p.received_at - p."timestamp") * 1000 AS delay,
                    {_NAUTICAL_MILES} * sqrt({_NORTH} ^ 2 + ({_EAST}) ^ 2) AS nm,
                    mod(floor({_BEARING} / {360 // SECTORS})::integer, {SECTORS}) AS sector
                FROM {table} p {sample} JOIN f ON f.label = p.source OR f.label = ANY(p.heard_by)
                WHERE p."timestamp" >= %s AND p."timestamp" < %s AND p.track >= 0 AND p.track < {ACCEPTED}
            )
            SELECT label, sector, count(*), count(*) FILTER (WHERE heard_by IS NULL),
                percentile_cont(0.5) WITHIN GROUP (ORDER BY delay) FILTER (WHERE won),
                max(nm), percentile_cont(0.95) WITHIN GROUP (ORDER BY nm)
            FROM h GROUP BY GROUPING SETS ((label), (label, sector))
            HAVING GROUPING(sector) = 1 OR sector IS NOT NULL""",
            [*columns, start, start + dt.timedelta(days=1)],
        )
        return list(cursor.fetchall())
