"""Ships that will come close: closest point of approach (CPA) and the time until it (TCPA), of all live ships.

Enter documents of live ships; leave events between two of them, named after the smaller MMSI with the greater one as
the reference. Two ships are an encounter when they will pass each other within ENCOUNTER_NM in ENCOUNTER_MINUTES at
most, and stay one until either is exceeded by half (hysteresis), or they have passed. Mute are pairs that both lie
still, a moored or grounded ship with anybody, and pairs that travel together (LEAST_CLOSING_KNOTS).

Straight courses on a plane that touches the earth between the two: within 20 nautical miles the error is below 0.1 %.
Candidates come from a tree over Mercator coordinates, whose scale is local, so pairs are compared only near each other.
"""

from __future__ import annotations

import logging
import threading
import time
from array import array
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, NamedTuple, Self

import numpy as np
import shapely
from django.conf import settings
from django.db import connections
from django_redis import get_redis_connection

from resilience import clocks
from resilience.breaker.registry import Breaker, CircuitOpen, get_breaker
from resilience.database.sqlstate import is_outage
from tracking.events import keeping, recording
from tracking.events.models.event import Event, EventKind
from tracking.events.ships import LiveShip, heard_since

logger = logging.getLogger(__name__)

LOOK_SECONDS = 10.0
LEASE = "v2:events:encounters"  # held by the process that looks
MOST_PAIRS = 2_000_000
MOST_NEW = 200  # events of one look, the nearest in time first
OLDEST_SECONDS = 180.0  # of a position that is carried forward
LEAST_KNOTS = 2.0  # below it a ship lies still
LEAST_CLOSING_KNOTS = 3.0
FASTEST_KNOTS = 40.0  # two ships towards each other: beyond what they cover nobody is looked for
HYSTERESIS = 1.5
_STILL = {1, 5, 6}  # at anchor, moored, aground
_MOORED = {5, 6}
_STOP_SECONDS = 5.0


class Ships(NamedTuple):
    """Columns of the ships that count: degrees carried forward to now, knots, east and north."""

    keys: Any
    latitude: Any
    longitude: Any
    east: Any
    north: Any
    still: Any
    moored: Any


class Pairs(NamedTuple):
    """Columns of the pairs near each other: indexes, closest approach (nautical miles), minutes until then."""

    first: Any
    second: Any
    cpa_nm: Any
    tcpa_minutes: Any
    mute: Any


def look(now: float) -> int:
    """Read, then tell. Raises django.db and redis errors."""
    return tell(read(now), now)


def read(now: float) -> list[LiveShip]:
    """The live ships that were heard lately. Raises redis errors."""
    return heard_since(now - OLDEST_SECONDS)


def tell(heard: Sequence[LiveShip], now: float) -> int:
    """Open and close; how many were opened. Raises django.db errors."""
    ships = columns(heard, now)
    limit, ahead = settings.ENCOUNTER_NM, settings.ENCOUNTER_MINUTES
    pairs = approaches(ships, ahead * HYSTERESIS)
    held = _within(pairs, limit * HYSTERESIS, ahead * HYSTERESIS)
    close = _within(pairs, limit, ahead)
    close = close[np.argsort(pairs.tcpa_minutes[close])]
    goes_on = [("vessel", *_names(ships, pairs, index)) for index in held.tolist()]
    known = set(Event.objects.filter(kind=EventKind.ENCOUNTER, until=None).values_list("identity", "reference"))
    keeping.close_where(EventKind.ENCOUNTER, goes_on, clocks.database_now())
    new = [index for index in close.tolist() if _names(ships, pairs, index) not in known]
    if len(new) > MOST_NEW:
        logger.warning("%d pairs of ships come close, the %d nearest are told", len(new), MOST_NEW)
    by_key = {ship.id: ship for ship in heard} if new else {}
    return len(recording.record([_note(ships, pairs, index, now, by_key) for index in new[:MOST_NEW]]))


def columns(heard: Sequence[LiveShip], now: float) -> Ships:
    """The ships with a position that is not too old, carried forward by speed and course."""
    rows = array("d")  # a fifth of what tuples take
    for ship in heard:
        age = now - ship.placed_at
        if ship.lat is None or ship.lon is None or age > OLDEST_SECONDS or abs(ship.lat) > 85 or not ship.is_ship:
            continue
        still = ship.course is None or ship.knots < LEAST_KNOTS or ship.status in _STILL
        moving, moored = 0.0 if still else ship.knots, ship.status in _MOORED
        rows.extend((int(ship.id), ship.lat, ship.lon, moving, ship.course or 0.0, max(0.0, age), still, moored))
    keys, latitude, longitude, speed, course, age, still, moored = np.array(rows, "f8").reshape(-1, 8).T
    east, north = speed * np.sin(np.radians(course)), speed * np.cos(np.radians(course))
    latitude = latitude + north * age / 216_000  # seconds at knots, in degrees
    longitude = longitude + east * age / 216_000 / np.cos(np.radians(latitude))
    return Ships(keys.astype("i8"), latitude, longitude, east, north, still > 0, moored > 0)


