"""What became of each fault, counted against the truth of the events."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import NamedTuple

from tests.truth.faults import CLOCKS, Heard
from tests.truth.pure import Judged, Places

_SAME_MS = 1500
CAUGHT_SHARE, PURE_SHARE, FROZEN_SHARE = 0.99, 0.999, 0.97
REFUSED_FAULTS = ("teleport", "null_island", "first_fix", "coarse", "stale_relay", "spoof")
PURE_FAULTS = ("conflict", "swap")


class Score(NamedTuple):
    """Of one group: how many false reports there were, were caught, and what became of the true ones."""

    wrong: int
    caught: int
    right: int
    refused: int
    missing: int


def scores(heard: Iterable[Heard], places: Places) -> dict[str, Score]:
    """By group. Caught is a false report that is refused or no row, or whose time was mended; of two ships with one
    MMSI, one on a track that holds no report of the other."""
    events = list(heard)
    alone = _tracks_of_one(events, places)
    counted: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for event in events:
        found = _found(event, places)
        count = counted[event.group]
        if event.wrong:
            count["wrong"] += 1
            count["caught"] += _is_caught(event, found, alone)
        else:
            count["right"] += 1
            count["missing"] += found is None
            count["refused"] += found is not None and found.number < 0
    return {group: Score(*(count[name] for name in Score._fields)) for group, count in counted.items()}


def _found(event: Heard, places: Places) -> Judged | None:
    """The row of the event; of a repeat, the one dated when the repeat arrived."""
    wanted = event.arrival_ms if event.feed == "relay" else event.at_ms
    rows = places.get(event.place, [])
    best = min(rows, key=lambda row: abs(row.ts - wanted), default=None)
    if best is None or event.group in CLOCKS or event.group == "coarse":
        return best
    return best if abs(best.ts - wanted) <= _SAME_MS else None


def _is_caught(event: Heard, found: Judged | None, alone: set[tuple[int, int]]) -> bool:
    if event.group in CLOCKS:
        return found is not None and abs(found.ts - event.at_ms) <= _SAME_MS
    if event.group in PURE_FAULTS:
        return found is None or found.number < 0 or (event.mmsi, found.number) in alone
    return found is None or found.number < 0


def _tracks_of_one(events: list[Heard], places: Places) -> set[tuple[int, int]]:
    """(MMSI, number) of the tracks of PURE_SHARE or more of one ship."""
    owners: defaultdict[tuple[int, int], Counter[bool]] = defaultdict(Counter)
    for event in events:
        if event.group in PURE_FAULTS and (found := _found(event, places)) is not None and found.number >= 0:
            owners[event.mmsi, found.number][event.wrong] += 1
    return {track for track, count in owners.items() if max(count.values()) >= PURE_SHARE * sum(count.values())}


def complaints(found: dict[str, Score]) -> list[str]:
    """What falls short of the promises."""
    wrong = []
    for group, score in found.items():
        least = FROZEN_SHARE if group == "frozen_clock" else 1.0 if group in CLOCKS else CAUGHT_SHARE
        if score.caught < least * score.wrong:
            wrong.append(f"{group}: {score.caught} of {score.wrong} caught")
        if score.missing:
            wrong.append(f"{group}: {score.missing} of {score.right} true reports are no row")
        if score.refused and group == "clean":
            wrong.append(f"{group}: {score.refused} of {score.right} true reports refused")
    return wrong
