"""What the status page and the metrics say of the archive.

Nothing enters; an Answer leaves (`tracking/status/sections.py` has the contract). It is degraded where the latest day
could not be archived, and where days wait that should have been archived a day ago.
"""

from __future__ import annotations

import datetime as dt

from django.conf import settings
from django.db.models import Count, Sum
from django.db.models.functions import Coalesce

from tracking.history.archiving import archiver
from tracking.models import ArchivedDay
from tracking.status.sections import SectionAnswer, SectionQuestion, answered, gauge

_REASONS = {
    "storage_full": "there is no room left where it lies",
    "storage_failed": "its storage does not answer or refuses",
    "read_back_differs": "a file was not what had been written",
    "archive_differs": "a file is not what was recorded",
    "rows_came_in": "the day was written to meanwhile",
    "partition_in_use": "the partition was in use",
}


_METRICS = {
    "days_overdue": "Days that should lie in the archive and are still in PostgreSQL.",
    "rows": "Positions in the archive.",
    "bytes": "Size of the archive's files.",
}


def sections() -> list[SectionQuestion]:
    """One, where there is an archive."""
    return [{"name": "archive", "title": "Archive", "ask": archive}] if settings.ARCHIVE_AFTER_DAYS else []


def archive() -> SectionAnswer:
    """What lies in the archive, and whether days wait that could not be archived. Raises django.db.Error."""
    totals = ArchivedDay.objects.filter(restored_at=None).aggregate(
        days=Count("day", distinct=True), rows=Coalesce(Sum("rows"), 0), bytes=Coalesce(Sum("bytes"), 0)
    )
    overdue, failure = archiver.overdue(dt.datetime.now(dt.UTC)), archiver.failure()
    said = f"{totals['days']:,} days, {totals['rows']:,} positions, {totals['bytes'] / 1e6:,.1f} MB"
    if failure:
        reason = _REASONS.get(failure["reason"], "of an error")
        answer = answered("degraded", f"{failure['kind']} positions of {failure['day']} stay in PostgreSQL: {reason}")
    elif overdue:
        answer = answered("degraded", f"{overdue} days wait to be archived; {said}")
    else:
        answer = answered("ok", said)
    samples = {"days_overdue": overdue, "rows": totals["rows"], "bytes": totals["bytes"]}
    answer["metrics"] = [gauge(f"tracking_archive_{name}", _METRICS[name], [({}, samples[name])]) for name in samples]
    return answer
