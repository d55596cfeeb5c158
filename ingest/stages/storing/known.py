"""Which targets this process wrote recently, so that a report that says nothing new of its target costs no statement.

Sightings enter, those that must be written leave. Only an optimisation: what is forgotten is written once more. What
other processes wrote meanwhile is not seen, which is why static data is written again, unchanged, every
STATIC_REWRITE_SECONDS.
"""

from __future__ import annotations

import datetime as dt
from collections import OrderedDict
from collections.abc import Sequence
from typing import TypeVar

import msgspec

from tracking.positions.identities import REWRITE_SECONDS, AircraftSighting, VesselSighting

LIMIT = 200_000
STATIC_REWRITE_SECONDS = 600

S = TypeVar("S", VesselSighting, AircraftSighting)


class _KnownTarget(msgspec.Struct, gc=False):
    """What was written of a target: times, and of each set of static fields that came together a hash of the values.

    Hashes, because the values themselves would take a kilobyte a ship.
    """

    first_seen: dt.datetime
    last_seen: dt.datetime
    static_at: dt.datetime | None = None
    statics: dict[tuple[str, ...], int] = {}


class KnownTargets:
    """Bounded: the target that was heard least recently leaves first. Filled after commit."""

    def __init__(self, limit: int = LIMIT) -> None:
        self._limit = limit
        self._known: OrderedDict[int | str, _KnownTarget] = OrderedDict()

    def __len__(self) -> int:
        return len(self._known)

    def news(self, sightings: Sequence[S]) -> list[S]:
        """Those that change something: unknown, with other static data, or seen a minute after or before."""
        return [sighting for sighting in sightings if self._is_news(sighting)]

    def remember(self, sightings: Sequence[VesselSighting | AircraftSighting]) -> None:
        """These are written and committed."""
        for sighting in sightings:
            known = self._known.get(sighting.key)
            if known is None:
                known = self._known[sighting.key] = _KnownTarget(sighting.first_seen, sighting.last_seen)
            known.first_seen = min(known.first_seen, sighting.first_seen)
            known.last_seen = max(known.last_seen, sighting.last_seen)
            if sighting.static_at is not None:
                _remember_static(known, sighting.static_at, sighting.static)
        while len(self._known) > self._limit:
            self._known.popitem(last=False)

    def forget(self) -> None:
        """Forget all."""
        self._known.clear()

    def _is_news(self, sighting: VesselSighting | AircraftSighting) -> bool:
        known = self._known.get(sighting.key)
        if known is None:
            return True
        self._known.move_to_end(sighting.key)
        if sighting.first_seen < known.first_seen:
            return True
        if (sighting.last_seen - known.last_seen).total_seconds() >= REWRITE_SECONDS:
            return True
        return sighting.static_at is not None and _is_static_news(known, sighting.static_at, sighting.static)


def _is_static_news(known: _KnownTarget, at: dt.datetime, static: dict[str, object]) -> bool:
    if known.static_at is None or abs((at - known.static_at).total_seconds()) >= STATIC_REWRITE_SECONDS:
        return True
    return known.statics.get(tuple(static)) != _hash(static)


def _remember_static(known: _KnownTarget, at: dt.datetime, static: dict[str, object]) -> None:
    """What other sets of fields said is forgotten where these fields overlap with them and say something else."""
    names, value = tuple(static), _hash(static)
    if known.statics.get(names) != value:
        kept = {others: text for others, text in known.statics.items() if not set(others) & static.keys()}
        known.statics = kept | {names: value}
    known.static_at = at if known.static_at is None else max(at, known.static_at)


def _hash(static: dict[str, object]) -> int:
    return hash(tuple(static.values()))
