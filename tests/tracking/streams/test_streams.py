"""Live changes as Server-Sent Events by the real server: what comes, what slow and late clients are told, who may."""

import asyncio
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.test import Client
from redis import ConnectionError as RedisConnectionError
from redis import Redis

from tests.faults.processes import free_port, wait_until
from tests.support.patience import PATIENCE_SECONDS
from tests.tracking.streams.listener import Listener, serving
from tracking.live.mirror import Mirror, Told
from tracking.live.state import LiveKind, LiveState, LiveUpdate
from tracking.streams import hub as hubs
from tracking.streams import server as servers
from tracking.streams.hub import Hub
from tracking.streams.places import Full, Places, places

PROJECT = Path(__file__).resolve().parents[3]
NORTH_SEA = "0,50,10,60"
SHIPS = 3000


def ship(key: str = "244660123", lat: float = 52.0, lon: float = 4.0, **fields: Any) -> None:
    LiveState(LiveKind.VESSEL).write([LiveUpdate(key, time.time(), lat, lon, fields)])


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Hub:
    """One of the test's own, in place of the process's."""
    made = Hub(Mirror(hubs.LOOK_SECONDS / 2), "changes", "Live state is", hubs.CHANGES_SECONDS)
    monkeypatch.setattr(hubs, "changes", made)
    return made


@pytest.fixture
def port(settings: Any, live_redis: Redis, hub: Hub) -> Iterator[int]:
    """Of a server in a thread, for everybody."""
    settings.LIVE_PUBLIC = True
    with serving() as port:
        yield port


def test_a_stream_begins_with_the_box_and_goes_on_with_what_changes_in_it(port: int) -> None:
    ship(speed=12.3)
    ship("244660124", lat=40.0)
    with closing(Listener(port)) as listener:
        assert listener.response.getheader("Content-Type") == "text/event-stream"
        assert listener.response.getheader("Cache-Control") == "no-store"
        first = listener.changes()
        assert (first["reset"], first["vessel"]["id"], first["vessel"]["speed"]) == (True, ["244660123"], [123])
        ship("244660125")
        second = listener.changes()
        assert (second["reset"], second["vessel"]["id"], second["missed"]) == (False, ["244660125"], 0)


def test_kinds_are_chosen_as_for_changes(port: int) -> None:
    ship()
    with closing(Listener(port, f"bbox={NORTH_SEA}&kinds=aircraft")) as listener:
        assert "vessel" not in listener.changes()


def test_a_stream_goes_on_from_the_last_event_id_and_says_what_was_replaced(port: int) -> None:
    ship()
    with closing(Listener(port)) as listener:
        last = listener.changes()["event_id"]
    with closing(Listener(port)):  # so that the log is followed meanwhile
        for turn in range(3):
            ship(lat=52.1 + turn / 10)
            time.sleep(0.01)
        ship("244660126")
        with closing(Listener(port, **{"Last-Event-ID": last})) as listener:
            told = [listener.changes()]
            while sum(len(one["vessel"]["id"]) for one in told) < 2:
                told.append(listener.changes())
    assert not any(one["reset"] for one in told)
    assert {key for one in told for key in one["vessel"]["id"]} == {"244660123", "244660126"}
    reports = sum(one["missed"] + len(one["vessel"]["id"]) for one in told)
    assert reports == 4, "each report is told, or counted as replaced"


@pytest.mark.parametrize("last", ["soon", "1-2-3", "9" * 60])
def test_a_last_event_id_that_is_none_is_refused_in_json(port: int, last: str) -> None:
    with closing(Listener(port, **{"Last-Event-ID": last})) as listener:
        assert listener.response.status == 400
        assert "since" in json.loads(listener.response.read())


def test_a_slow_client_holds_up_nobody_and_gets_the_latest_of_every_target(port: int) -> None:
    state = LiveState(LiveKind.VESSEL)

    def move(turn: int) -> None:
        state.write([LiveUpdate(str(200_000_000 + n), time.time(), 51 + turn / 100, n / 400, {}) for n in range(SHIPS)])

    move(0)
    with closing(Listener(port, buffer=4096)) as slow, closing(Listener(port)) as quick:
        for turn in range(1, 13):
            move(turn)
            until = time.monotonic() + PATIENCE_SECONDS
            places_told: set[str] = set()
            while len(places_told) < SHIPS and time.monotonic() < until:
                places_told |= set(quick.changes()["vessel"]["id"])
            assert len(places_told) == SHIPS, "the quick one is told of every turn"
        told, missed = [], 0
        while not told or sum(told[-1]["vessel"]["lat"][:1]) != 51_120_00:
            told.append(slow.changes())
            missed += told[-1]["missed"]
        assert len(told) < 13, "events of many turns came as one"
        assert missed >= SHIPS


def test_places_are_bounded_in_all_and_for_each_address(port: int, settings: Any) -> None:
    settings.STREAM_CLIENTS, settings.STREAM_CLIENTS_PER_ADDRESS = 3, 2
    wait_until(lambda: len(places) == 0, PATIENCE_SECONDS, "all places are free")
    with closing(Listener(port)), closing(Listener(port)), closing(Listener(port)) as third:
        assert third.response.status == 503
        assert third.response.getheader("Retry-After")
        assert "of one address" in json.loads(third.response.read())["detail"]
    wait_until(lambda: len(places) == 0, PATIENCE_SECONDS, "who hangs up leaves a place")


