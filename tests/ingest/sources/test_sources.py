"""Files, sockets and simulated traffic, each for real."""

import asyncio
import contextlib
import gzip
import io
import socket
import zipfile

import pytest

from ingest.formats.common.framing import LineFramer
from ingest.sources import label_of, open_source
from ingest.sources.common.contract import SourceError
from ingest.sources.common.options import SourceOptions
from ingest.sources.sockets.udp import Inbox
from tests.faults.processes import free_port
from tests.support.patience import PATIENCE_SECONDS

LINES = [b"!AIVDM,1,1,,A,one,0*00", b"!AIVDM,1,1,,A,two,0*00"]
TEXT = b"\n".join(LINES) + b"\n"


async def read(source, until, offset=0):
    """The chunks up to and including the one with which `until(bytes)` holds, or TimeoutError."""
    data, chunks = b"", []
    stream = source.chunks(offset)
    async with asyncio.timeout(PATIENCE_SECONDS), contextlib.aclosing(stream):
        async for chunk in stream:
            chunks.append(chunk)
            data += chunk.data
            if until(data):
                break
    return data, chunks


async def until(condition):
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not condition():
            await asyncio.sleep(0.005)


def is_taken(port, kind=socket.SOCK_STREAM):
    """Whether somebody listens there."""
    with socket.socket(socket.AF_INET, kind) as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return True
    return False


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("offset", [0, 5, len(LINES[0]) + 1])
def test_a_file_is_read_from_an_offset_of_its_text(tmp_path, packed, offset):
    path = tmp_path / "log.nmea"
    path.write_bytes(gzip.compress(TEXT) if packed else TEXT)
    data, chunks = asyncio.run(read(open_source(str(path)), lambda data: False, offset))
    assert data == TEXT[offset:]
    assert all(chunk.at is None for chunk in chunks)


def test_an_empty_file_has_no_bytes(tmp_path):
    path = tmp_path / "empty"
    path.touch()
    assert asyncio.run(read(open_source(f"file://{path}"), lambda data: False)) == (b"", [])


def test_a_cut_gzip_file_gives_what_it_has_and_says_so(tmp_path):
    path = tmp_path / "log.gz"
    path.write_bytes(gzip.compress(TEXT * 50_000)[:-20])
    with pytest.raises(SourceError, match="damaged or cut off"):
        asyncio.run(read(open_source(str(path)), lambda data: False))


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("/nowhere/log.nmea", "does not exist"),
        ("/", "is a directory"),
        ("ftp://host/x", "unknown scheme 'ftp'"),
        ("tcp://host", "a host and a port"),
        ("udp://:99999", "out of range"),
        ("sim://?ship=3", "ship"),
    ],
)
def test_a_source_that_cannot_be_used_says_why(url, said):
    with pytest.raises(SourceError, match=said):
        asyncio.run(read(open_source(url), lambda data: False))


def test_labels_are_made_of_paths_and_urls():
    assert label_of("/data/Port of X 2026.nmea.gz") == "Port-of-X-2026.nmea"
    assert label_of("tcp://user:secret@10.0.0.1:10110") == "10.0.0.1-10110"
    assert label_of("-") == "stdin"
    assert len(label_of("x" * 99)) == 32


def test_a_tcp_client_connects_again_and_marks_the_break(monkeypatch):
    monkeypatch.setattr("ingest.sources.sockets.tcp.BACKOFF_SECONDS", (0.01, 0.05))

    async def scenario():
        served = []

        async def serve(reader, writer):
            served.append(1)
            writer.write(LINES[len(served) - 1] + b"\n" if len(served) <= 2 else b"")
            await writer.drain()
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        result = await read(open_source(f"tcp://127.0.0.1:{port}"), lambda data: data.count(b"\n") == 2)
        server.close()
        return result

    data, chunks = asyncio.run(scenario())
    assert data == TEXT
    assert [chunk.broken for chunk in chunks] == [False, True]
    assert all(chunk.at for chunk in chunks)


