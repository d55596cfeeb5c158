"""Connections of one web process: waitress, with deadlines for whole requests and a share for each address.

Bytes enter; complete requests leave to a thread, so what is slow to arrive or to be read holds memory and never a
thread (but for responses above WATERMARK_BYTES, whose reader must be quick). waitress alone would renew its time limit
with every byte. Nobody is refused for want of room: the connection that has waited longest makes room, of the same
address if that has more than its share. Times are monotonic seconds.
"""

from __future__ import annotations

import socket
import time
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

from waitress import wasyncore
from waitress.adjustments import Adjustments
from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser, ParsingError
from waitress.server import TcpWSGIServer
from waitress.task import ThreadedTaskDispatcher

from tracking.web.networks import holder

HEADER_SECONDS = 10.0  # for a whole header, and for the first bytes of a body or of a response
IDLE_SECONDS = 30.0  # between two requests of a connection
BYTES_PER_SECOND = 8 * 1024  # a body and a response must be at least so fast, after HEADER_SECONDS
HELD_BYTES_PER_SECOND = 64 * 1024  # a response that holds a thread meanwhile
HEADER_BYTES = 32 * 1024
BODY_BYTES = 1024 * 1024 + 64 * 1024  # a push has 1 MiB at most, everything else less
WATERMARK_BYTES = 16 * 1024 * 1024  # of a response that wait for its reader; the thread is free below
HELD_BYTES = 128 * 1024 * 1024  # of all requests and responses of a process
LINGER_SECONDS = 5.0  # for a peer that still sends a body which was refused: closed at once, it would not see why
STOP_SECONDS = 10.0  # for what is being answered when the process must end
PROBES = ("/health/live", "/health/ready", "/status")  # answered by a thread of their own
PROBE_THREADS = 2


class BoundedParser(HTTPRequestParser):
    """A request whose numbers are numbers; a body that is too large is not asked for."""

    def parse_header(self, header_plus: bytes) -> None:
        """As waitress does, without its ValueError for a length of thousands of digits."""
        try:
            super().parse_header(header_plus)
        except ValueError as error:
            raise ParsingError("Content-Length is invalid") from error

    def received(self, data: bytes) -> int:
        """As waitress does; where the header is refused the client is not told to continue."""
        consumed = super().received(data)
        if self.error:
            self.expect_continue = False
        return int(consumed)


class Connection(HTTPChannel):
    """A connection that knows what it waits for, and since when."""

    parser_class = BoundedParser

    def __init__(self, server: WebServer, sock: socket.socket, addr: Any, adj: Adjustments, map: Any = None) -> None:
        self.holder = holder(str(addr[0]))
        self.since = time.monotonic()
        self._step: tuple[str, object] = ("idle", 0)
        self._answered = self._sent = 0
        self._refused = self._lingers = False
        super().__init__(server, sock, addr, adj, map=map)
        server.make_room(self)

    def service(self) -> None:
        """In a thread: answer one request."""
        self._refused = bool(self.requests[0].error)
        super().service()
        self._answered += 1

    def readable(self) -> bool:
        """Whether bytes are wanted, if only to be thrown away."""
        return self._lingers or bool(super().readable())

    def handle_read(self) -> None:
        """Bytes have come."""
        if not self._lingers:
            super().handle_read()
            return
        with suppress(OSError):
            self.recv(65536)

    def handle_write(self) -> None:
        """Bytes can go. After a refusal only our half is closed: a reset would overtake the answer."""
        if not (self._refused and self.close_when_flushed):
            super().handle_write()
            return
        self._flush_exception(self._flush_some)
        if self.will_close or self.socket is None:
            self.handle_close()
        elif not self.total_outbufs_len:
            self.close_when_flushed, self._lingers = False, True
            with suppress(OSError):
                self.socket.shutdown(socket.SHUT_WR)

    def send(self, data: bytes, do_close: bool = True) -> int:
        """Bytes that the socket took."""
        sent = int(super().send(data, do_close=do_close))
        self._sent += sent
        return sent

    @property
    def is_served(self) -> bool:
        """Whether a thread is at work for it, or soon will be."""
        return bool(self.requests)

    @property
    def held_bytes(self) -> int:
        """What lies in memory for it."""
        return int(self.total_outbufs_len) + (self.request.body_bytes_received if self.request else 0)

    def is_overdue(self, now: float) -> bool:
        """Whether its present step has taken too long. Asked every second: a step begins when it is first seen."""
        step = self._present_step()
        if step != self._step:
            self._step, self.since, self._sent = step, now, 0
        return now - self.since > self._seconds(step[0])

    def _present_step(self) -> tuple[str, object]:
        """What is waited for, and for which request."""
        if self._lingers:
            return "linger", 0
        if self.total_outbufs_len:
            return "send", self._answered
        if self.requests:
            return "serve", self._answered
        return ("idle", self._answered) if self.request is None else ("receive", self.request)

    def _seconds(self, step: str) -> float:
        if step == "serve":
            return float("inf")
        if step == "linger":
            return LINGER_SECONDS
        if step == "idle":
            return IDLE_SECONDS if self._answered else HEADER_SECONDS
        if step == "send":
            return HEADER_SECONDS + self._sent / (HELD_BYTES_PER_SECOND if self.requests else BYTES_PER_SECOND)
        received = self.request.body_bytes_received if self.request else 0
        return HEADER_SECONDS + received / BYTES_PER_SECOND


