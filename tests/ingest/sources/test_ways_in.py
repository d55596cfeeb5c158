"""Every format by every source gives the rows of the file, or is refused at configuration."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import socket
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import pytest

from ingest.clocks import arrival_clock
from ingest.formats.common.contract import Setup
from ingest.formats.registry import FORMATS, refusal, splitter
from ingest.push import body as push_body
from ingest.push.receivers import PushFeed
from ingest.push.view import to_batches
from ingest.sources import open_source
from tests.faults.processes import free_port
from tests.ingest.formats.modes.test_beast_framing import wire
from tests.support.messages import position
from tests.support.modes_frames import EVEN, ODD, framed

POINT = b'{"icao24":"4ca216","timestamp":17000000%02d,"latitude":1.5,"longitude":2.5}\n'
ENVELOPE = (
    b'{"MessageType":"PositionReport","MetaData":{"time_utc":"2024-07-30 06:17:4%d +0000 UTC"},'
    b'"Message":{"PositionReport":{"UserID":244660123,"Latitude":52.0,"Longitude":4.0}}}\n'
)
FILES: dict[str, bytes] = {
    "nmea": b"".join(b"1700000%03d %b\r\n" % (number, position(mmsi=211000000 + number)) for number in range(9)),
    "ais-csv": b"MMSI,BaseDateTime,LAT,LON\n" + b"366000001,2023-01-11T00:00:00,38.5,-122.5\n" * 3,
    "readsb-trace": b'{"icao":"ac671b","timestamp":1700000000,\n"trace":[[1,2.5,3.5,100],[2,2.6,3.6,100]]}\n',
    "virtual-radar": b'{"acList":[{"Icao":"ABD031","Lat":51.2,"Long":4.2,"PosTime":1700020200000}]}\n',
    "readsb": b'{"now":1700000000.5,\n "aircraft":[{"hex":"4067f2","lat":1.5,"lon":2.5,"seen_pos":1}]}\n' * 2,
    "opensky": b'{"time":1634471390,"states":[["4b1812","SWR252","CH",1634471389,1634471390,16.6,45.5,1,false,'
    b'236.3,117.6,0,null,11475.7,"3020",false,0]]}\n',
    "tracks": b"".join(POINT % number for number in range(5)),
    "aisstream": b"".join(ENVELOPE % number for number in range(5)),
    "ais-json": b'[{"mmsi":257099001,"latitude":60.2,"longitude":5.2,"msgtime":"2023-02-17T11:37:34+00:00"}]\n' * 2,
    "ais-xml": b'<?xml version="1.0"?>\n<VESSELS>\n<vessel MMSI="244750034" TIME="2021-07-09 08:06:58 GMT" '
    b'LONGITUDE="-3.3" LATITUDE="48.1" NAME="A &gt; B"/>\n<vessel MMSI="1"></vessel></VESSELS>\n',
    "opensky-csv": b"time,icao24,lat,lon,lastposupdate,lastcontact\n"
    + b"1700000000,4b1812,47.4,8.5,1699999999,1699999999\n" * 3,
    "uat": b'{"address":"a66ef4","address_qualifier":"adsb_icao","position":{"lat":42.5,"lon":-71.0}}\n' * 3,
    "gpx": b'<?xml version="1.0"?>\n<gpx version="1.1"><trk><name>211000001</name><trkseg>\n'
    b'<trkpt lat="54.1" lon="10.1"><time>2026-05-01T12:00:00Z</time></trkpt>\n'
    b'<trkpt lat="54.2" lon="10.1"><time>2026-05-01T12:10:00Z</time></trkpt>\n</trkseg></trk></gpx>\n',
    "beast": b"".join(wire("3", framed(text)) for text in (ODD, EVEN) * 6),
    "avr": b"".join(b"1700000%03d *%b;\n" % (number, (ODD, EVEN)[number % 2].encode()) for number in range(8)),
    "sbs": b"2026-01-01T00:00:00Z MSG,3,1,1,400F99,1,,,,,,34000,,,45.7,-0.1,,,,,,0\n" * 4,
}


def rows(kind: str, chunks: list[tuple[bytes, bool]]) -> tuple[list[bytes], dict[str, int]]:
    assembly = FORMATS[kind].assembly(Setup(arrival_clock, receiver=(52.0, 4.0)))
    messages = []
    for data, whole in chunks:
        messages += assembly.feed(data, 1_790_000_000_000)
        messages += assembly.cut(1_790_000_000_000) if whole else []
    messages += assembly.flush(1_790_000_000_000)
    return [message.raw for message in messages], dict(assembly.counts().malformed)


async def received(kind: str, url: str, send: Callable[[int], Awaitable[None]], size: int) -> list[tuple[bytes, bool]]:
    """What a source brings of `size` bytes, all of them, or what came within a second of the last."""
    source = open_source(url, once=True)
    source.split_by(partial(splitter, kind))
    stream = source.chunks()
    chunks: list[tuple[bytes, bool]] = []

    async def read() -> None:
        async for chunk in stream:
            chunks.append((chunk.data, chunk.whole))

    reading = asyncio.ensure_future(read())
    await asyncio.sleep(0.05)
    await send(int(url.rpartition(":")[2]))
    for _ in range(20):
        await asyncio.sleep(0.05)
        if reading.done() or sum(len(data) for data, _ in chunks) >= size:
            break
    reading.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await reading
    await stream.aclose()
    return chunks


async def by_listening(port: int, data: bytes, step: int, twice: bool = True) -> None:
    """Two connections at once, the bytes in pieces that end anywhere; the second sends nothing but a beginning."""
    other = (await asyncio.open_connection("127.0.0.1", port))[1] if twice else None
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    for start in range(0, len(data), step):
        writer.write(data[start : start + step])
        await writer.drain()
        await asyncio.sleep(0.002)
    writer.close()
    await writer.wait_closed()
    if other is not None:
        other.close()


async def by_datagrams(port: int, data: bytes, step: int) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for start in range(0, len(data), step):
            sender.sendto(data[start : start + step], ("127.0.0.1", port))
            await asyncio.sleep(0.002)


async def by_connecting(kind: str, data: bytes) -> list[tuple[bytes, bool]]:
    async def serve(reader: Any, writer: asyncio.StreamWriter) -> None:
        for start in range(0, len(data), 37):
            writer.write(data[start : start + 37])
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        source = open_source(f"tcp://127.0.0.1:{port}", once=True)
        return [(chunk.data, chunk.whole) async for chunk in source.chunks()]


def test_there_is_an_input_of_every_format() -> None:
    assert FILES.keys() == FORMATS.keys()


@pytest.mark.parametrize("way", ["tcp", "tcp-listen", "udp"])
@pytest.mark.parametrize("kind", FILES)
def test_every_way_in_gives_the_rows_of_the_file_or_a_refusal(kind: str, way: str) -> None:
    data = FILES[kind]
    expected = rows(kind, [(data, False)])
    assert expected[0]
    if (reason := refusal(kind, way)) is not None:
        assert len(reason) > 20
        return
    url = f"{way}://127.0.0.1:{free_port()}"
    if way == "tcp":
        chunks = asyncio.run(by_connecting(kind, data))
    elif way == "tcp-listen":
        chunks = asyncio.run(received(kind, url, lambda port: by_listening(port, data, 41), len(data) + 1))
    else:
        chunks = asyncio.run(received(kind, url, lambda port: by_datagrams(port, data, 61), len(data)))
    assert rows(kind, chunks) == expected


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("kind", FILES)
def test_a_push_gives_the_rows_and_times_of_the_file_or_a_refusal(kind: str, packed: bool) -> None:
    if (reason := refusal(kind, "push")) is not None:
        assert len(reason) > 20
        return
    body = push_body.unpack(gzip.compress(FILES[kind])) if packed else FILES[kind]
    feed = PushFeed("pier", kind, 80, True, "", receiver=(52.0, 4.0))
    batches = to_batches(feed, body, 1_790_000_000_000)
    pushed = [message for batch in batches for message in batch.messages]
    assert ([message.raw for message in pushed], dict(batches[0].counts.malformed)) == rows(kind, [(body, False)])
    assert [message.received_at for message in pushed] == times_of(kind)
    assert sum(batch.counts.lines for batch in batches) == sum(
        batch.counts.foreign + batch.counts.sentences + sum(batch.counts.malformed.values()) for batch in batches
    )


def times_of(kind: str) -> list[int]:
    """When the messages of the file were heard, by the same clock."""
    assembly = FORMATS[kind].assembly(Setup(arrival_clock, receiver=(52.0, 4.0)))
    assembly.prepare(FILES[kind])
    messages = [*assembly.feed(FILES[kind], 1_790_000_000_000), *assembly.flush(1_790_000_000_000)]
    return [message.received_at for message in messages]


def test_two_connections_of_beast_are_not_mixed() -> None:
    data = FILES["beast"]

    async def both(port: int) -> None:
        await asyncio.gather(*(by_listening(port, data, 7, twice=False) for _ in range(2)))

    url = f"tcp-listen://127.0.0.1:{free_port()}"
    chunks = asyncio.run(received("beast", url, both, 2 * len(data)))
    found, malformed = rows("beast", chunks)
    assert (len(found), malformed) == (2 * len(rows("beast", [(data, False)])[0]), {})


def test_the_last_line_of_a_connection_needs_no_end() -> None:
    data = FILES["nmea"].rstrip()
    url = f"tcp-listen://127.0.0.1:{free_port()}"
    chunks = asyncio.run(received("nmea", url, lambda port: by_listening(port, data, 50), len(data) + 1))
    assert rows("nmea", chunks) == rows("nmea", [(data, False)])
