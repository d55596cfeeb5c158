"""tcp feeds of whoever edits feeds: receivers nearby are reached, this host is not, and no port tells how it is."""

import asyncio
import contextlib

import pytest

from ingest.sources import open_source
from ingest.sources.common.addresses import RECEIVERS, refusal
from ingest.sources.common.contract import SourceError
from ingest.sources.sockets import tcp
from ingest.sources.sockets.tcp import CONNECT_SECONDS, ConnectionStatus, TcpSource
from tests.faults.processes import free_port
from tests.support.patience import PATIENCE_SECONDS

LISTED = ["127.0.0.0/8"]


class Seconds:
    """A clock that is moved."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


@pytest.mark.parametrize("address", ["192.168.1.20", "10.1.2.3", "172.20.0.9", "100.101.102.103", "fd00::7", "8.8.8.8"])
def test_receivers_in_private_networks_are_reached_unlisted(address):
    assert refusal(address, RECEIVERS) is None


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "::1", "::ffff:127.0.0.1", "0.0.0.0", "::", "169.254.169.254", "fe80::1", "fd00:ec2::254"),
        *("224.0.0.1", "192.0.0.192", "255.255.255.255", "ff02::1", "64:ff9b::7f00:1"),
    ],
)
def test_this_host_and_what_is_no_host_is_not(address):
    assert refusal(address, RECEIVERS)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "2130706433"])
def test_a_guarded_source_refuses_this_host_unasked_and_names_what_would_help(settings, host):
    settings.FEED_ALLOW_NETWORKS = []
    reached = []

    async def read():
        async with await asyncio.start_server(lambda reader, writer: reached.append(1), "127.0.0.1", 0) as server:
            source = open_source(f"tcp://{host}:{server.sockets[0].getsockname()[1]}", guarded=True)
            await anext(source.chunks())

    with pytest.raises(SourceError, match="FEED_ALLOW_NETWORKS="):
        asyncio.run(read())
    assert reached == []


def standing(port, serving, monkeypatch):
    """What is shown of a guarded source that has been tried for as long as a try takes, and a moment before."""
    seconds = Seconds()

    async def play():
        tried = asyncio.Event()
        pause = asyncio.sleep

        async def noted(delay):
            tried.set()
            await pause(delay)

        monkeypatch.setattr(tcp.asyncio, "sleep", noted)
        source = TcpSource("127.0.0.1", port, guarded=True, clock=seconds)
        async with serving(tried):
            reading = asyncio.create_task(anext(source.chunks()))
            await asyncio.wait_for(tried.wait(), PATIENCE_SECONDS)
            shown = [source.status]
            seconds.now = CONNECT_SECONDS
            shown.append(source.status)
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
            return shown

    return asyncio.run(play())


def test_a_closed_a_silent_and_a_rude_port_look_the_same(settings, monkeypatch):
    settings.FEED_ALLOW_NETWORKS = LISTED
    port = free_port()

    @contextlib.asynccontextmanager
    async def closed(tried):
        yield

    @contextlib.asynccontextmanager
    async def silent(tried):
        async def serve(reader, writer):
            tried.set()
            await reader.read()
            writer.close()

        async with await asyncio.start_server(serve, "127.0.0.1", port):
            yield

    @contextlib.asynccontextmanager
    async def rude(tried):
        async with await asyncio.start_server(lambda reader, writer: writer.close(), "127.0.0.1", port):
            yield

    shown = [standing(port, serving, monkeypatch) for serving in (closed, silent, rude)]
    assert shown[0] == shown[1] == shown[2] == [ConnectionStatus("starting"), ConnectionStatus("failing", tcp.UNHEARD)]


def test_a_receiver_that_has_sent_something_shows_how_it_is(settings):
    settings.FEED_ALLOW_NETWORKS = LISTED

    async def serve(reader, writer):
        writer.write(b"$PGHP\n")
        await writer.drain()
        await reader.read()
        writer.close()

    async def read():
        async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
            source = TcpSource("127.0.0.1", server.sockets[0].getsockname()[1], guarded=True)
            chunks = source.chunks()
            await anext(chunks)
            shown = source.status
            await chunks.aclose()
            return shown

    assert asyncio.run(read()) == ConnectionStatus("ok")
