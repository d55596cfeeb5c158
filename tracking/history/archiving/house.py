"""What housekeeping does for the archive: drop old days, make the replay of closed hours, start the archiver."""

from __future__ import annotations

import datetime as dt
import logging

from django.conf import settings

from tracking.history import replay
from tracking.history.archiving import archiver
from tracking.history.engine import ArchiveUnread

FILM_SECONDS = 10.0  # of the minute that the task has
logger = logging.getLogger(__name__)


def keep(today: dt.date) -> str:
    """All three; the counts as text. A storage that is away waits for the next run. Raises django.db errors."""
    return f"{_drop(today)}, {_keep_films()}, {archiver.start(today)}"


def _keep_films() -> str:
    """The replay does without what is not made yet."""
    if not settings.ARCHIVE_AFTER_DAYS:
        return "no hours kept"
    try:
        return f"{replay.keep_hours(dt.datetime.now(dt.UTC), FILM_SECONDS)} hours kept"
    except (OSError, ArchiveUnread) as error:
        logger.warning("the replay of closed hours was not made: %s", error)
        return "hours not kept, the storage is away"


def _drop(today: dt.date) -> str:
    try:
        return f"{archiver.drop_before(today)} archived days dropped"
    except OSError as error:
        logger.warning("archived days were not dropped: %s", error)
        return "archived days not dropped, the storage is away"
