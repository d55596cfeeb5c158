"""The stage that makes day partitions for recordings, which may be of any day, before their rows are stored."""

from __future__ import annotations

import datetime as dt
import logging

from django.conf import settings

from ingest.stages.work import Work
from resilience import memory
from resilience.database.deadline import deadline
from tracking.history import partitions

logger = logging.getLogger(__name__)

_ready_days: set[dt.date] = set()
memory.forgotten_by(_ready_days.clear)


def make_partitions(work: Work) -> None:
    """Make what is missing, in a transaction of its own; live batches have theirs, made ahead by housekeeping."""
    if not work.batch.recorded:
        return
    days = work.fused.days() - _ready_days
    if not days:
        return
    try:
        with deadline(settings.DATABASE_DEADLINE_SECONDS, using="direct"):
            partitions.make(days)
    except partitions.TooManyDays as error:
        logger.warning("%s; the rest is kept in the default partition", error)
    _ready_days.update(days)
