"""UDP datagrams of receivers, each a few whole lines. Nothing is ever answered."""

from __future__ import annotations

import asyncio
import socket
import time
from collections import deque
from collections.abc import AsyncGenerator

from ingest.sources import Chunk, SourceError

WAITING_DATAGRAMS = 20_000
RECEIVE_BUFFER_BYTES = 4 * 1024 * 1024


class UdpSource:
    """Datagrams sent to an address; those that come faster than they are taken are dropped and counted."""

    recorded = False

    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port
        self._dropped = 0
        self.origin = f"udp://{host}:{port}"

    async def chunks(self, offset: int = 0) -> AsyncGenerator[Chunk, None]:
        """All datagrams that are waiting, as one chunk. Raises SourceError when the address cannot be bound."""
        inbox = _Inbox()
        try:
            transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
                lambda: inbox, local_addr=(self._host, self._port)
            )
        except OSError as error:
            raise SourceError(f"cannot listen on {self.origin}: {error.strerror or error}") from error
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
        try:
            while True:
                await inbox.filled.wait()
                data = b"".join(inbox.take())
                self._dropped = inbox.dropped
                yield Chunk(data, time.time_ns() // 1_000_000)
        finally:
            transport.close()

    def progress(self) -> None:
        """A stream has no end."""
        return

    def dropped(self) -> int:
        """Datagrams that found the inbox full."""
        return self._dropped


class _Inbox(asyncio.DatagramProtocol):
    """Datagrams that nobody has taken yet; a line never spans two of them."""

    def __init__(self) -> None:
        self.filled = asyncio.Event()
        self.dropped = 0
        self._waiting: deque[bytes] = deque()

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        if len(self._waiting) >= WAITING_DATAGRAMS:
            self.dropped += 1
            return
        self._waiting.append(data if data.endswith(b"\n") else data + b"\n")
        self.filled.set()

    def take(self) -> list[bytes]:
        """All that wait."""
        taken = list(self._waiting)
        self._waiting.clear()
        self.filled.clear()
        return taken
