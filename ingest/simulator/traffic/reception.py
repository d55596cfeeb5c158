"""Who hears a transmission: in come its place and its lines; out come the lines that each receiver passes on.

A receiver is a network of stations with one clock: on every route it has a station with a range, and it hears a sender
in the range of its station on the sender's route. The ranges overlap, so that no place is out of reach of all, and each
receiver misses some transmissions and damages some lines. What became of each is counted: the truth that tests need.
A lone receiver hears everything and writes no tag blocks. Nothing is encoded here.
"""

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from math import hypot
from random import Random
from typing import NamedTuple

from ingest.simulator.traffic.options import SimulatorOptions
from ingest.simulator.traffic.track import Point, distance_m

# The range of a station as a share of its part of the route: beyond 0.5, the ranges of neighbours overlap. With three
# receivers, a transmission is heard 1.4 times in the mean.
_REACH = 0.79
_JITTER_MS = 20  # a skewed clock also wavers, by at most this

# (line, number of the receiver from 1, ms on its clock) -> the line as it passes it on
Address = Callable[[bytes, int, int], bytes]


class Route(NamedTuple):
    """What stations stand along: `at` gives its points from 0 to `length_m`, `width_m` how far senders leave it."""

    name: Hashable
    length_m: float
    width_m: float
    at: Callable[[float], Point]


class SimulatedStation(NamedTuple):
    """A receiver's station on one route: degrees (WGS 84) and its range in metres."""

    place: Point
    range_m: float


class Hearing(NamedTuple):
    """What one receiver made of a transmission.

    `receiver` counts from 1; `clock_ms` is the time of reception by its own clock, milliseconds since 1970; `lines` are
    as it passes them on, `corrupt` of them damaged.
    """

    receiver: int
    clock_ms: int
    lines: tuple[bytes, ...]
    corrupt: int


@dataclass(slots=True)
class SimulatedReceiver:
    """One of the receivers: its clock is `skew_ms` ahead.

    What it counts: every transmission is `heard`, `lost` or `out_of_range`; of the `lines` passed on, `corrupt` are
    damaged.
    """

    number: int
    skew_ms: int
    heard: int = 0
    lost: int = 0
    out_of_range: int = 0
    lines: int = 0
    corrupt: int = 0


@dataclass
class Reception:
    """All receivers of a simulation, numbered from 1; the same options give the same luck."""

    options: SimulatorOptions
    address: Address
    damage: Callable[[bytes, Random], bytes]
    receivers: list[SimulatedReceiver] = field(init=False)

    def __post_init__(self) -> None:
        seed, skew = self.options.seed, self.options.skew
        clocks = Random(f"clocks {seed}")
        self.receivers = [
            SimulatedReceiver(number, round(clocks.uniform(-skew, skew)))
            for number in range(1, self.options.receivers + 1)
        ]
        self._chance = Random(f"reception {seed}")
        self._stations: dict[Hashable, tuple[SimulatedStation, ...]] = {}

    def stations(self, route: Route) -> tuple[SimulatedStation, ...]:
        """The station of each receiver on a route, in the order of `receivers`."""
        found = self._stations.get(route.name)
        if found is None:
            found = self._stations[route.name] = _stations(route, len(self.receivers))
        return found

    def hear(self, route: Route, place: Point, lines: tuple[bytes, ...], at_ms: int) -> tuple[Hearing, ...]:
        """What the receivers make of the lines sent at `place` in the millisecond `at_ms`, in their order."""
        candidates = self.receivers if len(self.receivers) == 1 else self._in_range(route, place)
        return tuple([self._passed_on(receiver, lines, at_ms) for receiver in candidates if not self._lost(receiver)])

    def _in_range(self, route: Route, place: Point) -> list[SimulatedReceiver]:
        near = []
        for receiver, station in zip(self.receivers, self.stations(route), strict=True):
            if distance_m(place, station.place) <= station.range_m:
                near.append(receiver)
            else:
                receiver.out_of_range += 1
        return near

    def _lost(self, receiver: SimulatedReceiver) -> bool:
        if self.options.loss and self._chance.random() < self.options.loss:
            receiver.lost += 1
            return True
        receiver.heard += 1
        return False

    def _passed_on(self, receiver: SimulatedReceiver, lines: tuple[bytes, ...], at_ms: int) -> Hearing:
        clock_ms = at_ms
        if self.options.skew:
            clock_ms += receiver.skew_ms + round((2 * self._chance.random() - 1) * _JITTER_MS)
        corrupt = 0
        if self.options.corrupt:
            kept = lines
            lines = tuple([self._perhaps_damaged(line) for line in lines])
            corrupt = sum(line is not whole for line, whole in zip(lines, kept, strict=True))
        if len(self.receivers) > 1 or self.options.skew:
            lines = tuple([self.address(line, receiver.number, clock_ms) for line in lines])
        receiver.lines += len(lines)
        receiver.corrupt += corrupt
        return Hearing(receiver.number, clock_ms, lines, corrupt)

    def _perhaps_damaged(self, line: bytes) -> bytes:
        return self.damage(line, self._chance) if self._chance.random() < self.options.corrupt else line


def _stations(route: Route, receivers: int) -> tuple[SimulatedStation, ...]:
    """One in the middle of each equal part of the route."""
    part_m = route.length_m / receivers
    range_m = hypot(_REACH * part_m, route.width_m)
    return tuple(SimulatedStation(route.at((number + 0.5) * part_m), range_m) for number in range(receivers))
