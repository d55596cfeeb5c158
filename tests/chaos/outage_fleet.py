"""A fleet's live traffic on a TCP port, as a network of receivers sends it: so many messages a second, all counted.

A number of ships and a rate enter; AIVDM lines leave to the one collector that connects, and the exact number of
positions of each ship. The ships are the simulator's, but their positions are packed here: pyais would take a sixth of
a core for 2,000 a second, this a thirtieth. No two positions of a ship are sent within two seconds, so each must
become a row of its own. What cannot be sent in time is not made up for: then the rate falls.
"""

from __future__ import annotations

import binascii
import datetime as dt
import math
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from itertools import cycle
from types import TracebackType
from typing import Self

from ingest.formats.ais.sentence import checksum
from ingest.simulator.sentences import Moment, Sentences
from ingest.simulator.traffic.ships import SimulatedShip, TransmissionKind, build_fleet

# Of forty messages one is static data and two are positions of ships that are seldom heard, a sixth of the fleet.
_STATIC_OF, _QUIET_OF = 40, 20
_QUIET_SHARE = 6
_LEAST_INTERVAL_SECONDS = 2.0  # between two positions of a ship
_TICK_SECONDS = 0.05
_LATE_SECONDS = 0.5
_SEND_SECONDS = 60.0
_BASE64 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_ARMOUR = bytes.maketrans(_BASE64, bytes((*range(48, 88), *range(96, 120))))


class Fleet:
    """The messages of `ships` simulated ships; the last sixth of them are the quiet ones."""

    def __init__(self, ships: int) -> None:
        self.ships = build_fleet(1, int(ships))
        self.positions = Counter[int]()  # MMSI -> positions made
        self.static = self.lines = 0
        self._sentences = Sentences()
        busy = len(self.ships) - len(self.ships) // _QUIET_SHARE
        self.busy, self.quiet = self.ships[:busy], self.ships[busy:]
        self._next_busy, self._next_quiet = cycle(self.busy), cycle(self.quiet)
        self._next_static = cycle(self.ships)
        self._hushed = False

    @property
    def messages(self) -> int:
        """All messages made so far."""
        return self.positions.total() + self.static

    def hush(self) -> None:
        """The quiet ships say no more, not even static data: only history knows them from now on."""
        self._next_static = cycle(self.busy)
        self._hushed = True

    def message(self, number: int, now: float) -> bytes:
        """The message in place `number` at `now` (epoch seconds), with its line ends: one line, or two of a type 5."""
        if number % _STATIC_OF == 1:
            self.static += 1
            ship, at = next(self._next_static), dt.datetime.fromtimestamp(now, dt.UTC)
            moment = Moment(at, round(now * 1000), now, float(int(now)))
            lines = self._sentences.encode(ship, TransmissionKind.STATIC, moment, ship.motion.at(now))
            self.lines += len(lines)
            return b"".join(line + b"\r\n" for line in lines)
        self.lines += 1
        quiet = number % _QUIET_OF == 0 and not self._hushed and self.quiet
        ship = next(self._next_quiet if quiet else self._next_busy)
        self.positions[ship.identity.mmsi] += 1
        return position(ship, int(now))


def position(ship: SimulatedShip, second: int) -> bytes:
    """A position report (type 1, ITU-R M.1371-5, table 48) of where the ship is in that second since 1970."""
    fix = ship.motion.at(second)
    value = 1 << 32 | ship.identity.mmsi  # 8 bits of type and repetition, 30 of MMSI
    for width, part in (
        (4, int(ship.motion.status)),
        (8, 0),  # rate of turn
        (10, round(fix.speed * 10)),
        (1, 1),
        (28, round(fix.longitude * 600_000)),
        (27, round(fix.latitude * 600_000)),
        (12, round(fix.course * 10) % 3600),
        (9, round(fix.heading) % 360),
        (6, second % 60),
        (6, 0),  # manoeuvre, spare, RAIM
        (19, (ship.identity.mmsi * 40_503 ^ second * 2_654_435_761) >> 7),  # radio status: as hard to compress as real
    ):
        value = value << width | part & (1 << width) - 1
    payload = binascii.b2a_base64(value.to_bytes(21, "big"), newline=False).translate(_ARMOUR)
    body = b"AIVDM,1,1,,A,%b,0" % payload
    return b"!%b*%02X\r\n" % (body, checksum(body))


def least_ships(rate: float) -> int:
    """How many ships it takes to send `rate` messages a second, none of them too often."""
    return math.ceil(rate * _LEAST_INTERVAL_SECONDS * _QUIET_SHARE / (_QUIET_SHARE - 1))


class FleetFeed:
    """Serves the fleet's traffic on `port` to the first who connects; a context manager that ends it."""

    def __init__(self, fleet: Fleet, rate: float) -> None:
        """`rate` is in messages a second. Raises ValueError where each ship would have to speak too often."""
        if len(fleet.ships) < least_ships(rate):
            raise ValueError(f"{rate:g} messages a second need {least_ships(rate)} ships or more")
        self.fleet, self.rate = fleet, rate
        self.problem = ""  # why it ended by itself
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._stop = threading.Event()
        self._hung_up = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="fleet", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        self._hung_up.set()
        self._listener.close()

    @property
    def sent(self) -> int:
        """Messages so far."""
        return self.fleet.messages

    def stop(self) -> None:
        """Send no more; the connection stays, so that nothing on its way is lost."""
        self._stop.set()
        self._listener.settimeout(0.1)
        self._thread.join(_SEND_SECONDS)

    def _serve(self) -> None:
        while not self._stop.is_set():
            self._listener.settimeout(0.5)
            try:
                self._connection, _ = self._listener.accept()
            except TimeoutError:
                continue
            break
        else:
            return
        self._connection.settimeout(_SEND_SECONDS)
        try:
            for data in self._due():
                self._connection.sendall(data)
        except OSError as error:
            self.problem = f"the collector did not take the traffic: {error or type(error).__name__}"

    def _due(self) -> Iterator[bytes]:
        """Every twentieth of a second what has to be sent by then."""
        number, began = 0, time.monotonic()
        while not self._stop.wait(_TICK_SECONDS):
            elapsed = time.monotonic() - began
            late = elapsed - number / self.rate - _LATE_SECONDS
            if late > 0:
                began += late
                elapsed -= late
            until, now = int(elapsed * self.rate), time.time()
            yield b"".join([self.fleet.message(place, now) for place in range(number, until)])
            number = until
