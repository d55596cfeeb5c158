"""The work of archiving, day by day: run by `manage.py archive`, and started hourly by housekeeping.

Enters settings and the clocks; leaves what `archive` does to each day that is due, and a line of what went wrong for
the status page. A day may take minutes, longer than a worker may be at one task, and the workers have messages to
store: so housekeeping starts a process of its own, at the lowest priority. Whoever kills it loses nothing.
"""

from __future__ import annotations

import datetime as dt
import logging
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

from django.conf import settings
from django.core.cache import cache
from django.db import connections

from tracking.history import days, partitions, replay
from tracking.history.archiving import archive
from tracking.history.archiving.archive import Done
from tracking.history.days import ArchiveFailed
from tracking.history.files import parquet as files
from tracking.history.files.columns import KINDS, kind_of
from tracking.history.files.storage import storage
from tracking.models import ArchivedDay

logger = logging.getLogger(__name__)

FAILURE = "archive:failure"
_FAILURE_DAYS = 30
_LOWEST_PRIORITY = 19
_STOPS = {"storage_full", "storage_failed"}  # the next day would fail like this one

_process: subprocess.Popen[bytes] | None = None


def run(before: dt.date, at_once: bool, stopped: Callable[[], bool]) -> Iterator[Done | ArchiveFailed]:
    """Archive what is due before the day; what became of each. Raises Busy and django.db errors.

    A storage that fails ends the run; a day that was written to meanwhile waits for the next one.
    """
    with days.alone():
        _sweep()
        for one in archive.due(before, dt.datetime.now(dt.UTC), at_once):
            if stopped():
                return
            try:
                done = archive.archive_day(one)
            except ArchiveFailed as failure:
                note(kind_of(one.model), one.day, failure)
                yield failure
                if failure.reason in _STOPS:
                    return
            else:
                if done is not None:
                    cache.delete(FAILURE)
                    yield done


def _sweep() -> None:
    """Remove what killed archivers left, in files and tables. Without the storage this is left to the next run."""
    with connections["direct"].cursor() as cursor:
        cursor.execute("SELECT relname FROM pg_class WHERE relkind = 'r' AND relname LIKE %s", ["%\\_restoring"])
        for (name,) in cursor.fetchall():
            cursor.execute(f'DROP TABLE IF EXISTS "{name}"')
    try:
        storage().sweep(archive.LEFT_OVER)
    except OSError as error:
        logger.warning("unfinished files of the archive are left: %s", error)


def note(kind: str, day: dt.date, failure: ArchiveFailed) -> None:
    """Have the status page say it."""
    logger.error("%s", failure)
    found = {"kind": kind, "day": day.isoformat(), "reason": failure.reason, "at": time.time()}
    cache.set(FAILURE, found, _FAILURE_DAYS * 86_400)


def drop_before(today: dt.date) -> int:
    """Drop the archived days that are older than KEEP_ARCHIVED_DAYS; how many. Raises OSError and django.db errors.

    The row goes first: a file without one is no history, and the next run that archives the day overwrites it.
    """
    days = settings.KEEP_ARCHIVED_DAYS
    if days <= 0:
        return 0
    edge = today - dt.timedelta(days=min(days, today.toordinal() - 1))
    old = list(ArchivedDay.objects.using("direct").filter(day__lt=edge, restored_at=None).order_by("day"))
    for row in old:
        ArchivedDay.objects.using("direct").filter(pk=row.pk).delete()
        storage().remove(files.name_of(KINDS[row.kind], row.day))
        replay.forget_day(KINDS[row.kind], row.day)
        logger.info("dropped archived day %s %s, %d rows", row.kind, row.day, row.rows)
    return len(old)


def start(today: dt.date) -> str:
    """Start `manage.py archive` beside us where something is due; what was done, in a few words."""
    global _process
    edge = archive.edge(today)
    if edge is None:
        return "archiving is off"
    if _process is not None and _process.poll() is None:
        return "the archiver is at work"
    count = len(archive.due(edge, dt.datetime.now(dt.UTC)))
    if not count:
        return "nothing to archive"
    command = [sys.executable, str(settings.BASE_DIR / "manage.py"), "archive", "--quiet"]
    environment = {**os.environ, "DATA_DIR": str(settings.DATA_DIR)}
    _process = subprocess.Popen(command, env=environment, preexec_fn=_lowest, stdin=subprocess.DEVNULL)
    return f"archiving of {count} days started"


def _lowest() -> None:
    os.nice(_LOWEST_PRIORITY)


def overdue(now: dt.datetime) -> int:
    """How many days should have been archived a day ago and are not. Raises django.db errors."""
    edge = archive.edge(now.date() - dt.timedelta(days=1))
    if edge is None:
        return 0
    known = set(ArchivedDay.objects.values_list("kind", "day"))
    return sum(
        (kind, day) not in known
        for kind, model in KINDS.items()
        for day in partitions.existing(model._meta.db_table)
        if day < edge
    )


def failure() -> dict[str, Any] | None:
    """What went wrong last, None since it went well."""
    found: dict[str, Any] | None = cache.get(FAILURE)
    return found
