"""What the judge keeps beside the rows goes with age, so that none of its tables grows for ever.

Enters now, by the database's clock, and the first day of positions that is kept; leaves fewer refused positions,
disputes and jumps. They go KEEP_QUARANTINE_DAYS after they were entered (recordings are of any year), the words of
operators only with their rows. The rows keep their numbers; a row that comes so late that its dispute is forgotten is
judged by its neighbours alone.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping

from django.conf import settings
from django.db import connection
from django.db.models import Model

from tracking.truth.models import Dispute, Jump, PositionKind, RefusedPosition

CHUNK = 20_000  # rows a transaction
MOST_CHUNKS = 25  # a run and table; housekeeping comes again
_UNDECIDED = f"decision = {RefusedPosition.Decision.NONE.value}"
_TIMES: tuple[tuple[type[Model], str], ...] = ((RefusedPosition, "timestamp"), (Dispute, "judged_until"), (Jump, "at"))


def forget(now: dt.datetime, kept: Mapping[PositionKind, dt.date]) -> int:
    """Delete what is too old, and what is of positions before the first kept day of its subject; how many rows.

    Raises django.db errors.
    """
    gone = 0
    if settings.KEEP_QUARANTINE_DAYS > 0:
        edge = now - dt.timedelta(days=min(settings.KEEP_QUARANTINE_DAYS, now.toordinal() - 1))
        gone += _delete(RefusedPosition, f"entered_at < %s AND {_UNDECIDED}", [edge])
        gone += _delete(Dispute, "entered_at < %s", [edge]) + _delete(Jump, "entered_at < %s", [edge])
    for subject, day in kept.items():
        first = dt.datetime(day.year, day.month, day.day, tzinfo=dt.UTC)
        for model, column in _TIMES:
            gone += _delete(model, f'subject = %s AND "{column}" < %s', [subject.value, first])
    return gone


def _delete(model: type[Model], condition: str, values: list[object]) -> int:
    """Delete the rows of a condition by chunks, each a transaction of its own; how many."""
    table, gone = model._meta.db_table, 0
    for _ in range(MOST_CHUNKS):
        with connection.cursor() as cursor:
            cursor.execute(
                f'DELETE FROM "{table}" WHERE ctid = ANY(ARRAY('
                f'SELECT ctid FROM "{table}" WHERE {condition} LIMIT {CHUNK} FOR UPDATE SKIP LOCKED))',
                values,
            )
            gone += cursor.rowcount
            if cursor.rowcount < CHUNK:
                break
    return gone
