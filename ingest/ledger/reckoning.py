"""Up to when positions may be dropped and books closed: the clocks that agree, and the newest reception in the ledger.

Nothing enters; a moment leaves, or a refusal that is logged and told to ALERT_WEBHOOK_URL. Clocks are compared in
`resilience/clocks.py`; what is too old, `tracking/history/retention.py` and `ingest/ledger/closed_days.py` know.
"""

from __future__ import annotations

import datetime as dt
import logging

from django.db import connection

from ingest.health import webhook
from ingest.models import Batch, DayAccount
from resilience import clocks
from tracking.history.retention import RetentionRefused

logger = logging.getLogger(__name__)

LINES = 1000  # of the ledger, the latest that were booked: so many hold the newest reception, and an index has them
_NEWEST = f"""
    SELECT greatest(
        (SELECT max(accepted_at) FROM (
            SELECT accepted_at FROM {Batch._meta.db_table} ORDER BY booked_at DESC LIMIT {LINES}) AS latest),
        (SELECT max(day)::timestamp AT TIME ZONE 'UTC' FROM {DayAccount._meta.db_table}))"""


def newest_reception() -> dt.datetime | None:
    """When a batch was last accepted by its collector, a clock of its own, as far as it is booked; None: none yet."""
    with connection.cursor() as cursor:
        cursor.execute(_NEWEST)
        newest: dt.datetime | None = cursor.fetchone()[0]
        return newest


def today() -> dt.date:
    """The day (UTC) from which the days that are kept are counted back.

    Raises RetentionRefused and django.db errors.
    """
    try:
        return clocks.settled_now().date()
    except clocks.ClocksDiffer as error:
        logger.error("nothing is dropped or closed: %s", error)
        at = dt.datetime.now(dt.UTC).isoformat(timespec="milliseconds")
        webhook.post({"event": "raised", "feed": None, "state": "clocks_differ", "reason": str(error), "at": at})
        raise RetentionRefused(str(error)) from error
