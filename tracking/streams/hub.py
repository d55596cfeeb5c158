"""One reader of what changes for all streams of a process: of live state, and of events.

What is asked for and a cursor enter; pieces of an event stream leave. As soon as the source has something new, but no
sooner than a turn after the last time, each stream whose client has taken what it was sent is told what changed since.
A slow client holds up nobody and nothing is kept for it: at its next turn the source tells it all at once, and what it
missed. Everything that touches the source runs in one thread, so that the loop never waits for a server.

While the source is away, streams stay open and say so once. Each ends after STREAM_SECONDS: a client comes again with
its Last-Event-ID, and whoever may not read any longer is refused.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol, TypeVar

from django.db import Error as DatabaseError
from redis import RedisError

from tracking.events.following import EventLog
from tracking.live.mirror import Mirror, Told
from tracking.streams.places import StreamPlace, places

logger = logging.getLogger(__name__)

CHANGES_SECONDS, EVENTS_SECONDS = 0.2, 1.0  # a turn
LOOK_SECONDS = 0.05  # between two looks for something new, once a turn is over
NOTHING_SECONDS = 1.0  # after which streams have their turn all the same: some are due for a heartbeat, or over
HEARTBEAT_SECONDS = 15.0
STREAM_SECONDS = 900.0
BEGIN = b"retry: 2000\n\n"  # milliseconds until a browser comes again
HEARTBEAT = b":\n\n"
AWAY = b'event: away\ndata: {"detail":"%s not available at the moment."}\n\n'

T = TypeVar("T")


class Source(Protocol):
    """What streams tell of. Only `refresh` waits for a server."""

    told: Callable[..., Told]  # what was asked for and a cursor enter; of what was read last

    def refresh(self) -> int:
        """Read what is new, unless that was done just now; the number of the latest. Raises its server's errors."""


class Hub:
    """Streams join it; it reads while there are any. `name`: of its events, `what`: is away with its server."""

    def __init__(self, source: Source, name: str, what: str, turn_seconds: float) -> None:
        self.source = source
        self._name, self._what, self._turn_seconds = name, what, turn_seconds
        self._thread = ThreadPoolExecutor(1, f"streams of {name}")
        self._turn = asyncio.Event()
        self._following = self._latest = 0
        self._reader: asyncio.Task[None] | None = None
        self._is_away = self._is_closed = False

    def close(self) -> None:
        """Have every stream end at once. In the loop's thread."""
        self._is_closed = True
        self._turn.set()

    async def stream(self, asked: tuple[Any, ...], since: str | None, place: StreamPlace) -> AsyncIterator[bytes]:
        """What changes of what is asked for, from the cursor on, for STREAM_SECONDS at most."""
        place.begun = True
        self._join()
        try:
            yield BEGIN
            async for piece in self._pieces(asked, since):
                yield piece
        finally:
            self._following -= 1
            places.leave(place)

    def _join(self) -> None:
        self._following += 1
        if self._reader is None or self._reader.done():
            self._reader = asyncio.create_task(self._read())

    async def _pieces(self, asked: tuple[Any, ...], since: str | None) -> AsyncIterator[bytes]:
        began = sent_at = time.monotonic()
        knows_away = False
        while not self._is_closed and time.monotonic() - began < STREAM_SECONDS:
            piece = b""
            if self._is_away:
                piece, knows_away = b"" if knows_away else AWAY % self._what.encode(), True
            else:
                told, knows_away = await self._in_thread(self.source.told, *asked, since), False
                piece, since = self._event(told), told.next
            if not piece and time.monotonic() - sent_at >= HEARTBEAT_SECONDS:
                piece = HEARTBEAT
            turn = self._turn
            if piece:
                yield piece
                sent_at = time.monotonic()
            await turn.wait()

    def _event(self, told: Told) -> bytes:
        """The event of what was told, nothing where that is nothing."""
        if told.body is None:
            return b""
        return b"id: %b\nevent: %b\ndata: %b\n\n" % (told.next.encode(), self._name.encode(), told.body)

    async def _read(self) -> None:
        """Read the source and give all streams their turns while anybody follows."""
        while self._following and not self._is_closed:
            until = time.monotonic() + NOTHING_SECONDS
            while not await self._is_new() and time.monotonic() < until:
                await asyncio.sleep(LOOK_SECONDS)
            turn, self._turn = self._turn, asyncio.Event()
            turn.set()
            await asyncio.sleep(self._turn_seconds)

    async def _is_new(self) -> bool:
        """Whether there is something to tell: of the source, or that it went away or is back."""
        before = self._latest, self._is_away
        try:
            self._latest = await self._in_thread(self.source.refresh)
            self._note(None)
        except (RedisError, DatabaseError, OSError) as error:
            self._note(error)
        return (self._latest, self._is_away) != before

    def _note(self, error: Exception | None) -> None:
        """Say once that the source went away, and once that it is back."""
        if self._is_away is not (error is not None):
            self._is_away = error is not None
            if error:
                logger.warning("streams of %s wait for their server: %s", self._name, error)
            else:
                logger.warning("streams of %s go on", self._name)

    async def _in_thread(self, call: Callable[..., T], *given: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, call, *given)


changes = Hub(Mirror(LOOK_SECONDS / 2), "changes", "Live state is", CHANGES_SECONDS)
events = Hub(EventLog(EVENTS_SECONDS), "events", "Events are", EVENTS_SECONDS)
