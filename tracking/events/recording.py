"""Events in PostgreSQL: opened once, gone on with, closed.

Enter notes of what begins and of what is over; an event that the constraint `event_once` refuses is there already.
Each call is one transaction, in which the deliveries of a new event are made as well (`Delivery`), so an event is known
with all who must be told of it, or not at all. Errors of PostgreSQL reach the caller.
"""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from django.db import IntegrityError, transaction
from django.db.models import F, QuerySet
from django.db.models.functions import Greatest, Now
from django.utils import timezone

from tracking.events.models.event import Event, EventKind
from tracking.events.models.notices import Delivery, NotificationTarget
from tracking.events.models.rules import Geofence, WatchList
from tracking.events.notices import waking
from tracking.events.timings import TIMINGS
from tracking.truth.notes import moment

logger = logging.getLogger(__name__)

_FENCED = {EventKind.ENTERED, EventKind.LEFT, EventKind.DWELLS, EventKind.SPEED}


class Note(NamedTuple):
    """What begins: the columns of an event, `at` in ms since 1970. `told`: whether anybody is to be told of it."""

    kind: EventKind
    subject: str
    identity: str
    reference: str
    at: int
    latitude: float | None = None
    longitude: float | None = None
    source: str = ""
    values: dict[str, Any] = {}
    told: bool = True


class Over(NamedTuple):
    """What is over since `at`, ms since 1970."""

    kind: EventKind
    subject: str
    identity: str
    reference: str
    at: int


def record(notes: Sequence[Note], over: Sequence[Over] = ()) -> list[Event]:
    """Close what is over, open what begins; the events that are new."""
    if not notes and not over:
        return []
    with transaction.atomic():
        for one in over:
            _close(_open_of(one), moment(one.at), one.kind)
        return _begin(notes) if notes else []


def close(events: QuerySet[Event], at: dt.datetime, kind: EventKind) -> int:
    """Close open events of one kind; how many it were."""
    return _close(events.filter(until=None), at, kind)


def _begin(notes: Sequence[Note]) -> list[Event]:
    known = _known(notes)
    events = [_event(note, known) for note in notes]
    Event.objects.bulk_create(events, ignore_conflicts=True)
    new = set(Event.objects.filter(id__in=[event.id for event in events]).values_list("id", flat=True))
    made = [(event, note) for event, note in zip(events, notes, strict=True) if event.id in new]
    for note, event in zip(notes, events, strict=True):
        if event.id not in new and TIMINGS[note.kind].lasts:
            _go_on(note)
    _make_deliveries([event for event, note in made if note.told])
    return [event for event, _ in made]


def _go_on(note: Note) -> None:
    """It began again within the cooldown: the old event goes on, and nobody is told."""
    at = moment(note.at)
    again = _of(note).filter(until__isnull=False, since__lte=at, repeats_after__gt=at)
    try:
        with transaction.atomic():
            again.update(until=None, repeats_after=None, held_at=Greatest(F("held_at"), at), changed_at=Now())
    except IntegrityError as error:
        logger.debug("an event of this kind began later, the older one stays closed: %s", error)


def _close(events: QuerySet[Event], at: dt.datetime, kind: EventKind) -> int:
    until = Greatest(F("since"), at)
    repeats_after = until + TIMINGS[kind].cooldown
    return events.update(until=until, held_at=until, repeats_after=repeats_after, changed_at=Now())


def _of(what: Note | Over) -> QuerySet[Event]:
    return Event.objects.filter(kind=what.kind, subject=what.subject, identity=what.identity, reference=what.reference)


def _open_of(what: Over) -> QuerySet[Event]:
    return _of(what).filter(until=None)


def _event(note: Note, known: dict[type[Any], set[int]]) -> Event:
    at, timing = moment(note.at), TIMINGS[note.kind]
    number = int(note.reference) if note.kind in _FENCED or note.kind is EventKind.SIGHTED else None
    return Event(
        kind=note.kind,
        subject=note.subject,
        identity=note.identity,
        reference=note.reference,
        since=at,
        held_at=at,
        until=None if timing.lasts else at,
        repeats_after=None if timing.lasts else at + timing.cooldown,
        latitude=note.latitude,
        longitude=note.longitude,
        source=note.source,
        values=note.values,
        geofence_id=number if note.kind in _FENCED and number in known[Geofence] else None,
        watch_list_id=number if note.kind is EventKind.SIGHTED and number in known[WatchList] else None,
    )


def _known(notes: Iterable[Note]) -> dict[type[Any], set[int]]:
    """Which geofences and lists still are: one may be deleted while a worker looks for it. Locked until the commit."""
    wanted: dict[type[Any], set[int]] = {Geofence: set(), WatchList: set()}
    for note in notes:
        if note.kind in _FENCED:
            wanted[Geofence].add(int(note.reference))
        elif note.kind is EventKind.SIGHTED:
            wanted[WatchList].add(int(note.reference))
    return {
        model: set(model.objects.select_for_update(no_key=True).filter(pk__in=numbers).values_list("pk", flat=True))
        if numbers
        else set()
        for model, numbers in wanted.items()
    }


def _make_deliveries(events: Sequence[Event]) -> None:
    """One for every target that wants the kind; due at once."""
    if not events:
        return
    targets = list(NotificationTarget.objects.filter(enabled=True))
    due = timezone.now()
    made = [
        Delivery(event=event, target=target, next_retry_at=due)
        for event in events
        for target in targets
        if event.kind in target.kinds
    ]
    if made:
        Delivery.objects.bulk_create(made, ignore_conflicts=True)
        transaction.on_commit(waking.wake)
