"""Places to which many identities jump: spoofed or jammed satellite navigation moves whole fleets.

Enter the births of tracks that began by a jump; leave those that are part of a fleet: at least LEAST identities that
jumped to within ZONE_DEGREES of one place within WINDOW_MS. A function of the set.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import NamedTuple

LEAST = 5
WINDOW_MS = 30 * 60_000
ZONE_DEGREES = 0.2


class FleetJump(NamedTuple):
    """Who jumped where, and when, ms since 1970."""

    identity: int | str
    ts: int
    latitude: float
    longitude: float


def fleets(jumps: Iterable[FleetJump]) -> set[FleetJump]:
    """The jumps that are part of a fleet."""
    zones: defaultdict[tuple[int, int], list[FleetJump]] = defaultdict(list)
    for jump in jumps:
        row, column = int(jump.latitude // ZONE_DEGREES), int(jump.longitude // ZONE_DEGREES)
        for down in (-1, 0, 1):
            for right in (-1, 0, 1):
                zones[row + down, column + right].append(jump)
    return {jump for zone in zones.values() for jump in _together(zone)}


def _together(zone: list[FleetJump]) -> set[FleetJump]:
    """Those of one zone that have enough others within the window of time."""
    if len({jump.identity for jump in zone}) < LEAST:
        return set()
    zone.sort(key=lambda jump: jump.ts)
    found: set[FleetJump] = set()
    first = 0
    for last, jump in enumerate(zone):
        while jump.ts - zone[first].ts > WINDOW_MS:
            first += 1
        some = zone[first : last + 1]
        if len({other.identity for other in some}) >= LEAST:
            found.update(some)
    return found
