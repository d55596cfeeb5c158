"""The rule for live state for many targets at once: which of a batch's reports simply continue a steady target.

Enter columns of reports, one a target, and what is known of the targets; leave which of them are shown without further
question, and the tracks afterwards. Such a target has one track, and the report is later, within the budget, of no
worse source, neither coarse nor a repeat. All others are for `rule`, which says the same of these, one by one.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from tracking.truth.budget import DEGREE_M, KNOT, Budget
from tracking.truth.live.rule import BACK_M, BACK_SECONDS, FULL, MOST_INTERVAL
from tracking.truth.steady import Flags, Floats, Whole, null_island

COARSE = 0x80  # added to the score of a track whose last position is coarse
# A track as the live Redis keeps it: "<qdddBBH".
TRACK = np.dtype(
    {
        "names": ["ts", "latitude", "longitude", "speed", "support", "score", "interval"],
        "formats": ["<i8", "<f8", "<f8", "<f8", "u1", "u1", "<u2"],
    }
)
PackedTracks = npt.NDArray[np.void]  # of TRACK

_LONG, _POLAR = 5.0, 75.0  # beyond these degrees the plane is not trusted, and the rule looks closer


class Reports(NamedTuple):
    """Reports by column: ms since 1970, degrees, knots, degrees true (NaN: unknown), score, whether each is coarse."""

    ts: Whole
    latitude: Floats
    longitude: Floats
    speed: Floats
    course: Floats
    score: Whole
    coarse: Flags


def continued(main: PackedTracks, reports: Reports, budget: Budget) -> tuple[Flags, PackedTracks]:
    """(whether each report is shown without further question, the tracks afterwards, of all).

    `main`: the track of each target, of which it has no other.
    """
    seconds = (reports.ts - main["ts"]) / 1000
    north, east = reports.latitude - main["latitude"], reports.longitude - main["longitude"]
    shown = (
        (seconds > 0) & (seconds <= budget.gap_s) & (reports.score >= main["score"])
    )  # of a coarse one it is larger than any
    shown &= (np.abs(east) < _LONG) & (np.abs(reports.latitude) < _POLAR) & (np.abs(main["latitude"]) < _POLAR)
    shown &= ~(reports.coarse | null_island(reports.latitude, reports.longitude))
    shown &= (main["score"] < COARSE) & ~null_island(main["latitude"], main["longitude"])
    east = east * np.cos(np.radians((reports.latitude + main["latitude"]) / 2))
    distance = DEGREE_M * np.hypot(north, east)
    shown &= distance <= _allowed(main["speed"], reports.speed, seconds, budget)
    if budget.once_a_second:
        shown &= ~((north == 0) & (east == 0) & (reports.speed == main["speed"]) & (reports.speed >= budget.repeat_kn))
    else:
        shown &= ~_goes_back(north, east, distance, seconds, reports.course)
    return shown, _joined(main, reports, seconds)


def _allowed(one: Floats, other: Floats, seconds: Floats, budget: Budget) -> Floats:
    """Metres, as `Budget.allowed` has them; where a target stands still, what it may err."""
    speed = np.fmax(one, other)
    base = budget.factor * np.where(np.isnan(speed), budget.unknown, speed) + budget.plus
    knots = np.minimum(base + budget.ramp * seconds, np.maximum(budget.cap, base))
    allowed: Floats = budget.slack_m + (seconds + budget.slack_s) * knots * KNOT
    return allowed


def _goes_back(north: Floats, east: Floats, distance: Floats, seconds: Floats, course: Floats) -> Flags:
    angle = np.radians(course)
    behind: Flags = north * np.cos(angle) + east * np.sin(angle) < 0  # not where the course is unknown
    return behind & (seconds <= BACK_SECONDS) & (distance >= BACK_M)


def _joined(main: PackedTracks, reports: Reports, seconds: Floats) -> PackedTracks:
    """The tracks with the reports joined to them."""
    after = np.empty(len(main), TRACK)
    after["ts"], after["latitude"], after["longitude"] = reports.ts, reports.latitude, reports.longitude
    after["speed"], after["score"] = reports.speed, reports.score
    after["support"] = np.minimum(FULL, main["support"].astype(np.int64) + 1)
    gap = np.minimum(MOST_INTERVAL, np.maximum(seconds, 0) * 10).astype(np.int64)
    interval = main["interval"].astype(np.int64)
    after["interval"] = np.where(interval > 0, (3 * interval + gap) // 4, gap)
    return after
