"""Closes what is over and nobody said so, and deletes what is too old.

A target that is heard no more ends nothing by itself: what it held ends once it was silent for the quiet period. What
is held lies in the live Redis; events keep a time that is a minute old at most, so a loss of that Redis closes nothing
before the targets were heard again. Times are those of reports, held against the database's clock.
"""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Iterable
from typing import NamedTuple

from django.conf import settings
from django.db import connection
from django.db.models import Q

from resilience import clocks
from tracking.events import held, recording
from tracking.events.models.event import Event, EventKind
from tracking.events.timings import TIMINGS
from tracking.truth.models import PositionKind
from tracking.truth.notes import milliseconds, moment

logger = logging.getLogger(__name__)

# What batches show; the other kinds are closed by those who look for them.
OF_BATCHES = (
    EventKind.EMERGENCY,
    EventKind.DISTRESS,
    EventKind.ENTERED,
    EventKind.DWELLS,
    EventKind.SPEED,
    EventKind.SIGHTED,
)
FORGOTTEN_SECONDS = 3600  # after which nothing is known of a target that holds nothing
MOST_OPEN = 20_000  # events that a run looks at, those first that were known to go on longest ago
MOST_DELETED = 50_000


class Kept(NamedTuple):
    """How many events were closed and deleted."""

    closed: int
    deleted: int


def keep() -> Kept:
    """Close and delete. Raises django.db and redis errors."""
    now = clocks.database_now()
    heard = {subject: _heard(subject, now) for subject in PositionKind}
    return Kept(_close(heard, now), _delete())


def _heard(subject: PositionKind, now: dt.datetime) -> dict[tuple[str, str], int]:
    """When each condition of each target was last fulfilled; targets that hold nothing are forgotten."""
    found: dict[tuple[str, str], int] = {}
    gone: list[str] = []
    for identity, one in held.all_held(subject):
        if milliseconds(now) - one.newest > FORGOTTEN_SECONDS * 1000:
            gone.append(identity)
        found |= {(identity, name): last for name, (_, last) in one.conditions.items()}
    held.forget(subject, gone)
    return found


def _close(heard: dict[PositionKind, dict[tuple[str, str], int]], now: dt.datetime) -> int:
    """Bring the times of open events up to date, and close those that are over."""
    over: list[recording.Over] = []
    moved: list[Event] = []
    for event in Event.objects.filter(until=None, kind__in=OF_BATCHES).order_by("held_at")[:MOST_OPEN]:
        condition = held.Condition(EventKind(event.kind), event.reference)
        last = heard[PositionKind(event.subject)].get((event.identity, held.name(condition)))
        if last is not None and moment(last) > event.held_at:
            event.held_at = moment(last)
            moved.append(event)
        if milliseconds(now) - milliseconds(event.held_at) > held.quiet_ms(condition):
            over.append(_over(event))
    _move(moved)
    recording.record([], over)
    return len(over)


def _move(events: list[Event]) -> None:
    """Write until when they are known to go on; one that was closed meanwhile stays as it is."""
    if not events:
        return
    table = Event._meta.db_table
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE {table} SET held_at = moved.at FROM unnest(%s::uuid[], %s::timestamptz[]) AS moved(id, at)"
            f" WHERE {table}.id = moved.id AND until IS NULL",
            [[event.id for event in events], [event.held_at for event in events]],
        )


def _over(event: Event) -> recording.Over:
    at = milliseconds(event.held_at)
    return recording.Over(EventKind(event.kind), event.subject, event.identity, event.reference, at)


def _delete() -> int:
    """Delete what was over more than KEEP_EVENTS_DAYS ago; clocks that differ delete nothing."""
    if not settings.KEEP_EVENTS_DAYS:
        return 0
    try:
        before = clocks.settled_now() - dt.timedelta(days=settings.KEEP_EVENTS_DAYS)
    except clocks.ClocksDiffer as error:
        logger.warning("no event is deleted: %s", error)
        return 0
    old = Event.objects.filter(until__lt=before).order_by("since").values_list("id", flat=True)[:MOST_DELETED]
    ids = list(old)
    Event.objects.filter(id__in=ids).delete()
    return len(ids)


def close_where(kind: EventKind, goes_on: Iterable[tuple[str, str, str]], now: dt.datetime) -> int:
    """Of a kind that somebody else looks for: what goes on (subject, identity, reference) is marked as known now, what
    does not is closed after its quiet period; how many were closed."""
    known = set(goes_on)
    still: list[object] = []
    over: list[recording.Over] = []
    quiet = dt.timedelta(seconds=TIMINGS[kind].quiet_seconds)
    for event in Event.objects.filter(until=None, kind=kind).order_by("held_at")[:MOST_OPEN]:
        if (event.subject, event.identity, event.reference) in known:
            still.append(event.pk)
        elif now - event.held_at >= quiet:
            over.append(_over(event))
    Event.objects.filter(Q(pk__in=still) & Q(held_at__lt=now)).update(held_at=now)
    recording.record([], over)
    return len(over)
