"""The process that serves streams: uvicorn on one event loop, for their addresses and a probe, and nothing else.

Bytes enter and leave. Bounds are set where uvicorn has none: a header must be complete within HEADER_SECONDS, a peer
that takes nothing for PEER_SECONDS is given up by the kernel, and what waits for a slow one is small.
"""

from __future__ import annotations

import signal
import socket
import threading
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from tracking.streams import hub
from tracking.web import serving

PATHS = ("/api/stream/", "/api/stream/events/", "/health/live")
HEADER_SECONDS = 10.0
HEADER_BYTES = 32 * 1024
PEER_SECONDS = 60
SEND_BYTES = 128 * 1024  # in the kernel, of what a client has not taken: a slow one shall be seen to be slow
STOP_SECONDS = 5
SPARE_CONNECTIONS = 50  # for those that are refused, and for probes

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Message, Receive, Send], Awaitable[None]]


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens there, and whose connections inherit our bounds. Raises OSError."""
    sock = serving.listen(host, port)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BYTES)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, PEER_SECONDS * 1000)
    return sock


def only_streams(application: Application) -> Application:
    """The application for PATHS and requests without a body; all others are refused before they reach it."""

    async def inner(scope: Message, receive: Receive, send: Send) -> None:
        names = {name for name, value in scope["headers"] if value != b"0"}
        if scope["type"] != "http" or scope["path"] not in PATHS:
            await _refuse(send, 404, b'{"detail":"There are only streams here."}')
        elif names & {b"content-length", b"transfer-encoding"}:
            await _refuse(send, 413, b'{"detail":"A stream takes no body."}')
        else:
            await application(scope, receive, send)

    return inner


async def _refuse(send: Send, status: int, body: bytes) -> None:
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


class PunctualProtocol(H11Protocol):
    """A connection whose first request must come soon."""

    def connection_made(self, transport: Any) -> None:
        """A client has connected."""
        super().connection_made(transport)
        self.loop.call_later(HEADER_SECONDS, self._give_up, transport)

    def _give_up(self, transport: Any) -> None:
        if self.cycle is None:
            transport.close()


class StreamServer(uvicorn.Server):
    """Ends its streams when it is told to stop, and then itself."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Streams end before their connections do."""
        hub.changes.close()
        hub.events.close()
        await super().shutdown(sockets)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """As uvicorn does, but a signal that was obeyed is not raised again: to stop is no failure."""
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, self.handle_exit)
        yield


def made(application: Any, streams: int) -> StreamServer:
    """The server of so many streams; `run(sockets=[…])` serves until SIGTERM."""
    config = uvicorn.Config(
        only_streams(application),
        http=PunctualProtocol,
        loop="asyncio",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # `networks.client_address` knows which to believe
        limit_concurrency=streams + SPARE_CONNECTIONS,
        h11_max_incomplete_event_size=HEADER_BYTES,
        timeout_graceful_shutdown=STOP_SECONDS,
    )
    return StreamServer(config)
