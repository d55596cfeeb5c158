"""The terms of the rule: what a position is to it, and what it says of positions and of tracks.

Values only, and what one position says of itself, whatever the others say; the verdicts are those of `rule`.
"""

from __future__ import annotations

import enum
import math
from typing import NamedTuple

ACCEPTED = 9  # refused by the rule, accepted by an operator: shown, part of no track
NULL_ISLAND_DEGREES = 0.01
COARSE_STEPS = 600  # a long-range report (type 27) has tenths of a minute: so many to a degree
_COARSE_ERROR = 1e-6


class RefusalCode(enum.IntEnum):
    """Why a position belongs to no track; the numbers are stored."""

    OUTLIER = -1  # it fits no track, or contradicts one of the same second
    REPEAT = -2  # word for word what was said before: a relay that is late, a receiver that stands still
    SPOOFED = -3  # its track is one of many that jumped to one place
    COARSE = -4  # of low resolution, within minutes of a fine one
    NULL_ISLAND = -5  # 0° N 0° E: a receiver that does not know its place
    BY_HAND = -6  # an operator said so


class OperatorDecision(enum.IntEnum):
    """What an operator said of a position."""

    REFUSE = -1
    NONE = 0
    ACCEPT = 1


class JudgedPosition(NamedTuple):
    """A position: ms since 1970, degrees, knots, degrees true; NaN where speed or course is unknown."""

    ts: int
    latitude: float
    longitude: float
    speed: float = math.nan
    course: float = math.nan
    decision: OperatorDecision = OperatorDecision.NONE

    @property
    def place(self) -> tuple[float, float]:
        """(latitude, longitude)."""
        return self.latitude, self.longitude

    @property
    def said(self) -> tuple[float, ...]:
        """Everything but the time; an unknown course is -1, because NaN equals nothing."""
        return self.latitude, self.longitude, self.speed, -1.0 if self.course != self.course else self.course


class Birth(NamedTuple):
    """A confirmed track that began beside another: time and place of its first position, the place that it left."""

    ts: int
    latitude: float
    longitude: float
    number: int
    origin: tuple[float, float]


class Measure(NamedTuple):
    """How far a position lies from the nearest track, in how many seconds, and how far it may: metres."""

    distance_m: float
    seconds: float
    budget_m: float


class OpenTracks(NamedTuple):
    """More than one track was open from `since` to `until`, ms; None: still."""

    since: int
    until: int | None


def is_coarse(latitude: float, longitude: float, speed: float) -> bool:
    """Whether place and speed have the resolution of a long-range report; few others have it by chance."""
    return (speed != speed or speed == round(speed)) and _on_grid(latitude) and _on_grid(longitude)


def _on_grid(degrees: float) -> bool:
    steps = degrees * COARSE_STEPS
    return abs(steps - round(steps)) < _COARSE_ERROR


def is_null_island(latitude: float, longitude: float) -> bool:
    """Whether a place is within a kilometre of 0° N 0° E."""
    return abs(latitude) < NULL_ISLAND_DEGREES and abs(longitude) < NULL_ISLAND_DEGREES