def test_a_place_that_was_never_used_is_free_again_after_a_while() -> None:
    now = [0.0]
    some = Places(lambda: now[0])
    some.take("a", 1, 0)
    with pytest.raises(Full, match="All 1 places"):
        some.take("b", 1, 0)
    now[0] = 31.0
    some.take("b", 1, 0).begun = True
    now[0] = 90.0
    with pytest.raises(Full):
        some.take("c", 1, 0)


def test_without_live_state_a_stream_is_refused_and_an_open_one_says_so_and_goes_on(
    port: int, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    ship()
    refresh, away = hub.source.refresh, [False]

    def failing() -> int:
        if away[0]:
            raise RedisConnectionError("nobody there")
        return refresh()

    monkeypatch.setattr(hub.source, "refresh", failing)
    with closing(Listener(port)) as listener:
        listener.changes()
        away[0] = True
        assert listener.event()["event"] == "away"
        with closing(Listener(port)) as late:
            assert (late.response.status, late.response.getheader("Retry-After")) == (503, "5")
        away[0] = False
        ship("244660127")
        assert listener.changes()["vessel"]["id"] == ["244660127"]


def test_a_heartbeat_comes_where_nothing_changes(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hubs, "HEARTBEAT_SECONDS", 0.0)
    with closing(Listener(port)) as listener:
        listener.changes()
        assert listener.response.readline() == b":\n"


def test_a_stream_ends_after_its_time_so_that_a_revoked_key_reads_no_further(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hubs, "STREAM_SECONDS", 0.0)
    with closing(Listener(port)) as listener:
        assert listener.response.read() == hubs.BEGIN


@pytest.mark.django_db
def test_who_may_not_read_live_state_gets_no_stream(port: int, settings: Any) -> None:
    settings.LIVE_PUBLIC = False
    with closing(Listener(port)) as listener:
        assert (listener.response.status, listener.response.getheader("WWW-Authenticate")) == (401, "Token")


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/admin/", None, 404),
        ("GET", "/api/stream", None, 404),
        ("GET", "/health/live", None, 200),
        ("POST", "/api/stream/", "x" * 100, 413),
        ("HEAD", "/api/stream/", None, 405),
        ("GET", "/api/stream/?bbox=1", None, 400),
        ("GET", "/api/stream/?near=1", None, 400),
    ],
)
def test_the_server_of_streams_serves_nothing_else(
    port: int, method: str, path: str, body: str | None, status: int
) -> None:
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_SECONDS)
    client.request(method, path, body)
    assert client.getresponse().status == status
    client.close()


def test_a_connection_that_asks_for_nothing_is_closed(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(servers, "HEADER_SECONDS", 0.05)
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_SECONDS) as client:
        client.sendall(b"GET /api/st")
        assert client.recv(100) == b""


def test_the_web_server_shows_the_way_to_streams(settings: Any, live_redis: Redis) -> None:
    settings.LIVE_PUBLIC, settings.STREAM_PORT = True, 8001
    response = Client().get("/api/stream/?bbox=0,50,10,60", headers={"host": "localhost:8000"})
    assert (response.status_code, response["Location"]) == (307, "http://localhost:8001/api/stream/?bbox=0,50,10,60")
    assert Client().get("/api/stream/?bbox=1").status_code == 400
    settings.STREAM_PORT = 0
    assert Client().get("/api/stream/").status_code == 404


def test_the_command_serves_until_it_is_told_to_stop(live_redis: Redis) -> None:
    port = free_port()
    command = [sys.executable, "manage.py", "stream", f"--port={port}"]
    process = subprocess.Popen(command, cwd=PROJECT, env={**os.environ, "LIVE_PUBLIC": "true"})
    try:
        wait_until(lambda: _answers(port), PATIENCE_SECONDS, "the command serves")
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_SECONDS) == 0
    finally:
        process.kill()
        process.wait()


def _answers(port: int) -> bool:
    try:
        client = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_SECONDS)
        client.request("GET", "/health/live")
        return client.getresponse().status == 200
    except OSError:
        return False


def test_the_command_says_where_it_cannot_listen() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(CommandError, match="Cannot listen"):
            call_command("stream", port=taken.getsockname()[1])


class OneNumber:
    """A source whose latest number the test sets; it counts how often streams ask."""

    def __init__(self) -> None:
        self.latest = 1
        self.asked = 0

    def refresh(self) -> int:
        return self.latest

    def told(self, since: str | None) -> Told:
        self.asked += 1
        return Told(str(self.latest), b"{}" if since != str(self.latest) else None)


def test_streams_are_told_when_there_is_news_and_left_alone_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hubs, "NOTHING_SECONDS", PATIENCE_SECONDS)
    source = OneNumber()
    made = Hub(source, "changes", "Live state is", 0.0)

    async def follow() -> None:
        stream = made.stream((), None, places.take("test", 1, 1))
        assert await anext(stream) == hubs.BEGIN
        assert b"id: 1" in await anext(stream)
        following = asyncio.ensure_future(anext(stream))
        await asyncio.sleep(10 * hubs.LOOK_SECONDS)
        assert source.asked <= 2, "once at the start, once when the hub found the first number"
        source.latest = 2
        assert b"id: 2" in await asyncio.wait_for(following, PATIENCE_SECONDS / 2)
        made.close()
        await stream.aclose()

    asyncio.run(follow())
