"""The web server against peers that send and read slowly, or too much: others are served meanwhile."""

import http.client
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.faults.processes import free_port
from tests.support.patience import PATIENCE_SECONDS
from tracking.embedded import processes
from tracking.web import connections, serving
from tracking.web.connections import WebServer

PROJECT = Path(__file__).resolve().parents[3]
REQUEST = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
HALF_BODY = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\nhalf"
LARGE = 4_000_000
ENDLESS = 64


def site(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes] | Iterator[bytes]:
    """Answers with the address's last word: `large`, `endless`, or the length of the body."""
    start_response("200 OK", [("Content-Type", "text/plain")])
    if environ["PATH_INFO"] == "/large":
        return [b"x" * LARGE]
    if environ["PATH_INFO"] == "/endless":
        return iter([b"x" * 1_000_000] * ENDLESS)
    return [str(len(environ["wsgi.input"].read())).encode()]


@contextmanager
def running(application: Any = site, **options: int) -> Iterator[int]:
    """The port of a server with one thread."""
    sock = serving.listen("127.0.0.1", 0)
    given = {"threads": 1, "connections": 250, "connections_per_address": 100} | options
    server = WebServer(application, sock, **given)
    loop = threading.Thread(target=server.run)
    port = int(sock.getsockname()[1])
    loop.start()
    try:
        yield port
    finally:
        server.stop()
        loop.join(PATIENCE_SECONDS)
        assert not loop.is_alive()


def connect(port: int, sent: bytes = b"", **options: Any) -> socket.socket:
    client = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_SECONDS, **options)
    client.sendall(sent)
    return client


def ask(port: int, path: str = "/", body: bytes | None = None, host: str = "127.0.0.1") -> tuple[int, bytes]:
    client = http.client.HTTPConnection(host, port, timeout=PATIENCE_SECONDS)
    try:
        client.request("GET" if body is None else "POST", path, body)
        response = client.getresponse()
        return response.status, response.read()
    finally:
        client.close()


def ends(client: socket.socket) -> bool:
    """Waits until the other side hangs up."""
    with suppress(ConnectionResetError):
        while client.recv(65536):
            continue
    return True


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same limits, sooner."""
    monkeypatch.setattr(connections, "HEADER_SECONDS", 1.0)
    monkeypatch.setattr(connections, "IDLE_SECONDS", 1.0)
    monkeypatch.setattr(connections, "STOP_SECONDS", 1.0)


@pytest.mark.parametrize(
    "sent", [b"", b"GET / HTTP/1.1\r\nHost", HALF_BODY], ids=["nothing", "half a header", "half a body"]
)
def test_connections_that_wait_hold_no_thread(sent: bytes) -> None:
    with running() as port, ExitStack() as stack:
        for _ in range(90):
            stack.enter_context(connect(port, sent))
        assert ask(port) == (200, b"0")


@pytest.mark.parametrize("sent", [b"", b"GET / HTTP/1.1\r\nX: ", HALF_BODY], ids=["nothing", "header", "body"])
def test_a_peer_that_drips_is_hung_up_on_however_regularly_it_drips(sent: bytes, hurried: None) -> None:
    with running() as port, connect(port, sent) as client:
        client.settimeout(0.2)
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            try:
                if sent:
                    client.sendall(b"x")
                if client.recv(1) == b"":
                    return
            except TimeoutError:
                continue
            except ConnectionError:
                return
        pytest.fail("it still holds its connection")


def test_a_body_that_comes_fast_enough_may_take_longer_than_a_header(
    hurried: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "BYTES_PER_SECOND", 1000)
    with running() as port, connect(port, b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 50000\r\n\r\n") as client:
        client.sendall(b"x" * 40_000)
        client.settimeout(3.0)  # three times HEADER_SECONDS
        with pytest.raises(TimeoutError):
            client.recv(1)
        client.settimeout(PATIENCE_SECONDS)
        client.sendall(b"x" * 10_000)
        assert client.recv(65536).startswith(b"HTTP/1.1 200")


def test_an_idle_connection_is_closed_and_a_busy_one_kept(hurried: None) -> None:
    with running() as port, closing(http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_SECONDS)) as client:
        for _ in range(3):
            client.request("GET", "/")
            assert client.getresponse().read() == b"0"
        assert client.sock is not None, "it was kept"
        assert ends(client.sock)


def test_readers_that_do_not_read_hold_no_thread_and_are_hung_up_on(hurried: None) -> None:
    with running() as port, ExitStack() as stack:
        lazy = [stack.enter_context(connect(port, REQUEST.replace(b" / ", b" /large "))) for _ in range(20)]
        assert ask(port) == (200, b"0")
        assert processes.wait_until(lambda: established(port) == 0, PATIENCE_SECONDS)
        assert all(map(ends, lazy))


def test_an_endless_response_that_nobody_reads_gives_its_thread_back(hurried: None) -> None:
    with running() as port, connect(port, REQUEST.replace(b" / ", b" /endless ")):
        assert ask(port) == (200, b"0")


def test_a_large_response_arrives_whole() -> None:
    with running() as port:
        assert ask(port, "/endless") == (200, b"x" * (ENDLESS * 1_000_000))


def established(port: int) -> int:
    """Connections of this process's server at the port."""
    found = psutil.Process().net_connections("tcp")
    return sum(one.laddr.port == port and one.status == psutil.CONN_ESTABLISHED for one in found if one.laddr)


