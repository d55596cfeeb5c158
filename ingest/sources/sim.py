"""Simulated traffic at its own pace: what `make run` shows before a receiver is connected."""

from __future__ import annotations

import asyncio
import datetime as dt
import time
from collections.abc import AsyncGenerator

from ingest.simulator import Simulation, parse_url
from ingest.sources import Chunk, SourceError

TICK_SECONDS = 0.25


class SimulatorSource:
    """`sim://?ships=60&seed=1&speedup=1`. A second of the simulation takes 1/speedup seconds; reports arrive now."""

    recorded = False

    def __init__(self, url: str) -> None:
        try:
            self._options = parse_url(url)
        except ValueError as error:
            raise SourceError(str(error)) from error
        self.origin = url[:200]

    async def chunks(self, offset: int = 0) -> AsyncGenerator[Chunk, None]:
        """The sentences of each quarter of a second."""
        start = dt.datetime.now(dt.UTC)
        simulation = Simulation(start=start, seed=self._options.seed, ships=self._options.ships)
        began = time.monotonic()
        while True:
            await asyncio.sleep(TICK_SECONDS)
            until = start + dt.timedelta(seconds=(time.monotonic() - began) * self._options.speedup)
            sentences = [line for sent in simulation.transmissions(until) for line in sent.sentences]
            if sentences:
                yield Chunk(b"\n".join(sentences) + b"\n", time.time_ns() // 1_000_000)

    def progress(self) -> None:
        """A simulation has no end."""
        return

    def dropped(self) -> int:
        """Nothing is dropped."""
        return 0
