"""Where the bytes of a relay go: datagrams, a connection that is made, or connections that others make.

Messages enter; how many of them were handed to the network leaves. Nothing blocks for longer than SEND_SECONDS, memory
is bounded, and what others send is thrown away. Who waits, how long, and what is written down is known by `run.py`.
"""

from __future__ import annotations

import logging
import socket
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import accumulate
from typing import NamedTuple, Protocol

from ingest.relays.addresses import RelayAddress, parts_of, reachable

logger = logging.getLogger(__name__)

CONNECT_SECONDS = 10.0
SEND_SECONDS = 10.0  # for which the other side may take nothing
MOST_CLIENTS = 32
MOST_UNSENT = 2**20  # bytes that wait for one client, which is then cut off
_THROWN_AWAY = 2**16  # bytes at a time
UNREACHABLE, NO_CLIENT = "unreachable", "no_client"


class Handed(NamedTuple):
    """The first `done` messages are done with, of which `dropped` went nowhere, for `reason`."""

    done: int
    dropped: int = 0
    reason: str = ""


class Outlet(Protocol):
    """One way out. `clients`: who listens, None where that is not known."""

    clients: int | None

    def open(self) -> None:
        """Be ready to send; nothing where that is so. Raises OSError, UnicodeError and AddressRefused."""

    def send(self, messages: Sequence[bytes]) -> Handed:
        """Send in order; what is left over is kept for the next connection."""

    def close(self) -> None:
        """Let go of everything."""


def outlet_of(url: str) -> Outlet:
    """The outlet of an address that was checked."""
    address = parts_of(url)
    kinds: dict[str, type[UdpOutlet] | type[TcpOutlet] | type[ListeningOutlet]]
    kinds = {"udp": UdpOutlet, "tcp": TcpOutlet, "tcp-listen": ListeningOutlet}
    return kinds[address.scheme](address)


class UdpOutlet:
    """A datagram a message, with all its sentences. Whether anybody receives them is never known."""

    clients: int | None = None

    def __init__(self, address: RelayAddress) -> None:
        self._address = address
        self._socket: socket.socket | None = None
        self._target = ""

    def open(self) -> None:
        """Look the host up, once until something fails."""
        if self._socket is None:
            self._target = reachable(self._address)[0]
            family = socket.AF_INET6 if ":" in self._target else socket.AF_INET
            self._socket = socket.socket(family, socket.SOCK_DGRAM)
            self._socket.settimeout(SEND_SECONDS)
            if family == socket.AF_INET:
                self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)

    def send(self, messages: Sequence[bytes]) -> Handed:
        """All; those for which there is no way are dropped."""
        assert self._socket is not None, "open comes first"
        failed = 0
        for message in messages:
            try:
                self._socket.sendto(message, (self._target, self._address.port))
            except OSError as error:
                failed += 1
                logger.debug("udp://%s: %s", self._target, error)
        if failed:
            self.close()
        return Handed(len(messages), failed, UNREACHABLE)

    def close(self) -> None:
        """Close the socket."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None


class TcpOutlet:
    """A connection that is made to somebody. A message that was cut off by its end goes out again as a whole."""

    clients: int | None = None

    def __init__(self, address: RelayAddress) -> None:
        self._address = address
        self._socket: socket.socket | None = None

    def open(self) -> None:
        """Connect, unless the connection stands."""
        if self._socket is not None and _is_gone(self._socket):
            self.close()
            raise ConnectionResetError("closed by the other side")
        if self._socket is None:
            self._socket = _connected(self._address)

    def send(self, messages: Sequence[bytes]) -> Handed:
        """What the network takes, whole messages."""
        assert self._socket is not None, "open comes first"
        data = memoryview(b"".join(messages))
        taken = 0
        try:
            while taken < len(data):
                taken += self._socket.send(data[taken:])
        except OSError as error:
            logger.info("tcp://%s:%d: %s", self._address.host, self._address.port, error)
            self.close()
        return Handed(bisect_right(list(accumulate(map(len, messages))), taken))

    def close(self) -> None:
        """Hang up."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None


class ListenerClient:
    """One who connected to us, and the bytes that he has not taken yet."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self._unsent = bytearray()
        connection.setblocking(False)

    def take(self, data: bytes) -> bool:
        """Send what he takes and keep the rest; False where he is gone or too slow."""
        self._unsent += data
        try:
            while self._unsent:
                del self._unsent[: self.connection.send(self._unsent)]
        except BlockingIOError:
            return len(self._unsent) <= MOST_UNSENT
        except OSError:
            return False
        return True


class ListeningOutlet:
    """Connections that others make; each gets everything from then on. Who is slow is cut off and delays nobody."""

    def __init__(self, address: RelayAddress) -> None:
        self._address = address
        self._server: socket.socket | None = None
        self._clients: list[ListenerClient] = []
        self.clients: int | None = 0

    def open(self) -> None:
        """Listen, take in who came, and let go of who left."""
        if self._server is None:
            family = socket.AF_INET6 if ":" in self._address.host else socket.AF_INET
            self._server = socket.create_server((self._address.host, self._address.port), family=family)
            self._server.setblocking(False)
        for connection in self._newcomers(self._server):
            if len(self._clients) >= MOST_CLIENTS:
                connection.close()
            else:
                _keep_alive(connection)
                self._clients.append(ListenerClient(connection))
        self._keep([not _is_gone(client.connection) and client.take(b"") for client in self._clients])

    def send(self, messages: Sequence[bytes]) -> Handed:
        """To everybody who is connected."""
        data = b"".join(messages)
        self._keep([client.take(data) for client in self._clients])
        return Handed(len(messages)) if self._clients else Handed(len(messages), len(messages), NO_CLIENT)

    def close(self) -> None:
        """Hang up on everybody."""
        self._keep([False] * len(self._clients))
        if self._server is not None:
            self._server.close()
            self._server = None

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._server.getsockname()[1]) if self._server is not None else 0

    def _newcomers(self, server: socket.socket) -> Iterator[socket.socket]:
        with suppress(BlockingIOError):
            while True:
                yield server.accept()[0]

    def _keep(self, stays: list[bool]) -> None:
        for client, stay in zip(self._clients, stays, strict=True):
            if not stay:
                client.connection.close()
        self._clients = [client for client, stay in zip(self._clients, stays, strict=True) if stay]
        self.clients = len(self._clients)


def _connected(address: RelayAddress) -> socket.socket:
    """A connection to the first of the host's addresses that takes one."""
    hosts = reachable(address)
    for host in hosts[:-1]:
        with suppress(OSError):
            return _connection(host, address.port)
    return _connection(hosts[-1], address.port)


def _connection(host: str, port: int) -> socket.socket:
    made = socket.create_connection((host, port), CONNECT_SECONDS)
    made.settimeout(SEND_SECONDS)
    _keep_alive(made)
    return made


def _is_gone(connection: socket.socket) -> bool:
    """Whether the other side hung up; some of what it sent is thrown away."""
    timeout = connection.gettimeout()
    connection.setblocking(False)  # MSG_DONTWAIT does not: with a timeout Python waits before it calls recv
    try:
        return connection.recv(_THROWN_AWAY) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True
    finally:
        connection.settimeout(timeout)


def _keep_alive(connection: socket.socket) -> None:
    """Notice within two minutes that the other host is gone."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 15), ("TCP_KEEPCNT", 4)):
        if hasattr(socket, option):
            connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)
