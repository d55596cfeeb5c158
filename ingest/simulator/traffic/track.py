"""A course line at sea: in come waypoints, out come points, bearings and bends at any distance along it.

Bends are rounded, so that a ship turns instead of jumping to a new course. A ship keeps to the starboard side of the
line, turns round behind its end and comes back on the other side; that closed circuit is what `circuit` describes.
Distances are metres on a sphere, bearings radians from north, clockwise. Lines across the antimeridian or a pole are
not handled.
"""

import math
from bisect import bisect_right
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

EARTH_RADIUS_M = 6_371_008.8

Point = tuple[float, float]  # latitude, longitude in degrees, WGS 84

_BEND_M = 14_000.0  # a bend begins and ends this far from its waypoint, or at 0.45 of a shorter leg
_BEND_STEPS = 16
_LEG_STEP_M = 25_000.0  # short enough that straight in degrees is straight at sea


class LinePoint(NamedTuple):
    """A point of the line: degrees, bearing (radians), and how fast the bearing changes (radians per metre)."""

    latitude: float
    longitude: float
    bearing: float
    bend: float


class CircuitPoint(NamedTuple):
    """A point of a circuit: degrees, course (radians, not normalised).

    `pace` is metres made good for each metre of circuit (1 on a straight, less inside a bend); `turn` is the change of
    the course in radians per metre of circuit, positive to starboard.
    """

    latitude: float
    longitude: float
    course: float
    pace: float
    turn: float


class WaypointTrack:
    """A rounded line through two or more waypoints; `length_m` is the length of the line itself."""

    def __init__(self, waypoints: Sequence[Point]) -> None:
        points = _subdivided(_rounded(waypoints))
        legs = list(pairwise(points))
        self._points = points
        self._along = [0.0]
        for one, other in legs:
            self._along.append(self._along[-1] + distance_m(one, other))
        self._bearings = _vertex_bearings([bearing(one, other) for one, other in legs])
        self.length_m = self._along[-1]

    def at(self, along_m: float) -> LinePoint:
        """The point `along_m` metres from the first waypoint; 0 to `length_m`, beyond that the end."""
        leg = min(max(bisect_right(self._along, along_m) - 1, 0), len(self._along) - 2)
        length = self._along[leg + 1] - self._along[leg]
        part = min(max((along_m - self._along[leg]) / length, 0.0), 1.0)
        (lat, lon), (lat_to, lon_to) = self._points[leg], self._points[leg + 1]
        swing = self._bearings[leg + 1] - self._bearings[leg]
        towards = self._bearings[leg] + part * swing
        return LinePoint(lat + part * (lat_to - lat), lon + part * (lon_to - lon), towards, swing / length)

    def circuit_m(self, offset_m: float) -> float:
        """The length of the round trip `offset_m` to starboard of the line: out, round, back, round."""
        return 2.0 * (self.length_m + math.pi * offset_m)

    def circuit(self, travelled_m: float, offset_m: float) -> CircuitPoint:
        """Where a ship is after `travelled_m` (any value; it wraps) of the circuit that lies `offset_m` off the line.

        Both half circles turn to port, radius `offset_m`. `swung` is how much of them lies behind the ship: 0 outbound,
        pi on the way back. It turns the side on which the ship keeps and its course alike.
        """
        round_m = math.pi * offset_m
        left_m = travelled_m % self.circuit_m(offset_m)
        if left_m < self.length_m:
            along, swung = left_m, 0.0
        elif (left_m := left_m - self.length_m) < round_m:
            return self._turning(self.length_m, left_m / offset_m, offset_m)
        elif (left_m := left_m - round_m) < self.length_m:
            along, swung = self.length_m - left_m, math.pi
        else:
            return self._turning(0.0, math.pi + (left_m - self.length_m) / offset_m, offset_m)
        place = self.at(along)
        outward = 1.0 if swung == 0.0 else -1.0
        point = moved(place.latitude, place.longitude, place.bearing + math.pi / 2 - swung, offset_m)
        return CircuitPoint(*point, place.bearing - swung, 1.0 - outward * offset_m * place.bend, outward * place.bend)

    def _turning(self, along_m: float, swung: float, offset_m: float) -> CircuitPoint:
        """A point on the half circle behind one of the ends."""
        end = self.at(along_m)
        point = moved(end.latitude, end.longitude, end.bearing + math.pi / 2 - swung, offset_m)
        return CircuitPoint(*point, end.bearing - swung, 1.0, -1.0 / offset_m)


def distance_m(one: Point, other: Point) -> float:
    """Great-circle distance of two points, in metres (haversine)."""
    lat, lat_to = math.radians(one[0]), math.radians(other[0])
    half_lat, half_lon = (lat_to - lat) / 2, math.radians(other[1] - one[1]) / 2
    chord = math.sin(half_lat) ** 2 + math.cos(lat) * math.cos(lat_to) * math.sin(half_lon) ** 2
    return 2 * EARTH_RADIUS_M * math.asin(math.sqrt(chord))


def bearing(one: Point, other: Point) -> float:
    """Bearing of a short leg, in radians from north, clockwise, -pi to pi."""
    shrink = math.cos(math.radians((one[0] + other[0]) / 2))
    return math.atan2((other[1] - one[1]) * shrink, other[0] - one[0])


def moved(latitude: float, longitude: float, towards: float, by_m: float) -> Point:
    """The point `by_m` metres (a few kilometres at most) from another, `towards` a bearing in radians."""
    degrees = math.degrees(by_m / EARTH_RADIUS_M)
    lat = latitude + degrees * math.cos(towards)
    return lat, longitude + degrees * math.sin(towards) / math.cos(math.radians((latitude + lat) / 2))


def _between(one: Point, other: Point, part: float) -> Point:
    return one[0] + part * (other[0] - one[0]), one[1] + part * (other[1] - one[1])


def _rounded(waypoints: Sequence[Point]) -> list[Point]:
    """Each inner waypoint replaced by a curve that touches both of its legs (a quadratic Bezier)."""
    points = [waypoints[0]]
    for before, corner, after in zip(waypoints, waypoints[1:], waypoints[2:], strict=False):
        legs = distance_m(corner, before), distance_m(corner, after)
        reach = min(_BEND_M, 0.45 * min(legs))
        entry, leaving = _between(corner, before, reach / legs[0]), _between(corner, after, reach / legs[1])
        for step in range(_BEND_STEPS + 1):
            part = step / _BEND_STEPS
            points.append(_between(_between(entry, corner, part), _between(corner, leaving, part), part))
    return [*points, waypoints[-1]]


def _subdivided(points: list[Point]) -> list[Point]:
    """The same line with no leg longer than _LEG_STEP_M."""
    finer = [points[0]]
    for one, other in pairwise(points):
        pieces = math.ceil(distance_m(one, other) / _LEG_STEP_M)
        finer.extend(_between(one, other, piece / pieces) for piece in range(1, pieces + 1))
    return finer


def _vertex_bearings(legs: list[float]) -> list[float]:
    """The bearing at every point: the mean of the legs that meet there, never jumping by a full circle."""
    steady = [legs[0]]
    for leg in legs[1:]:
        steady.append(steady[-1] + math.remainder(leg - steady[-1], math.tau))
    inner = [(one + other) / 2 for one, other in pairwise(steady)]
    return [steady[0], *inner, steady[-1]]
