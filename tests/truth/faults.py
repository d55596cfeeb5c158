"""A simulated fleet heard by a perfect receiver, with a fault for each group of ships; seeded, from a fixed start.

Enter a seed and minutes; leave Heard events in the order of their arrival: the line, the feed it came by, and the truth
about it. Ships of one group take part in no other.
"""

from __future__ import annotations

import datetime as dt
import math
import random
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from pyais.encode import encode_dict

from ingest.formats.ais.sentence import checksum
from ingest.simulator import Simulation, SimulatorOptions, Transmission
from ingest.simulator.sentences import Moment, _class_a_position, _class_b_position
from ingest.simulator.traffic.ships import ShipPoint, SimulatedShip
from ingest.simulator.traffic.track import moved

START = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)
SHIPS = 400
GROUPS = {
    "clean": range(200),
    "teleport": range(200, 240),
    "null_island": range(240, 250),
    "conflict": range(250, 270),
    "spoof": range(270, 300),
    "first_fix": range(300, 320),
    "coarse": range(320, 340),
    "swap": range(340, 350),
    "frozen_clock": range(350, 360),
    "future": range(360, 370),
    "rollover": range(370, 380),
    "stale_relay": range(380, 400),
}
CLOCKS = ("frozen_clock", "future", "rollover")  # what is wrong there is the time, to be mended
SPOOF_CENTRE = (59.80, 30.26)
RELAY_LATE_MS = 600_000
_YEARS_AHEAD_MS = 12 * 365 * 86_400_000
_ROLLOVER_MS = 1024 * 7 * 86_400_000


class Heard(NamedTuple):
    """One line and the truth: `at_ms` is the second of the report, `wrong` whether its place or time is false."""

    arrival_ms: int
    feed: str
    line: bytes
    group: str
    mmsi: int
    at_ms: int
    wrong: bool
    latitude: float
    longitude: float

    @property
    def place(self) -> tuple[int, int, int]:
        """Whose, and where in the units of AIS."""
        return self.mmsi, round(self.latitude * 600_000), round(self.longitude * 600_000)


class _Report(NamedTuple):
    """A position that a ship sent."""

    number: int
    ship: SimulatedShip
    moment: Moment
    fix: ShipPoint
    line: bytes
    arrival_ms: int
    minute: float

    @property
    def at_ms(self) -> int:
        return self.moment.at_ms // 1000 * 1000


