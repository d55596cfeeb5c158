"""A file read as a run does, up to what its messages say, without any server."""

from __future__ import annotations

import asyncio
import uuid
from pathlib import Path
from typing import Any, NamedTuple

from ingest.clocks import Clock, invented_clock, recorded_clock
from ingest.errors import Rejected
from ingest.feeds.sniffing import sniff
from ingest.formats.common.context import Context
from ingest.formats.common.contract import Setup
from ingest.formats.registry import FORMATS
from ingest.reports import Decoded, LineCounts, Message, MessageBatch
from ingest.sources.file import FileSource

NOW = 1_900_000_000_000


class Read(NamedTuple):
    """What a file came to: each message with what it says, or the reason why it is refused."""

    format: str
    said: list[tuple[Message, Decoded | str]]
    counts: LineCounts

    @property
    def positions(self) -> list[Any]:
        return [one.position for _, one in self.said if not isinstance(one, str) and one.position is not None]

    @property
    def statics(self) -> list[Any]:
        return [one.static for _, one in self.said if not isinstance(one, str) and one.static is not None]

    @property
    def stations(self) -> list[Any]:
        return [one.station for _, one in self.said if not isinstance(one, str) and one.station is not None]

    @property
    def rejected(self) -> list[str]:
        return [one for _, one in self.said if isinstance(one, str)]

    def places(self) -> list[tuple[float, float]]:
        """Latitude and longitude of each position, to a thousandth."""
        return [(round(one.latitude, 3), round(one.longitude, 3)) for one in self.positions]

    def times(self) -> list[str]:
        """When each message was heard."""
        return [clock_of(message.received_at) for message, _ in self.said]


def clock_of(ms: int) -> str:
    import datetime as dt

    return dt.datetime.fromtimestamp(ms / 1000, dt.UTC).isoformat(timespec="milliseconds")[:-6]


def read(path: Path | str, *, start: int | None = None, kind: str | None = None, **setup: Any) -> Read:
    """Read a file of the past; `start` (ms): its messages were heard a second apart from then on."""
    clock: Clock = recorded_clock() if start is None else invented_clock(start, 1)
    return asyncio.run(_read(FileSource(str(path)), clock, kind, start is not None, setup))


async def _read(source: Any, clock: Clock, kind: str | None, invented: bool, setup: dict[str, Any]) -> Read:
    if kind is None:
        kind, source = await sniff(source, 0)
    assembly = FORMATS[kind].assembly(Setup(clock, recorded=True, **setup))
    messages = [message async for chunk in source.chunks() for message in assembly.feed(chunk.data, None)]
    messages += assembly.flush(None)
    counts = assembly.counts()
    assert counts.lines == counts.foreign + sum(counts.malformed.values()) + counts.sentences, counts
    batch = MessageBatch(uuid.uuid4(), uuid.uuid4(), "test", kind, 80, NOW, recorded=True, invented=invented)
    context = Context(batch, NOW)
    return Read(kind, [(message, said_by(kind, message, context)) for message in messages], counts)


def said_by(kind: str, message: Message, context: Context) -> Decoded | str:
    try:
        return FORMATS[kind].decode(message, context)
    except Rejected as refusal:
        return refusal.reason
