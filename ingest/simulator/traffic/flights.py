"""How an aircraft flies: in come an airway and a kind of aircraft, out come place, altitude and speed at any moment.

A flight is a row of phases: on the stand, take-off roll, climb, cruise, descent, landing roll, and the same back. In
each the speed over ground and the altitude change evenly, so the distance flown is exactly the speed times the time. It
knows nothing of wind, terrain or other traffic.
"""

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import NamedTuple

from ingest.simulator.traffic.airways import Airway
from ingest.simulator.traffic.ships import KNOT

_TAKE_OFF_KN, _LANDING_KN = 150.0, 135.0
_ROLL_S = 40.0
_STAND_S = 240.0
_LEVEL_STEP_FT = 1_000


@dataclass(frozen=True, slots=True)
class Performance:
    """A kind of aircraft: speed over ground (knots), altitude (feet), rates (feet a minute), range (metres)."""

    cruise_kn: tuple[float, float]
    cruise_ft: tuple[int, int]
    climb_fpm: int
    descent_fpm: int
    range_m: tuple[float, float]


JET = Performance((420.0, 490.0), (31_000, 39_000), 2_048, 1_536, (700_000.0, 9_500_000.0))
TURBOPROP = Performance((250.0, 300.0), (19_000, 25_000), 1_280, 1_152, (350_000.0, 1_000_000.0))


class FlightPhase(NamedTuple):
    """A part of a flight: how long it lasts, speed (knots) and altitude (feet) at its beginning and its end."""

    seconds: float
    speed: float
    speed_to: float
    altitude: float
    altitude_to: float
    on_ground: bool
    begin_m: float  # where on its airway it begins
    outbound: bool


class FlightPoint(NamedTuple):
    """Where an aircraft is and how it moves.

    Degrees (WGS 84), `altitude` in feet above the sea, `speed` in knots over ground, `track` in degrees true [0, 360),
    `vertical_rate` in feet a minute.
    """

    latitude: float
    longitude: float
    altitude: float
    speed: float
    track: float
    vertical_rate: float
    on_ground: bool


class Flight:
    """There and back along an airway for ever: a pure function of the seconds since 1970.

    `cruise_kn` and `cruise_ft` are the speed and the altitude between climb and descent; back it is 1,000 feet higher,
    because opposite directions have levels of their own. `begin_s` shifts the timetable.
    """

    def __init__(
        self, airway: Airway, performance: Performance, cruise_kn: float, cruise_ft: int, begin_s: float
    ) -> None:
        self.airway = airway
        self._begin_s = begin_s
        there = _phases(airway, performance, cruise_kn, cruise_ft, outbound=True)
        back = _phases(airway.back, performance, cruise_kn, cruise_ft + _LEVEL_STEP_FT, outbound=False)
        self.phases = (*there, *back)
        self._starts = [0.0, *accumulate(phase.seconds for phase in self.phases)]

    @cached_property
    def circuit_s(self) -> float:
        """How long it takes there and back, in seconds."""
        return self._starts[-1]

    def at(self, seconds: float) -> FlightPoint:
        """The fix at a moment."""
        since = (seconds + self._begin_s) % self.circuit_s
        number = bisect_right(self._starts, since, hi=len(self.phases)) - 1
        phase, elapsed = self.phases[number], since - self._starts[number]
        part = elapsed / phase.seconds
        gained = phase.speed_to - phase.speed
        along_m = phase.begin_m + (phase.speed + gained * part / 2) * KNOT * elapsed
        place = (self.airway if phase.outbound else self.airway.back).at(along_m)
        return FlightPoint(
            place.latitude,
            place.longitude,
            phase.altitude + (phase.altitude_to - phase.altitude) * part,
            phase.speed + gained * part,
            place.track,
            (phase.altitude_to - phase.altitude) / phase.seconds * 60.0,
            phase.on_ground,
        )


def _phases(
    airway: Airway, performance: Performance, cruise_kn: float, cruise_ft: int, *, outbound: bool
) -> Iterator[FlightPhase]:
    """One way, from the stand to the end of the landing roll; the cruise takes what the others leave of the airway."""
    low, high = float(airway.origin.elevation_ft), float(cruise_ft)
    end = float(airway.destination.elevation_ft)
    climb_s, descent_s = (high - low) / performance.climb_fpm * 60.0, (high - end) / performance.descent_fpm * 60.0
    others = (
        (_STAND_S, 0.0, 0.0, low, low, True),
        (_ROLL_S, 0.0, _TAKE_OFF_KN, low, low, True),
        (climb_s, _TAKE_OFF_KN, cruise_kn, low, high, False),
        (descent_s, cruise_kn, _LANDING_KN, high, end, False),
        (_ROLL_S, _LANDING_KN, 0.0, end, end, True),
    )
    left_m = airway.length_m - sum(_metres(*other[:3]) for other in others)
    cruise = (left_m / (cruise_kn * KNOT), cruise_kn, cruise_kn, high, high, False)
    begin_m = 0.0
    for values in (*others[:3], cruise, *others[3:]):
        yield FlightPhase(*values, begin_m, outbound)
        begin_m += _metres(*values[:3])


def _metres(seconds: float, speed: float, speed_to: float) -> float:
    """How far that leads at a speed that changes evenly."""
    return seconds * (speed + speed_to) / 2 * KNOT
