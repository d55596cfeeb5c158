"""A TCP server: receivers connect to us and send lines. Nothing is ever answered."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncGenerator

from ingest.framing import LineFramer
from ingest.sources import Chunk, LiveSource, SourceError

logger = logging.getLogger(__name__)

CHUNK_BYTES = 64 * 1024
MAX_CONNECTIONS = 64
WAITING_CHUNKS = 64


class TcpListenSource(LiveSource):
    """Lines of several connections, never mixed within a line; at most 64 connections at once."""

    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port
        self._chunks: asyncio.Queue[Chunk] = asyncio.Queue(WAITING_CHUNKS)
        self._connections: set[asyncio.Task[None]] = set()
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
            for connection in self._connections:
                connection.cancel()
            await asyncio.gather(*self._connections, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None, "asyncio runs callbacks of connections as tasks"
        peer = writer.get_extra_info("peername")
        if len(self._connections) >= MAX_CONNECTIONS:
            logger.warning("%s: refused %s, %d connections are open", self.origin, peer, MAX_CONNECTIONS)
            writer.close()
            return
        self._connections.add(task)
        framer = LineFramer()
        try:
            # A full queue stops the reading, and TCP tells the sender to wait.
            with contextlib.suppress(OSError):
                while data := await reader.read(CHUNK_BYTES):
                    if lines := framer.feed(data):
                        text = b"".join(line + b"\n" for line, _ in lines)
                        await self._chunks.put(Chunk(text, time.time_ns() // 1_000_000))
        finally:
            self._connections.discard(task)
            writer.close()
