"""Closing the books: old lines of the ledger become the sums of their feed and day.

Enters the ledger; leaves `DayAccount`, to which lines are added in the same statement that deletes them. So a line is
counted exactly once at any moment, also for who reads meanwhile, whoever is killed and however many do this at once.
Accounts are the same before and after; what is lost is the batch's id, so a batch delivered once more after
KEEP_LEDGER_DAYS would be stored and counted again.

Some old lines stay: those with dead letters, because a replay still moves their counts, and the newest line of each
recording, because it says where `--resume` goes on.
"""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable
from typing import NamedTuple

from django.conf import settings
from django.db import connection, transaction

from ingest.ledger.accounts import COLUMNS, COUNTS, PLANNING, REASONS, TOTALS, quoted
from ingest.models import Batch, DayAccount
from resilience.database.deadline import deadline
from resilience.models import DeadLetter

CHUNK_LINES = 10_000  # locked and summed up at once
RUN_SECONDS = 30.0  # a task has 60, and the chunk in hand is finished
_LOCK = 0x626F_6F6B  # "book": one closer at a time, transaction-level, so safe behind a pooler
_LOCK_TIMEOUT = "10s"

_LINES, _DAYS, _LETTERS = Batch._meta.db_table, DayAccount._meta.db_table, DeadLetter._meta.db_table
_RETRIABLE = ", ".join(f"'{status}'" for status in DeadLetter.RETRIABLE)
# The subquery is an index probe on batch_resume and asks for the very line that resuming asks for.
_CLOSE = f"""
    WITH old AS (
        SELECT id FROM {_LINES} AS line
        WHERE booked_at < %(edge)s AND dead = 0 AND NOT EXISTS (
            SELECT FROM {_LETTERS} AS letter WHERE letter.batch_id = line.id AND letter.status IN ({_RETRIABLE})
        ) AND ("offset" IS NULL OR "index" IS NULL OR id <> (
            SELECT id FROM {_LINES} AS newest
            WHERE newest.source = line.source AND newest.origin = line.origin
                AND newest."offset" IS NOT NULL AND newest."index" IS NOT NULL
            ORDER BY accepted_at DESC, "offset" DESC LIMIT 1))
        ORDER BY booked_at LIMIT %(lines)s FOR UPDATE SKIP LOCKED
    ), closed AS (
        DELETE FROM {_LINES} USING old WHERE {_LINES}.id = old.id
        RETURNING source, (booked_at AT TIME ZONE 'UTC')::date AS day, 1::bigint AS batches,
            {quoted((*COUNTS[1:], *REASONS))}
    ), entries AS (
        SELECT {quoted(COLUMNS)} FROM closed
        UNION ALL SELECT {quoted(COLUMNS)} FROM {_DAYS} WHERE (source, day) IN (SELECT source, day FROM closed)
    ), {TOTALS}, booked AS (
        INSERT INTO {_DAYS} ({quoted(COLUMNS)}) SELECT {quoted(COLUMNS)} FROM totals
        ON CONFLICT (source, day) DO UPDATE SET {quoted((*COUNTS, *REASONS), "{0} = excluded.{0}")}
    )
    SELECT count(*) FROM closed"""


class Closed(NamedTuple):
    """How many lines were rolled up, and whether old ones may be left for the next run."""

    lines: int
    unfinished: bool


def close(
    today: dt.date,
    chunk: int = CHUNK_LINES,
    seconds: float = RUN_SECONDS,
    clock: Callable[[], float] = time.monotonic,
) -> Closed:
    """Roll up the lines that were booked more than KEEP_LEDGER_DAYS whole days before `today` (UTC).

    Works for about `seconds`, in transactions of `chunk` lines: what was done stays done. Raises django.db errors.
    """
    kept = settings.KEEP_LEDGER_DAYS
    if kept <= 0:
        return Closed(0, unfinished=False)
    # A number that leads before the year 1 means the year 1.
    first = today - dt.timedelta(days=min(kept, today.toordinal() - 1))
    edge = dt.datetime(first.year, first.month, first.day, tzinfo=dt.UTC)
    began, lines = clock(), 0
    while True:
        with deadline(settings.DATABASE_DEADLINE_SECONDS):
            closed = _close_some(edge, chunk)
        lines += closed
        if closed < chunk:
            return Closed(lines, unfinished=False)
        if clock() - began >= seconds:
            return Closed(lines, unfinished=True)


def _close_some(edge: dt.datetime, chunk: int) -> int:
    """Roll up the oldest lines booked before `edge`; how many. Fewer than `chunk`: no more are there, or all in use."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"SET LOCAL lock_timeout = '{_LOCK_TIMEOUT}'; {PLANNING}")
        # A statement of its own: the next one must see what the closer before us has committed.
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
        cursor.execute(_CLOSE, {"edge": edge, "lines": chunk})
        return int(cursor.fetchone()[0])
