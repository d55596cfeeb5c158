"""One batch looked at for events: what its positions and static data begin and end.

Enters what a batch shows of ships and of aircraft; leaves events in PostgreSQL and what is held in the live Redis, in
this order: a failure between the two makes the next report of a target say the same again, which PostgreSQL refuses.
Without either server nothing is looked at, and what still holds afterwards is found then.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from typing import Any

from resilience.breaker.registry import Breaker
from tracking.events import held, recording, rules
from tracking.events.conditions import Found, Seen
from tracking.events.held import Begun, Changes
from tracking.events.models.event import Event
from tracking.live.state import Kind, LiveState
from tracking.truth.models import Subject

logger = logging.getLogger(__name__)

MOST_PER_BATCH = 500  # events that one batch may begin; what still holds is found by the next
Breakers = Callable[[str], Breaker]
_NAMES = ("name", "callsign", "registration", "squawk", "type_code")


def watch(seen: Sequence[Seen], breakers: Breakers) -> list[Event]:
    """Look at a batch; the events that are new. Raises what the guards and the servers raise."""
    found: list[Event] = []
    in_force = _rules(breakers("database").guard())
    for one in seen:
        found += _watch(one, in_force, breakers)
    return found


def _rules(guard: AbstractContextManager[Any]) -> rules.Rules:
    with guard:
        return rules.current()


def _watch(seen: Seen, in_force: rules.Rules, breakers: Breakers) -> list[Event]:
    conditions = Found(seen, in_force)
    with breakers("live").guard():
        known = held.load(seen.subject, set(conditions.keys) | seen.sightings.keys())
        wanted = conditions.targets | known.keys()
        if not wanted:
            return []
        changes = held.advance(known, conditions.moments(wanted), in_force)
        begun = changes.begun[:MOST_PER_BATCH]
        notes = _notes(seen.subject, begun, in_force)
    if len(begun) < len(changes.begun):
        logger.warning("a batch begins %d events, %d are kept for now", len(changes.begun), len(begun))
    made = _record(notes, seen.subject, changes, breakers("database").guard())
    with breakers("live").guard():
        late = {one.key for one in changes.begun[MOST_PER_BATCH:]}
        held.save(seen.subject, {key: one for key, one in changes.held.items() if key not in late})
    return made


def _record(
    notes: list[recording.Note], subject: Subject, changes: Changes, guard: AbstractContextManager[Any]
) -> list[Event]:
    over = [
        recording.Over(ended.condition.kind, subject.value, str(ended.key), ended.condition.reference, ended.at)
        for ended in changes.ended
    ]
    if not notes and not over:
        return []
    with guard:
        return recording.record(notes, over)


def _notes(subject: Subject, begun: Iterable[Begun], in_force: rules.Rules) -> list[recording.Note]:
    """What begins, with the names and the place that the live document has."""
    wanted = [one for one in begun if _is_told(one, in_force)]
    documents = LiveState(Kind(subject.value)).get_many({str(one.key) for one in wanted}) if wanted else {}
    return [_note(subject, one, documents.get(str(one.key), {})) for one in wanted]


def _note(subject: Subject, one: Begun, document: dict[str, Any]) -> recording.Note:
    at, latitude, longitude, source, _, _ = one.moment
    if latitude is None:
        latitude, longitude = document.get("lat"), document.get("lon")
    named = {field: document[field] for field in _NAMES if document.get(field)}
    return recording.Note(
        one.condition.kind,
        subject.value,
        str(one.key),
        one.condition.reference,
        at,
        latitude,
        longitude,
        source or str(document.get("source", "")),
        named | one.values,
    )


def _is_told(one: Begun, in_force: rules.Rules) -> bool:
    """Whether a fence tells of it; all other kinds are told."""
    fence = in_force.by_number.get(one.condition.reference)
    wanted = {"entered": fence and fence.tells_entering, "left": fence and fence.tells_leaving}
    return bool(wanted.get(one.condition.kind.value, True))
