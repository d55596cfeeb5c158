"""What `sim://` promises as a source: chunks in order with the times of sending, small ones however late it is read."""

import asyncio
import contextlib
import datetime as dt
import logging

from ingest.formats.registry import FORMATS, guess
from ingest.simulator import Simulation, parse_url
from ingest.sources.common.contract import Chunk
from ingest.sources.sim import CHUNK_MS, SimulatorSource
from tests.support.patience import PATIENCE_SECONDS

START = dt.datetime(2026, 3, 1, 12, 0, 7, 345_000, tzinfo=dt.UTC)
START_MS = int(START.timestamp() * 1000)


class Clock:
    """Each look at it is as much later as told; the last step repeats."""

    def __init__(self, *steps: float) -> None:
        self._now, self._steps = START, list(steps)

    def __call__(self) -> dt.datetime:
        now = self._now
        step = self._steps.pop(0) if len(self._steps) > 1 else self._steps[0]
        self._now += dt.timedelta(seconds=step)
        return now


def read(url: str, clock: Clock, until_ms: int) -> list[Chunk]:
    """The chunks up to one that was sent `until_ms` after the start."""

    async def collect() -> list[Chunk]:
        chunks = []
        async with (
            asyncio.timeout(PATIENCE_SECONDS),
            contextlib.aclosing(SimulatorSource(url, now=clock).chunks()) as stream,
        ):
            async for chunk in stream:
                chunks.append(chunk)
                if chunk.at >= START_MS + until_ms:
                    break
        return chunks

    return asyncio.run(collect())


def test_chunks_hold_what_was_sent_within_a_hundredth_of_a_second_and_say_when():
    url = "sim://?ships=2000&receivers=3&skew=100"
    chunks = read(url, Clock(2.0), until_ms=1_900)
    sent_at = {}
    for one in Simulation(parse_url(url), start=START).transmissions(START + dt.timedelta(seconds=2)):
        sent_at |= dict.fromkeys(one.lines, round(one.at.timestamp() * 1000))
    for chunk in chunks:
        for line in chunk.data.splitlines():
            assert 0 <= chunk.at - sent_at[line] < CHUNK_MS
    assert [chunk.at for chunk in chunks] == sorted(chunk.at for chunk in chunks)


def test_a_source_that_was_not_read_for_an_hour_goes_on_in_small_chunks_and_says_so(caplog):
    # Looks at the clock: start, first tick an hour later, and after its chunks ten minutes later still.
    with caplog.at_level(logging.WARNING):
        chunks = read("sim://?ships=3", Clock(3_600.0, 600.0), until_ms=3_700_000)
    assert max(len(chunk.data) for chunk in chunks) < 1_000
    whole = Simulation(start=START, ships=3).transmissions(
        START + dt.timedelta(milliseconds=chunks[-1].at - START_MS + 1)
    )
    assert b"".join(chunk.data for chunk in chunks) == b"".join(line + b"\n" for one in whole for line in one.lines)
    assert len([record for record in caplog.records if "behind" in record.getMessage()]) == 1


def test_a_speedup_sends_more_but_not_in_the_future():
    chunks = read("sim://?ships=60&speedup=100", Clock(1.0), until_ms=900)
    assert sum(chunk.data.count(b"\n") for chunk in chunks) > 500
    assert all(START_MS <= chunk.at < START_MS + 1_000 for chunk in chunks)


def test_the_source_knows_the_format_of_its_lines():
    for url, name in (("sim://?ships=60&receivers=2", "nmea"), ("sim://?aircraft=60&receivers=2", "sbs")):
        assert SimulatorSource(url).format == name
        if name in FORMATS:
            assert guess(read(url, Clock(2.0), until_ms=500)[0].data) == name
