"""The address and the websocket of aisstream.io, played by a real server on this machine."""

import asyncio
import contextlib
import json
import logging

import pytest
from websockets.asyncio.server import serve

from ingest.sources import open_source
from ingest.sources.common.aisstream_options import WORLD, parse_url
from ingest.sources.common.contract import SourceError
from ingest.sources.web import aisstream as source_module
from ingest.sources.web.aisstream import AisStreamSource
from tests.support.aisstream_messages import STATIC, assembled, decode, envelope
from tests.support.patience import PATIENCE_SECONDS


# --- addresses --------------------------------------------------------------------------------------------------------
def test_an_address_means_a_subscription():
    wanted = parse_url("aisstream://k%2Fey@/?bbox=50,-5,60,10&bbox=-10,170,10,-170&mmsi=244660123,244660124")
    assert wanted.uri == "wss://stream.aisstream.io:443/v0/stream"
    assert json.loads(wanted.request()) == {
        "APIKey": "k/ey",
        "BoundingBoxes": [[[50.0, -5.0], [60.0, 10.0]], [[-10.0, 170.0], [10.0, -170.0]]],
        "FiltersShipMMSI": ["244660123", "244660124"],
    }
    assert parse_url("aisstream://key@").boxes == (WORLD,)
    assert parse_url("aisstream://key@[::1]:81/x?tls=off").uri == "ws://[::1]:81/x"
    assert json.loads(parse_url("aisstream://key@?types=PositionReport").request())["FilterMessageTypes"] == [
        "PositionReport"
    ]


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("aisstream://stream.aisstream.io", "API key is missing"),
        ("aisstream://a:b@stream.aisstream.io", "stands alone"),
        ("aisstream://key@?box=1", "box is not an option"),
        ("aisstream://key@?bbox=1,2,3", "four numbers"),
        ("aisstream://key@?bbox=91,0,0,0", "-90 to 90"),
        ("aisstream://key@?bbox=nan,0,0,0", "-90 to 90"),
        ("aisstream://key@?mmsi=12", "nine digits"),
        ("aisstream://key@?types=Position", "not a message type"),
        ("aisstream://key@?tls=maybe", "on or off"),
        ("aisstream://key@host:99999", "out of range"),
    ],
)
def test_a_wrong_address_says_why_and_keeps_the_key_to_itself(url, said):
    with pytest.raises(SourceError, match=said) as error:
        open_source(url.replace("key@", "hunter2@"))
    assert "hunter2" not in str(error.value)


# --- the websocket ----------------------------------------------------------------------------------------------------
class StillClock:
    """Time for waits that nobody wants to sit through."""

    def __init__(self):
        self.waits = []

    async def sleep(self, seconds):
        self.waits.append(seconds)
        await asyncio.sleep(0)


@pytest.fixture(autouse=True)
def loopback(settings):
    settings.FEED_ALLOW_NETWORKS = ["127.0.0.0/8"]