class Sea:
    """The fleet and its faults."""

    def __init__(self, seed: int, minutes: int = 20) -> None:
        self.minutes = minutes
        self._simulation = Simulation(SimulatorOptions(ships=SHIPS, seed=seed), start=START)
        self._chance = random.Random(f"faults {seed}")
        self._numbers = {ship.identity.mmsi: n for n, ship in enumerate(self._simulation.fleet)}
        self._group = {n: group for group, numbers in GROUPS.items() for n in numbers}
        self._first: set[int] = set()
        self._coarse_at: dict[int, int] = {}
        self._start_ms = round(START.timestamp() * 1000)

    def heard(self) -> list[Heard]:
        """Everything, in the order of arrival."""
        end = START + dt.timedelta(minutes=self.minutes)
        said = (event for sent in self._simulation.transmissions(end) for event in self._said(sent))
        return sorted(said, key=lambda event: event.arrival_ms)

    def _said(self, sent: Transmission) -> Iterator[Heard]:
        line = sent.sentences[0]
        if len(sent.sentences) > 1 or line.split(b",")[5][:1] not in b"1B":
            return
        number = self._numbers[int(sent.sender)]
        ship: Any = self._simulation.fleet[number]
        ms = round(sent.at.timestamp() * 1000)
        second_s = ms // 1000
        moment = Moment(sent.at, ms, ms / 1000, second_s)
        arrival = ms + self._chance.randrange(20, 300)
        minute = (ms - self._start_ms) / 60_000
        report = _Report(number, ship, moment, ship.motion.at(second_s), line, arrival, minute)
        yield from _FAULTS.get(self._group[number], Sea._plain)(self, report)
        self._first.add(number)

    def _event(self, said: _Report, wrong: bool = False, line: bytes | None = None, **known: Any) -> Heard:
        """The event of a report; `known` is what is not the ship's own: feed, mmsi, arrival_ms, at_ms, place."""
        latitude, longitude = known.pop("place", (said.fix.latitude, said.fix.longitude))
        truth = {
            "arrival_ms": said.arrival_ms,
            "feed": "main",
            "mmsi": said.ship.identity.mmsi,
            "at_ms": said.at_ms,
            **known,
        }
        return Heard(
            line=said.line if line is None else line,
            group=self._group[said.number],
            wrong=wrong,
            latitude=latitude,
            longitude=longitude,
            **truth,
        )

    def _plain(self, said: _Report) -> Iterator[Heard]:
        yield self._event(said)

    def _elsewhere(self, said: _Report, place: tuple[float, float], **changes: Any) -> Heard:
        line = _position(said, lat=place[0], lon=place[1], **changes)
        return self._event(said, True, line, place=place)

    def _teleport(self, said: _Report) -> Iterator[Heard]:
        if self._chance.random() < 0.03 and said.number in self._first:
            yield self._elsewhere(said, self._far(said.fix, 5e3))
        else:
            yield self._event(said)

    def _null_island(self, said: _Report) -> Iterator[Heard]:
        if self._chance.random() < 0.1:
            yield self._elsewhere(said, (0.0, 0.0))
        else:
            yield self._event(said)

    def _first_fix(self, said: _Report) -> Iterator[Heard]:
        if said.number in self._first:
            yield self._event(said)
        else:
            yield self._elsewhere(said, self._far(said.fix, 3e4))

    def _conflict(self, said: _Report) -> Iterator[Heard]:
        """Both of a pair use the MMSI of the first."""
        odd = (said.number - GROUPS["conflict"].start) % 2
        mmsi = self._mmsi(said.number - odd)
        yield self._event(said, bool(odd), _position(said, mmsi=mmsi), mmsi=mmsi)

    def _swap(self, said: _Report) -> Iterator[Heard]:
        """For some minutes both of a pair use the MMSI of the other."""
        if not 7 <= said.minute < 12:
            yield self._event(said)
            return
        mmsi = self._mmsi(said.number + 1 - 2 * ((said.number - GROUPS["swap"].start) % 2))
        yield self._event(said, True, _position(said, mmsi=mmsi), mmsi=mmsi)

    def _spoof(self, said: _Report) -> Iterator[Heard]:
        """For some minutes the whole group sails circles in one place."""
        if not 8 <= said.minute < 13:
            yield self._event(said)
            return
        angle = said.at_ms / 60_000 + said.number
        place = moved(*SPOOF_CENTRE, angle, 500 + 60 * (said.number % 10))
        course = round(math.degrees(angle + math.pi / 2) % 360, 1) % 360
        yield self._elsewhere(said, place, speed=18.0 + said.number % 5, course=course)

    def _frozen_clock(self, said: _Report) -> Iterator[Heard]:
        frozen = said.minute >= 10
        clock = self._start_ms + 600_000 if frozen else said.moment.at_ms
        yield self._event(said, frozen, _tagged(said.line, b"frozen", clock), feed="frozen")

    def _future(self, said: _Report) -> Iterator[Heard]:
        line = _tagged(said.line, b"future", said.moment.at_ms + _YEARS_AHEAD_MS)
        yield self._event(said, True, line, feed="future")

    def _rollover(self, said: _Report) -> Iterator[Heard]:
        line = _tagged(said.line, b"gps", said.moment.at_ms - _ROLLOVER_MS)
        yield self._event(said, True, line, feed="rollover")

    def _coarse(self, said: _Report) -> Iterator[Heard]:
        yield self._event(said)
        ms = said.moment.at_ms
        if ms - self._coarse_at.get(said.number, 0) <= 60_000:
            return
        self._coarse_at[said.number] = ms
        place = round(said.fix.latitude * 600) / 600, round(said.fix.longitude * 600) / 600
        line = _tagged(_long_range(said, place), b"sat", ms + 500)
        arrival = said.arrival_ms + 2000
        yield self._event(said, True, line, feed="sat", place=place, arrival_ms=arrival, at_ms=ms + 500)

    def _stale_relay(self, said: _Report) -> Iterator[Heard]:
        yield self._event(said)
        arrival = said.arrival_ms + RELAY_LATE_MS + self._chance.randrange(-1500, 1500)
        if arrival < self._start_ms + self.minutes * 60_000:
            yield self._event(said, True, feed="relay", arrival_ms=arrival)

    def _mmsi(self, number: int) -> int:
        ship: Any = self._simulation.fleet[number]
        return int(ship.identity.mmsi)

    def _far(self, fix: ShipPoint, least_m: float, most_m: float = 2e6) -> tuple[float, float]:
        """A place so far away, the distance log-uniform."""
        while True:
            distance = least_m * (most_m / least_m) ** self._chance.random()
            towards = self._chance.uniform(0, math.tau)
            latitude = fix.latitude + math.degrees(distance / 6.371e6) * math.cos(towards)
            if abs(latitude) > 84:
                continue
            east = math.degrees(distance / 6.371e6) * math.sin(towards)
            longitude = fix.longitude + east / math.cos(math.radians((latitude + fix.latitude) / 2))
            return latitude, (longitude + 180) % 360 - 180


_FAULTS: dict[str, Callable[[Sea, _Report], Iterator[Heard]]] = {
    group: fault for group in GROUPS if (fault := getattr(Sea, f"_{group}", None)) is not None
}


def _position(said: _Report, **changes: Any) -> bytes:
    fields = (_class_b_position if said.ship.class_b else _class_a_position)(said.ship, said.moment, said.fix)
    return _encoded({**fields, **changes})


def _long_range(said: _Report, place: tuple[float, float]) -> bytes:
    fix = said.fix
    status, speed, course = int(said.ship.motion.status), round(fix.speed), round(fix.course) % 360
    fields = {"type": 27, "mmsi": said.ship.identity.mmsi, "accuracy": 0, "raim": 0, "status": status, "gnss": 0}
    return _encoded({**fields, "lat": place[0], "lon": place[1], "speed": speed, "course": course})


def _encoded(fields: Any) -> bytes:
    return encode_dict(fields, talker_id="AI", sentence_type="VDM", radio_channel="A")[0].encode()


def _tagged(line: bytes, station: bytes, ms: int) -> bytes:
    body = b"s:%b,c:%d" % (station, ms)
    return b"\\%b*%02X\\%b" % (body, checksum(body), line)
