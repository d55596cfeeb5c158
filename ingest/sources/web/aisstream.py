"""aisstream.io: a websocket that sends AIS messages as JSON, connected again for ever.

A URL enters (`aisstream_options.py`); each message leaves as a line of its own. What it says is not known here, save
that `{"error": …}` is the server's word that it will not serve us. The server wants the subscription within three
seconds, accepts connections to which it then sends nothing, and drops others every few minutes: a silent connection is
given up after SILENCE_SECONDS, and the wait before the next attempt grows until data flowed again.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator

import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from ingest.sources.common.addresses import AddressRefused, resolve
from ingest.sources.common.aisstream_options import parse_url
from ingest.sources.common.contract import Chunk, LiveSource, SourceError
from ingest.sources.common.urls import MASK, masked
from ingest.sources.web import pacing
from ingest.sources.web.http import PollStatus
from resilience.pages.readable import one_line

logger = logging.getLogger(__name__)
_frames = logging.getLogger(f"{__name__}.frames")
_frames.setLevel(logging.INFO)  # at DEBUG websockets writes every frame, the one with the key as well

CONNECT_SECONDS = 10.0
SUBSCRIBE_SECONDS = 3.0
CLOSE_SECONDS = 2.0
SILENCE_SECONDS = 120.0
SHORTEST_WAIT_SECONDS = 1.0
MAX_MESSAGE_BYTES = 256 * 1024


class _Lost(Exception):
    """The connection is of no use any more."""


class _SubscriptionRefused(_Lost):
    """The server said so, and will probably say it again."""


class _Silent(_Lost):
    """Nothing came, which may be the server's fault or that of a quiet sea: no reason to wait longer each time."""


class _Error(msgspec.Struct, gc=False):
    error: str = ""


_read_error = msgspec.json.Decoder(_Error).decode


class AisStreamSource(LiveSource):
    """`once`: end at the first hang-up, refusal or silence. Raises SourceError for a URL that cannot be one."""

    def __init__(self, url: str, *, once: bool = False, clock: pacing.Clock | None = None) -> None:
        self.origin = masked(url)[:200]
        self.status = PollStatus()
        try:
            self._subscription = parse_url(url)
        except ValueError as error:
            raise SourceError(f"{self.origin}: {error}") from error
        self._once = once
        self._clock = clock or pacing.SystemClock()

    async def chunks(self, offset: int = 0) -> AsyncGenerator[Chunk, None]:
        """Messages as they arrive, each ended by a line feed.

        Raises SourceError for an address that must not be reached, and with `once` when there is no connection.
        """
        failures = 0
        while True:
            flowed = False
            try:
                async with await self._connect() as connection:
                    while True:
                        data, now = await _message(connection), time.time_ns() // 1_000_000
                        flowed, failures = True, 0
                        self.status.state, self.status.last_success = "ok", now
                        yield Chunk(data, now)
            except AddressRefused as error:
                raise SourceError(f"{self.origin}: {error}") from error
            except (_Lost, WebSocketException, OSError, UnicodeError) as error:
                lost = error
            if self._once:
                if flowed:
                    return
                raise SourceError(f"{self.origin}: {self._reason(lost)}") from lost
            self.status.state, self.status.last_error = "failing", self._reason(lost)[:300]
            failures += not isinstance(lost, _Silent)
            seconds = pacing.backoff(
                max(failures, 1), SHORTEST_WAIT_SECONDS, lasting=isinstance(lost, _SubscriptionRefused)
            )
            logger.warning("%s: %s; connecting again in %.0f s", self.origin, self._reason(lost), seconds)
            await self._clock.sleep(seconds)

    def _reason(self, error: Exception) -> str:
        """In words, some of which may be the server's: in its headers, in why it closes, in what it says of our key."""
        said = one_line(str(error)).replace(self._subscription.key, MASK)
        return said or f"no answer within {CONNECT_SECONDS:.0f} s"

    async def _connect(self) -> connect:
        """A connection that subscribes when it is entered; to an address that was checked, not to the name again."""
        wanted = self._subscription
        address = (await resolve(wanted.host, wanted.port))[0]
        tls = {"server_hostname": wanted.host} if wanted.secure else {}
        return _Subscribing(
            wanted.uri,
            wanted.request(),
            host=address,
            port=wanted.port,
            proxy=None,
            logger=_frames,
            open_timeout=CONNECT_SECONDS,
            close_timeout=CLOSE_SECONDS,
            max_size=MAX_MESSAGE_BYTES,
            **tls,
        )


class _Subscribing(connect):
    """A connection that has subscribed once it is open."""

    def __init__(self, uri: str, request: str, **options: object) -> None:
        super().__init__(uri, **options)  # type: ignore[arg-type]  # passed on as given
        self._request = request

    async def __aenter__(self) -> ClientConnection:
        connection = await super().__aenter__()
        try:
            async with asyncio.timeout(SUBSCRIBE_SECONDS):
                await connection.send(self._request)
        except BaseException:
            await connection.close()
            raise
        logger.info("connected to %s", self.uri)
        return connection


async def _message(connection: ClientConnection) -> bytes:
    """The next message as one line. Raises _Silent and _Refused."""
    try:
        async with asyncio.timeout(SILENCE_SECONDS):
            data = await connection.recv(decode=False)
    except TimeoutError as error:
        raise _Silent(f"nothing came for {SILENCE_SECONDS:.0f} s, dropping the connection") from error
    if b'"error"' in data[:100] and (said := _error(data)):
        raise _SubscriptionRefused(f"the server says: {said[:200]}")
    return data.replace(b"\n", b" ") + b"\n"  # outside of strings a line feed is a blank, and inside there is none


def _error(data: bytes) -> str:
    """What the server says is wrong, empty if it says nothing of that kind."""
    try:
        return _read_error(data).error
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return ""  # the assembly counts it