def approaches(ships: Ships, minutes: float) -> Pairs:
    """All pairs that could meet within so many minutes, each once."""
    first, second = _near(ships, FASTEST_KNOTS * minutes / 60)
    scale = 60 * np.cos(np.radians((ships.latitude[first] + ships.latitude[second]) / 2))
    aside = (ships.longitude[second] - ships.longitude[first] + 180) % 360 - 180
    x, y = aside * scale, (ships.latitude[second] - ships.latitude[first]) * 60
    u, v = ships.east[second] - ships.east[first], ships.north[second] - ships.north[first]
    closing = u * u + v * v
    with np.errstate(divide="ignore", invalid="ignore"):
        hours = np.where(closing > 0, -(x * u + y * v) / closing, -1.0)
    cpa = np.hypot(x + u * hours, y + v * hours)
    mute = (
        (closing < LEAST_CLOSING_KNOTS**2)
        | (ships.still[first] & ships.still[second])
        | ships.moored[first]
        | ships.moored[second]
    )
    return Pairs(first, second, cpa, hours * 60, mute)


def _near(ships: Ships, reach_nm: float) -> tuple[Any, Any]:
    """Pairs of indexes within the reach; ships beside the antimeridian are compared with copies on its other side."""
    if len(ships.keys) < 2:
        return np.array([], "i8"), np.array([], "i8")
    index = np.arange(len(ships.keys))
    # At 85 degrees a nautical mile is 0.2 degrees of longitude.
    west = index[ships.longitude < -180 + reach_nm * 0.2]
    whose = np.concatenate([index, west])
    longitude = np.concatenate([ships.longitude, ships.longitude[west] + 360])
    latitude = ships.latitude[whose]
    y = np.degrees(np.arcsinh(np.tan(np.radians(latitude))))
    tree = shapely.STRtree(shapely.points(longitude, y))
    asking = np.flatnonzero(~ships.still[whose])  # of two that lie still nobody asks
    reach = reach_nm / 60 / np.cos(np.radians(np.minimum(85, np.abs(latitude[asking]) + reach_nm / 60)))
    boxes = shapely.box(longitude[asking] - reach, y[asking] - reach, longitude[asking] + reach, y[asking] + reach)
    one, other = tree.query(boxes)
    one, other = whose[asking[one]], whose[other]
    if len(one) > MOST_PAIRS:
        logger.warning("%d pairs of ships are near each other, %d are looked at", len(one), MOST_PAIRS)
        one, other = one[:MOST_PAIRS], other[:MOST_PAIRS]
    low, high = np.minimum(one, other), np.maximum(one, other)
    pairs = np.unique(low[low != high] * len(index) + high[low != high])
    return pairs // len(index), pairs % len(index)


def _within(pairs: Pairs, limit_nm: float, minutes: float) -> Any:
    return np.flatnonzero(
        ~pairs.mute & (pairs.cpa_nm < limit_nm) & (pairs.tcpa_minutes >= 0) & (pairs.tcpa_minutes < minutes)
    )


def _names(ships: Ships, pairs: Pairs, index: int) -> tuple[str, str]:
    """The smaller MMSI and the greater one."""
    both = sorted((int(ships.keys[pairs.first[index]]), int(ships.keys[pairs.second[index]])))
    return str(both[0]), str(both[1])


def _note(ships: Ships, pairs: Pairs, index: int, now: float, heard: dict[str, LiveShip]) -> recording.Note:
    one, other = _names(ships, pairs, index)
    first = pairs.first[index] if str(ships.keys[pairs.first[index]]) == one else pairs.second[index]
    values: dict[str, Any] = {
        "other": heard[other].name or other,
        "cpa_nm": round(float(pairs.cpa_nm[index]), 3),
        "tcpa_minutes": round(float(pairs.tcpa_minutes[index]), 1),
    }
    if heard[one].name:
        values["name"] = heard[one].name
    return recording.Note(
        EventKind.ENCOUNTER,
        "vessel",
        one,
        other,
        round(now * 1000),
        round(float(ships.latitude[first]), 6),
        round(float((ships.longitude[first] + 180) % 360 - 180), 6),
        heard[one].source,
        values,
    )


class EncounterWatch:
    """A thread that looks every LOOK_SECONDS, for as long as a `with` block lasts; of several processes one looks."""

    def __init__(self, breakers: Callable[[str], Breaker] = get_breaker) -> None:
        self._breakers = breakers
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="encounters", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Ask it to end and wait for that."""
        self._stop.set()
        self._thread.join(_STOP_SECONDS)

    def attempt(self) -> None:
        """One look that raises nothing."""
        try:
            now = time.time()
            if not settings.ENCOUNTER_NM:
                return
            with self._breakers("live").guard():
                ships = read(now) if _is_ours() else None
            if ships is not None:
                with self._breakers("database").guard():  # not within the other: one's outage is none of the other's
                    tell(ships, now)
        except CircuitOpen as error:
            logger.debug("nobody looks for encounters: %s", error)
        except Exception as error:
            # A bug must not end the thread either.
            logger.warning("ships were not looked at for encounters: %s", error, exc_info=not is_outage(error))
        finally:
            connections.close_all()

    def _watch(self) -> None:
        while not self._stop.wait(LOOK_SECONDS):
            self.attempt()


def _is_ours() -> bool:
    """Whether it is our turn: the lease runs out just before the next look, so a process that died is replaced."""
    return bool(get_redis_connection("live").set(LEASE, 1, nx=True, px=round(LOOK_SECONDS * 900)))
