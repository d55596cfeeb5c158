"""Simulated traffic at its own pace: what `make run` shows before a receiver is connected.

Enters the address; leave the lines that the receivers pass on, each within a hundredth of a second of when it was sent.
How many there are and what they say is the simulator's affair.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator

from ingest.simulator import Simulation, parse_url
from ingest.simulator.simulation import Transmission, milliseconds
from ingest.sources.common.contract import Chunk, LiveSource, SourceError

TICK_SECONDS = 0.1
CHUNK_MS = 10  # what is sent within this time travels together
LATE_SECONDS = 10

logger = logging.getLogger(__name__)


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


class SimulatorSource(LiveSource):
    """`sim://?ships=60` or `sim://?aircraft=30`; all options are in `ingest.simulator.SimulatorOptions`.

    `format` is that of its lines, "nmea" or "sbs". It begins now. A chunk's `at` is when its last line was sent, by the
    clock `now`, also with a speedup: then more is sent in a second, and by faster ships. A source that is not read for
    a while, or cannot keep up, goes on where it was and loses nothing.
    """

    def __init__(self, url: str, now: Callable[[], dt.datetime] = _now) -> None:
        try:
            self._options = parse_url(url)
        except ValueError as error:
            raise SourceError(str(error)) from error
        self.origin = url[:200]
        self.format = self._options.format
        self._now = now

    async def chunks(self, offset: int = 0) -> AsyncGenerator[Chunk, None]:
        """The lines of each hundredth of a second that has any."""
        # Thousands of senders take a second to build; the loop serves other feeds meanwhile.
        simulation = await asyncio.to_thread(Simulation, self._options, start=self._now())
        late = False
        while True:
            await asyncio.sleep(TICK_SECONDS)
            until = self._now()
            for chunk in _chunks(simulation.transmissions(until)):
                yield chunk
            late = self._warn_when_late(until, late)

    def _warn_when_late(self, until: dt.datetime, late: bool) -> bool:
        """Say once that the traffic is more than this machine, or whoever reads it, can take."""
        behind = (self._now() - until).total_seconds()
        if behind > LATE_SECONDS and not late:
            logger.warning("%s is %.0f s behind: fewer senders or a lower speedup would help", self.origin, behind)
        return behind > LATE_SECONDS


def _chunks(transmissions: Iterable[Transmission]) -> Iterator[Chunk]:
    """Lines sent at almost the same time, together; bounded however far the simulation lags behind."""
    lines: list[bytes] = []
    first_ms = at_ms = 0
    for sent in transmissions:
        sent_ms = milliseconds(sent.at)
        if lines and sent_ms - first_ms >= CHUNK_MS:
            yield _chunk(lines, at_ms)
            lines = []
        if not lines:
            first_ms = sent_ms
        lines += sent.lines
        at_ms = sent_ms
    if lines:
        yield _chunk(lines, at_ms)


def _chunk(lines: list[bytes], at_ms: int) -> Chunk:
    return Chunk(b"\n".join(lines) + b"\n", at_ms)
