"""What a fleet sends and how it is heard: in come the number of a sender, a kind of message and the moment.

Out come the sender's name, the lines, and what the receivers made of them. There are two kinds of traffic, one for each
format: ships send AIVDM sentences, aircraft SBS-1 lines. When something is due is not decided here.
"""

from typing import NamedTuple, Protocol

from ingest.simulator import basestation
from ingest.simulator.sentences import Moment, Sentences, damaged, tagged
from ingest.simulator.traffic.aircraft import SimulatedAircraft, build_aircraft
from ingest.simulator.traffic.options import SimulatorOptions
from ingest.simulator.traffic.reception import Hearing, Reception
from ingest.simulator.traffic.ships import SimulatedShip, TransmissionKind, build_fleet

# What an aircraft sends: how it is written, and its period in ms. Real ones send a position twice a second; one in 5 s
# is what a busy receiver passes on.
_AIR_MESSAGES = (
    (basestation.position, 5_000),
    (basestation.velocity, 30_000),
    (basestation.identification, 60_000),
)


class Sent(NamedTuple):
    """A message: the sender's MMSI or ICAO address, its lines, and what the receivers made of them."""

    sender: str
    sentences: tuple[bytes, ...]
    heard: tuple[Hearing, ...]


class Traffic(Protocol):
    """A fleet and those who hear it."""

    reception: Reception

    @property
    def fleet(self) -> list[SimulatedShip] | list[SimulatedAircraft]: ...

    def timetables(self) -> list[dict[int, int]]:
        """For each of the fleet, the period in milliseconds of each kind of message."""

    def transmit(self, sender: int, kind: int, moment: Moment) -> Sent:
        """Send one message of the fleet's member number `sender`."""


class SeaTraffic:
    """Ships and AIS."""

    def __init__(self, options: SimulatorOptions) -> None:
        self.fleet = build_fleet(options.seed, options.ships, moored=options.moored)
        self.reception = Reception(options, tagged, damaged)
        self._interval = options.interval
        self._sentences = Sentences()

    def timetables(self) -> list[dict[int, int]]:
        """Positions and static data as the standard has it, unless the options say otherwise."""
        return [{int(kind): ms for kind, ms in ship.broadcasts(self._interval).items()} for ship in self.fleet]

    def transmit(self, sender: int, kind: int, moment: Moment) -> Sent:
        """A position is that of the second it names; a second's way is nothing to the range of a station."""
        ship = self.fleet[sender]
        fix = ship.motion.at(moment.second_s)
        sentences = self._sentences.encode(ship, TransmissionKind(kind), moment, fix)
        heard = self.reception.hear(ship.motion.route, fix[:2], sentences, moment.at_ms)
        return Sent(str(ship.identity.mmsi), sentences, heard)


class AirTraffic:
    """Aircraft and SBS-1."""

    def __init__(self, options: SimulatorOptions) -> None:
        self.fleet = build_aircraft(options.seed, options.aircraft)
        self.reception = Reception(options, basestation.readdressed, basestation.damaged)
        self._periods = {kind: period_ms for kind, (_, period_ms) in enumerate(_AIR_MESSAGES)}
        if options.interval is not None:
            self._periods[0] = options.interval * 1000

    def timetables(self) -> list[dict[int, int]]:
        """A position every 5 s unless the options say otherwise, the velocity twice and the callsign once a minute."""
        return [self._periods] * len(self.fleet)

    def transmit(self, sender: int, kind: int, moment: Moment) -> Sent:
        """One line."""
        aircraft = self.fleet[sender]
        fix = aircraft.flight.at(moment.world_s)
        lines = (_AIR_MESSAGES[kind][0](aircraft, fix, moment.at_ms),)
        heard = self.reception.hear(aircraft.flight.airway.route, fix[:2], lines, moment.at_ms)
        return Sent(aircraft.icao, lines, heard)
