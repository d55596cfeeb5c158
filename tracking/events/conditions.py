"""Which conditions the targets of a batch fulfil: all positions against all geofences at once.

Enter the positions of one subject, the static data of the batch, and the rules; leave moments, by target, of those
targets alone that fulfil something or are asked for. Pure: no server, no clock.

A position that live state does not believe is in no geofence, but a distress call with it is a distress call.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence, Set
from operator import attrgetter
from typing import Any, NamedTuple

import numpy as np

from tracking.events.models.event import EventKind
from tracking.events.rules import Fence, Key, Rules
from tracking.positions import mmsi
from tracking.truth.models import PositionKind
from tracking.truth.notes import milliseconds

EMERGENCY_SQUAWKS = {"7500": "unlawful interference", "7600": "radio failure", "7700": "general emergency"}
AIS_SART = 14  # navigational status of a transmitter that is active, ITU-R M.1371-5
_DEVICES = {mmsi.MmsiForm.SART: "SART", mmsi.MmsiForm.MOB: "man overboard", mmsi.MmsiForm.EPIRB: "EPIRB"}
_LOWEST, _HIGHEST = 970_000_000, 974_999_999  # of the numbers of such devices

_COLUMNS = {
    PositionKind.VESSEL: attrgetter("vessel_id", "longitude", "latitude", "speed", "status"),
    PositionKind.AIRCRAFT: attrgetter("aircraft_id", "longitude", "latitude", "ground_speed"),
}

Values = dict[str, Any]


class Condition(NamedTuple):
    """What a target may fulfil; `reference` as in `Event`."""

    kind: EventKind
    reference: str


class BatchMoment(NamedTuple):
    """What a target fulfilled at one time (ms since 1970), and which other kinds it thereby does not."""

    at: int
    latitude: float | None
    longitude: float | None
    source: str
    fulfilled: dict[Condition, Values]
    denies: frozenset[EventKind]


_OF_POSITION = frozenset({EventKind.ENTERED, EventKind.DWELLS, EventKind.SPEED})
_OF_SQUAWK = frozenset({EventKind.EMERGENCY})


class Seen(NamedTuple):
    """What a batch shows of one subject: positions, sightings by identity, and the indexes of the positions that live
    state does not believe."""

    subject: PositionKind
    reports: Sequence[Any]
    sightings: Mapping[Any, Any]
    hidden: Set[int] = frozenset()


class BatchConditions:
    """The conditions of one batch: by index of the report, and by target for what static data say."""

    def __init__(self, seen: Seen, rules: Rules) -> None:
        self._seen = seen
        self._by_report: defaultdict[int, dict[Condition, Values]] = defaultdict(dict)
        self._squawks: dict[Key, str] = {}
        self._listed: dict[Key, dict[Condition, Values]] = {}
        rows = list(map(_COLUMNS[seen.subject], seen.reports))
        columns: list[Sequence[Any]] = list(zip(*rows, strict=True)) or [()] * 5
        self.keys = columns[0]
        self._compare_with_fences(columns, rules)
        if seen.subject is PositionKind.VESSEL:
            self._look_for_distress(columns[0], columns[4])
        else:
            self._look_for_squawks()
        self._look_for_watched(rules)

    @property
    def targets(self) -> set[Key]:
        """Those that fulfil something."""
        keys = self.keys
        return {keys[index] for index in self._by_report} | self._squawks.keys() | self._listed.keys()

    def moments(self, wanted: Collection[Key]) -> dict[Key, list[BatchMoment]]:
        """What the `wanted` targets fulfilled, each in order of time."""
        found: dict[Key, list[BatchMoment]] = {key: [] for key in wanted}
        for index, key in enumerate(self.keys):
            if key in found:
                found[key].append(self._moment(index, key))
        for key in found.keys() & self._seen.sightings.keys():
            found[key] += self._of_sighting(key, found[key])
        for moments in found.values():
            moments.sort(key=lambda moment: moment.at)
        return found

    def _moment(self, index: int, key: Key) -> BatchMoment:
        report = self._seen.reports[index]
        fulfilled = self._by_report.get(index, {}) | self._listed.get(key, {})
        at = milliseconds(report.timestamp)
        denies = frozenset[EventKind]() if index in self._seen.hidden else _OF_POSITION
        return BatchMoment(at, report.latitude, report.longitude, report.source, fulfilled, denies)

    def _of_sighting(self, key: Key, positions: Sequence[BatchMoment]) -> list[BatchMoment]:
        """What static data say; a place is that of the newest position of the batch."""
        sighting = self._seen.sightings[key]
        at = max(positions, default=None, key=lambda moment: moment.at)
        place = (at.latitude, at.longitude, at.source) if at is not None else (None, None, "")
        found = []
        if "squawk" in sighting.static:
            squawk = self._squawks.get(key)
            said = {Condition(EventKind.EMERGENCY, squawk): {"means": EMERGENCY_SQUAWKS[squawk]}} if squawk else {}
            found.append(BatchMoment(milliseconds(sighting.static_at), *place, said, _OF_SQUAWK))
        if key in self._listed and not positions:
            found.append(BatchMoment(milliseconds(sighting.last_seen), *place, self._listed[key], frozenset()))
        return found

    def _compare_with_fences(self, columns: Sequence[Sequence[Any]], rules: Rules) -> None:
        index = rules.fences[self._seen.subject]
        if not index.fences or not columns[0]:
            return
        speeds = columns[3]
        for point, fence in index.within(np.array(columns[1]), np.array(columns[2])):
            if point not in self._seen.hidden:
                self._by_report[point].update(_in_fence(fence, speeds[point]))

    def _look_for_distress(self, keys: Sequence[int], statuses: Sequence[int | None]) -> None:
        devices = {key for key in self._seen.sightings if _LOWEST <= key <= _HIGHEST}
        if not devices and AIS_SART not in statuses:
            return
        for index, (key, status) in enumerate(zip(keys, statuses, strict=True)):
            device = _DEVICES.get(mmsi.classify(key)[0]) if key in devices else None
            if device or status == AIS_SART:
                # A device that is being tested says "undefined", IMO SN.1/Circ.322.
                values = {"device": device or "ship", "test": status != AIS_SART}
                self._by_report[index][Condition(EventKind.DISTRESS, "test" if values["test"] else "")] = values

    def _look_for_squawks(self) -> None:
        for key, sighting in self._seen.sightings.items():
            squawk = sighting.static.get("squawk")
            if squawk in EMERGENCY_SQUAWKS:
                self._squawks[key] = squawk

    def _look_for_watched(self, rules: Rules) -> None:
        watched = rules.watched[self._seen.subject]
        for key in watched.keys() & self._seen.sightings.keys():
            lists = {number: rules.names.get(number, "") for number in watched[key]}
            self._listed[key] = {
                Condition(EventKind.SIGHTED, str(number)): {"watch_list": name} for number, name in lists.items()
            }


def _in_fence(fence: Fence, speed: float | None) -> dict[Condition, Values]:
    """What a target inside a fence fulfils. Whether it stays is told by when it came (`held`)."""
    found: dict[Condition, Values] = {Condition(EventKind.ENTERED, str(fence.number)): {"geofence": fence.name}}
    if fence.limit_knots is not None and speed is not None and speed > fence.limit_knots:
        values = {"geofence": fence.name, "speed": speed, "limit": fence.limit_knots}
        found[Condition(EventKind.SPEED, str(fence.number))] = values
    return found
