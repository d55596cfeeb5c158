"""A TCP proxy between a client and a loopback server, with faults that are switched while it runs.

Bytes enter on `port` and leave to the server, and back, as the mode permits. It runs in a thread of its own, knows no
protocol, and passes on what it has not been told to break.

    ok         everything passes, `latency` seconds late in each direction
    down       nobody listens, and every connection is reset
    blackhole  connections are taken and stay open, but nothing passes: a cable pulled, a firewall that drops
"""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from collections.abc import Coroutine
from contextlib import suppress
from enum import StrEnum
from types import TracebackType
from typing import Any, Self, TypeVar

from tests.faults.processes import free_port
from tests.support.patience import PATIENCE_SECONDS

T = TypeVar("T")

_CHUNK = 65536
_POLL_SECONDS = 0.02
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class Mode(StrEnum):
    """What happens to bytes."""

    OK = "ok"
    DOWN = "down"
    BLACKHOLE = "blackhole"


class Proxy:
    """A context manager: listens when entered, everything is closed when left. Its methods may be called anywhere."""

    def __init__(self, upstream: int) -> None:
        """`upstream` is the loopback port of the server."""
        self.port = free_port()
        self.mode = Mode.OK
        self.latency = 0.0
        self.cut = threading.Event()  # set when an armed cut has happened
        self._upstream = upstream
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=f"proxy-{self.port}", daemon=True)
        self._server: asyncio.Server | None = None
        self._links: set[_Link] = set()
        self._request: bytes | None = None
        self._budget: int | None = None

    def __enter__(self) -> Self:
        self._thread.start()
        self._do(self._listen())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._do(self._close())
        self._do(self._end_all())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(PATIENCE_SECONDS)

    def set(self, mode: Mode | str, latency: float = 0.0) -> None:
        """Switch to a mode; `latency` in seconds. Open connections live on, except when it goes down."""
        self._do(self._switch(Mode(mode), latency))

    def reset(self) -> None:
        """Reset all open connections; new ones are served as the mode says."""
        self._do(self._abort())

    def cut_answer_of(self, request: bytes) -> None:
        """Arm: the next request with these bytes reaches the server, whose answer is thrown away and both sides reset.

        So the client does not know whether its COMMIT was done: it was.
        """
        self.cut.clear()
        self._request = request

    def cut_after(self, sent: int) -> None:
        """Arm: when clients have sent that many bytes more, the rest is thrown away and the connection reset."""
        self.cut.clear()
        self._budget = sent

    @property
    def connections(self) -> int:
        """How many connections are open through it."""
        return len(self._links)

    def _do(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(PATIENCE_SECONDS)

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)

    async def _close(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        await self._abort()

    async def _end_all(self) -> None:
        """Those who wait for a black hole to open, too."""
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _switch(self, mode: Mode, latency: float) -> None:
        self.mode, self.latency = mode, latency
        if mode is Mode.DOWN:
            await self._close()
        elif self._server is None:
            await self._listen()

    async def _abort(self) -> None:
        for link in list(self._links):
            link.reset()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One client: connect to the server when the mode permits, then pass bytes both ways until either side ends."""
        await self._passable()
        try:
            from_server, to_server = await asyncio.open_connection("127.0.0.1", self._upstream)
        except OSError:  # the client sees what it would see without us: a connection that ends
            _reset(writer)
            return
        link = _Link(writer, to_server)
        self._links.add(link)
        try:
            await asyncio.gather(self._upwards(link, reader), self._downwards(link, from_server))
        finally:
            self._links.discard(link)

    async def _upwards(self, link: _Link, reader: asyncio.StreamReader) -> None:
        """From the client to the server."""
        with suppress(OSError):
            while data := await reader.read(_CHUNK):
                await self._passable()
                permitted = self._within_budget(data)
                if self._request is not None and self._request in data:
                    self._request, link.answer_is_cut = None, True
                await link.send_up(permitted)
                if permitted != data:
                    self._cut(link)
        link.close_up()

    async def _downwards(self, link: _Link, reader: asyncio.StreamReader) -> None:
        """From the server to the client."""
        with suppress(OSError):
            while data := await reader.read(_CHUNK):
                await self._passable()
                if link.answer_is_cut:
                    self._cut(link)
                    return
                await link.send_down(data)
        link.close_down()

    async def _passable(self) -> None:
        """Wait as long as nothing passes, then for the latency."""
        while self.mode is Mode.BLACKHOLE:
            await asyncio.sleep(_POLL_SECONDS)
        if self.latency:
            await asyncio.sleep(self.latency)

    def _within_budget(self, data: bytes) -> bytes:
        """As much of `data` as an armed cut lets through."""
        if self._budget is None:
            return data
        permitted, self._budget = data[: self._budget], max(0, self._budget - len(data))
        if permitted != data:
            self._budget = None
        return permitted

    def _cut(self, link: _Link) -> None:
        link.reset()
        self.cut.set()


class _Link:
    """The two connections of one client through the proxy."""

    def __init__(self, to_client: asyncio.StreamWriter, to_server: asyncio.StreamWriter) -> None:
        self._to_client, self._to_server = to_client, to_server
        self.answer_is_cut = False

    async def send_up(self, data: bytes) -> None:
        self._to_server.write(data)
        await self._to_server.drain()

    async def send_down(self, data: bytes) -> None:
        self._to_client.write(data)
        await self._to_client.drain()

    def close_up(self) -> None:
        self._to_server.close()

    def close_down(self) -> None:
        self._to_client.close()

    def reset(self) -> None:
        _reset(self._to_client)
        _reset(self._to_server)


def _reset(writer: asyncio.StreamWriter) -> None:
    """End a connection with RST instead of FIN, as a killed host or a firewall does."""
    connection = writer.get_extra_info("socket")
    if connection is not None:
        with suppress(OSError):
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
    writer.transport.abort()
