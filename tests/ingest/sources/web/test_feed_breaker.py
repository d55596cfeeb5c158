"""The circuit breaker of a polled feed: when it opens, that nothing is requested then, and who sees and forgets it."""

import asyncio
import http.server
import itertools
import threading
import time
import uuid
from collections.abc import Iterator

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import connections
from django.test import Client
from django_redis import get_redis_connection

from ingest.feeds import runner
from ingest.feeds.runner import FeedRunner
from ingest.models import Feed
from ingest.sources import open_source
from ingest.sources.common.contract import SourceError
from ingest.sources.web.http import HttpSource, feed_breaker
from resilience.breaker.registry import (
    Breaker,
    BreakerConfig,
    MemoryStore,
    Phase,
    RedisStore,
    all_snapshots,
    get_breaker,
)
from resilience.breaker.state import BreakerState
from tests.support.letters import forget_breakers
from tests.support.patience import PATIENCE_SECONDS
from tests.support.web import GOOD, FakeClock, answer, only_one_loopback_address, serving, take


@pytest.fixture(autouse=True)
def as_new(settings) -> Iterator[None]:
    only_one_loopback_address(settings)
    forget_breakers()
    yield
    forget_breakers()


def state(label: str) -> BreakerState:
    return feed_breaker(label).snapshot().state


def ask_once(label: str, *script: bytes) -> int:
    """One request of a run by hand, if the breaker lets it; how many requests the server saw."""

    async def run() -> int:
        async with serving(*script) as server:
            try:
                await take(open_source(server.url, once=True, label=label))
            except SourceError as error:
                ask_once.refusal = str(error)
            return len(server.asked)

    return asyncio.run(run())


# --- when it opens and what that means --------------------------------------------------------------------------------


def test_after_five_failures_nothing_is_requested_until_the_breaker_lets_a_probe_through():
    async def run():
        clock = FakeClock()
        config = BreakerConfig(reset_seconds=5000)
        guard = Breaker("feed:pier", MemoryStore(), config, clock.wall, is_failure=lambda error: True)
        asked_at = []

        async def failing(request, writer):
            asked_at.append(clock.now)
            writer.write(answer(503) if len(asked_at) <= 5 else GOOD)

        async with serving(failing) as server:
            documents = await take(HttpSource(server.url, clock=clock, breaker=guard))
        return documents, asked_at, guard.snapshot().state

    documents, asked_at, after = asyncio.run(run())
    gaps = [later - earlier for earlier, later in itertools.pairwise(asked_at)]
    assert documents == [b'{"now":1}\n'] and len(asked_at) == 6
    assert max(gaps[:4]) < 100 and 4999.9 <= gaps[4] < 5100
    assert (after.phase, after.opened_total, after.successes) == (Phase.HALF_OPEN, 1, 1)


def test_the_back_off_alone_decides_when_the_breaker_would_let_it_through_sooner():
    """Five polite waits are longer than the reset of 30 s: the two never take turns."""

    async def run():
        clock = FakeClock()
        async with serving(*[answer(503)] * 12, GOOD) as server:
            source = HttpSource(server.url, clock=clock)
            await take(source)
            return clock.slept, source._breaker.snapshot().state

    slept, after = asyncio.run(run())
    assert len(slept) == 12 and all(120 <= seconds <= 600 for seconds in slept[6:])
    assert (after.rejected_total, after.failed_total) == (0, 12)


@pytest.mark.parametrize("reply", [answer(429), answer(500), answer(404), answer(401), b"SSH-2.0\r\n", b""])
def test_whatever_is_no_document_speaks_against_the_feed(reply):
    assert ask_once("pier", reply) == 1
    assert (state("pier").failures, state("pier").failed_total) == (1, 1)


@pytest.mark.parametrize("reply", [GOOD, answer(204), answer(304)])
def test_an_answer_speaks_for_it(reply):
    ask_once("pier", answer(500))
    ask_once("pier", reply)
    assert (state("pier").failures, state("pier").succeeded_total) == (0, 1)


def test_what_one_process_has_learnt_keeps_the_others_from_asking():
    for _ in range(5):
        assert ask_once("pier", answer(500)) == 1
    assert ask_once("pier", GOOD) == 0
    assert "circuit feed:pier is open, retry in" in ask_once.refusal
    assert ask_once("other", GOOD) == 1


def test_a_feed_that_is_tripped_by_hand_is_not_asked_until_it_is_reset(caplog):
    async def run():
        clock = FakeClock()
        async with serving(GOOD) as server:
            source = HttpSource(server.url, clock=clock, breaker=feed_breaker("pier"))
            reading = asyncio.create_task(take(source))
            async with asyncio.timeout(PATIENCE_SECONDS):
                while len(clock.slept) < 5:
                    await asyncio.sleep(0.01)
            asked, status = len(server.asked), source.status
            assert (status.state, "feed:pier is open" in status.last_error) == ("failing", True)
            await asyncio.to_thread(get_breaker("feed:pier").reset, "ada", "test")
            return asked, await reading, clock.slept, source.status

    get_breaker("feed:pier").trip("ada", "test")
    asked, documents, slept, status = asyncio.run(run())
    assert (asked, documents, status.state, status.last_error) == (0, [b'{"now":1}\n'], "ok", "")
    assert min(slept[:5]) >= 1.0
    assert caplog.text.count("not asked") == 1


