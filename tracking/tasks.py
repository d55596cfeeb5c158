"""What django-q2 calls: housekeeping of the position tables, in `history`, their judging, in `truth`, and `events`."""

import datetime as dt

from django.conf import settings

from tracking.events import keeping, silence, verdicts
from tracking.events.notices import sending
from tracking.history import partitions, retention
from tracking.models import ArchivedDay
from tracking.truth import forgetting, judge
from tracking.truth.models import PositionKind
from tracking.truth.reading import SOURCES


def keep_house() -> str:
    """Make the partitions of the days ahead, drop what is too old, start the archiver; the counts as text.

    Raises django.db errors.
    """
    made = partitions.make_ahead(partitions.today())
    try:
        today = retention.today()
    except retention.RetentionRefused as refusal:
        return f"{made} partitions made, nothing dropped: {refusal}"
    dropped = retention.apply(today)
    forgotten = forgetting.forget(dt.datetime.combine(today, dt.time(), dt.UTC), _first_days(today))
    return (
        f"{made} partitions made, {dropped.partitions} dropped, {dropped.left} left for the next run, "
        f"{dropped.rows} rows of the default partitions deleted, {forgotten} verdicts forgotten, {_keep_archive(today)}"
    )


def _first_days(today: dt.date) -> dict[PositionKind, dt.date]:
    """The first day of positions that is kept, of those subjects that do not keep all."""
    edges = retention.edges(today)
    return {subject: edges[source.table] for subject, source in SOURCES.items() if source.table in edges}


def _keep_archive(today: dt.date) -> str:
    """What is done for the archive, where there is one: reading Parquet takes 60 MB of a worker."""
    if not settings.ARCHIVE_AFTER_DAYS and not ArchivedDay.objects.exists():
        return "archiving is off"
    from tracking.history.archiving import house

    return house.keep(today)


def judge_history() -> str:
    """Judge what was stored since the last time, as much as fits into a run; the counts as text. Raises django.db
    errors."""
    done = judge.judge_all(seconds=judge.RUN_SECONDS)
    return f"{done.rows} positions of {done.identities} targets read, {done.changed} numbers changed"


def look_for_events() -> str:
    """What no batch shows: ships gone dark, verdicts, and what is over; the counts as text. Raises django.db and redis
    errors: what was not done is done by the next run."""
    dark = silence.look()
    judged = verdicts.look()
    kept = keeping.keep()
    return f"{dark} ships gone dark or back, {judged} verdicts told, {kept.closed} events over, {kept.deleted} deleted"


def send_notifications() -> str:
    """Send what is due; the counts as text. Raises django.db errors."""
    done = sending.send_due()
    return f"{done.sent} sent, {done.later} put off, {done.unknown} unknown, {done.given_up} given up"
