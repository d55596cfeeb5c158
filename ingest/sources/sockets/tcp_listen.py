"""A TCP server: receivers connect to us and send lines. Nothing is ever answered.

Places are few, so nobody may hold one for nothing: a connection that says nothing for IDLE_SECONDS ends, one whose host
is gone is noticed, and an address may hold MAX_AN_ADDRESS of them. When all places are taken the connection that has
been silent for longest gives way to a new one, if that was SILENT_SECONDS at least; one that sends keeps its place.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass

from ingest.formats.common.splitting import Lines, Splitter
from ingest.sources.common.contract import Chunk, LiveSource, SourceError
from ingest.sources.sockets.tcp import keep_alive

logger = logging.getLogger(__name__)

CHUNK_BYTES = 64 * 1024
MAX_CONNECTIONS = 64
MAX_AN_ADDRESS = 16  # receivers behind one router share an address
IDLE_SECONDS = 900.0  # a quiet stretch of coast says less than a busy one, but not nothing for a quarter of an hour
SILENT_SECONDS = 30.0
LOG_SECONDS = 60.0  # between two entries about refused connections
WAITING_CHUNKS = 64


@dataclass(eq=False)
class _SenderConnection:
    """One connection: its task, whose it is, and when it last sent something (seconds of a monotonic clock)."""

    task: asyncio.Task[None]
    writer: asyncio.StreamWriter
    address: str
    heard_at: float


class TcpListenSource(LiveSource):
    """What several connections send, never mixed within a line, frame or document; at most 64 connections at once."""

    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port
        self._chunks: asyncio.Queue[Chunk] = asyncio.Queue(WAITING_CHUNKS)
        self._receivers: set[_SenderConnection] = set()
        self._refused, self._log_at = 0, 0.0
        self._make: Callable[[bool], Splitter] = lambda datagrams: Lines()
        self._last: _SenderConnection | None = None  # whose pieces were passed on
        self.origin = f"tcp-listen://{host}:{port}"[:200]

    async def chunks(self, offset: int = 0) -> AsyncGenerator[Chunk, None]:
        """Whole lines as they arrive. Raises SourceError when the address cannot be bound."""
        try:
            server = await asyncio.start_server(self._serve, self._host, self._port, limit=CHUNK_BYTES)
        except OSError as error:
            raise SourceError(f"cannot listen on {self.origin}: {error.strerror or error}") from error
        try:
            while True:
                yield await self._chunks.get()
        finally:
            server.close()
            tasks = [receiver.task for receiver in self._receivers]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None, "asyncio runs callbacks of connections as tasks"
        address = str((writer.get_extra_info("peername") or ("",))[0])
        receiver = _SenderConnection(task, writer, address, time.monotonic())
        if not self._has_place(receiver):
            self._tell_refused(receiver.address)
            writer.close()
            return
        self._receivers.add(receiver)
        try:
            # A task that ends as cancelled asyncio would log as an error.
            with contextlib.suppress(OSError, TimeoutError, asyncio.CancelledError):
                keep_alive(writer)
                await self._read(reader, receiver)
        finally:
            self._receivers.discard(receiver)
            writer.close()

    async def _read(self, reader: asyncio.StreamReader, receiver: _SenderConnection) -> None:
        """Pass on whole pieces. A full queue stops the reading, and TCP tells the sender to wait."""
        splitter = self._make(False)
        try:
            while data := await asyncio.wait_for(reader.read(CHUNK_BYTES), IDLE_SECONDS):
                receiver.heard_at = time.monotonic()
                before = splitter.header
                await self._pass_on(receiver, before, splitter.feed(data))
        finally:
            await self._pass_on(receiver, splitter.header, splitter.flush())

    async def _pass_on(self, receiver: _SenderConnection, header: bytes, text: bytes) -> None:
        """Put the pieces in the queue, with the header of their sender if another one spoke last."""
        if text:
            text = header + text if self._last not in (None, receiver) else text
            self._last = receiver
            await self._chunks.put(Chunk(text, time.time_ns() // 1_000_000))

    def split_by(self, make: Callable[[bool], Splitter]) -> None:
        """How connections are cut that are made from now on."""
        self._make = make

    def _has_place(self, receiver: _SenderConnection) -> bool:
        """Whether the receiver may stay; if need be a silent one has to go for it."""
        same = [one for one in self._receivers if one.address == receiver.address]
        if len(same) >= MAX_AN_ADDRESS:
            return self._end_silent(same, receiver)
        return len(self._receivers) < MAX_CONNECTIONS or self._end_silent(list(self._receivers), receiver)

    def _end_silent(self, among: list[_SenderConnection], newcomer: _SenderConnection) -> bool:
        """End the connection that has been silent for longest, if that is long enough; whether there was one."""
        longest = min(among, key=lambda one: one.heard_at)
        if newcomer.heard_at - longest.heard_at < SILENT_SECONDS:
            return False
        longest.writer.close()
        self._receivers.discard(longest)
        return True

    def _tell_refused(self, address: str) -> None:
        """Log once a minute: whoever is refused may come again at once."""
        self._refused += 1
        if time.monotonic() >= self._log_at:
            open_now = len(self._receivers)
            logger.warning(
                "%s: refused %d connections, the last from %s; %d are open, at most %d in all and %d of an address",
                *(self.origin, self._refused, address, open_now, MAX_CONNECTIONS, MAX_AN_ADDRESS),
            )
            self._refused, self._log_at = 0, time.monotonic() + LOG_SECONDS
