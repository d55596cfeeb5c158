"""The rule for live state: may a report move the document of its target?

Enter the tracks that are known of a target, main first, and a report; leaves whether it is shown and the tracks
afterwards. The budgets are those of history (`budget`), but reports are taken as they arrive, so live state hides what
it does not understand, and what it hides may turn out to be true in history. A track that was refused takes the
document over when it has more support than a young main track, or when it has full support and the main one is silent.

A report of a lower score than the document's, which is a worse source or method, is shown only where the document is
stale: after STALE_SECONDS for aircraft, after three of its own intervals for ships. Pure.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Sequence
from typing import NamedTuple

from tracking.truth.budget import DEGREE_M, Budget, metres
from tracking.truth.rule import CONFIRM
from tracking.truth.terms import is_null_island

FULL = 4  # the support at which a track is as sure as it gets
MOST_TRACKS = 3
STALE_SECONDS = 15
STALE_INTERVALS = 3
SILENT_SECONDS = 60  # of a ship's main track
SILENT_AIRCRAFT_SECONDS = 10
BACK_SECONDS = 5  # slow feeds are so late; nobody turns round in it
BACK_M = 20.0
MOST_INTERVAL = 65_535


class LiveTrack(NamedTuple):
    """The last report of a track: ms, degrees, knots (NaN: unknown), how many agreed with it, `interval` in tenths of
    a second between them; `coarse`: to a tenth of a minute only (type 27). A report is a track of support 1."""

    ts: int
    latitude: float
    longitude: float
    speed: float
    support: int
    score: int
    interval: int
    coarse: bool = False


class LiveOutcome(enum.Enum):
    """What is done with a report."""

    SHOWN = enum.auto()
    LATE = enum.auto()  # older than the document, which decides by itself
    HIDDEN = enum.auto()
    BESIDE = enum.auto()  # hidden from the document; its own track is as sure as the document's
    CONFIRMED = enum.auto()  # hidden; from now on another track has enough support to count as one
    TAKEN_OVER = enum.auto()  # shown: another track is main from now on


def decide(
    tracks: Sequence[LiveTrack], report: LiveTrack, budget: Budget, course: float = math.nan
) -> tuple[LiveOutcome, Sequence[LiveTrack] | None]:
    """(what is done, the tracks afterwards, None where they stay). `course`: of the report, degrees, NaN: unknown."""
    if is_null_island(report.latitude, report.longitude):
        return LiveOutcome.HIDDEN, None
    if not tracks:
        return LiveOutcome.SHOWN, (report,)
    main = tracks[0]
    if report.ts <= main.ts and len(tracks) == 1:
        return LiveOutcome.LATE, None
    seconds = (report.ts - main.ts) / 1000
    if seconds > 0:
        if _is_hidden_by(main, report, seconds, budget):
            return LiveOutcome.HIDDEN, None
        if seconds > budget.gap_s or _fits(main, report, seconds, budget):
            if _says_again(main, report, budget) or _goes_back(main, report, seconds, budget, course):
                return LiveOutcome.HIDDEN, None
            others = (track for track in tracks[1:] if report.ts - track.ts <= budget.candidate_s * 1000)
            return LiveOutcome.SHOWN, (_joined(main, report, seconds), *others)
    return _beside(tracks, report, seconds, budget)


def _beside(
    tracks: Sequence[LiveTrack], report: LiveTrack, silent: float, budget: Budget
) -> tuple[LiveOutcome, Sequence[LiveTrack] | None]:
    """A report that does not continue the main track: it continues another one, or begins one."""
    main, others = tracks[0], list(tracks[1:])
    for place, track in enumerate(others):
        seconds = (report.ts - track.ts) / 1000
        if seconds <= 0 or not _fits(track, report, seconds, budget):
            continue
        others[place] = joined = _joined(track, report, seconds)
        if _takes_over(joined, main, silent, budget):
            others[place] = main
            return LiveOutcome.TAKEN_OVER, (joined, *others)
        if track.support >= FULL:
            return LiveOutcome.BESIDE, (main, *others)
        confirmed = track.support < CONFIRM <= joined.support
        return LiveOutcome.CONFIRMED if confirmed else LiveOutcome.HIDDEN, (main, *others)
    if report.ts <= main.ts:
        return LiveOutcome.LATE, None
    young = [track for track in others if report.ts - track.ts <= budget.candidate_s * 1000]
    return LiveOutcome.HIDDEN, (main, *young[2 - MOST_TRACKS :], report)


def _is_hidden_by(main: LiveTrack, report: LiveTrack, seconds: float, budget: Budget) -> bool:
    """Whether the document says it better: it is fine and this coarse, or of a better source and fresh."""
    if seconds <= budget.fine_s and report.coarse:
        return not main.coarse
    if report.score >= main.score:
        return False
    own = STALE_INTERVALS * main.interval / 10 if budget.once_a_second else 0
    return seconds <= max(STALE_SECONDS, own)


def _fits(track: LiveTrack, report: LiveTrack, seconds: float, budget: Budget) -> bool:
    distance = metres(track.latitude, track.longitude, report.latitude, report.longitude)
    if distance <= budget.slack_m:
        return True
    rough = report.coarse or track.coarse
    return distance <= budget.allowed(track.speed, report.speed, seconds, rough)


def _says_again(main: LiveTrack, report: LiveTrack, budget: Budget) -> bool:
    """Whether a ship that moves says word for word what it said before."""
    moves = budget.once_a_second and report.speed >= budget.repeat_kn
    return moves and report[1:4] == main[1:4] and not report.coarse


def _goes_back(main: LiveTrack, report: LiveTrack, seconds: float, budget: Budget, course: float) -> bool:
    """Whether an aircraft lies behind where it just was, by its own course: it is an older report that came later."""
    if budget.once_a_second or seconds > BACK_SECONDS or course != course:
        return False
    north, east = report.latitude - main.latitude, (report.longitude - main.longitude + 180) % 360 - 180
    east *= math.cos(math.radians(main.latitude))
    if DEGREE_M * math.hypot(north, east) < BACK_M:
        return False
    return north * math.cos(math.radians(course)) + east * math.sin(math.radians(course)) < 0


def _joined(track: LiveTrack, report: LiveTrack, seconds: float) -> LiveTrack:
    gap = min(MOST_INTERVAL, int(seconds * 10))
    interval = (3 * track.interval + gap) // 4 if track.interval else gap
    ts, latitude, longitude, speed, _, score, _, coarse = report  # _replace takes three times as long
    return LiveTrack(ts, latitude, longitude, speed, min(FULL, track.support + 1), score, interval, coarse)


def _takes_over(other: LiveTrack, main: LiveTrack, silent: float, budget: Budget) -> bool:
    if other.support > main.support:
        return True
    patience = SILENT_SECONDS if budget.once_a_second else SILENT_AIRCRAFT_SECONDS
    return other.support >= FULL and silent > max(patience, STALE_INTERVALS * main.interval / 10 + 10)
