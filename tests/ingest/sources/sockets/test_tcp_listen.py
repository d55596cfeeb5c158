"""Places of a listening feed: nobody holds one for nothing, and a receiver that sends keeps its own."""

import asyncio
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest

from ingest.sources.common.contract import Chunk
from ingest.sources.sockets import tcp_listen
from ingest.sources.sockets.tcp_listen import TcpListenSource
from tests.faults.processes import free_port
from tests.support.patience import PATIENCE_SECONDS

LINE = b"!AIVDM,1,1,,A,15MwkRUOidG?GElEa<iQk1JV06Jd,0*6D\n"


@asynccontextmanager
async def listening(port: int) -> AsyncGenerator[AsyncGenerator[Chunk, None], None]:
    """The chunks of a source that listens on `port`."""
    chunks = TcpListenSource("127.0.0.1", port).chunks()
    first = asyncio.ensure_future(anext(chunks))
    try:
        await asyncio.sleep(0)

        async def all_chunks() -> AsyncGenerator[Chunk, None]:
            yield await first
            async for chunk in chunks:
                yield chunk

        yield all_chunks()
    finally:
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        await chunks.aclose()


async def connect(port: int, address: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    for _ in range(1000):
        try:
            return await asyncio.open_connection("127.0.0.1", port, local_addr=(address, 0))
        except ConnectionRefusedError:
            await asyncio.sleep(0.01)
    raise TimeoutError


async def ended(reader: asyncio.StreamReader) -> bool:
    return await asyncio.wait_for(reader.read(1), PATIENCE_SECONDS) == b""


def test_silent_connections_give_way_to_a_receiver(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tcp_listen, "SILENT_SECONDS", 0.0)
    monkeypatch.setattr(tcp_listen, "MAX_CONNECTIONS", 4)

    async def scene() -> None:
        port = free_port()
        async with listening(port) as chunks:
            silent = [await connect(port, f"127.0.0.{number}") for number in (2, 2, 3, 3)]
            _, writer = await connect(port, "127.0.0.9")
            writer.write(LINE)
            chunk = await asyncio.wait_for(anext(chunks), PATIENCE_SECONDS)
            assert chunk.data == LINE
            assert await ended(silent[0][0]), "the one that was silent for longest"

    asyncio.run(scene())


def test_a_receiver_that_sends_keeps_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tcp_listen, "MAX_CONNECTIONS", 1)

    async def scene() -> None:
        port = free_port()
        async with listening(port) as chunks:
            _, writer = await connect(port, "127.0.0.9")
            writer.write(LINE)
            await asyncio.wait_for(anext(chunks), PATIENCE_SECONDS)
            reader, _ = await connect(port, "127.0.0.2")
            assert await ended(reader), "the newcomer is refused"
            writer.write(LINE)
            assert (await asyncio.wait_for(anext(chunks), PATIENCE_SECONDS)).data == LINE

    asyncio.run(scene())


def test_an_address_has_places_for_some_connections_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tcp_listen, "MAX_AN_ADDRESS", 2)

    async def scene() -> None:
        port = free_port()
        async with listening(port) as chunks:
            held = [await connect(port, "127.0.0.2") for _ in range(2)]
            reader, _ = await connect(port, "127.0.0.2")
            assert await ended(reader)
            _, writer = await connect(port, "127.0.0.9")
            writer.write(LINE)
            assert (await asyncio.wait_for(anext(chunks), PATIENCE_SECONDS)).data == LINE
            assert len(held) == 2

    asyncio.run(scene())


def test_a_connection_that_says_nothing_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tcp_listen, "IDLE_SECONDS", 0.05)

    async def scene() -> None:
        port = free_port()
        async with listening(port):
            reader, _ = await connect(port, "127.0.0.2")
            assert await ended(reader)

    asyncio.run(scene())


def test_a_host_that_is_gone_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Accepted sockets ask now and then whether somebody is there."""
    kept: list[int] = []
    keep_alive = tcp_listen.keep_alive

    def remembered(writer: asyncio.StreamWriter) -> None:
        keep_alive(writer)
        kept.append(writer.get_extra_info("socket").getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE))

    monkeypatch.setattr(tcp_listen, "keep_alive", remembered)

    async def scene() -> None:
        port = free_port()
        async with listening(port) as chunks:
            _, writer = await connect(port, "127.0.0.2")
            writer.write(LINE)
            await asyncio.wait_for(anext(chunks), PATIENCE_SECONDS)

    asyncio.run(scene())
    assert kept == [1]
