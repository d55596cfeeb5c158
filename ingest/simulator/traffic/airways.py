"""The way between two airports: in come two points, out come points and tracks along the great circle between them.

Computed with unit vectors, so that lines across the antimeridian are like any other. Opposite points of the Earth and
lines over a pole itself have no answer; no two airports of the simulation make one.
"""

import math
from functools import cached_property
from typing import NamedTuple

from ingest.simulator.traffic.airports import Airport
from ingest.simulator.traffic.reception import Route
from ingest.simulator.traffic.track import EARTH_RADIUS_M

Vector = tuple[float, float, float]


class Heading(NamedTuple):
    """A point of an airway: degrees (WGS 84), and the track there in degrees true [0, 360)."""

    latitude: float
    longitude: float
    track: float


class Airway:
    """The great circle from one airport to another; `length_m` is its length on a sphere."""

    def __init__(self, origin: Airport, destination: Airport) -> None:
        self.origin, self.destination = origin, destination
        self.name = f"{origin.name}-{destination.name}"
        self._from = _vector(origin)
        towards = _vector(destination)
        cosine = sum(one * other for one, other in zip(self._from, towards, strict=True))
        self._angle = math.acos(max(-1.0, min(cosine, 1.0)))
        x, y, z = (
            (one - cosine * other) / math.sin(self._angle) for one, other in zip(towards, self._from, strict=True)
        )
        self._ahead = (x, y, z)
        self.length_m = self._angle * EARTH_RADIUS_M

    @cached_property
    def back(self) -> "Airway":
        """The same way in the other direction."""
        return Airway(self.destination, self.origin)

    @cached_property
    def route(self) -> Route:
        """The line as receivers see it."""
        return Route(self.name, self.length_m, 0.0, lambda along_m: self.at(along_m)[:2])

    def at(self, along_m: float) -> Heading:
        """The point `along_m` metres from the origin."""
        angle = along_m / EARTH_RADIUS_M
        cosine, sine = math.cos(angle), math.sin(angle)
        (ax, ay, az), (tx, ty, tz) = self._from, self._ahead
        x, y, z = ax * cosine + tx * sine, ay * cosine + ty * sine, az * cosine + tz * sine
        dx, dy, dz = tx * cosine - ax * sine, ty * cosine - ay * sine, tz * cosine - az * sine
        level = math.hypot(x, y)
        # Both components of the direction times `level`: east is (-y, x, 0) / level, and north is up where z grows.
        track = math.degrees(math.atan2(dy * x - dx * y, dz)) % 360.0
        return Heading(math.degrees(math.atan2(z, level)), math.degrees(math.atan2(y, x)), track)


def _vector(airport: Airport) -> Vector:
    latitude, longitude = math.radians(airport.latitude), math.radians(airport.longitude)
    return (
        math.cos(latitude) * math.cos(longitude),
        math.cos(latitude) * math.sin(longitude),
        math.sin(latitude),
    )