def test_an_address_has_its_share_and_the_longest_waiting_makes_room() -> None:
    with running(connections_per_address=5) as port, ExitStack() as stack:
        waiting = [stack.enter_context(connect(port)) for _ in range(5)]
        other = stack.enter_context(connect(port, source_address=("127.0.0.2", 0)))
        for _ in range(5):
            assert ask(port) == (200, b"0")
        assert ends(waiting[0])
        other.sendall(REQUEST)
        assert other.recv(65536).startswith(b"HTTP/1.1 200"), "another address keeps its connection"


def test_at_the_limit_of_all_the_address_with_most_connections_makes_room() -> None:
    with running(connections=10) as port, ExitStack() as stack:
        honest = stack.enter_context(connect(port, source_address=("127.0.0.2", 0)))
        many = [stack.enter_context(connect(port)) for _ in range(9)]
        assert ask(port) == (200, b"0")
        assert ends(many[0])
        honest.sendall(REQUEST)
        assert honest.recv(65536).startswith(b"HTTP/1.1 200")


def test_what_all_connections_hold_in_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "HELD_BYTES", 10_000_000)
    with running() as port, ExitStack() as stack:
        lazy = [stack.enter_context(connect(port, REQUEST.replace(b" / ", b" /large "))) for _ in range(20)]
        assert processes.wait_until(lambda: established(port) <= 3, PATIENCE_SECONDS)
        assert ask(port) == (200, b"0")
        assert len(lazy) == 20


@pytest.mark.parametrize("expect", [b"", b"Expect: 100-continue\r\n"])
def test_a_body_that_is_too_large_is_refused_before_it_is_read(
    expect: bytes, hurried: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "LINGER_SECONDS", 1.0)
    head = b"POST / HTTP/1.1\r\nHost: a\r\n" + expect + b"Content-Length: 600000000\r\n\r\n"
    with running() as port, connect(port, head) as client:
        assert client.recv(65536).startswith(b"HTTP/1.1 413")
        assert ends(client)
        assert processes.wait_until(lambda: established(port) == 0, PATIENCE_SECONDS)


def test_who_sends_a_body_that_is_too_large_learns_why() -> None:
    with running() as port:
        assert ask(port, body=b"x" * 20_000_000)[0] == 413


