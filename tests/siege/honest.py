"""Honest traffic: four feeds, each with ships of its own, so that every message can be looked for in the end.

A share of a fleet and a rate enter; AIS lines leave by TCP (the collector connects), TCP (the receiver connects), UDP
and push, and every position is noted in `Sent`. No two positions of a ship are sent within two seconds, so each must
become a row. A sender tells in `problem` when its way in was closed to it.
"""

from __future__ import annotations

import datetime as dt
import http.client
import socket
import threading
import time
import uuid
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from itertools import cycle

from ingest.simulator.sentences import Moment, Sentences, tagged
from ingest.simulator.traffic.ships import SimulatedShip, TransmissionKind
from tests.chaos.outage_fleet import position

TICK_SECONDS = 0.1
PUSH_SECONDS = 0.5
LINES_A_DATAGRAM = 8
_STATIC_OF = 40  # of so many messages one is static data, in two sentences
_TIMEOUT_SECONDS = 30.0
_RETRY_SECONDS = 0.2

Key = tuple[int, int]  # MMSI, second since 1970: what names a row


class Sent:
    """Which positions were sent and when, for all threads. `rows`: MMSI -> positions; times are monotonic seconds."""

    def __init__(self) -> None:
        self.rows = Counter[int]()
        self._waiting: dict[Key, float] = {}
        self._lock = threading.Lock()

    def note(self, keys: Sequence[Key], at: float) -> None:
        """These were sent at `at`."""
        with self._lock:
            self._waiting.update(dict.fromkeys(keys, at))
            self.rows.update(mmsi for mmsi, _ in keys)

    def waiting(self) -> dict[Key, float]:
        """Those that `arrived` has not named yet."""
        with self._lock:
            return dict(self._waiting)

    def arrived(self, key: Key) -> float:
        """When the position was sent, which is in the database now."""
        with self._lock:
            return self._waiting.pop(key)

    def messages(self) -> int:
        """All positions so far."""
        with self._lock:
            return self.rows.total()


