"""A fleet of aircraft: in come a seed and a number, out come aircraft that know where they are at any moment.

The airlines are invented, and the ICAO addresses lie in D00000 to DFFFFF, which no state has been given (ICAO annex 10,
volume III, chapter 9, table 9-1).
"""

from dataclasses import dataclass
from functools import cache
from itertools import permutations
from random import Random

from ingest.simulator.traffic.airports import AIRPORTS
from ingest.simulator.traffic.airways import Airway
from ingest.simulator.traffic.flights import JET, TURBOPROP, Flight, Performance
from ingest.simulator.traffic.identities import MOST_AIRCRAFT

_FIRST_ADDRESS, _ADDRESSES = 0xD00000, 0x100000
_AIRLINES = ("ZQA", "ZQB", "ZQD", "ZQF", "ZQG", "ZQH", "ZQK", "ZQL", "ZQM", "ZQN", "ZQR", "ZQS", "ZQT", "ZQV", "ZQX")

# Of 5 aircraft in a row this one is a turboprop.
_TURBOPROP_PLACE = 3


@dataclass(frozen=True, slots=True)
class SimulatedAircraft:
    """One aircraft: `icao` is six hexadecimal digits in upper case, `callsign` at most 8 characters."""

    icao: str
    callsign: str
    flight: Flight


def build_aircraft(seed: int, aircraft: int) -> list[SimulatedAircraft]:
    """`aircraft` aircraft (1 to MOST_AIRCRAFT, else ValueError), the first ones the same however many follow."""
    if not 1 <= aircraft <= MOST_AIRCRAFT:
        raise ValueError(f"aircraft must be from 1 to {MOST_AIRCRAFT}, not {aircraft}")
    return [_build(seed, number) for number in range(aircraft)]


def _build(seed: int, number: int) -> SimulatedAircraft:
    chance = Random(f"aircraft {seed} {number}")
    performance = TURBOPROP if number % 5 == _TURBOPROP_PLACE else JET
    lowest, highest = performance.cruise_ft
    flight = Flight(
        airway=chance.choice(airways_for(performance)),
        performance=performance,
        cruise_kn=chance.uniform(*performance.cruise_kn),
        cruise_ft=chance.randrange(lowest, highest, 2_000),
        begin_s=chance.uniform(0.0, 100_000.0),
    )
    # 7919 is odd, so it permutes the addresses: no two aircraft of a seed share one.
    address = _FIRST_ADDRESS + (number * 7919 + seed * 104_729) % _ADDRESSES
    return SimulatedAircraft(f"{address:06X}", _callsign(number), flight)


@cache
def airways_for(performance: Performance) -> tuple[Airway, ...]:
    """The airways within the range of such aircraft, both directions of each."""
    least_m, most_m = performance.range_m
    airways = (Airway(origin, destination) for origin, destination in permutations(AIRPORTS, 2))
    return tuple(airway for airway in airways if least_m <= airway.length_m <= most_m)


def _callsign(number: int) -> str:
    return f"{_AIRLINES[number % len(_AIRLINES)]}{number // len(_AIRLINES) + 1}"
