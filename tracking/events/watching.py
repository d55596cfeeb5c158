"""One batch looked at for events: what its positions and static data begin and end.

Enters what a batch shows of ships and of aircraft; leaves events in PostgreSQL and what is held in the live Redis, in
this order: a failure between the two makes the next report of a target say the same again, which PostgreSQL refuses.
Without either server nothing is looked at, and what still holds afterwards is found then.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from resilience.breaker.registry import Breaker
from tracking.events import held, recording, rules
from tracking.events.conditions import BatchConditions, Seen
from tracking.events.held import Begun, Changes
from tracking.events.models.event import Event
from tracking.events.rules import Key
from tracking.live.state import LiveKind, LiveState
from tracking.truth.models import PositionKind

logger = logging.getLogger(__name__)

MOST_PER_BATCH = 500  # events that one batch may begin; what still holds is found by the next
Breakers = Callable[[str], Breaker]
_NAMES = ("name", "callsign", "registration", "squawk", "type_code")


class Looked(NamedTuple):
    """What a batch comes to for one subject; `late` are the targets whose news must wait for the next batch."""

    subject: PositionKind
    changes: Changes
    notes: list[recording.Note]
    late: set[Key]

    @property
    def over(self) -> list[recording.Over]:
        """What it ends."""
        return [
            recording.Over(one.condition.kind, self.subject.value, str(one.key), one.condition.reference, one.at)
            for one in self.changes.ended
        ]


def watch(seen: Sequence[Seen], breakers: Breakers) -> list[Event]:
    """Look at a batch; the events that are new. Raises what the guards and the servers raise."""
    in_force = rules.fresh() or _rules(breakers)
    with breakers("live").guard():
        looked = [found for one in seen if (found := _look(one, in_force)) is not None]
    notes, over = [note for one in looked for note in one.notes], [end for one in looked for end in one.over]
    made: list[Event] = []
    if notes or over:
        with breakers("database").guard():
            made = recording.record(notes, over)
    if looked:
        with breakers("live").guard():
            for one in looked:
                kept = {key: value for key, value in one.changes.held.items() if key not in one.late}
                held.save(one.subject, kept)
    return made


def _rules(breakers: Breakers) -> rules.Rules:
    with breakers("database").guard():
        return rules.current()


def _look(seen: Seen, in_force: rules.Rules) -> Looked | None:
    """What changes; None where nobody fulfils anything, nor did before."""
    if not seen.sightings:
        return None
    conditions = BatchConditions(seen, in_force)
    known = held.load(seen.subject, seen.sightings.keys())
    wanted = conditions.targets | known.keys()
    if not wanted:
        return None
    changes = held.advance(known, conditions.moments(wanted), in_force)
    begun, late = changes.begun[:MOST_PER_BATCH], changes.begun[MOST_PER_BATCH:]
    if late:
        logger.warning("a batch begins %d events, %d are kept for now", len(changes.begun), len(begun))
    return Looked(seen.subject, changes, _notes(seen.subject, begun, in_force), {one.key for one in late})


def _notes(subject: PositionKind, begun: Iterable[Begun], in_force: rules.Rules) -> list[recording.Note]:
    """What begins, with the names and the place that the live document has."""
    wanted = [one for one in begun if _is_told(one, in_force)]
    documents = LiveState(LiveKind(subject.value)).get_many({str(one.key) for one in wanted}) if wanted else {}
    return [_note(subject, one, documents.get(str(one.key), {})) for one in wanted]


def _note(subject: PositionKind, one: Begun, document: dict[str, Any]) -> recording.Note:
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
