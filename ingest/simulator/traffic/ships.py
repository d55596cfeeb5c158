"""A fleet and its motion: in come a seed and a number of ships, out come ships that know where they are at any moment.

A place is computed when it is asked for, from the ship's lane and the time alone; nothing is stepped forward, so a ship
costs nothing between two reports. Places depend on absolute time: the same seed gives the same place at the same second
whenever the simulation was started.
"""

import math
from dataclasses import dataclass
from enum import IntEnum
from random import Random
from typing import NamedTuple, Protocol

from ingest.simulator.traffic.identities import CLASS_A, CLASS_B, MOST_SHIPS, Identity, draw_build, draw_identity
from ingest.simulator.traffic.lanes import ANCHORAGES, LANES, Anchorage, Lane
from ingest.simulator.traffic.reception import Route
from ingest.simulator.traffic.track import Point, moved

KNOT = 1852.0 / 3600.0  # metres a second

# Of 20 ships in a row these places are class B, at anchor and moored; the other 13 are class A under way.
_CLASS_B_PLACES = (2, 6, 10, 14, 18)
_ANCHORED_PLACE, _MOORED_PLACE = 8, 16

# Also the radius in which a ship turns round at the end of her lane.
_LEAST_OFFSET_M = 800.0


class TransmissionKind(IntEnum):
    """What a ship transmits, each kind with its own timetable."""

    POSITION = 0  # type 1 or 18
    STATIC = 1  # type 5 or 24 part A
    STATIC_B = 2  # type 24 part B


class ShipStatus(IntEnum):
    """Navigational status as AIS numbers it (ITU-R M.1371-5, table 48), those in use here."""

    UNDER_WAY = 0
    AT_ANCHOR = 1
    MOORED = 5


class ShipPoint(NamedTuple):
    """Where a ship is and how she moves.

    Degrees (WGS 84), `speed` in knots over ground, `course` and `heading` in degrees true [0, 360), `turn` in degrees a
    minute, positive to starboard.
    """

    latitude: float
    longitude: float
    speed: float
    course: float
    heading: float
    turn: float


class Voyage(NamedTuple):
    """Where a ship is bound, and the seconds until she is there; None where she is not going anywhere."""

    destination: str
    seconds_left: float | None


class Motion(Protocol):
    """How a ship moves: a pure function of the seconds since 1970."""

    @property
    def status(self) -> ShipStatus: ...

    @property
    def route(self) -> Route: ...

    def at(self, seconds: float) -> ShipPoint: ...

    def voyage(self, seconds: float) -> Voyage: ...


@dataclass(frozen=True, slots=True)
class UnderWay:
    """Back and forth on a lane, `offset_m` to starboard of its line, at `speed` (knots) give or take a few per cent."""

    lane: Lane
    offset_m: float
    begin_m: float
    speed: float
    surge_s: float  # the period in which the speed rises and falls by _SURGE
    leeway: float  # heading minus course, degrees
    ports: tuple[str, str]
    status: ShipStatus = ShipStatus.UNDER_WAY

    _SURGE = 0.04

    @property
    def route(self) -> Route:
        """The lane, for its receivers."""
        return self.lane.route

    def _travelled(self, seconds: float) -> float:
        metres_per_second = self.speed * KNOT
        swell = self._SURGE * self.surge_s / math.tau * math.sin(math.tau * seconds / self.surge_s)
        return self.begin_m + metres_per_second * (seconds + swell)

    def at(self, seconds: float) -> ShipPoint:
        """The fix at a moment."""
        step = self.lane.track.circuit(self._travelled(seconds), self.offset_m)
        along = self.speed * (1.0 + self._SURGE * math.cos(math.tau * seconds / self.surge_s))
        course = math.degrees(step.course) % 360.0
        turn = math.degrees(step.turn) * along * KNOT * 60.0
        return ShipPoint(step.latitude, step.longitude, along * step.pace, course, (course + self.leeway) % 360.0, turn)

    def voyage(self, seconds: float) -> Voyage:
        """The port at the end that the ship heads for; turning round counts as the way to the next one."""
        track, circuit_m = self.lane.track, self.lane.track.circuit_m(self.offset_m)
        travelled = self._travelled(seconds) % circuit_m
        outbound = travelled < track.length_m
        end_m = track.length_m if outbound else circuit_m
        return Voyage(self.ports[outbound], (end_m - travelled) / (self.speed * KNOT))


