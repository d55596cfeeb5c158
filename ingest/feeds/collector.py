"""One source to accepted batches: bytes -> framing -> assembly -> batches -> accept.

Enters a Source; leaves MessageBatches, handed to an Acceptance one after the other. While a batch is being accepted the
next one is filled; no more than that is held in memory, and the source is read no further. A batch closes at BATCH_SIZE
messages, BATCH_BYTES, or, for live sources, BATCH_SECONDS after its first message (COUNTS_SECONDS after the first line
where none became a message). Stopping flushes what was read.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import chain

import msgspec
from django.conf import settings

from ingest.acceptance.contract import Acceptance
from ingest.clocks import Clock, UnknownTime
from ingest.feeds.playback import InHand, Playback
from ingest.feeds.sniffing import sniff
from ingest.formats.common.contract import SLICE_BYTES, Setup
from ingest.formats.registry import FORMATS, splitter
from ingest.reports import BATCH_BYTES, LineCounts, Message, MessageBatch, StationTime
from ingest.sources.common.contract import Chunk, Source

BATCH_SECONDS = 0.25
COUNTS_SECONDS = 5.0  # after which lines that made no message are accounted for all the same
QUIET_BATCH_SECONDS = 1.0  # below 100 messages a second
QUIET_BATCH = 25
WAITING_CHUNKS = 8


class Options(msgspec.Struct, frozen=True):
    """How a source is read; see MessageBatch for `source`, `trust`, `recorded`, `invented` and `live`.

    `format`: None to judge by the first bytes. `limit`: messages after which to stop, None: all. `paced`: a recording
    is played at its own pace, as if heard now. `offset`, `index`: where a recording goes on, and `accepted_after` (ms)
    when that was said. `receiver`: latitude and longitude of the antenna in degrees, None where unknown. `columns`,
    `zone`: see Setup. `mend_clocks`: whether the clocks of stations are judged
    (`ingest/formats/ais/station_clocks.py`).
    """

    source: str
    clock: Clock
    format: str | None = None
    trust: int = 80
    recorded: bool = False
    invented: bool = False
    live: bool = True
    limit: int | None = None
    paced: bool = False
    offset: int = 0
    index: int = 0
    accepted_after: int = 0
    receiver: tuple[float, float] | None = None
    columns: dict[str, str] = {}
    zone: str = "UTC"
    mend_clocks: bool = False


class Collector:
    """Reads one source until it ends or is stopped, and keeps the account of what it accepted."""

    def __init__(
        self,
        source: Source,
        options: Options,
        acceptance: Acceptance,
        on_progress: Callable[[], None] | None = None,
        on_accepted: Callable[[MessageBatch, list[int]], None] | None = None,
    ) -> None:
        """`on_progress`: called after each chunk. `on_accepted`: in the thread that accepts, after each batch.

        It gets the batch, and of chunks whose last message gives a time of the feed's own how long after that time they
        arrived, in ms.
        """
        self.run_id = uuid.uuid4()
        self.messages = 0  # assembled
        self.accepted = 0  # messages of accepted batches
        self.counts = LineCounts(malformed={}, remarks={})
        self._source, self._options, self._acceptance = source, options, acceptance
        self._format: str | None = None
        self._on_progress = on_progress or (lambda: None)
        self._on_accepted = on_accepted or (lambda batch, skews: None)
        self._skews: list[int] = []
        self._messages: list[Message] = []
        self._bytes = 0
        self._opened_at = time.monotonic()
        self._read_at: float | None = None  # since when lines wait that made no message
        self._accepting: asyncio.Future[None] | None = None
        self._playback = Playback()
        self._clocks: Callable[[], list[StationTime]] = list
        self._full = False
        self._failed = False
        self._accepted_at = options.accepted_after

    async def run(self, stop: asyncio.Event) -> None:
        """Read until the source ends, `limit` is reached or `stop` is set; then flush.

        Raises UnknownFormat before anything is read, SourceError and UnknownTime after flushing what could be read, and
        what accepting raises at once.
        """
        self._source.split_by(partial(splitter, self._options.format))
        self._format = self._options.format or await self._recognise(stop)
        if self._format is None:
            return
        self._source.split_by(partial(splitter, self._format))
        options = self._options
        setup = Setup(
            options.clock,
            options.offset,
            options.index,
            options.receiver,
            options.recorded,
            self._source.head,
            options.columns,
            options.zone,
            mend_clocks=options.mend_clocks,
        )
        self._assembly = FORMATS[self._format].assembly(setup)
        self._clocks = self._assembly.clocks
        self._in_hand = InHand(self._assembly)
        with ThreadPoolExecutor(1, thread_name_prefix=f"accept-{self._options.source}") as self._executor:
            try:
                await self._read(stop)
            except UnknownTime:
                self._discard()
                raise
            finally:
                await self._finish()
                await asyncio.get_running_loop().run_in_executor(self._executor, self._acceptance.close)

    @property
    def format(self) -> str | None:
        """What the bytes are, None before that is known."""
        return self._format

    def clocks(self) -> list[StationTime]:
        """How the clocks of its stations are used; none before the first bytes came."""
        return self._clocks()

    async def _recognise(self, stop: asyncio.Event) -> str | None:
        """The format that the first bytes show; None when stopped before any came."""
        looking = asyncio.create_task(sniff(self._source, self._options.offset))
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait({looking, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if not looking.done():
            looking.cancel()
            return None
        found, self._source = looking.result()
        return found

    async def _read(self, stop: asyncio.Event) -> None:
        """Take chunks as they come; wake up when a batch is due, so that a quiet source delays nothing."""
        chunks: asyncio.Queue[Chunk | None] = asyncio.Queue(WAITING_CHUNKS)
        reading = asyncio.create_task(self._fill(chunks))
        stopping = asyncio.create_task(stop.wait())
        getting: asyncio.Task[Chunk | None] | None = None
        try:
            while not stop.is_set() and not self._full:
                getting = getting or asyncio.create_task(chunks.get())
                await asyncio.wait(
                    {getting, stopping}, timeout=self._seconds_left(), return_when=asyncio.FIRST_COMPLETED
                )
                if getting.done():
                    chunk, getting = getting.result(), None
                    if chunk is None:
                        break
                    await self._take(chunk, stop)
                    self._on_progress()
                await self._close_if_due()
        finally:
            for task in (reading, stopping, getting):
                if task is not None and not task.done():
                    task.cancel()
            failure = (await asyncio.gather(reading, stopping, return_exceptions=True))[0]
        if isinstance(failure, Exception):
            raise failure

    async def _fill(self, chunks: asyncio.Queue[Chunk | None]) -> None:
        """Read ahead a few chunks; None marks the end."""
        stream = self._source.chunks(self._options.offset)
        try:
            async for chunk in stream:
                await chunks.put(chunk)
            await chunks.put(None)
        except Exception:
            await chunks.put(None)
            raise
        finally:
            await stream.aclose()

    async def _take(self, chunk: Chunk, stop: asyncio.Event) -> None:
        """Frame and assemble a chunk."""
        at = chunk.at if chunk.at is not None or self._options.recorded else _now_ms()
        broken = self._assembly.cut(at) if chunk.broken else ()
        message = None
        ended = self._ended(at) if chunk.whole else ()
        slices = range(0, len(chunk.data), SLICE_BYTES)
        fed = (self._assembly.feed(chunk.data[start : start + SLICE_BYTES], at) for start in slices)
        for messages in chain([broken], fed, [ended]):
            for message in self._in_hand.marked(iter(messages)) if self._options.paced else messages:
                if self._options.paced:
                    await self._playback.turn(message, stop, self._close_if_due)
                    message.received_at = _now_ms()
                    self._in_hand.put_down()
                await self._add(message)
                if self._full or (self._options.paced and stop.is_set()):
                    return
            if len(slices) > 1:
                await asyncio.sleep(0)
        # A message of several sentences has the arrival of its first one, which says nothing of the feed's clock.
        if message is None or at is None or self._options.paced or b"\n" in message.raw:
            return
        if message.received_at != at:
            self._skews.append(at - message.received_at)

    def _ended(self, at: int | None) -> Iterator[Message]:
        """What is begun ends here; asked only when all before it is taken."""
        yield from self._assembly.cut(at)

    async def _add(self, message: Message) -> None:
        if not self._messages:
            self._opened_at = time.monotonic()
        self._messages.append(message)
        self._bytes += message.size
        self.messages += 1
        self._full = self._options.limit is not None and self.messages >= self._options.limit
        if len(self._messages) >= settings.INGEST_BATCH_SIZE or self._bytes >= BATCH_BYTES:
            await self._close()

    def _seconds_left(self) -> float | None:
        """Until the open batch is due; None when there is nothing to wait for."""
        if self._options.recorded:
            return None
        if not self._messages:
            return None if self._read_at is None else max(0.0, self._read_at + COUNTS_SECONDS - time.monotonic())
        patience = BATCH_SECONDS if len(self._messages) >= QUIET_BATCH else QUIET_BATCH_SECONDS
        return max(0.0, self._opened_at + patience - time.monotonic())

    async def _close_if_due(self) -> None:
        if self._in_hand.lines() and not self._messages and self._read_at is None:
            self._read_at = time.monotonic()
        if self._seconds_left() == 0.0:
            await self._close()

    async def _close(self) -> None:
        """Hand the open batch over as soon as the one before is accepted."""
        options = self._options
        counts, place = self._in_hand.settle()
        # A clock that is set back must not make an older place of a recording look newer.
        self._accepted_at = max(_now_ms(), self._accepted_at + 1) if self._source.recorded else _now_ms()
        batch = MessageBatch(
            id=uuid.uuid4(),
            run=self.run_id,
            source=options.source,
            format=self._format or "",
            trust=options.trust,
            accepted_at=self._accepted_at,
            origin=self._source.origin,
            recorded=options.recorded,
            invented=options.invented,
            live=options.live,
            messages=self._messages,
            counts=counts,
        )
        if self._source.recorded:
            batch.offset, batch.index = place
        skews, self._skews = self._skews, []
        self._messages, self._bytes, self._read_at = [], 0, None
        await self._accepted()
        loop = asyncio.get_running_loop()
        self._accepting = asyncio.ensure_future(loop.run_in_executor(self._executor, self._accept, batch, skews))

    def _accept(self, batch: MessageBatch, skews: list[int]) -> None:
        """In a thread: accept, then count. Only what was accepted is in the account."""
        self._acceptance.accept(batch)
        self.accepted += len(batch.messages)
        self.counts += batch.counts
        self._on_accepted(batch, skews)

    async def _accepted(self) -> None:
        """Wait for the batch that is being accepted; raises what accepting raised."""
        if self._accepting is not None:
            accepting, self._accepting = self._accepting, None
            self._failed = True
            await accepting
            self._failed = False

    def _discard(self) -> None:
        """Forget what was read and not accepted: nobody knows when it was heard."""
        self._messages, self._full = [], True
        self._in_hand.forget()

    async def _finish(self) -> None:
        """Flush: the last line, unfinished groups, the open batch; nothing after a batch that was not accepted."""
        if self._failed:
            return
        if not self._full:
            for message in self._assembly.flush(None if self._options.recorded else _now_ms()):
                await self._add(message)
        if self._messages or not self._in_hand.is_counted():
            await self._close()
        await self._accepted()


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
