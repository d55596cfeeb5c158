"""Relays under test: entries of the stream, a relay in a thread, and programs that receive."""

import datetime as dt
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from ingest.relays import stream
from ingest.relays.outlets import Outlet
from ingest.relays.picking import RelayRules
from ingest.relays.run import RelayRun
from ingest.relays.stream import RelayedBatch, RelayEntry
from ingest.reports import MessageBatch
from tests.support.messages import batch
from tests.support.patience import PATIENCE_SECONDS

ALL = bytes((stream.POSITION, stream.STATIC, stream.STATION, stream.OTHER))


def rules(url: str = "udp://127.0.0.1:9", **changes: Any) -> RelayRules:
    """Of a relay that passes everything on."""
    made = RelayRules(1, "Pier", url, "nmea", frozenset(), ALL, 0.0, 60)
    return made._replace(**changes)


def live(raws: list[bytes], **fields: Any) -> MessageBatch:
    """A batch that was accepted just now."""
    return batch(raws, received_at=round(time.time() * 1000), step=0, live=True, recorded=False, **fields)


def relayed(raws: list[bytes], kinds: bytes | None = None, **fields: Any) -> RelayedBatch:
    """A batch on its way to relays, of positions unless said otherwise."""
    return RelayedBatch(kinds or bytes([stream.POSITION]) * len(raws), live(raws, **fields))


def entry(raws: list[bytes], kinds: bytes | None = None, ms: int = 1_000_000, **fields: Any) -> RelayEntry:
    """An entry of the stream that came in at `ms`."""
    return RelayEntry(f"{ms}-0", "e", len(raws), len(raws), relayed(raws, kinds, **fields))


def offer(raws: list[bytes], kinds: bytes | None = None, missed: int = 0, **fields: Any) -> None:
    """Put a batch into the stream, as the stage does."""
    stream.append(stream.pack(relayed(raws, kinds, **fields)), len(raws), missed)


@contextmanager
def running(given: RelayRules, outlet: Outlet | None = None, **options: Any) -> Iterator[RelayRun]:
    """A relay in a thread, stopped in the end; what it raised is raised here."""
    stop, raised = threading.Event(), list[BaseException]()
    run = RelayRun(given, stop, outlet, pauses=(0.05,), **options)

    def work() -> None:
        try:
            run.run()
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        until(lambda: bool(run.account.id) or bool(raised))
        yield run
    finally:
        stop.set()
        thread.join(PATIENCE_SECONDS)
    if raised:
        raise raised[0]


def until(condition: Callable[[], object]) -> None:
    """Wait until it holds."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.005)


class Receiver:
    """A program that takes connections one after the other and keeps what it receives, each in a list of its own."""

    def __init__(self, port: int = 0) -> None:
        self._server = socket.create_server(("127.0.0.1", port))
        self.port = self._server.getsockname()[1]
        self.received: list[bytearray] = []
        self._connections: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        return f"tcp://127.0.0.1:{self.port}"

    @property
    def text(self) -> bytes:
        """All of it."""
        return b"".join(map(bytes, self.received))

    @property
    def lines(self) -> list[bytes]:
        return self.text.split(b"\r\n")[:-1]

    def hang_up(self) -> None:
        for connection in self._connections:
            connection.shutdown(socket.SHUT_RDWR)
            connection.close()
        self._connections = []

    def close(self) -> None:
        self.hang_up()
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()

    def _accept(self) -> None:
        try:
            while True:
                connection, _ = self._server.accept()
                self._connections.append(connection)
                self.received.append(bytearray())
                threading.Thread(target=self._read, args=(connection, self.received[-1]), daemon=True).start()
        except OSError:
            return

    def _read(self, connection: socket.socket, received: bytearray) -> None:
        try:
            while data := connection.recv(65536):
                received += data
        except OSError:
            return


def long_ago() -> dt.datetime:
    return dt.datetime.now(dt.UTC) - dt.timedelta(days=1)


def far_ahead() -> dt.datetime:
    return dt.datetime.now(dt.UTC) + dt.timedelta(days=1)