@dataclass(frozen=True, slots=True)
class Lying:
    """At anchor or moored: swinging within `swing_m` of a point, so slowly that it says 0.0 to 0.2 knots."""

    place: Point
    swing_m: float  # 0 when moored
    heading: float
    status: ShipStatus
    anchorage: Anchorage

    _SWING_RADIANS = 0.5
    _PERIOD_S = 3600.0

    @property
    def route(self) -> Route:
        """The anchorage, for its receivers."""
        return self.anchorage.route

    def at(self, seconds: float) -> ShipPoint:
        """The fix at a moment: the bow points at the anchor, the stern swings to and fro."""
        phase = math.tau * seconds / self._PERIOD_S
        swing = self._SWING_RADIANS * math.sin(phase)
        rate = self._SWING_RADIANS * math.tau / self._PERIOD_S * math.cos(phase) if self.swing_m else 0.0
        aft = math.radians(self.heading) + math.pi + swing
        heading = (self.heading + math.degrees(swing)) % 360.0 if self.swing_m else self.heading
        course = math.degrees(aft + math.copysign(math.pi / 2, rate)) % 360.0
        return ShipPoint(*moved(*self.place, aft, self.swing_m), abs(rate) * self.swing_m / KNOT, course, heading, 0.0)

    def voyage(self, seconds: float) -> Voyage:
        """The port she waits for, at no known time."""
        return Voyage(self.anchorage.port, None)


@dataclass(frozen=True, slots=True)
class SimulatedShip:
    """One ship: who she is, how she moves, and of which AIS class her transponder is."""

    identity: Identity
    motion: Motion
    class_b: bool

    def broadcasts(self, interval: int | None = None) -> dict[TransmissionKind, int]:
        """The period of each kind of message in milliseconds (ITU-R M.1371-5, annex 1, tables 1 and 2).

        `interval` is the seconds between two positions of a ship under way, None for those of the standard. A ship that
        alters her course keeps her period; the standard would have her report three times as often.
        """
        periods = {TransmissionKind.POSITION: self._position_period_ms(interval), TransmissionKind.STATIC: 360_000}
        return periods | {TransmissionKind.STATIC_B: 360_000} if self.class_b else periods

    def _position_period_ms(self, interval: int | None) -> int:
        if not isinstance(self.motion, UnderWay):
            return 180_000
        if interval is not None:
            return interval * 1000
        if self.class_b:
            return 30_000
        return 6_000 if self.motion.speed > 14.0 else 10_000


def build_fleet(seed: int, ships: int, *, moored: float | None = None) -> list[SimulatedShip]:
    """`ships` ships (1 to MOST_SHIPS, else ValueError), the first ones the same however many follow.

    A quarter is class B, and of those that lie still, all are moored but one at anchor in each twenty of the fleet.
    `moored` is their share, 0 to 1; None: a twentieth at anchor, a twentieth moored, all of class A. All others sail,
    spread over the lanes by their shares.
    """
    if not 1 <= ships <= MOST_SHIPS:
        raise ValueError(f"ships must be from 1 to {MOST_SHIPS}, not {ships}")
    lanes = [lane for lane in LANES for _ in range(lane.share)]
    Random(f"lanes {seed}").shuffle(lanes)
    return [_build_ship(seed, number, lanes[number % len(lanes)], moored) for number in range(ships)]


def _lies_still(number: int, moored: float | None) -> bool:
    """Spread evenly: of the first n ships, n times the share, rounded down."""
    if moored is None:
        return number % 20 in (_ANCHORED_PLACE, _MOORED_PLACE)
    thousandths = round(moored * 1000)
    return (number + 1) * thousandths // 1000 > number * thousandths // 1000


def _build_ship(seed: int, number: int, lane: Lane, moored: float | None) -> SimulatedShip:
    chance, place = Random(f"ship {seed} {number}"), number % 20
    class_b = place in _CLASS_B_PLACES
    build = draw_build(chance, CLASS_B if class_b else CLASS_A)
    identity = draw_identity(seed, number, chance, build, class_b=class_b)
    motion: Motion
    if _lies_still(number, moored):
        status = ShipStatus.AT_ANCHOR if place == _ANCHORED_PLACE else ShipStatus.MOORED
        motion = _lie(chance, chance.choice(ANCHORAGES), status)
    else:
        motion = _sail(chance, lane, chance.uniform(*build.speed_kn))
    return SimulatedShip(identity, motion, class_b)


def _sail(chance: Random, lane: Lane, speed: float) -> UnderWay:
    offset_m = chance.uniform(max(_LEAST_OFFSET_M, 0.35 * lane.half_width_m), lane.half_width_m)
    return UnderWay(
        lane=lane,
        offset_m=offset_m,
        begin_m=chance.uniform(0.0, lane.track.circuit_m(offset_m)),
        speed=speed,
        surge_s=chance.uniform(900.0, 2_400.0),
        leeway=chance.uniform(-3.0, 3.0),
        ports=(chance.choice(lane.near), chance.choice(lane.far)),
    )


def _lie(chance: Random, anchorage: Anchorage, status: ShipStatus) -> Lying:
    # The square root spreads the ships evenly over the circle.
    from_middle_m = anchorage.radius_m * math.sqrt(chance.random())
    return Lying(
        place=moved(*anchorage.middle, chance.uniform(0.0, math.tau), from_middle_m),
        swing_m=chance.uniform(30.0, 100.0) if status is ShipStatus.AT_ANCHOR else 0.0,
        heading=chance.uniform(0.0, 360.0),
        status=status,
        anchorage=anchorage,
    )
