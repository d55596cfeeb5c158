"""What hostile and broken senders do, each in a thread: datagrams, pushes, uploads, guesses, slow connections.

The ports of a running system enter; how often each attack was made and how often it was visibly refused leave in a
`Tally`. All of it goes to loopback addresses, is bounded in number and ends when it is told to. What it does to honest
traffic is for `run` to judge.
"""

from __future__ import annotations

import datetime as dt
import gzip
import http.client
import socket
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field

from ingest.formats.ais.sentence import checksum
from ingest.simulator.traffic.ships import SimulatedShip
from tests.chaos.outage_fleet import position

HOSTILE = "127.0.0.2"  # from where all of it comes
_TIMEOUT_SECONDS = 20.0
_DRIPPING, _SILENT = 16, 100  # connections to the web server
_SILENT_RECEIVERS = 64
_UPLOAD_BYTES = 600_000_000
_UPLOAD_SENT_BYTES = 32_000_000  # at most, where nobody refuses it
_YEAR_ZERO = (
    b"0001-01-01 00:00:00+23:59 MSG,1,1,1,%06X,1,2026/01/01,00:00:00.000,2026/01/01,00:00:00.000,BAW1234,,,,,,,,,,,\r\n"
)
_HUGE_TIME = b"$PGHP,1,99999999999999999999,1,1,1,1,1,1\r\n"
_CSV = b"MMSI,BaseDateTime,LAT,LON,SOG,COG,Heading\r\n"


@dataclass
class Tally:
    """Attack -> times made, and times that a refusal was seen by its sender; for all threads."""

    made: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, attack: str, refused: bool) -> None:
        with self._lock:
            self.made[attack] += 1
            self.refused[attack] += refused


@dataclass(frozen=True)
class Targets:
    """Where to send: `keys` are those of push feeds of the attackers' own, label -> key."""

    web_port: int
    udp_port: int  # of an honest feed
    sbs_port: int
    listen_port: int  # of an honest feed
    keys: dict[str, str]
    refused_ships: list[SimulatedShip]  # PostgreSQL refuses them as data
    broken_ships: list[SimulatedShip]  # PostgreSQL answers as if code and schema disagreed


class Attack(threading.Thread):
    """`act` again and again, `seconds` apart; an error of the connection is a refusal."""

    def __init__(self, name: str, seconds: float, tally: Tally, stop: threading.Event, act: Callable[[], bool]) -> None:
        """`act` tells whether it was refused."""
        super().__init__(name=name, daemon=True)
        self._seconds, self._tally, self._ended, self._act = seconds, tally, stop, act

    def run(self) -> None:
        while not self._ended.is_set():
            try:
                refused = self._act()
            except (OSError, http.client.HTTPException):
                refused = True
            self._tally.note(self.name, refused)
            self._ended.wait(self._seconds)


def attacks(targets: Targets, tally: Tally, stop: threading.Event) -> list[Attack]:
    """All of them, not started."""
    datagrams, pushes, web = Datagrams(targets), Pushes(targets), targets.web_port
    guesses = Guesses(web)
    acts: list[tuple[str, float, Callable[[], bool]]] = [
        ("datagrams with impossible years", 1.3, datagrams.impossible_years),
        ("datagrams with impossible times", 1.0, datagrams.impossible_times),
        ("datagrams of first parts", 30.0, datagrams.first_parts),
        ("datagrams of refused ships", 1.0, datagrams.refused_ships),
        ("pushes of values at the edge", 2.0, pushes.values_at_the_edge),
        ("pushes of ships that fail as a whole", 5.0, pushes.broken_ships),
        ("pushes of packed empty lines", 10.0, pushes.empty_lines),
        ("pushes of empty lists", 10.0, pushes.empty_lists),
        ("pushes of first parts", 20.0, pushes.first_parts),
        ("pushes with a wrong key", 1.0, pushes.wrong_key),
        ("guesses of a password", 1.0, guesses.password),
        ("guesses of an API key", 1.0, guesses.api_key),
        ("uploads without a login", 20.0, lambda: upload(web)),
    ]
    once = [Attack(name, seconds, tally, stop, act) for name, seconds, act in acts]
    dripping = [Slow("dripping connection", 3.0, tally, stop, web, b"GET / HTTP/1.1\r\nX: ") for _ in range(_DRIPPING)]
    silent = [Slow("silent connection", None, tally, stop, web, b"") for _ in range(_SILENT)]
    receivers = [Slow("silent receiver", None, tally, stop, targets.listen_port, b"") for _ in range(_SILENT_RECEIVERS)]
    return [*once, *dripping, *silent, *receivers]


class Datagrams:
    """To UDP feeds, the honest one among them."""

    def __init__(self, targets: Targets) -> None:
        self._targets = targets
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((HOSTILE, 0))
        self._second = 0

    def impossible_years(self) -> bool:
        self._send(self._targets.sbs_port, b"".join(_YEAR_ZERO % (0x400000 + number) for number in range(25)))
        return False

    def impossible_times(self) -> bool:
        self._send(self._targets.udp_port, _HUGE_TIME)
        return False

    def first_parts(self) -> bool:
        """One message that never completes, then many of two parts."""
        lines = list(two_parts(8_000))
        for start in range(0, len(lines), 800):
            self._send(self._targets.udp_port, b"".join(lines[start : start + 800]))
        return False

    def refused_ships(self) -> bool:
        """Into a batch with honest messages: each of these must become a dead letter, and nothing else."""
        self._second += 2
        for ship in (*self._targets.refused_ships[:2], *self._targets.broken_ships[:2]):
            self._send(self._targets.udp_port, position(ship, 1_700_000_000 + self._second))
        return False

    def _send(self, port: int, data: bytes) -> None:
        self._socket.sendto(data, ("127.0.0.1", port))


