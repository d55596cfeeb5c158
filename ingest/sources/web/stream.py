"""A web server's answer that has no end: server-sent events, or lines of JSON, connected again for ever.

A URL with `stream+` before it enters; bytes leave as they arrive. Of an answer that says it is `text/event-stream`, the
data of each event leave as a line of their own, so a format need not know how they travelled; of any other, the bytes
as they are. What they mean is not known here.

Bounds and manners are those of polled documents (`http.py`, `exchange.py`): the host's address is checked, secrets go
to it alone, what it demands is waited for, a circuit breaker guards the connecting. A connection on which nothing came
for SILENCE_SECONDS is given up; servers send comments more often than that. The wait before the next attempt grows
until data flowed again, and is at least what an event's `retry` asks for; `Last-Event-ID` says where to go on.
Source: HTML Living Standard, section 9.2 (server-sent events).
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import AsyncGenerator, AsyncIterator, Mapping

import httpx

from ingest.sources.common.contract import Chunk, SourceError
from ingest.sources.common.options import OAuth
from ingest.sources.web import pacing
from ingest.sources.web.exchange import ExchangeFailure, Limits, follow, host_of
from ingest.sources.web.http import HttpSource
from resilience.breaker.registry import Breaker, CircuitOpen

STREAM = "stream+"
SILENCE_SECONDS = 120.0
SHORTEST_WAIT_SECONDS = 1.0
MAX_EVENT_BYTES = 1024 * 1024
_ACCEPTED = {
    "Accept": "text/event-stream, application/x-ndjson, application/json;q=0.9, */*;q=0.5",
    "Accept-Encoding": "identity",
    "Cache-Control": "no-store",
}
_END_OF_LINE = re.compile(rb"\r\n|\r(?!\Z)|\n")  # a CR at the end may be half of one
_LONGEST_ID = 255


class HttpStreamSource(HttpSource):
    """`once`: end when the other side does. Else as HttpSource; `silence`: seconds without a byte."""

    def __init__(
        self,
        url: str,
        *,
        once: bool = False,
        headers: Mapping[str, str] | None = None,
        oauth: OAuth | None = None,
        silence: float = SILENCE_SECONDS,
        clock: pacing.Clock | None = None,
        breaker: Breaker | None = None,
    ) -> None:
        super().__init__(
            url.removeprefix(STREAM),
            poll_seconds=SHORTEST_WAIT_SECONDS,
            once=once,
            headers=headers,
            oauth=oauth,
            clock=clock,
            breaker=breaker,
        )
        self.origin = f"{STREAM}{self.origin}"[:200]
        self._silence = Limits(silence, silence, MAX_EVENT_BYTES)
        self._flowed = False  # since the last connection was made
        self._last_id, self._retry_seconds = "", 0.0

    async def chunks(self, offset: int = 0) -> AsyncGenerator[Chunk, None]:
        """Bytes as they arrive. Raises SourceError with `once` only, where there was no answer to read."""
        provider = pacing.provider(host_of(self._url))
        cut = False
        while True:
            if (quiet := provider.quiet_until - self._clock.monotonic()) > 0:
                await self._wait(quiet)
            self._flowed = False
            try:
                async with self._connected() as response:
                    async for data in self._data(response):
                        yield Chunk(data, self._now_ms(), broken=cut)
                        cut = False
                raise ExchangeFailure("closed", "closed by the other side")
            except (CircuitOpen, ExchangeFailure) as error:
                lost = error
            if self._once:
                if self._flowed:
                    return
                raise SourceError(f"{self.origin}: {lost}") from lost
            cut = cut or self._flowed
            seconds = self._refused(lost) if isinstance(lost, CircuitOpen) else self._lost(lost)
            if isinstance(lost, ExchangeFailure) and lost.kind == "status_429":
                provider.be_quiet(self._clock.monotonic() + seconds)
            await self._wait(seconds)

    def _lost(self, failure: ExchangeFailure) -> float:
        """Seconds until the next attempt."""
        return max(self._failed(failure), min(self._retry_seconds, pacing.LONGEST_BACKOFF_SECONDS))

    @contextlib.asynccontextmanager
    async def _connected(self) -> AsyncIterator[httpx.Response]:
        """An answer with 200. Raises Failure and CircuitOpen."""
        token = {"authorization": await self._tokens.header(self._limits)} if self._tokens else {}
        known = {"Last-Event-ID": self._last_id} if self._last_id else {}
        opening = follow(self._url, _ACCEPTED | known, self._secrets | token, self._silence)
        async with contextlib.AsyncExitStack() as stack:
            try:
                async with self._breaker.aguard():
                    response = await stack.enter_async_context(opening)
            except ExchangeFailure as failure:
                if failure.kind == "status_401" and self._tokens:
                    self._tokens.forget()
                raise
            yield response

    async def _data(self, response: httpx.Response) -> AsyncIterator[bytes]:
        """What the body brings: events' data as lines, or bytes as they are."""
        packing = response.headers.get("content-encoding", "").strip().lower()
        if packing not in ("", "identity"):
            raise ExchangeFailure(
                "encoding", f"the stream is packed as {packing[:20]!r}; it was asked for plain", lasting=True
            )
        is_events = response.headers.get("content-type", "").lower().startswith("text/event-stream")
        events = Events() if is_events else None
        async for data in response.aiter_raw():
            if not self._flowed:
                self._flowed = True
                self._began_again()
            taken = data if events is None else events.feed(data)
            if events is not None:
                self._last_id, self._retry_seconds = events.last_id or self._last_id, events.retry_seconds
            if taken:
                yield taken


class Events:
    """Server-sent events to their data, a line each; at most MAX_EVENT_BYTES of one are held.

    `last_id`: of the last event that had one. `retry_seconds`: what the server asks for between two connections.
    """

    def __init__(self) -> None:
        self.last_id = ""
        self.retry_seconds = 0.0
        self._rest = b""
        self._data: list[bytes] = []
        self._size = 0

    def feed(self, chunk: bytes) -> bytes:
        """The data of the events that these bytes complete, a line feed behind each. Raises Failure."""
        *lines, self._rest = _END_OF_LINE.split(self._rest + chunk)
        done = b"".join(filter(None, map(self._line, lines)))
        if self._size + len(self._rest) > MAX_EVENT_BYTES:
            raise ExchangeFailure("event_too_large", f"an event is larger than {MAX_EVENT_BYTES} bytes")
        return done

    def _line(self, line: bytes) -> bytes | None:
        """One line; the event's data where it ends one."""
        if not line:
            data, self._data, self._size = self._data, [], 0
            return b" ".join(data) + b"\n" if any(data) else None
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        match name.removeprefix(b"\xef\xbb\xbf"):
            case b"data":
                self._data.append(value)
                self._size += len(value) + 1
            case b"id" if len(value) <= _LONGEST_ID and value.isascii() and value.decode().isprintable():
                self.last_id = value.decode()
            case b"retry" if value.isdigit():
                self.retry_seconds = int(value[:9]) / 1000
        return None
