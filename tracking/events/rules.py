"""Geofences and watch-lists as a process holds them: an index of polygons, and sets of identities.

Read from PostgreSQL, and read again at most every LOOK_SECONDS where a row was saved or is gone.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import shapely
from django.db import connection
from shapely.geometry import shape

from resilience import memory
from tracking.events.models.rules import Geofence, WatchedTarget, WatchList
from tracking.truth.models import PositionKind

LOOK_SECONDS = 5.0
MOST_FENCES = 5000  # the first by number are looked at
Key = int | str


class Fence(NamedTuple):
    """A geofence as positions are compared with it."""

    number: int
    name: str
    tells_entering: bool
    tells_leaving: bool
    dwell_ms: int | None
    limit_knots: float | None


class FenceIndex:
    """The polygons that count for one subject."""

    def __init__(self, fences: Sequence[Geofence]) -> None:
        self.fences = [_fence(fence) for fence in fences]
        areas = [shape(fence.area) for fence in fences]
        shapely.prepare(areas)
        self._tree = shapely.STRtree(areas)
        self._bounds = shapely.total_bounds(areas) if areas else None

    def within(self, longitudes: Any, latitudes: Any) -> list[tuple[int, Fence]]:
        """(index of the point, fence) of each point in each fence, borders included; arrays of degrees."""
        if self._bounds is None:
            return []
        west, south, east, north = self._bounds
        near = np.flatnonzero((longitudes >= west) & (longitudes <= east) & (latitudes >= south) & (latitudes <= north))
        if not len(near):
            return []
        points = shapely.points(longitudes[near], latitudes[near])
        which, fences = self._tree.query(points, predicate="intersects")
        return [(point, self.fences[fence]) for point, fence in zip(near[which].tolist(), fences.tolist(), strict=True)]


class Rules(NamedTuple):
    """All that is looked for. `watched`: the numbers of the lists on which an identity is; `names` of the lists."""

    fences: dict[PositionKind, FenceIndex]
    by_number: dict[str, Fence]
    watched: dict[PositionKind, dict[Key, list[int]]]
    names: dict[int, str]


class _RulesInUse:
    """What this process read, when it looked last, and the version of that."""

    rules: Rules | None = None
    version: tuple[Any, ...] = ()
    looked = 0.0


_kept = _RulesInUse()
memory.forgotten_by(lambda: _keep(None, ()))


def current() -> Rules:
    """The rules in force, at most LOOK_SECONDS old. Raises django.db errors."""
    now = time.monotonic()
    if _kept.rules is None or now - _kept.looked >= LOOK_SECONDS:
        version = _version()
        if _kept.rules is None or version != _kept.version:
            _keep(_read(), version)
        _kept.looked = now
    assert _kept.rules is not None
    return _kept.rules


def fresh() -> Rules | None:
    """The rules in force, where nobody has to ask for them."""
    return _kept.rules if time.monotonic() - _kept.looked < LOOK_SECONDS else None


def _keep(rules: Rules | None, version: tuple[Any, ...]) -> None:
    _kept.rules, _kept.version, _kept.looked = rules, version, 0.0


def _version() -> tuple[Any, ...]:
    """Other after any change: of a list's targets too, because saving a list with them saves the list."""
    fences, lists, targets = (model._meta.db_table for model in (Geofence, WatchList, WatchedTarget))
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT (SELECT (count(*), max(changed_at))::text FROM {fences}),"
            f" (SELECT (count(*), max(changed_at))::text FROM {lists}),"
            f" (SELECT (count(*), max(id))::text FROM {targets})"
        )
        return tuple(cursor.fetchone())


def _read() -> Rules:
    fences = list(Geofence.objects.filter(enabled=True).order_by("id")[:MOST_FENCES])
    watched: dict[PositionKind, dict[Key, list[int]]] = {subject: {} for subject in PositionKind}
    for target in WatchedTarget.objects.filter(watch_list__enabled=True).order_by("id"):
        subject = PositionKind(target.subject)
        key: Key = int(target.identity) if subject is PositionKind.VESSEL else target.identity
        watched[subject].setdefault(key, []).append(target.watch_list_id)
    return Rules(
        {
            subject: FenceIndex([fence for fence in fences if fence.whose in (Geofence.Whose.BOTH, subject)])
            for subject in PositionKind
        },
        {str(fence.pk): _fence(fence) for fence in fences},
        watched,
        dict(WatchList.objects.values_list("id", "name")),
    )


def _fence(fence: Geofence) -> Fence:
    dwell = None if fence.dwell_minutes is None else fence.dwell_minutes * 60_000
    return Fence(fence.pk, fence.name, fence.tells_entering, fence.tells_leaving, dwell, fence.limit_knots)