class Pushes:
    """To push feeds of their own, with the right keys unless it says otherwise."""

    def __init__(self, targets: Targets) -> None:
        self._port, self._keys = targets.web_port, targets.keys
        self._broken = targets.broken_ships
        self._packed_lines = gzip.compress(b"\n" * 16_000_000)
        self._packed_lists = gzip.compress(b'{"now":1,"aircraft":[' + b"[]," * 2_000_000 + b"[]]}")
        self._packed_parts = gzip.compress(b"".join(two_parts(40_000)))
        self._second = 0

    def values_at_the_edge(self) -> bool:
        now = dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%S").encode()
        rows = (b"2110%05d,%b,52.0,4.0,10.0,359.995,511\r\n" % (number, now) for number in range(25))
        return self._post("hostile-csv", _CSV + b"".join(rows))

    def broken_ships(self) -> bool:
        self._second += 2
        second = 1_700_000_000 + self._second
        return self._post("hostile-ais", b"".join(position(ship, second) for ship in self._broken))

    def empty_lines(self) -> bool:
        return self._post("hostile-ais", self._packed_lines, "gzip")

    def empty_lists(self) -> bool:
        return self._post("hostile-json", self._packed_lists, "gzip")

    def first_parts(self) -> bool:
        return self._post("hostile-ais", self._packed_parts, "gzip")

    def wrong_key(self) -> bool:
        return self._post("honest-push", b"!AIVDM", key="x" * 43)

    def _post(self, label: str, body: bytes, encoding: str = "identity", key: str = "") -> bool:
        media = "application/json" if label == "hostile-json" else "text/plain"
        key = key or self._keys[label]
        headers = {"Authorization": f"Bearer {key}", "Content-Type": media, "Content-Encoding": encoding}
        with closing(_connection(self._port)) as connection:
            connection.request("POST", f"/api/push/{label}/", body, headers)
            return connection.getresponse().status >= 400


class Guesses:
    """Of passwords and keys."""

    def __init__(self, port: int) -> None:
        self._port = port

    def password(self) -> bool:
        with closing(_connection(self._port)) as connection:
            connection.request("GET", "/admin/login/")
            answer = connection.getresponse()
            cookies = answer.headers.get_all("Set-Cookie") or []
            token = next((part.split(";")[0].partition("=")[2] for part in cookies if "csrftoken" in part), "")
            answer.read()
            headers = {"Content-Type": "application/x-www-form-urlencoded", "Cookie": f"csrftoken={token}"}
            connection.request(
                "POST", "/admin/login/", f"csrfmiddlewaretoken={token}&username=admin&password=x", headers
            )
            return connection.getresponse().status in (403, 429)

    def api_key(self) -> bool:
        with closing(_connection(self._port)) as connection:
            connection.request("GET", "/api/vessels/", headers={"Authorization": f"Token {'x' * 40}"})
            return connection.getresponse().status in (401, 429)


class Slow(threading.Thread):
    """A connection that says nothing, or a byte every `seconds`; made again when the server ends it."""

    def __init__(
        self, name: str, seconds: float | None, tally: Tally, stop: threading.Event, port: int, begin: bytes
    ) -> None:
        super().__init__(name=name, daemon=True)
        self._seconds, self._tally, self._ended, self._port, self._begin = seconds, tally, stop, port, begin

    def run(self) -> None:
        while not self._ended.is_set():
            with suppress(OSError), socket.create_connection(("127.0.0.1", self._port), 5.0, (HOSTILE, 0)) as made:
                self._hold(made)
            self._tally.note(self.name, not self._ended.is_set())
            self._ended.wait(1.0)

    def _hold(self, made: socket.socket) -> None:
        """Until the server hangs up or the attack ends."""
        made.sendall(self._begin)
        made.settimeout(self._seconds or 1.0)
        while not self._ended.is_set():
            try:
                if not made.recv(4096):
                    return
            except TimeoutError:
                if self._seconds is not None:
                    made.sendall(b"x")


def upload(port: int) -> bool:
    """600 MB are announced to a page that needs no login; how much of it is sent the server decides."""
    with closing(_connection(port)) as connection:
        connection.putrequest("POST", "/admin/login/")
        connection.putheader("Content-Type", "multipart/form-data; boundary=b")
        connection.putheader("Content-Length", str(_UPLOAD_BYTES))
        connection.endheaders(b'--b\r\nContent-Disposition: form-data; name="f"; filename="f"\r\n\r\n')
        for _ in range(_UPLOAD_SENT_BYTES // 65_536):
            connection.send(b"x" * 65_536)
        return connection.getresponse().status >= 400


def two_parts(pairs: int) -> Iterator[bytes]:
    """A first part whose second never comes, then so many messages of two parts each, all with right checksums."""
    yield _sentence(b"AIVDM,2,1,9,B,55NPVd400001L@;K;3<E>05,0")
    for number in range(pairs):
        sequence = number % 9
        yield _sentence(b"AIVDM,2,1,%d,A,55NPVd400001L@;K;3<E>05,0" % sequence)
        yield _sentence(b"AIVDM,2,2,%d,A,88888888880,2" % sequence)


def _sentence(body: bytes) -> bytes:
    return b"!%b*%02X\r\n" % (body, checksum(body))


def _connection(port: int) -> http.client.HTTPConnection:
    return http.client.HTTPConnection("127.0.0.1", port, _TIMEOUT_SECONDS, (HOSTILE, 0))
