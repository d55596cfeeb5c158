"""A hundred cuts of a connection: nothing leaks, and only what was in flight is lost."""

import asyncio

import psutil

from ingest.clocks import arrival_clock
from ingest.feeds.collector import Collector, Options
from ingest.sources.sockets.tcp import TcpSource
from tests.ingest.feeds.test_collector import Kept
from tests.support.messages import position
from tests.support.patience import PATIENCE_SECONDS

CUTS = 100
LINES = [position(mmsi=211000000 + number) for number in range(5)]


def test_a_hundred_cuts_cost_only_the_lines_in_flight_and_no_descriptor(monkeypatch):
    monkeypatch.setattr("ingest.sources.sockets.tcp.BACKOFF_SECONDS", (0.001, 0.01))
    process, kept = psutil.Process(), Kept()
    served: list[int] = []
    before: dict[str, int] = {}

    async def serve(reader, writer):
        served.append(len(served))
        writer.write(b"\n".join([*LINES, LINES[0][:20]]))  # cut within the sixth line
        await writer.drain()
        writer.close()
        if len(served) == 10:
            before.update(descriptors=process.num_fds(), memory=process.memory_info().rss)
        if len(served) > CUTS:
            stop.set()

    async def scenario():
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        source = TcpSource("127.0.0.1", server.sockets[0].getsockname()[1])
        collector = Collector(source, Options("test", arrival_clock, "nmea"), kept)
        async with asyncio.timeout(PATIENCE_SECONDS), server:
            await collector.run(stop)
        return collector

    stop = asyncio.Event()
    collector = asyncio.run(scenario())

    assert len(served) > CUTS
    heard = kept.raws()
    assert len(heard) >= CUTS * len(LINES)
    assert heard[: CUTS * len(LINES)] == LINES * CUTS
    assert collector.counts.lines == len(heard) + sum(collector.counts.malformed.values())
    assert process.num_fds() <= before["descriptors"]
    assert process.memory_info().rss - before["memory"] < 10_000_000
