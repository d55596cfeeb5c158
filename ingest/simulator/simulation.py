"""The due transmissions of a fleet: in come a seed, a number of ships and times; out come sentences in order of time.

A heap holds the next transmission of every ship and kind, so a step costs one heap operation, one position and one
encoding however large the fleet is: about 60 microseconds, nearly all of it pyais. Every ship's place and timetable
depend on the seed and on absolute time, not on when the simulation started: one that is stopped and started again goes
on where its ships would be by then, and says the same about the same moment. It neither waits nor looks at a clock.
"""

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random

from ingest.simulator.sentences import Sentences
from ingest.simulator.ships import Kind, build_fleet

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

# A map without names helps nobody: what is due less often than this is also sent once at the beginning.
INTRODUCTION_MS = 30_000


@dataclass(frozen=True, slots=True)
class Transmission:
    """One AIS message as a receiver hears it.

    `at` is aware UTC with whole milliseconds; `sentences` are its AIVDM sentences in order, without line ends: two for
    a type 5, one for all others.
    """

    at: datetime
    sentences: tuple[bytes, ...]


@dataclass(frozen=True, slots=True, order=True)
class _Due:
    """An entry of the heap; the order of the fields is the order of transmission. A period of 0 means only once."""

    at_ms: int
    ship: int
    kind: Kind
    period_ms: int


class Simulation:
    """Deterministic: the same seed, ships and `start` give the same sentences at the same times.

    `fleet` holds the ships, in an order that never changes; a larger fleet of the same seed begins with the smaller.
    """

    def __init__(self, *, start: datetime, seed: int = 1, ships: int = 60) -> None:
        """`start` is the aware time before which nothing is sent; `ships` is from 1 to 20,000, else ValueError."""
        self.fleet = build_fleet(seed, ships)
        self._sentences = Sentences()
        self._due = _timetable(seed, [ship.broadcasts() for ship in self.fleet], milliseconds(start))

    def transmissions(self, until: datetime) -> Iterator[Transmission]:
        """What is sent from the last transmission taken up to, not including, `until` (aware), in order of time.

        How the time is cut into calls changes nothing; an iterator left early resumes at the next transmission.
        """
        limit = milliseconds(until)
        while self._due[0].at_ms < limit:
            due = self._due[0]
            if due.period_ms:
                later = _Due(due.at_ms + due.period_ms, due.ship, due.kind, due.period_ms)
                heapq.heapreplace(self._due, later)
            else:
                heapq.heappop(self._due)
            yield self._transmit(due)

    def _transmit(self, due: _Due) -> Transmission:
        at = EPOCH + timedelta(milliseconds=due.at_ms)
        return Transmission(at, self._sentences.encode(self.fleet[due.ship], due.kind, at))


def milliseconds(moment: datetime) -> int:
    """Whole milliseconds since 1970, rounded down. Raises ValueError for a time without a zone."""
    if moment.tzinfo is None:
        raise ValueError("a simulation needs times with a time zone")
    return (moment - EPOCH) // timedelta(milliseconds=1)


def _timetable(seed: int, broadcasts: list[dict[Kind, int]], start_ms: int) -> list[_Due]:
    """The heap at `start_ms`, from each ship's period in milliseconds per kind of message."""
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