def test_a_chunked_body_is_refused_where_it_becomes_too_large() -> None:
    head = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    with running() as port, connect(port, head) as client:
        for _ in range(64):
            client.sendall(b"10000\r\n" + b"x" * 65536 + b"\r\n")
        assert client.recv(65536).startswith(b"HTTP/1.1 413")
        assert ask(port) == (200, b"0")


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"Content-Length: " + b"9" * 5000, b"400"),
        (b"Content-Length: -1", b"400"),
        (b"Content-Length: 1\r\nContent-Length: 2", b"400"),
        (b"Transfer-Encoding: gzip", b"501"),
        (b"X: " + b"a" * 100_000, b"431"),
    ],
)
def test_a_wrong_header_is_an_answer_and_no_traceback(
    head: bytes, status: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    with running() as port, connect(port, b"POST / HTTP/1.1\r\nHost: a\r\n" + head + b"\r\n\r\n") as client:
        assert client.recv(65536).startswith(b"HTTP/1.1 " + status) or status == b"431"
        assert ask(port) == (200, b"0")
    assert not [record for record in caplog.records if record.exc_info]


def test_probes_answer_while_every_thread_is_busy() -> None:
    release, busy = threading.Event(), threading.Event()

    def slow(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        start_response("200 OK", [])
        if environ["PATH_INFO"] == "/slow":
            busy.set()
            release.wait(PATIENCE_SECONDS)
        return [b"well"]

    with running(slow) as port, connect(port, REQUEST.replace(b" / ", b" /slow ")) as client:
        assert busy.wait(PATIENCE_SECONDS)
        assert ask(port, "/health/live") == (200, b"well")
        assert ask(port, "/status") == (200, b"well")
        release.set()
        assert client.recv(65536).startswith(b"HTTP/1.1 200")


def test_what_is_being_answered_when_the_server_stops_is_answered() -> None:
    release, busy = threading.Event(), threading.Event()

    def slow(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        start_response("200 OK", [])
        busy.set()
        release.wait(PATIENCE_SECONDS)
        return [b"x" * LARGE]

    sock = serving.listen("127.0.0.1", 0)
    server = WebServer(slow, sock, threads=1, connections=10, connections_per_address=10)
    loop = threading.Thread(target=server.run)
    loop.start()
    with connect(int(sock.getsockname()[1]), REQUEST) as client:
        assert busy.wait(PATIENCE_SECONDS)
        server.stop()
        release.set()
        received = 0
        while part := client.recv(65536):
            received += len(part)
    loop.join(PATIENCE_SECONDS)
    assert received > LARGE


@pytest.fixture
def web() -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    """`manage.py web` as `up` and the image start it."""
    port = free_port()
    command = [sys.executable, "manage.py", "web", f"--port={port}"]
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "tracking.settings"}
    process = subprocess.Popen(command, cwd=PROJECT, env=environment)
    try:
        assert processes.wait_until(lambda: _answers(port), PATIENCE_SECONDS)
        yield port, process
    finally:
        process.kill()
        process.wait(PATIENCE_SECONDS)


def _answers(port: int) -> bool:
    try:
        return ask(port, "/health/live")[0] == 200
    except OSError:
        return False


def test_the_attacks_of_slow_peers_leave_the_real_server_open(web: tuple[int, subprocess.Popen[bytes]]) -> None:
    port, _ = web
    with ExitStack() as stack:
        for sent, number in ((b"GET / HTTP/1.1\r\nX: ", 16), (b"", 100), (HALF_BODY, 200)):
            for _ in range(number):
                stack.enter_context(connect(port, sent))
            assert [ask(port, "/api/")[0] for _ in range(5)] == [302] * 5


def test_a_dead_process_is_replaced_and_sigterm_ends_all(web: tuple[int, subprocess.Popen[bytes]]) -> None:
    port, process = web
    main = psutil.Process(process.pid)
    before = {child.pid for child in main.children()}
    assert len(before) == 2
    os.kill(min(before), signal.SIGKILL)
    assert processes.wait_until(
        lambda: len(now := {child.pid for child in main.children()}) == 2 and now != before, PATIENCE_SECONDS
    )
    family = main.children()
    assert processes.wait_until(lambda: _answers(port), PATIENCE_SECONDS)
    process.terminate()
    assert process.wait(PATIENCE_SECONDS) == 0
    assert not any(map(_lives, family))


def test_processes_whose_parent_was_killed_end(web: tuple[int, subprocess.Popen[bytes]]) -> None:
    _, process = web
    family = psutil.Process(process.pid).children()
    process.kill()
    assert processes.wait_until(lambda: not any(map(_lives, family)), PATIENCE_SECONDS)


def _lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
