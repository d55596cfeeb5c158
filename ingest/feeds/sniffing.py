"""What format a source has, judged by its first bytes when nobody said.

Enters a source; leaves its format and the same source, to be read from the beginning. Nothing is lost: the bytes that
were looked at are given out again.
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Callable

from ingest.formats.common.splitting import Splitter
from ingest.formats.registry import SNIFFED_BYTES, guess
from ingest.models import Format
from ingest.sources.common.contract import Chunk, Source

_SHOWN_BYTES = 60
_UAT_FRAME = re.compile(rb"\s*[-+][0-9A-Fa-f]{36}")  # the shortest is of 18 bytes


class UnknownFormat(Exception):
    """No format fits; the message shows what was seen and names the option."""


class Sniffed:
    """A source whose first chunks were read already. To be read once."""

    def __init__(self, source: Source, head: list[Chunk], rest: AsyncGenerator[Chunk, None]) -> None:
        self.recorded, self.origin = source.recorded, source.origin
        self._source, self._head, self._rest = source, head, rest

    async def chunks(self, offset: int = 0) -> AsyncGenerator[Chunk, None]:
        """The first chunks again, then the rest; `offset` was given when the first were read."""
        try:
            for chunk in self._head:
                yield chunk
            async for chunk in self._rest:
                yield chunk
        finally:
            await self._rest.aclose()

    def head(self) -> bytes:
        """Of the source."""
        return self._source.head()

    def progress(self) -> tuple[int, int] | None:
        """Of the source."""
        return self._source.progress()

    def split_by(self, make: Callable[[bool], Splitter]) -> None:
        """Of the source."""
        self._source.split_by(make)

    def dropped(self) -> int:
        """Of the source."""
        return self._source.dropped()


async def sniff(source: Source, offset: int) -> tuple[str, Source]:
    """The format and the source again. An empty source counts as NMEA. Raises UnknownFormat and SourceError."""
    stream = source.chunks(offset)
    head: list[Chunk] = []
    try:
        async for chunk in stream:
            head.append(chunk)
            seen = b"".join(part.data for part in head)
            found = guess(seen[:SNIFFED_BYTES])
            if found is not None:
                return found, Sniffed(source, head, stream)
            if len(seen) >= SNIFFED_BYTES:
                break
    except BaseException:
        await stream.aclose()
        raise
    if not any(chunk.data for chunk in head):
        return Format.NMEA, Sniffed(source, head, stream)
    await stream.aclose()
    begins = b"".join(part.data for part in head)[:_SHOWN_BYTES]
    if _UAT_FRAME.match(begins):
        raise UnknownFormat(
            "these are raw frames of UAT, which are not decoded here: give the JSON of dump978-fa "
            "(--json-port, --json-stdout), or aircraft.json of skyaware978"
        )
    raise UnknownFormat(
        f"cannot tell the format of what begins with {begins!r}: say it with --format, or name the columns of a CSV "
        "with --columns timestamp=t,mmsi=id,lat=y,lon=x"
    )
