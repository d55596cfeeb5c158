"""Polled web servers, each for real on the loopback: new documents once, and good manners."""

import asyncio
import contextlib
import gzip
from email.utils import formatdate

import pytest

from ingest.sources import open_source
from ingest.sources.common.contract import SourceError
from ingest.sources.web import pacing
from ingest.sources.web.http import HttpSource
from tests.support.patience import PATIENCE_SECONDS, SLACK_SECONDS
from tests.support.web import GOOD, FakeClock, answer, failing, once, only_one_loopback_address, poll, serving, take


@pytest.fixture(autouse=True)
def loopback(settings):
    only_one_loopback_address(settings)


def test_each_new_document_is_a_chunk_that_ends_a_line_and_arrived_now():
    async def run():
        clock = FakeClock()
        async with serving(answer(body=b"one"), answer(body=b"two")) as server:
            source = HttpSource(server.url, poll_seconds=7, clock=clock)
            stream = source.chunks()
            async with contextlib.aclosing(stream):
                return [await anext(stream), await anext(stream)], clock, source

    chunks, clock, source = asyncio.run(run())
    assert [chunk.data for chunk in chunks] == [b"one\n", b"two\n"]
    assert clock.slept == [7]
    assert chunks[1].at - chunks[0].at == 7000
    assert (source.status.state, source.status.last_success) == ("ok", chunks[1].at)
    assert not source.recorded and source.progress() is None and source.dropped() == 0


def test_a_document_that_did_not_change_is_asked_for_by_its_validators_and_given_once():
    dated = answer(body=b"one", ETag='"a"', Last_Modified="Tue, 14 Nov 2023 22:13:20 GMT")
    documents, server, _, _ = poll(dated, answer(304), answer(body=b"two"), count=2)
    assert documents == [b"one\n", b"two\n"]
    asked = [(r.headers.get("if-none-match"), r.headers.get("if-modified-since")) for r in server.asked]
    assert asked == [(None, None)] + [('"a"', "Tue, 14 Nov 2023 22:13:20 GMT")] * 2


def test_the_same_body_without_validators_is_given_once_and_an_empty_one_never():
    script = (answer(body=b"one"), answer(body=b"one"), answer(), answer(204), answer(body=b"two"))
    assert poll(*script, count=2)[0] == [b"one\n", b"two\n"]


@pytest.mark.parametrize("name", ["gzip", "x-gzip", "GZIP"])
def test_a_packed_document_is_unpacked(name):
    assert once(answer(body=gzip.compress(b"packed"), Content_Encoding=name)) == [b"packed\n"]


def test_bytes_that_mean_nothing_are_given_as_they_are():
    garbage = bytes(range(256)) * 10
    assert once(answer(body=garbage)) == [garbage + b"\n"]


def test_a_connection_is_used_once_and_says_who_asks():
    _, server, _, _ = poll(answer(body=b"one"), answer(body=b"two"), count=2)
    for request in server.asked:
        assert request.headers["connection"] == "close"
        assert request.headers["accept-encoding"] == "gzip"
        assert request.headers["user-agent"].startswith("Tracking")
        assert request.headers["host"] == server.url.removeprefix("http://")


def test_back_off_doubles_and_starts_anew_after_a_document():
    _, _, clock, _ = poll(answer(500), answer(500), answer(500), GOOD, answer(502), answer(body=b"2"), count=2)
    waits = zip(clock.slept, [(5, 10), (10, 20), (20, 40), (5, 5), (5, 10)], strict=True)
    assert all(low <= slept <= high for slept, (low, high) in waits), clock.slept


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_what_time_seldom_cures_is_asked_again_after_ten_minutes_soon(status):
    slept, _ = failing(*[answer(status)] * 4)
    assert all(300 <= seconds <= 600 for seconds in slept[2:]), slept


def test_back_off_never_exceeds_ten_minutes_but_never_asks_faster_than_wanted():
    assert all(300 <= pacing.backoff(1000, 5, lasting=lasting) <= 600 for lasting in (True, False))
    assert pacing.backoff(1000, 3600, lasting=True) == 3600


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry_After": "120"}, 120),
        ({"Retry_After": "86400"}, 3600),
        ({"Retry_After": "0"}, 5),
        ({"Retry_After": formatdate(1_700_001_000 + 90, usegmt=True)}, 90),
        ({"Retry_After": formatdate(500 + 90, usegmt=True), "Date": formatdate(500, usegmt=True)}, 90),
        ({"Retry_After": formatdate(500, usegmt=True)}, 5),
        ({"X_Rate_Limit_Retry_After_Seconds": "700", "Retry_After": "1"}, 700),
    ],
)
def test_429_waits_as_long_as_it_demands(headers, seconds):
    slept, _ = failing(answer(429, **headers))
    assert slept == [pytest.approx(seconds, abs=1)]


@pytest.mark.parametrize("text", ["", "soon", "-5", "1.5", "٣", "Tue, 99 Foo 2023 99:99:99 GMT", "9" * 400, "," * 50])
def test_a_demand_that_cannot_be_read_backs_off_or_is_capped(text):
    assert pacing.demanded({"retry-after": text}, 0.0) in (None, 3600.0)


def test_no_feed_of_a_host_asks_it_while_one_was_told_to_wait():
    async def run():
        async with serving(answer(429, Retry_After="300"), GOOD) as server:
            first, second = (HttpSource(f"{server.url}/{name}", clock=FakeClock()) for name in "ab")
            stream = first.chunks()
            await anext(stream)
            patient = second._clock
            documents = await take(second)
            await stream.aclose()
            return documents, patient.slept

    assert asyncio.run(run()) == ([b'{"now":1}\n'], [300])


def test_spent_credits_are_waited_for():
    spent = answer(body=b"1", X_Rate_Limit_Remaining="0", X_Rate_Limit_Retry_After_Seconds="1800")
    _, _, clock, source = poll(spent, answer(body=b"2", X_Rate_Limit_Remaining="3"), answer(body=b"3"), count=3)
    assert clock.slept == [1800, 5]
    assert source.status.state == "ok"


def test_two_feeds_of_a_host_never_ask_at_the_same_time():
    async def unhurried(request, writer):
        await asyncio.sleep(0.05)
        writer.write(GOOD)

    async def run():
        async with serving(unhurried) as server, serving(unhurried) as other:
            sources = [HttpSource(f"{server.url}/{n}", once=True) for n in range(4)]
            async with asyncio.timeout(PATIENCE_SECONDS):
                await asyncio.gather(*(take(source) for source in sources))
            return server, other

    server, _ = asyncio.run(run())
    assert len(server.asked) == 4 and server.most_open == 1


def test_once_asks_once_and_raises_what_went_wrong():
    assert once(GOOD) == [b'{"now":1}\n']
    assert once(answer(204)) == []
    with pytest.raises(SourceError, match="answered 500 Internal Server Error"):
        once(answer(500))


def test_http_urls_are_polled_as_often_as_the_feed_wants():
    async def run():
        async with serving(GOOD) as server:
            documents = await take(open_source(server.url, once=True))
            source = open_source(server.url, poll_seconds=60)
            await take(source)
            stream = source.chunks()
            reading = asyncio.create_task(anext(stream))
            async with asyncio.timeout(PATIENCE_SECONDS):
                while source.status.next_poll is None:
                    await asyncio.sleep(0.005)
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
            return documents, source.status

    documents, status = asyncio.run(run())
    assert documents == [b'{"now":1}\n']
    assert status.next_poll - status.last_success == pytest.approx(60_000, abs=2000 + SLACK_SECONDS * 1000)
