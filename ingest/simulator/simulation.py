"""The due transmissions of a fleet: in come options and times; out come lines in order of time, and who heard them.

A heap holds the next transmission of every sender and kind, so a step costs one heap operation, one position and one
encoding however large the fleet is and however many hear it: with three receivers, about 80 microseconds for a ship,
most of it pyais, and 30 for an aircraft. Every place and timetable depends on the seed and on absolute time, not on
when the simulation started: one that is stopped and started again goes on where its senders would be by then, and says
the same about the same moment (with a speedup, the world runs ahead of the clocks and begins anew). It neither waits
nor looks at a clock.
"""

import heapq
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, NamedTuple

from ingest.simulator.emitters import AirTraffic, SeaTraffic, Traffic
from ingest.simulator.sentences import Moment
from ingest.simulator.traffic.aircraft import SimulatedAircraft
from ingest.simulator.traffic.options import SimulatorOptions
from ingest.simulator.traffic.reception import Hearing, Reception
from ingest.simulator.traffic.ships import SimulatedShip

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

# A map without names helps nobody: what is due less often than this is also sent once at the beginning.
INTRODUCTION_MS = 30_000


class Transmission(NamedTuple):
    """One message as it was sent, encoded once, and as it was heard.

    `at` is aware UTC with whole milliseconds; `sender` the MMSI or the ICAO address in upper case; `sentences` its
    lines in order, without line ends: AIVDM, two for a type 5 and one for all others, or one of SBS. `heard` has an
    entry for each receiver that heard it, maybe none.
    """

    at: datetime
    sender: str
    sentences: tuple[bytes, ...]
    heard: tuple[Hearing, ...]

    @property
    def lines(self) -> Iterator[bytes]:
        """What leaves the receivers, one after the other."""
        return (line for hearing in self.heard for line in hearing.lines)


class _Due(NamedTuple):
    """An entry of the heap; the order of the fields is the order of transmission. A period of 0 means only once."""

    world_ms: int
    sender: int
    kind: int
    period_ms: int


class Simulation:
    """Deterministic: the same options and `start` give the same lines at the same times.

    `fleet` holds the ships or aircraft, in an order that never changes; a larger fleet of the same seed begins with the
    smaller. `sent` counts the transmissions taken.
    """

    def __init__(self, options: SimulatorOptions | None = None, *, start: datetime, **changes: Any) -> None:
        """`start` is the aware time before which nothing is sent; `changes` are fields of the options, by name.

        Raises ValueError for a fleet that is too large and for a time without a zone, TypeError for an unknown field.
        """
        self.options = replace(options or SimulatorOptions(), **changes)
        self._start_ms = milliseconds(start)
        self._traffic: Traffic = AirTraffic(self.options) if self.options.aircraft else SeaTraffic(self.options)
        self.sent = 0
        self._due = _timetable(self.options.seed, self._traffic.timetables(), self._start_ms)

    @property
    def fleet(self) -> list[SimulatedShip] | list[SimulatedAircraft]:
        """The senders."""
        return self._traffic.fleet

    @property
    def reception(self) -> Reception:
        """The truth about who heard what: the receivers, their stations, their clocks and their counts so far."""
        return self._traffic.reception

    def transmissions(self, until: datetime) -> Iterator[Transmission]:
        """What is sent from the last transmission taken up to, not including, `until` (aware), in order of time.

        How the time is cut into calls changes nothing; an iterator left early resumes at the next transmission.
        """
        limit = self._world_ms(milliseconds(until))
        while self._due[0].world_ms < limit:
            due = self._due[0]
            if due.period_ms:
                heapq.heapreplace(self._due, due._replace(world_ms=due.world_ms + due.period_ms))
            else:
                heapq.heappop(self._due)
            self.sent += 1
            yield self._transmit(due)

    def _transmit(self, due: _Due) -> Transmission:
        at_ms = self._start_ms + (due.world_ms - self._start_ms) // self.options.speedup
        at = EPOCH + timedelta(milliseconds=at_ms)
        # AIS names the second in which a place was measured: that of the clocks, so the place is that of its beginning.
        second_s = self._world_ms(at_ms - at_ms % 1000) / 1000
        moment = Moment(at, at_ms, due.world_ms / 1000, second_s)
        return Transmission(at, *self._traffic.transmit(due.sender, due.kind, moment))

    def _world_ms(self, clock_ms: int) -> int:
        """The time in the world when the clocks show `clock_ms`: both began at the start."""
        return self._start_ms + (clock_ms - self._start_ms) * self.options.speedup


def milliseconds(moment: datetime) -> int:
    """Whole milliseconds since 1970, rounded down. Raises ValueError for a time without a zone."""
    if moment.tzinfo is None:
        raise ValueError("a simulation needs times with a time zone")
    return (moment - EPOCH) // timedelta(milliseconds=1)


def _timetable(seed: int, broadcasts: list[dict[int, int]], start_ms: int) -> list[_Due]:
    """The heap at `start_ms`, from each sender's period in milliseconds per kind of message."""
    heap: list[_Due] = []
    for number, periods in enumerate(broadcasts):
        chance = Random(f"timetable {seed} {number}")
        for kind, period_ms in periods.items():
            first_ms = start_ms + (chance.randrange(period_ms) - start_ms) % period_ms
            heap.append(_Due(first_ms, number, kind, period_ms))
            introduced_ms = start_ms + chance.randrange(INTRODUCTION_MS)
            if first_ms >= start_ms + INTRODUCTION_MS:
                heap.append(_Due(introduced_ms, number, kind, 0))
    heapq.heapify(heap)
    return heap