def play(handler, count=1, clock=None, once=False, query=""):
    """What a source reads, up to `count` messages, from a server that `handler` plays; (chunks, subscriptions)."""
    subscriptions = []

    async def answer(connection):
        subscriptions.append(json.loads(await connection.recv()))
        await handler(connection, len(subscriptions))

    async def scenario():
        async with serve(answer, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            source = AisStreamSource(
                f"aisstream://hunter2@127.0.0.1:{port}/v0/stream?tls=off{query}", once=once, clock=clock
            )
            chunks = []
            async with asyncio.timeout(PATIENCE_SECONDS), contextlib.aclosing(source.chunks()) as stream:
                async for chunk in stream:
                    chunks.append(chunk)
                    if len(chunks) >= count:
                        break
            return chunks

    return asyncio.run(scenario()), subscriptions


def test_it_subscribes_and_passes_messages_on_as_lines():
    async def handler(connection, number):
        await connection.send(envelope())  # a binary frame, as the server sends
        await connection.send(json.dumps(json.loads(envelope("ShipStaticData", STATIC)), indent=1))
        await connection.wait_closed()

    chunks, subscriptions = play(handler, 2, query="&bbox=50,-5,60,10&types=PositionReport")
    assert subscriptions == [
        {
            "APIKey": "hunter2",
            "BoundingBoxes": [[[50, -5], [60, 10]]],
            "FilterMessageTypes": ["PositionReport"],
        }
    ]
    assert [chunk.data.count(b"\n") for chunk in chunks] == [1, 1]
    assert all(chunk.at for chunk in chunks)
    messages, assembly = assembled([chunk.data for chunk in chunks])
    assert [bool(decode(message.raw).position) for message in messages] == [True, False]
    assert assembly.counts().sentences == 2


def test_it_connects_again_and_the_wait_grows_until_data_flowed(caplog):
    async def handler(connection, number):
        if number in (4, 6):
            await connection.send(envelope())

    clock = StillClock()
    chunks, subscriptions = play(handler, 2, clock)
    assert (len(chunks), len(subscriptions)) == (2, 6)
    first, second, third, after_data, then = clock.waits
    assert 1 <= first <= 2 and 1 <= second <= 4 and 4 <= third <= 8
    assert 1 <= after_data <= 2 and 1 <= then <= 4
    assert caplog.text.count("connecting again in") == 5
    assert "hunter2" not in caplog.text


def test_a_silent_connection_is_dropped_and_made_anew(monkeypatch, caplog):
    monkeypatch.setattr(source_module, "SILENCE_SECONDS", 0.2)

    async def handler(connection, number):
        if number == 4:
            await connection.send(envelope())
        await connection.wait_closed()

    clock = StillClock()
    chunks, subscriptions = play(handler, 1, clock)
    assert (len(chunks), len(subscriptions)) == (1, 4)
    assert "nothing came for 0 s, dropping the connection" in caplog.text
    assert max(clock.waits) <= 2  # a quiet sea is no reason to wait longer each time


def test_what_the_server_says_is_wrong_is_logged_and_waited_out_longer(caplog):
    async def handler(connection, number):
        await connection.send(b'{"error": "Api Key Is Not Valid"}' if number < 3 else envelope())

    clock = StillClock()
    chunks, _ = play(handler, 1, clock)
    assert len(chunks) == 1
    assert caplog.text.count("the server says: Api Key Is Not Valid") == 2
    assert clock.waits[1] >= 32  # eightfold each time, less jitter


def test_what_only_looks_like_an_error_is_passed_on():
    async def handler(connection, number):
        await connection.send(b'{"error": ""}')
        await connection.send(b'{"error"')
        await connection.wait_closed()

    chunks, _ = play(handler, 2)
    assert len(chunks) == 2


def test_once_it_ends_with_the_connection_or_says_why_there_was_none():
    async def talks(connection, number):
        await connection.send(envelope())

    async def refuses(connection, number):
        await connection.send('{"error": "Api Key Is Not Valid"}')

    chunks, _ = play(talks, 5, once=True)
    assert len(chunks) == 1
    with pytest.raises(SourceError, match="Api Key Is Not Valid"):
        play(refuses, once=True)


def test_a_message_without_end_is_not_kept_in_memory(caplog):
    async def handler(connection, number):
        await connection.send(b"x" * (source_module.MAX_MESSAGE_BYTES + 1) if number == 1 else envelope())

    chunks, _ = play(handler, 1, StillClock())
    assert len(chunks) == 1
    assert "connecting again" in caplog.text


def test_the_key_is_in_no_log_whatever_its_level(caplog):
    async def handler(connection, number):
        await connection.send(envelope())

    caplog.set_level("DEBUG")
    logging.getLogger("websockets.server").setLevel("INFO")
    play(handler)
    assert "connected to ws://127.0.0.1" in caplog.text and "hunter2" not in caplog.text


FORGED = "no\n2026-01-01 00:00:00 CRITICAL root: all is lost\x1b[2J\u202e hunter2"


@pytest.mark.parametrize("way", ["says", "closes"])
def test_what_a_server_says_is_one_printable_line_without_our_key(caplog, way):
    async def handler(connection, number):
        if way == "says":
            await connection.send(json.dumps({"error": FORGED}))
        else:
            await connection.close(1008, FORGED)

    with pytest.raises(SourceError) as error:
        play(handler, once=True)
    assert "all is lost" in str(error.value)
    assert str(error.value).isprintable() and "hunter2" not in str(error.value)


def test_private_addresses_are_reached_only_where_they_are_listed(settings):
    settings.FEED_ALLOW_NETWORKS = []
    with pytest.raises(SourceError, match="FEED_ALLOW_NETWORKS"):
        play(None)


def test_a_port_where_nobody_listens_is_tried_again(caplog):
    clock = StillClock()

    async def scenario():
        source = AisStreamSource("aisstream://hunter2@127.0.0.1:1?tls=off", clock=clock)
        reading = asyncio.create_task(anext(source.chunks()))
        async with asyncio.timeout(PATIENCE_SECONDS):
            while len(clock.waits) < 2:
                await asyncio.sleep(0.01)
        reading.cancel()
        assert source.status.state == "failing" and "127.0.0.1" in source.status.last_error

    asyncio.run(scenario())
    assert "127.0.0.1" in caplog.text and "connecting again" in caplog.text and "hunter2" not in caplog.text
