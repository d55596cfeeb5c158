"""One reader of live state for all streams of a process.

Kinds, a box and a cursor enter; pieces of an event stream leave. Every TURN_SECONDS Redis is read once, and each stream
whose client has taken what it was sent is told what changed since. A slow client holds up nobody and nothing is kept
for it: at its next turn it gets the latest value of every target, and is told how many reports that replaces.
Everything that touches the mirror runs in one thread, so that the loop never waits for a server.

While the live Redis is away, streams stay open and say so once. Each ends after STREAM_SECONDS: a client comes again
with its Last-Event-ID, and whoever may not read any longer is refused.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from redis import RedisError

from tracking.live.mirror import Box, Mirror, Told
from tracking.live.state import LiveKind
from tracking.streams.places import StreamPlace, places

logger = logging.getLogger(__name__)

TURN_SECONDS = 0.25
HEARTBEAT_SECONDS = 15.0
STREAM_SECONDS = 900.0
BEGIN = b"retry: 2000\n\n"  # milliseconds until a browser comes again
HEARTBEAT = b":\n\n"
AWAY = b'event: away\ndata: {"detail":"Live state is not available at the moment."}\n\n'

T = TypeVar("T")


class Hub:
    """Streams join it; it reads while there are any."""

    def __init__(self) -> None:
        self.mirror = Mirror(TURN_SECONDS)
        self._thread = ThreadPoolExecutor(1, "streams")
        self._turn = asyncio.Event()
        self._following = 0
        self._reader: asyncio.Task[None] | None = None
        self._is_away = self._is_closed = False

    def close(self) -> None:
        """Have every stream end at once. In the loop's thread."""
        self._is_closed = True
        self._turn.set()

    async def stream(
        self, kinds: tuple[LiveKind, ...], box: Box, since: str | None, place: StreamPlace
    ) -> AsyncIterator[bytes]:
        """What changes in the box, from the cursor on, for STREAM_SECONDS at most."""
        place.begun = True
        self._join()
        try:
            yield BEGIN
            async for piece in self._pieces(kinds, box, since):
                yield piece
        finally:
            self._following -= 1
            places.leave(place)

    def _join(self) -> None:
        self._following += 1
        if self._reader is None or self._reader.done():
            self._reader = asyncio.create_task(self._read())

    async def _pieces(self, kinds: tuple[LiveKind, ...], box: Box, since: str | None) -> AsyncIterator[bytes]:
        began = sent_at = time.monotonic()
        knows_away = False
        while not self._is_closed and time.monotonic() - began < STREAM_SECONDS:
            piece = b""
            if self._is_away:
                piece, knows_away = b"" if knows_away else AWAY, True
            else:
                told, knows_away = await self._in_thread(self.mirror.told, kinds, box, since), False
                piece, since = _event(told), told.next
            if not piece and time.monotonic() - sent_at >= HEARTBEAT_SECONDS:
                piece = HEARTBEAT
            turn = self._turn
            if piece:
                yield piece
                sent_at = time.monotonic()
            await turn.wait()

    async def _read(self) -> None:
        """Read Redis turn by turn while anybody follows."""
        while self._following and not self._is_closed:
            began = time.monotonic()
            try:
                await self._in_thread(self.mirror.refresh)
                self._note(None)
            except (RedisError, OSError) as error:
                self._note(error)
            turn, self._turn = self._turn, asyncio.Event()
            turn.set()
            await asyncio.sleep(max(0.01, TURN_SECONDS - (time.monotonic() - began)))

    def _note(self, error: Exception | None) -> None:
        """Say once that live state went away, and once that it is back."""
        if self._is_away is not (error is not None):
            self._is_away = error is not None
            logger.warning("streams wait for live state: %s", error) if error else logger.warning("streams go on")

    async def _in_thread(self, call: Callable[..., T], *given: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, call, *given)


def _event(told: Told) -> bytes:
    """The event of what was told, nothing where that is nothing."""
    return b"" if told.body is None else b"id: %b\nevent: changes\ndata: %b\n\n" % (told.next.encode(), told.body)


hub = Hub()