def test_a_tcp_client_waits_for_a_server_that_is_not_there_yet(monkeypatch, caplog):
    monkeypatch.setattr("ingest.sources.sockets.tcp.BACKOFF_SECONDS", (0.05, 0.05))
    port = free_port()

    async def scenario():
        reading = asyncio.create_task(read(open_source(f"tcp://127.0.0.1:{port}"), lambda data: data == TEXT))
        await until(lambda: "cannot connect to tcp://127.0.0.1" in caplog.text)

        async def serve(reader, writer):
            writer.write(TEXT)
            await writer.drain()
            writer.close()

        async with await asyncio.start_server(serve, "127.0.0.1", port):
            return await reading

    assert asyncio.run(scenario())[0] == TEXT


def test_once_an_unreachable_host_is_an_error():
    url = f"tcp://127.0.0.1:{free_port()}"
    with pytest.raises(SourceError, match="cannot connect"):
        asyncio.run(read(open_source(url, once=True), lambda data: False))


def test_once_a_tcp_client_ends_with_the_connection():
    async def scenario():
        async def serve(reader, writer):
            writer.write(TEXT)
            await writer.drain()
            writer.close()

        async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            return await read(open_source(f"tcp://127.0.0.1:{port}", once=True), lambda data: False)

    assert asyncio.run(scenario())[0] == TEXT


def test_lines_of_two_connections_are_never_mixed():
    port = free_port()

    async def scenario():
        reading = asyncio.create_task(
            read(open_source(f"tcp-listen://127.0.0.1:{port}"), lambda d: d.count(b"\n") == 2)
        )
        await until(lambda: is_taken(port))
        writers = [(await asyncio.open_connection("127.0.0.1", port))[1] for _ in range(2)]
        for half in (slice(0, 10), slice(10, None)):
            for writer, line in zip(writers, LINES, strict=True):
                writer.write((line + b"\n")[half])
                await writer.drain()
                await asyncio.sleep(0.02)
        data, _ = await reading
        for writer in writers:
            writer.close()
        return data

    lines = {line for line, _ in LineFramer().feed(asyncio.run(scenario()))}
    assert lines == set(LINES)


def test_datagrams_are_whole_lines_with_or_without_their_end():
    port = free_port(socket.SOCK_DGRAM)

    async def scenario():
        reading = asyncio.create_task(read(open_source(f"udp://127.0.0.1:{port}"), lambda d: d.count(b"\n") == 2))
        await until(lambda: is_taken(port, socket.SOCK_DGRAM))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.sendto(LINES[0], ("127.0.0.1", port))
            sender.sendto(LINES[1] + b"\n", ("127.0.0.1", port))
            return (await reading)[0]

    assert asyncio.run(scenario()) == TEXT


def test_datagrams_beyond_the_bound_are_dropped_and_counted(monkeypatch):
    monkeypatch.setattr("ingest.sources.sockets.udp.WAITING_DATAGRAMS", 3)
    inbox = Inbox(SourceOptions())
    for _ in range(10):
        inbox.datagram_received(b"x", ("127.0.0.1", 1))
    assert (inbox.dropped, len(inbox.take())) == (7, 3)


def test_datagrams_of_senders_that_are_not_listed_are_dropped():
    inbox = Inbox(SourceOptions(senders=["192.168.1.0/24", "fd00::/8"]))
    for sender in ("192.168.1.9", "192.168.2.9", "fd00::1", "10.0.0.1"):
        inbox.datagram_received(sender.encode(), (sender, 1))
    assert (inbox.take(), inbox.dropped) == ([b"192.168.1.9\n", b"fd00::1\n"], 2)


