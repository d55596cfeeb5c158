"""The rule for many identities at once: which of them need the fold, because something about them is not steady.

Enter columns of positions, sorted by identity and time; leaves which positions break the line. An identity without such
a position is one track by the rule of `rule`: each position is within the budget of the one before, none says again
what the last ones said, none is coarse. That holds for nearly all of them, and costs a hundredth of the fold.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from tracking.truth.budget import DEGREE_M, KNOT, Budget
from tracking.truth.rule import TAIL, TWIN_M
from tracking.truth.terms import COARSE_STEPS, NULL_ISLAND_DEGREES

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Whole = npt.NDArray[np.int64]

_ON_GRID = 1e-6
_LONG = 15  # degrees between two positions, from which the plane is not trusted
_POLAR = 75


class PositionColumns(NamedTuple):
    """Positions by column: whose (any number), ms since 1970, degrees, knots, degrees true; NaN where unknown."""

    whose: Whole
    ts: Whole
    latitude: Floats
    longitude: Floats
    speed: Floats
    course: Floats


def breaks(rows: PositionColumns, budget: Budget) -> Flags:
    """Whether each position breaks the line of its identity, all of one class."""
    broken = coarse(rows.latitude, rows.longitude, rows.speed) | null_island(rows.latitude, rows.longitude)
    if len(broken) > 1:
        broken[1:] |= _edges(rows, budget)
    for back in range(1, TAIL + 1):
        broken[back:] |= _said_again(rows, back, budget)
    return broken


def coarse(latitude: Floats, longitude: Floats, speed: Floats) -> Flags:
    """Whether each position has the resolution of a long-range report (`terms.is_coarse`)."""
    whole = np.isnan(speed) | (speed == np.rint(speed))
    return whole & _on_grid(latitude) & _on_grid(longitude)


def _on_grid(degrees: Floats) -> Flags:
    steps = degrees * COARSE_STEPS
    return np.abs(steps - np.rint(steps)) < _ON_GRID


def null_island(latitude: Floats, longitude: Floats) -> Flags:
    """Whether each place is near 0° N 0° E."""
    return (np.abs(latitude) < NULL_ISLAND_DEGREES) & (np.abs(longitude) < NULL_ISLAND_DEGREES)


def _edges(rows: PositionColumns, budget: Budget) -> Flags:
    """Whether each position but the first lies further from the one before than its budget, or in the same second."""
    seconds = np.diff(rows.ts) / 1000.0
    distance = _distances(rows)
    speed = np.fmax(rows.speed[1:], rows.speed[:-1])
    base = budget.factor * np.where(np.isnan(speed), budget.unknown, speed) + budget.plus
    knots = np.minimum(base + budget.ramp * seconds, np.maximum(budget.cap, base))
    far = (distance > budget.slack_m + (seconds + budget.slack_s) * knots * KNOT) & (seconds <= budget.gap_s)
    if budget.once_a_second:
        far |= (distance > TWIN_M) & (rows.ts[1:] // 1000 == rows.ts[:-1] // 1000)
    ours: Flags = far & (rows.whose[1:] == rows.whose[:-1])
    return ours


def _distances(rows: PositionColumns) -> Floats:
    """Metres from the position before; without end where the plane is not exact, so that the fold looks closer."""
    east = np.abs(np.diff(rows.longitude))
    np.minimum(east, 360 - east, out=east)
    middle = np.cos(np.radians((rows.latitude[1:] + rows.latitude[:-1]) / 2))
    distance = DEGREE_M * np.hypot(east * middle, np.diff(rows.latitude))
    unsure = (east > _LONG) | ((np.abs(rows.latitude[1:]) > _POLAR) & (distance > TWIN_M))
    return np.where(unsure, np.inf, distance)


def _said_again(rows: PositionColumns, back: int, budget: Budget) -> Flags:
    """Whether each position from `back` on says word for word what the one so many before it said."""
    same: Flags = rows.speed[back:] >= budget.repeat_kn
    if not budget.once_a_second:
        return np.zeros(len(same), bool)
    for column in (rows.whose, rows.latitude, rows.longitude, rows.speed):
        same &= column[back:] == column[:-back]
    return same
