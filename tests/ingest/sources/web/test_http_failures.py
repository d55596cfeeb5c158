"""What web servers do wrong, each for real on the loopback: bounded, waited out, and never the end of the feed."""

import asyncio
import gzip
import logging
import tracemalloc

import pytest

from ingest.sources.common.contract import SourceError
from ingest.sources.web import exchange
from ingest.sources.web.http import HttpSource
from tests.support.patience import PATIENCE_SECONDS
from tests.support.web import GOOD, FakeClock, answer, failing, once, only_one_loopback_address, serving, take

MEGABYTE = 1024 * 1024


@pytest.fixture(autouse=True)
def loopback(settings):
    only_one_loopback_address(settings)


async def until_asked(source, server, times):
    """Run the source until the server has been asked that often, and the clock was slept on after that."""
    stream = source.chunks()
    reading = asyncio.create_task(anext(stream))
    async with asyncio.timeout(PATIENCE_SECONDS):
        while len(server.asked) < times or source.status.state == "starting":
            await asyncio.sleep(0.005)
    reading.cancel()
    await asyncio.gather(reading, return_exceptions=True)
    await stream.aclose()


async def silent(request, writer):
    await asyncio.sleep(600)


async def slow(request, writer):
    """A byte a while: never silent for long."""
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    for _ in range(1000):
        writer.write(b".")
        await writer.drain()
        await asyncio.sleep(0.05)


async def zeros(request, writer):
    """A gigabyte, or as much of it as the client takes."""
    zeros.sent = 0
    writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
    for _ in range(1024):
        writer.write(bytes(MEGABYTE))
        await writer.drain()
        zeros.sent += MEGABYTE


BOMB = answer(body=gzip.compress(bytes(64 * MEGABYTE)), Content_Encoding="gzip")
FAILURES = {
    "status_500": answer(500),
    "status_206": answer(206, b"part"),
    "protocol": b"SSH-2.0-OpenSSH_9.2\r\n",
    "protocol of nothing": b"",
    "protocol of half a document": b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf",
    "protocol of endless headers": b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 100_000,
    "protocol of broken gzip": answer(body=b"not packed", Content_Encoding="gzip"),
    "encoding": answer(body=b"...", Content_Encoding="br"),
    "encoding of half a gzip stream": answer(body=gzip.compress(b"cut")[:-4], Content_Encoding="gzip"),
    "encoding of two gzip streams": answer(body=gzip.compress(b"one") * 2, Content_Encoding="gzip"),
    "too_large": answer(body=bytes(MEGABYTE + 1)),
    "too_large by announcement": b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n",
    "too_large without end": zeros,
    "too_large once unpacked": BOMB,
    "timeout": silent,
    "timeout of a slow one": slow,
    "redirect": answer(302, Location="ftp://127.0.0.1/"),
    "redirect to a file": answer(302, Location="file:///etc/passwd"),
    "redirect to nowhere": answer(302),
    "redirects": answer(301, Location="/data.json"),
    "address": answer(302, Location="http://127.0.0.2/"),
    "address that is link-local": answer(307, Location="http://169.254.169.254/latest/meta-data/"),
    "redirect to no port": answer(302, Location="http://127.0.0.1:99999/"),
    "protocol of a redirect to garbage": b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: http://[\xff\xfe:x/\r\n\r\n",
    "dns": answer(302, Location="http://no-such-host.invalid/"),
    "connect": answer(302, Location="http://127.0.0.1:1/"),
}


@pytest.mark.parametrize("name", FAILURES)
def test_no_failure_ends_the_feed_and_each_is_logged_once_in_a_row(name, caplog, settings):
    caplog.set_level(logging.INFO, "ingest")
    kind = name.partition(" ")[0]
    asks = 4 if kind == "redirects" else 1
    slept, source = failing(*[FAILURES[name]] * asks * 2, timeout=timeout_for(kind), max_bytes=MEGABYTE)
    assert len(slept) == 2
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"], caplog.text
    assert source.origin in caplog.text and source.status.state == "ok"
    with pytest.raises(exchange.ExchangeFailure) as raised:
        asyncio.run(_fetch(FAILURES[name], timeout_for(kind)))
    assert raised.value.kind == kind


def timeout_for(kind):
    """Short where it is what is tried, in seconds; else no failure may be taken for a slow machine."""
    return 0.2 if kind == "timeout" else PATIENCE_SECONDS


async def _fetch(reply, timeout):
    async with serving(reply) as server:
        await HttpSource(server.url + "/data.json", timeout=timeout, max_bytes=MEGABYTE)._ask()


def test_the_status_of_a_failing_feed_says_why_and_when_it_is_asked_again():
    async def run():
        clock = FakeClock()
        async with serving(GOOD, answer(503, Retry_After="60")) as server:
            source = HttpSource(server.url, clock=clock)
            await take(source)
            good = source.status.last_success
            await until_asked(source, server, 3)
            return source.status, good, clock

    status, good, _ = asyncio.run(run())
    assert (status.state, status.last_error) == ("failing", "answered 503 Service Unavailable")
    assert status.last_success == good and status.next_poll >= good + 60_000


@pytest.mark.parametrize("reply", [zeros, BOMB])
def test_a_document_without_end_is_cut_with_memory_bounded(reply):
    once(GOOD)  # what is imported and loaded once is not counted
    tracemalloc.start()
    try:
        with pytest.raises(SourceError, match=f"larger than {4 * MEGABYTE} bytes"):
            once(reply, max_bytes=4 * MEGABYTE)
        assert tracemalloc.get_traced_memory()[1] < 24 * MEGABYTE
    finally:
        tracemalloc.stop()
    if reply is zeros:
        assert zeros.sent < 64 * MEGABYTE
