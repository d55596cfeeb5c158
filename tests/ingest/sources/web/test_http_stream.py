"""Answers without an end, from a real web server on the loopback: events, lines, bounds, and connecting again."""

import asyncio
import contextlib
import json

import pytest

from ingest.clocks import arrival_clock
from ingest.formats.common.contract import Setup
from ingest.formats.registry import FORMATS
from ingest.sources import open_source
from ingest.sources.common.contract import SourceError
from ingest.sources.common.urls import check
from ingest.sources.web import stream
from ingest.sources.web.stream import Events, HttpStreamSource
from tests.support.patience import PATIENCE_SECONDS
from tests.support.web import FakeClock, answer, only_one_loopback_address, serving

EVENTS = "text/event-stream; charset=utf-8"
SHIP = {"mmsi": 257099001, "latitude": 60.2, "longitude": 5.2, "msgtime": "2023-02-17T11:37:34+00:00"}


@pytest.fixture(autouse=True)
def loopback(settings):
    only_one_loopback_address(settings)


def endless(*parts: bytes, kind: str = EVENTS, hold: bool = False):
    """Writes the parts one by one, chunked, and hangs up, or says nothing more."""

    async def serve(request, writer):
        writer.write(f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nTransfer-Encoding: chunked\r\n\r\n".encode())
        for part in parts:
            writer.write(b"%x\r\n%b\r\n" % (len(part), part))
            await writer.drain()
            await asyncio.sleep(0.005)
        if hold:
            await asyncio.sleep(PATIENCE_SECONDS)
        writer.write(b"0\r\n\r\n")

    return serve


def followed(*script, count, **options):
    """The first `count` chunks, the server, the clock and the source."""

    async def run():
        clock, chunks = FakeClock(), []
        async with serving(*script) as server:
            source = HttpStreamSource(f"stream+{server.url}/live?token=geheim", clock=clock, **options)
            async with asyncio.timeout(PATIENCE_SECONDS), contextlib.aclosing(source.chunks()) as reading:
                async for chunk in reading:
                    chunks.append(chunk)
                    if len(chunks) == count:
                        break
            return chunks, server, clock, source

    return asyncio.run(run())


def test_the_data_of_each_event_is_a_line_however_the_bytes_are_cut():
    text = b': hello\r\nevent: ais\r\ndata: {"a":1}\r\n\r\nid: 7\ndata:{\ndata: "b":2}\n\n\n:\n\ndata: cut off'
    for size in (1, 2, 3, 7, 1000):
        events = Events()
        done = b"".join(events.feed(text[start : start + size]) for start in range(0, len(text), size))
        assert done == b'{"a":1}\n{ "b":2}\n'
        assert events.last_id == "7"


def test_events_become_the_rows_of_the_file_and_lines_stay_as_they_are():
    one = json.dumps(SHIP).encode()
    for kind, parts in ((EVENTS, [b"data: " + one[:20], one[20:] + b"\n\n"]), ("application/x-ndjson", [one + b"\n"])):
        chunks, _, _, source = followed(endless(*parts, kind=kind), count=1)
        assembly = FORMATS["ais-json"].assembly(Setup(arrival_clock))
        assert [message.raw for chunk in chunks for message in assembly.feed(chunk.data, chunk.at)] == [one]
        assert source.status.state == "ok" and not source.recorded


def test_a_stream_that_ends_is_opened_again_where_it_was_and_what_was_begun_is_cut():
    first = endless(b"retry: 5000\nid: 41\ndata: one\n\ndata: be")
    chunks, server, clock, _ = followed(first, endless(b"data: two\n\n"), count=2)
    assert [(chunk.data, chunk.broken) for chunk in chunks] == [(b"one\n", False), (b"two\n", True)]
    assert [request.headers.get("last-event-id") for request in server.asked] == [None, "41"]
    assert "text/event-stream" in server.asked[0].headers["accept"]
    assert clock.slept == [5.0]


def test_waits_grow_until_data_flow_and_demands_are_met():
    script = (answer(503), answer(503), answer(429, Retry_After="90"), endless(b"data: 1\n\n"), endless(b"data: 2\n\n"))
    _, _, clock, _ = followed(*script, count=2)
    limits = zip(clock.slept, [(1, 2), (2, 4), (90, 90), (1, 2)], strict=True)
    assert all(low <= slept <= high for slept, (low, high) in limits), clock.slept


def test_a_silent_stream_is_given_up():
    silent = endless(b"data: 1\n\n", hold=True)
    chunks, server, _, _ = followed(silent, endless(b"data: 2\n\n"), count=2, silence=0.2)
    assert [chunk.data for chunk in chunks] == [b"1\n", b"2\n"]
    assert len(server.asked) == 2


def test_an_event_that_never_ends_costs_bounded_memory(monkeypatch):
    monkeypatch.setattr(stream, "MAX_EVENT_BYTES", 1000)
    huge = endless(*[b"data: " + b"x" * 400 + b"\n"] * 5)
    chunks, *_ = followed(huge, endless(b"data: fine\n\n"), count=1)
    assert [chunk.data for chunk in chunks] == [b"fine\n"]
    with pytest.raises(Exception, match="larger than 1000 bytes"):
        Events().feed(b"data: " + b"x" * 2000)


def test_redirects_are_checked_and_secrets_stay_at_home():
    async def run():
        async with serving(endless(b"data: 1\n\n")) as other:
            away = answer(302, Location=f"{other.url}/there")
            async with serving(away) as home:
                source = HttpStreamSource(f"stream+{home.url}", headers={"X-Key": "geheim"}, once=True)
                chunks = [chunk.data async for chunk in source.chunks()]
                return chunks, home.asked[0].headers, other.asked[0].headers

    chunks, at_home, elsewhere = asyncio.run(run())
    assert chunks == [b"1\n"]
    assert at_home["x-key"] == "geheim" and "x-key" not in elsewhere


@pytest.mark.parametrize("url", ["stream+http://127.0.0.2:1/", "stream+http://169.254.169.254/"])
def test_an_address_that_must_not_be_reached_is_not(url):
    async def run():
        return [chunk async for chunk in open_source(url, once=True).chunks()]

    with pytest.raises(SourceError, match=r"127\.0\.0\.2|169\.254"):
        asyncio.run(run())


def test_once_ends_with_the_stream_and_says_why_there_was_none():
    async def run(reply):
        async with serving(reply) as server:
            source = open_source(f"stream+{server.url}", once=True)
            return [chunk.data async for chunk in source.chunks()]

    assert asyncio.run(run(endless(b"data: 1\n\n"))) == [b"1\n"]
    with pytest.raises(SourceError, match="answered 404"):
        asyncio.run(run(answer(404)))
    with pytest.raises(SourceError, match="packed as 'gzip'"):
        asyncio.run(run(answer(body=b"x", Content_Encoding="gzip")))


def test_a_token_that_is_refused_is_replaced():
    async def run():
        grant = answer(body=b'{"access_token":"abc"}')
        async with serving(grant) as tokens, serving(answer(401), endless(b"data: 1\n\n")) as server:
            oauth = {"token_url": tokens.url, "client_id": "me", "client_secret": "geheim"}
            source = open_source(f"stream+{server.url}", options={"oauth": oauth})
            source._clock = FakeClock()
            async with contextlib.aclosing(source.chunks()) as reading:
                return (await anext(reading)).data, len(tokens.asked), server.asked[1].headers["authorization"]

    assert asyncio.run(run()) == (b"1\n", 2, "Bearer abc")


def test_the_address_is_one_of_a_feed():
    check("stream+https://live.ais.barentswatch.no/v1/combined")
    assert open_source("stream+https://live.ais.barentswatch.no/v1/combined?key=abc").origin.startswith("stream+https")
    assert "abc" not in open_source("stream+https://me:abc@host/?key=abc").origin