def test_a_sender_that_is_too_fast_loses_its_own_datagrams_only():
    now = [0.0]
    inbox = Inbox(SourceOptions(datagrams_per_second=2), lambda: now[0])
    for _ in range(5):
        inbox.datagram_received(b"fast", ("10.0.0.1", 1))
    inbox.datagram_received(b"slow", ("10.0.0.2", 1))
    now[0] = 0.5
    inbox.datagram_received(b"again", ("10.0.0.1", 1))
    assert (inbox.take(), inbox.dropped) == ([b"fast\n", b"fast\n", b"slow\n", b"again\n"], 3)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"header": {}}, "unknown field `header`"),
        ({"senders": ["192.168.1.300"]}, "192.168.1.300"),
        ({"oauth": {"token_url": "https://x"}}, "client_id"),
        ({"headers": {"a": 1}}, "str"),
        ({"datagrams_per_second": 0}, "between 1 and 100000"),
    ],
)
def test_options_that_cannot_be_meant_are_refused_by_name(given, said):
    with pytest.raises(SourceError, match=said):
        open_source("udp://127.0.0.1:1", options=given)


def test_options_reach_their_source():
    given = {"headers": {"api-auth": "k"}, "oauth": {"token_url": "https://t", "client_id": "i", "client_secret": "s"}}
    assert open_source("https://example.org/x", options=given).recorded is False


def test_a_port_in_use_is_an_error():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        url = f"tcp-listen://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(SourceError, match="cannot listen"):
            asyncio.run(read(open_source(url), lambda data: False))


def test_the_simulator_sends_at_its_own_pace():
    data, chunks = asyncio.run(read(open_source("sim://?ships=50&speedup=100"), lambda data: data.count(b"\n") > 50))
    assert data.startswith(b"!AIVDM")
    assert all(chunk.at for chunk in chunks)


def zipped(**members):
    """A zip of these members, by name."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in members.items():
            archive.writestr(name, text)
    return buffer.getvalue()


def in_every_header(packed, local, value):
    """The zip with two bytes changed in the member's header and in the directory, where they lie two further on."""
    changed = bytearray(packed)
    for start in (packed.index(b"PK\x03\x04") + local, packed.index(b"PK\x01\x02") + local + 2):
        changed[start : start + 2] = value.to_bytes(2, "little")
    return bytes(changed)


@pytest.mark.parametrize("offset", [0, 5, 1_000_000])
def test_the_file_in_a_zip_is_read_from_an_offset_of_its_text(tmp_path, offset):
    text = TEXT * 50_000
    path = tmp_path / "dump.zip"
    path.write_bytes(zipped(dump=text))
    source = open_source(str(path))
    data, chunks = asyncio.run(read(source, lambda data: False, offset))
    assert data == text[offset:]
    assert max(len(chunk.data) for chunk in chunks) <= 64 * 1024
    assert source.head(20) == text[:20]


def test_what_macos_adds_to_a_zip_is_not_another_file(tmp_path):
    path = tmp_path / "dump.zip"
    path.write_bytes(zipped(**{"folder/": b"", "folder/dump.csv": TEXT, "__MACOSX/._dump.csv": b"x"}))
    assert asyncio.run(read(open_source(str(path)), lambda data: False))[0] == TEXT


@pytest.mark.parametrize(
    ("packed", "said"),
    [
        (zipped(), "holds no file"),
        (in_every_header(zipped(one=TEXT), 6, 1), "one is encrypted"),
        (in_every_header(zipped(one=TEXT), 8, 9), "not supported.*unpack it first"),
        (zipped(one=TEXT)[:-10], "damaged or cut off"),
    ],
)
def test_a_zip_that_cannot_be_read_says_why(tmp_path, packed, said):
    path = tmp_path / "dump.zip"
    path.write_bytes(packed)
    with pytest.raises(SourceError, match=said):
        asyncio.run(read(open_source(str(path)), lambda data: False))


def test_damage_within_a_zip_is_said(tmp_path):
    path = tmp_path / "dump.zip"
    packed = bytearray(zipped(dump=bytes(range(256)) * 500))
    packed[60:90] = b"\xff" * 30
    path.write_bytes(packed)
    with pytest.raises(SourceError, match="damaged or cut off"):
        asyncio.run(read(open_source(str(path)), lambda data: False))


def test_standard_input_has_no_head():
    assert open_source("-").head() == b""