def test_the_loop_never_waits_for_the_breakers_redis():
    loop_thread, asked_in = threading.get_ident(), set()

    class Watched(MemoryStore):
        def apply(self, *args, **options):
            asked_in.add(threading.get_ident())
            return super().apply(*args, **options)

    async def run():
        async with serving(answer(500), GOOD) as server:
            await take(HttpSource(server.url, clock=FakeClock(), breaker=Breaker("thing", Watched())))

    asyncio.run(run())
    assert asked_in and loop_thread not in asked_in


def test_a_request_that_is_cancelled_gives_the_probe_back():
    async def silent(request, writer):
        await asyncio.sleep(600)

    async def run():
        guard = Breaker("thing", MemoryStore(), BreakerConfig(reset_seconds=0), is_failure=lambda error: True)
        for _ in range(5):
            with pytest.raises(OSError, match="no"):
                async with guard.aguard():
                    raise OSError("no")
        async with serving(silent) as server:
            reading = asyncio.create_task(take(HttpSource(server.url, breaker=guard)))
            async with asyncio.timeout(PATIENCE_SECONDS):
                while not server.asked:
                    await asyncio.sleep(0.01)
            held = guard.snapshot().state.probe
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
            return held, guard.snapshot().state

    held, after = asyncio.run(run())
    assert held and (after.phase, after.probe, after.failed_total) == (Phase.HALF_OPEN, "", 5)


# --- who has one, sees it and forgets it ------------------------------------------------------------------------------


def add_feed(url: str) -> None:
    Feed.objects.create(name="Pier", source="pier", url=url)
    connections.close_all()


@pytest.mark.django_db(transaction=True)
def test_a_feed_of_the_admin_has_the_breaker_of_its_label(monkeypatch):
    monkeypatch.setattr(runner, "RECONCILE_SECONDS", 0.1)

    async def run():
        stop = asyncio.Event()
        async with serving(answer(500)) as server:
            await asyncio.to_thread(add_feed, server.url)
            running = asyncio.create_task(FeedRunner().run(stop))
            try:
                async with asyncio.timeout(PATIENCE_SECONDS):
                    while not (await asyncio.to_thread(state, "pier")).failed_total:
                        await asyncio.sleep(0.05)
            finally:
                stop.set()
                await asyncio.wait_for(running, PATIENCE_SECONDS)

    asyncio.run(run())


class Document(http.server.BaseHTTPRequestHandler):
    """A receiver with one aircraft."""

    def do_GET(self) -> None:
        body = b'{"now":%d,"aircraft":[{"hex":"4ca7b5","lat":52.0,"lon":4.0,"seen_pos":1}]}' % time.time()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        """Tests are quiet."""


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("label", "name"), [(["--label", "pier/north"], "pier-north"), ([], "http-127.0.0.1-{port}")])
def test_a_run_by_hand_has_one_under_its_label(label, name):
    server = http.server.HTTPServer(("127.0.0.1", 0), Document)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        url = f"http://127.0.0.1:{server.server_port}/data/aircraft.json"
        call_command("ingest", url, "--once", "--no-wait", "--json", *label)
        used = {snapshot.name: snapshot.state.succeeded_total for snapshot in all_snapshots()}
    finally:
        server.shutdown()
        server.server_close()
        get_redis_connection("queue").flushdb()
    assert used["feed:" + name.format(port=server.server_port)] == 1


@pytest.mark.django_db
def test_the_admin_lists_it_with_its_purpose_and_opens_its_page():
    ask_once("pier/north no. 1", answer(500))
    client = Client()
    client.force_login(User.objects.create_superuser("ada"))
    shown = {breaker.name: breaker for breaker in client.get("/admin/resilience/switchboard/").context["breakers"]}
    assert shown["feed:pier-north-no.-1"].purpose == "Requests of the polled feed pier-north-no.-1"
    assert shown["live"].purpose and shown["database"].purpose
    page = client.get("/admin/resilience/switchboard/feed:pier-north-no.-1/")
    assert page.status_code == 200 and b"polled feed" in page.content


def test_a_state_that_nobody_changes_any_more_is_forgotten_and_a_tripped_one_is_not():
    queue, prefix = get_redis_connection("queue"), f"test:{uuid.uuid4().hex}:{{breaker}}"
    store = RedisStore(queue, prefix)
    config = BreakerConfig(keep_seconds=600.0)
    try:
        for name in ("used", "tripped"):
            with Breaker(name, store, config).guard():
                pass
        Breaker("kept", store).reset("ada", "test")
        Breaker("tripped", store, config).trip("ada", "test")
        assert store.names() == ["kept", "tripped", "used"]
        for key in queue.scan_iter(f"{prefix}:*"):
            if (left := queue.pttl(key)) >= 0:  # -1: it does not expire
                assert 0 < left <= 600_000
                queue.pexpire(key, 0)  # as if they had passed
        assert store.names() == ["kept", "tripped"]
        assert store.load("tripped")[0].phase is Phase.FORCED_OPEN and store.history("tripped")
        assert queue.smembers(f"{prefix}:names") == {b"kept", b"tripped"}
    finally:
        for key in queue.scan_iter(f"{prefix}*"):
            queue.delete(key)


def test_breakers_of_feeds_expire_and_those_of_servers_do_not(settings):
    settings.LIVE_BREAKER_RESET_SECONDS, settings.BREAKER_RESET_SECONDS = 3.5, 40.0
    found = {name: get_breaker(name).config for name in ("database", "live", "feed:pier")}
    assert {name: config.reset_seconds for name, config in found.items()} == {
        "database": 40.0,
        "live": 3.5,
        "feed:pier": 40.0,
    }
    assert {name for name, config in found.items() if config.keep_seconds} == {"feed:pier"}