class HonestSender(ABC):
    """One receiver in a thread of its own: so many messages a second until it is stopped."""

    seconds = TICK_SECONDS

    def __init__(self, label: str, ships: Sequence[SimulatedShip], rate: float, sent: Sent) -> None:
        self.label, self.problem = label, ""
        self._ships, self._statics = cycle(ships), cycle(ships)
        self._rate, self._sent = rate, sent
        self._sentences = Sentences()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=label, daemon=True)

    @abstractmethod
    def url(self) -> str:
        """The feed's address."""

    @abstractmethod
    def send(self, lines: Sequence[bytes], keys: Sequence[Key]) -> None:
        """Send lines and note what they hold. Raises OSError where the way in is closed."""

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Send no more, once what is in hand is sent."""
        self._stop.set()
        self._thread.join(2 * _TIMEOUT_SECONDS)

    def _run(self) -> None:
        number, began = 0, time.monotonic()
        while not self._stop.wait(self.seconds):
            until = int((time.monotonic() - began) * self._rate)
            try:
                self.send(*self._made(range(number, until)))
            except (OSError, http.client.HTTPException) as error:
                self.problem = f"{self.label}: {type(error).__name__}: {error}"
                return
            number = until

    def _made(self, numbers: range) -> tuple[list[bytes], list[Key]]:
        lines: list[bytes] = []
        keys: list[Key] = []
        now = time.time()
        for number in numbers:
            due = now - (numbers.stop - 1 - number) / self._rate  # one held up has several of a ship
            if number % _STATIC_OF == 1:
                lines += self._static(due)
            else:
                ship = next(self._ships)
                keys.append((ship.identity.mmsi, int(due)))
                lines.append(self._line(ship, due))
        return lines, keys

    def _line(self, ship: SimulatedShip, now: float) -> bytes:
        return position(ship, int(now))

    def _static(self, now: float) -> Iterator[bytes]:
        ship = next(self._statics)
        moment = Moment(dt.datetime.fromtimestamp(now, dt.UTC), round(now * 1000), now, float(int(now)))
        yield b"".join(
            line + b"\r\n"
            for line in self._sentences.encode(ship, TransmissionKind.STATIC, moment, ship.motion.at(now))
        )


class ServedByTcp(HonestSender):
    """A receiver that listens, as AIS-catcher does; it serves the one collector that connects."""

    def __init__(self, label: str, ships: Sequence[SimulatedShip], rate: float, sent: Sent) -> None:
        super().__init__(label, ships, rate, sent)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(_TIMEOUT_SECONDS)
        self._connection: socket.socket | None = None

    def url(self) -> str:
        return f"tcp://127.0.0.1:{self._listener.getsockname()[1]}"

    def send(self, lines: Sequence[bytes], keys: Sequence[Key]) -> None:
        if self._connection is None:
            self._connection, _ = self._listener.accept()
            self._connection.settimeout(_TIMEOUT_SECONDS)
        self._connection.sendall(b"".join(lines))
        self._sent.note(keys, time.monotonic())


class ConnectingByTcp(HonestSender):
    """A receiver that connects to our port, again and again until it is let in, and once connected stays so."""

    def __init__(
        self, label: str, ships: Sequence[SimulatedShip], rate: float, sent: Sent, port: int, address: str
    ) -> None:
        super().__init__(label, ships, rate, sent)
        self._port, self._address = port, address
        self._connection: socket.socket | None = None

    def url(self) -> str:
        return f"tcp-listen://127.0.0.1:{self._port}"

    def send(self, lines: Sequence[bytes], keys: Sequence[Key]) -> None:
        if self._connection is None:
            self._connection = _connected(self._port, self._address)
        self._connection.sendall(b"".join(lines))
        self._sent.note(keys, time.monotonic())


class ByUdp(HonestSender):
    """A receiver that sends datagrams of some lines each."""

    def __init__(
        self, label: str, ships: Sequence[SimulatedShip], rate: float, sent: Sent, port: int, address: str
    ) -> None:
        super().__init__(label, ships, rate, sent)
        self._port = port
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((address, 0))

    def url(self) -> str:
        return f"udp://127.0.0.1:{self._port}"

    def send(self, lines: Sequence[bytes], keys: Sequence[Key]) -> None:
        for start in range(0, len(lines), LINES_A_DATAGRAM):
            self._socket.sendto(b"".join(lines[start : start + LINES_A_DATAGRAM]), ("127.0.0.1", self._port))
        self._sent.note(keys, time.monotonic())


class ByPush(HonestSender):
    """A receiver that posts, each body again until it is accepted; its lines carry their time."""

    seconds = PUSH_SECONDS

    def __init__(
        self, label: str, ships: Sequence[SimulatedShip], rate: float, sent: Sent, port: int, key: str
    ) -> None:
        super().__init__(label, ships, rate, sent)
        self._port, self._key = port, key
        self.answers = Counter[int]()  # status -> times; 0: none came

    def url(self) -> str:
        return f"push://{self.label}"

    def send(self, lines: Sequence[bytes], keys: Sequence[Key]) -> None:
        made, name = time.monotonic(), uuid.uuid4().hex
        while time.monotonic() < made + 2 * _TIMEOUT_SECONDS:
            status = self._post(b"".join(lines), name)
            self.answers[status] += 1
            if status == http.HTTPStatus.ACCEPTED:
                self._sent.note(keys, made)
                return
            time.sleep(_RETRY_SECONDS)
        raise TimeoutError(f"a push was not accepted; answers so far (0: none): {dict(self.answers)}")

    def _post(self, body: bytes, name: str) -> int:
        with closing(http.client.HTTPConnection("127.0.0.1", self._port, timeout=_TIMEOUT_SECONDS)) as connection:
            headers = {"Authorization": f"Bearer {self._key}", "Content-Type": "text/plain", "Idempotency-Key": name}
            try:
                connection.request("POST", f"/api/push/{self.label}/", body, headers)
                return connection.getresponse().status
            except (OSError, http.client.HTTPException):
                return 0

    def _line(self, ship: SimulatedShip, now: float) -> bytes:
        return tagged(position(ship, int(now)).rstrip(), 1, round(now * 1000)) + b"\r\n"


def _connected(port: int, address: str) -> socket.socket:
    """A connection from `address` that our server has kept for a moment. Raises TimeoutError."""
    deadline = time.monotonic() + _TIMEOUT_SECONDS
    while time.monotonic() < deadline:
        with suppress(OSError):
            made = socket.create_connection(("127.0.0.1", port), _TIMEOUT_SECONDS, (address, 0))
            made.settimeout(1.0)
            try:
                refused = made.recv(1) == b""
            except TimeoutError:
                refused = False
            if not refused:
                made.settimeout(_TIMEOUT_SECONDS)
                return made
            made.close()
        time.sleep(_RETRY_SECONDS)
    raise TimeoutError(f"no connection to port {port} was kept within {_TIMEOUT_SECONDS:.0f} s")