class WebServer(TcpWSGIServer):
    """The server of one process on a socket that others may share."""

    channel_class = Connection
    next_channel_cleanup = float("inf")  # `_tend` looks after connections, by a clock that nobody sets

    def __init__(
        self, application: Any, sock: socket.socket, *, threads: int, connections: int, connections_per_address: int
    ) -> None:
        """`connections_per_address` 0: no share of an address, because all come from a proxy's."""
        self._connections, self._share = connections, connections_per_address
        self._stopping, self._tended = False, 0.0
        self._probes = ThreadedTaskDispatcher()
        self._probes.set_thread_count(PROBE_THREADS)
        sockinfo = (sock.family, sock.type, sock.proto, sock.getsockname())
        super().__init__(
            application, map={}, _sock=sock, adj=_adjustments(threads), bind_socket=False, sockinfo=sockinfo
        )

    def add_task(self, task: Connection) -> None:
        """Have a thread answer the connection's next request; probes do not wait behind others."""
        path = getattr(task.requests[0], "path", "")
        (self._probes if path in PROBES else self.task_dispatcher).add_task(task)

    def make_room(self, newest: Connection) -> None:
        """Close one connection where there are too many; the newest where all others are being served."""
        open_ = self._open()
        ours = [connection for connection in open_ if connection.holder == newest.holder]
        if self._share and len(ours) > self._share:
            _close_one(ours, newest)
        elif len(open_) > self._connections:
            waiting = Counter(connection.holder for connection in open_ if not connection.is_served)
            largest = max(waiting, key=lambda name: waiting[name], default=newest.holder)
            _close_one([connection for connection in open_ if connection.holder == largest], newest)

    def stop(self) -> None:
        """From a signal handler: end `run` once what is being answered is answered."""
        self._stopping = True
        self.pull_trigger()

    def run(self, goes_on: Callable[[], bool] = lambda: True) -> None:
        """Serve until `stop`, or until `goes_on`, asked every second, says no."""
        while not self._stopping and goes_on():
            self._turn(1.0)
        self.accepting = False
        self.del_channel()
        self.socket.close()  # of this process; others that share the address go on
        deadline = time.monotonic() + STOP_SECONDS
        while any(open_.is_served or open_.total_outbufs_len for open_ in self._open()) and time.monotonic() < deadline:
            self._turn(0.1)
        for dispatcher in (self.task_dispatcher, self._probes):
            dispatcher.set_thread_count(0)
        for connection in self._open():
            connection.handle_close()

    def _turn(self, seconds: float) -> None:
        wasyncore.loop(timeout=seconds, map=self._map, use_poll=True, count=1)
        self._tend(time.monotonic())

    def _open(self) -> list[Connection]:
        return list(self.active_channels.values())

    def _tend(self, now: float) -> None:
        """Every second: close what is overdue, and the largest where all hold too much."""
        if now < self._tended + 1.0:
            return
        self._tended = now
        for connection in self._open():
            if connection.is_overdue(now):
                connection.handle_close()
        by_size = sorted(self._open(), key=lambda connection: connection.held_bytes)
        held = sum(connection.held_bytes for connection in by_size)
        while held > HELD_BYTES:
            largest = by_size.pop()
            held -= largest.held_bytes
            largest.handle_close()


def _close_one(candidates: Iterable[Connection], newest: Connection) -> None:
    """The one that has waited longest and is not being served."""
    waiting = [connection for connection in candidates if not connection.is_served]
    min(waiting, key=lambda connection: connection.since, default=newest).handle_close()


def _adjustments(threads: int) -> Adjustments:
    """waitress' settings: everything stays in memory within our limits, nothing is written to files."""
    return Adjustments(
        threads=threads,
        ident="",
        connection_limit=2**31,
        max_request_header_size=HEADER_BYTES,
        max_request_body_size=BODY_BYTES,
        inbuf_overflow=2**40,
        outbuf_overflow=2**40,
        outbuf_high_watermark=WATERMARK_BYTES,
        clear_untrusted_proxy_headers=False,  # `networks.client_address` knows which to believe
        log_socket_errors=False,
    )
