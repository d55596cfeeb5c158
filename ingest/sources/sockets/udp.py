"""UDP datagrams of receivers, each a few whole lines, frames or documents. Nothing is ever answered.

A sentence that is cut over two datagrams of one sender is put together.

A feed may name the networks whose datagrams it takes; each sender has a token bucket, so that one cannot crowd out the
others. What is refused, comes too fast, or finds the inbox full is dropped and counted.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import time
from collections import deque
from collections.abc import AsyncGenerator, Callable

from ingest.formats.common.splitting import Datagrams, Splitter
from ingest.sources.common.contract import Chunk, LiveSource, SourceError
from ingest.sources.common.options import SourceOptions

WAITING_DATAGRAMS = 20_000
MAX_SENDERS = 10_000
RECEIVE_BUFFER_BYTES = 4 * 1024 * 1024


class UdpSource(LiveSource):
    """Datagrams sent to an address; those that come faster than they are taken are dropped and counted."""

    def __init__(self, host: str, port: int, options: SourceOptions | None = None) -> None:
        self._host, self._port = host, port
        self._options = options or SourceOptions()
        self._dropped = 0
        self._inbox = Inbox(self._options)
        self.origin = f"udp://{host}:{port}"[:200]

    async def chunks(self, offset: int = 0) -> AsyncGenerator[Chunk, None]:
        """All datagrams that are waiting, as one chunk. Raises SourceError when the address cannot be bound."""
        inbox = self._inbox
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

    def split_by(self, make: Callable[[bool], Splitter]) -> None:
        """How the datagrams of each sender are cut."""
        self._inbox.split_by(make)

    def dropped(self) -> int:
        """Datagrams that were refused, came too fast or found the inbox full."""
        return self._dropped


class Inbox(asyncio.DatagramProtocol):
    """Datagrams that nobody has taken yet, cut sender by sender. `clock` gives seconds that only grow."""

    def __init__(self, options: SourceOptions, clock: Callable[[], float] = time.monotonic) -> None:
        self.filled = asyncio.Event()
        self.dropped = 0
        self._waiting: deque[bytes] = deque()
        self._networks = options.networks()
        self._rate = options.datagrams_per_second
        self._clock = clock
        self._make: Callable[[bool], Splitter] = lambda datagrams: Datagrams(None, None)
        self._splitters: dict[tuple[str, int], Splitter] = {}
        self._buckets: dict[str, tuple[float, float]] = {}  # sender -> (tokens, when they were counted)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        if len(self._waiting) >= WAITING_DATAGRAMS or not self._admits(addr[0]):
            self.dropped += 1
            return
        splitter = self._splitters.pop(addr, None) or self._make(True)
        self._splitters[addr] = splitter  # the one that was silent longest comes first
        text = splitter.feed(data)
        if len(self._splitters) > MAX_SENDERS:
            text += self._splitters.pop(next(iter(self._splitters))).flush()
        if text:
            self._waiting.append(text)
            self.filled.set()

    def split_by(self, make: Callable[[bool], Splitter]) -> None:
        """How the datagrams of each sender are cut from now on; what was begun ends."""
        self._make = make
        self._waiting.extend(text for splitter in self._splitters.values() if (text := splitter.flush()))
        self._splitters.clear()
        if self._waiting:
            self.filled.set()

    def _admits(self, sender: str) -> bool:
        """Whether the sender is on the list and has a token left; a bucket holds one second's worth."""
        bucket = self._buckets.get(sender)
        if bucket is None:
            if self._networks and not any(ipaddress.ip_address(sender) in network for network in self._networks):
                return False
            if len(self._buckets) >= MAX_SENDERS:
                self._buckets.clear()
        now = self._clock()
        tokens, since = bucket or (float(self._rate), now)
        tokens = min(float(self._rate), tokens + (now - since) * self._rate)
        self._buckets[sender] = (tokens - 1 if tokens >= 1 else tokens, now)
        return tokens >= 1

    def take(self) -> list[bytes]:
        """All that wait."""
        taken = list(self._waiting)
        self._waiting.clear()
        self.filled.clear()
        return taken
