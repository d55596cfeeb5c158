"""Accounts: every line and every message, summed per feed and day, and the equations they must satisfy.

Enter the ledger and its closed days (`DayAccount`, see `ingest/ledger/closed_days.py`); leave sums and the equations
that do not hold. Nothing is written. No term is derived from the others: lines are counted where they are read,
messages where they are accepted and again where they are booked, rows where the database says what it did with them.
`violations` therefore can fail.

    lines     = foreign + malformed + sentences
    accepted  = booked + waiting
    booked    = positions + static + stations + other + rejected
    positions = stored + merged + duplicate + dead + discarded

PostgreSQL adds up, reasons included, in ONE statement: two would see two moments, and a batch booked between them would
look like an error.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterable
from typing import Any, NamedTuple

import msgspec
from django.core.exceptions import EmptyResultSet
from django.db import connection, transaction
from django.db.models import BigIntegerField, Q, QuerySet, Value
from django.db.models.functions import TruncDate

from ingest.models import Batch, DayAccount
from ingest.reports import LineCounts

COUNTS = (
    "batches",
    "lines",
    "foreign",
    "sentences",
    "messages",
    "positions",
    "static",
    "stations",
    "other",
    "stored",
    "merged",
    "duplicate",
    "dead",
    "discarded",
)
REASONS = ("malformed", "rejected", "remarks")
COLUMNS = ("source", "day", *COUNTS, *REASONS)
# What must be the sum of what, in every account.
EQUATIONS = {
    "lines": ("foreign", "malformed", "sentences"),
    "messages": ("positions", "static", "stations", "other", "rejected"),
    "positions": ("stored", "merged", "duplicate", "dead", "discarded"),
}


def quoted(names: Iterable[str], pattern: str = "{}") -> str:
    """The columns for a statement, each put into `pattern`: some of them are words of SQL."""
    return ", ".join(pattern.format(f'"{name}"') for name in names)


# Most batches have the same few reasons and counts, so whole dictionaries are counted before they are taken apart.
_DICTIONARIES = " UNION ALL ".join(
    f"SELECT source, day, '{name}' AS kind, {name} AS counts, count(*) AS times"
    f" FROM entries WHERE {name} <> '{{}}' GROUP BY source, day, {name}"
    for name in REASONS
)
# CTEs that go on after `entries` with COLUMNS: `totals` has the same columns, one row a feed and day. Dictionaries are
# materialized, or the planner sorts the ledger to have them in order.
TOTALS = f"""
    sums AS (
        SELECT source, day, {quoted(COUNTS, "sum({0})::bigint AS {0}")} FROM entries GROUP BY source, day
    ), dictionaries AS MATERIALIZED ({_DICTIONARIES}), counted AS (
        SELECT source, day, kind, key, sum(value::bigint * times)::bigint AS number
        FROM dictionaries, LATERAL jsonb_each_text(counts) GROUP BY source, day, kind, key
    ), reasons AS (
        SELECT source, day,
            {", ".join(f"jsonb_object_agg(key, number) FILTER (WHERE kind = '{name}') AS {name}" for name in REASONS)}
        FROM counted GROUP BY source, day
    ), totals AS (
        SELECT source, day, {quoted(COUNTS)}, {quoted(REASONS, "coalesce({0}, '{{}}') AS {0}")}
        FROM sums LEFT JOIN reasons USING (source, day)
    )"""
# For the transaction of such a statement: compiling takes longer than it saves, and sorting a ledger goes to the disk.
PLANNING = "SET LOCAL jit = off; SET LOCAL work_mem = '32MB'"


class Account(msgspec.Struct):
    """Sums over lines of the ledger; `messages` are the booked ones. Dictionaries are counts by reason."""

    batches: int = 0
    lines: int = 0
    foreign: int = 0
    malformed: dict[str, int] = {}
    sentences: int = 0
    remarks: dict[str, int] = {}
    messages: int = 0
    positions: int = 0
    static: int = 0
    stations: int = 0
    other: int = 0
    rejected: dict[str, int] = {}
    stored: int = 0
    merged: int = 0
    duplicate: int = 0
    dead: int = 0
    discarded: int = 0


class AccountSelection(NamedTuple):
    """Which accounts are wanted: of one feed (None: all), from the day `since` to `until`, both included (UTC)."""

    source: str | None = None
    since: dt.date | None = None
    until: dt.date | None = None

    def lines(self) -> Q:
        """The lines of the ledger."""
        which = self._of_source()
        if self.since:
            which &= Q(booked_at__gte=_midnight(self.since))
        if self.until:
            which &= Q(booked_at__lt=_midnight(self.until) + dt.timedelta(days=1))
        return which

    def days(self) -> Q:
        """The days that are rolled up."""
        which = self._of_source()
        if self.since:
            which &= Q(day__gte=self.since)
        return which & Q(day__lte=self.until) if self.until else which

    def _of_source(self) -> Q:
        return Q() if self.source is None else Q(source=self.source)


def account(which: Q) -> Account:
    """The account of the lines of the ledger that `which` selects, such as those of a run.

    Lines that were rolled up have no run and no id any more and are not in it; for feeds and days ask `by_day`.
    """
    return total(booked for _, _, booked in _totals(_lines_of(which)))


def by_day(selection: AccountSelection) -> dict[str, dict[dt.date, Account]]:
    """The accounts of each feed and day of booking, ledger and closed days together, both in order."""
    days = DayAccount.objects.filter(selection.days()).order_by().values_list(*COLUMNS)
    found: dict[str, dict[dt.date, Account]] = {}
    for source, day, booked in _totals(_lines_of(selection.lines()).union(days, all=True)):
        found.setdefault(source, {})[day] = booked
    return found


def total(accounts: Iterable[Account]) -> Account:
    """The sum of accounts; that of none is all zeros."""
    numbers = Counter[str]()
    reasons = {name: Counter[str]() for name in REASONS}
    for booked in accounts:
        numbers.update({name: getattr(booked, name) for name in COUNTS})
        for name, counted in reasons.items():
            counted.update(getattr(booked, name))
    return msgspec.convert({**numbers, **reasons}, Account)


def _midnight(day: dt.date) -> dt.datetime:
    return dt.datetime(day.year, day.month, day.day, tzinfo=dt.UTC)


def _lines_of(which: Q) -> QuerySet[Batch, tuple[Any, ...]]:
    """Lines of the ledger in the shape of closed days: COLUMNS."""
    day, one = TruncDate("booked_at", tzinfo=dt.UTC), Value(1, BigIntegerField())
    return Batch.objects.filter(which).order_by().annotate(day=day, batches=one).values_list(*COLUMNS)


def _totals(entries: QuerySet[Any, tuple[Any, ...]]) -> list[tuple[str, dt.date, Account]]:
    """(feed, day, sums) of entries with COLUMNS, in order."""
    try:
        sql, parameters = entries.query.sql_with_params()
    except EmptyResultSet:  # a condition that nothing can meet, such as `id__in=[]`
        return []
    names = (*COUNTS, *REASONS)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(PLANNING)
        # Not materialized: `entries` is read four times, which is cheaper than to write a million lines to a file.
        cursor.execute(
            f"WITH entries ({quoted(COLUMNS)}) AS NOT MATERIALIZED ({sql}), {TOTALS}"
            f" SELECT source, day, {quoted(COUNTS)}, {quoted(REASONS, '{}::text')} FROM totals",
            parameters,
        )
        rows = cursor.fetchall()
    return sorted((source, day, _account(dict(zip(names, values, strict=True)))) for source, day, *values in rows)


def _account(values: dict[str, Any]) -> Account:
    reasons = {name: msgspec.json.decode(values[name]) for name in REASONS}
    return msgspec.convert({**values, **reasons}, Account)


def violations(booked: Account, read: LineCounts | None = None, accepted: int = 0, waiting: int = 0) -> list[str]:
    """The equations that do not hold, in words; empty when all is accounted for.

    `read` and `accepted` are a collector's own counts of the lines and messages of accepted batches (None: only the
    ledger is checked), `waiting` the messages of those batches that the ledger does not have.
    """
    equations = [
        (
            f"{'booked' if left == 'messages' else left} = {' + '.join(terms)}",
            amount(booked, left),
            right_side(booked, left),
        )
        for left, terms in EQUATIONS.items()
    ]
    if read is not None:
        right = read.foreign + sum(read.malformed.values()) + read.sentences
        equations.append(("read = foreign + malformed + sentences", read.lines, right))
        equations.append(("accepted = booked + waiting", accepted, booked.messages + waiting))
        if not waiting:
            equations.append(("read = booked lines", read.lines, booked.lines))
    return [f"{text}: {left} is not {right}" for text, left, right in equations if left != right]


def amount(booked: Account, name: str) -> int:
    """One term: a count, or the sum over its reasons."""
    value = getattr(booked, name)
    return sum(value.values()) if isinstance(value, dict) else int(value)


def right_side(booked: Account, left: str) -> int:
    """What `left` of EQUATIONS must be."""
    return sum(amount(booked, term) for term in EQUATIONS[left])


def summary(booked: Account, read: LineCounts, accepted: int, waiting: int, seconds: float) -> dict[str, Any]:
    """The account of a run as `manage.py ingest --json` prints it: one flat object."""
    shown = msgspec.structs.asdict(booked) | msgspec.structs.asdict(read)
    return {**shown, "messages": accepted, "waiting": waiting, "seconds": round(seconds, 3)}
