"""The enabled feeds run side by side, follow the admin, and do not stop each other."""

import asyncio
import socket
import time

import pytest
from django.db import connections
from django_redis import get_redis_connection

from ingest.feeds import runner
from ingest.feeds.runner import FeedRunner
from ingest.health import keys
from ingest.health.reading import WatchedFeed, read
from ingest.health.recorder import recorder
from ingest.models import Feed
from resilience.queue.broker import StreamsBroker
from tests.faults.processes import free_port
from tests.support.messages import position
from tests.support.patience import PATIENCE_SECONDS

pytestmark = [pytest.mark.django_db(transaction=True)]


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(runner, "RECONCILE_SECONDS", 0.1)
    monkeypatch.setattr(runner, "RETRY_SECONDS", 0.1)
    get_redis_connection("queue").flushdb()
    yield
    get_redis_connection("queue").flushdb()


def waiting():
    return StreamsBroker().depths()["live"].waiting


async def until(condition):
    """Poll for as long as tests wait."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not await asyncio.to_thread(condition):
            await asyncio.sleep(0.05)


def send(port):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(position(), ("127.0.0.1", port))


def run(scenario):
    """Run the feeds while `scenario` plays."""

    async def both():
        stop = asyncio.Event()
        running = asyncio.create_task(FeedRunner().run(stop))
        try:
            await scenario()
        finally:
            stop.set()
            await asyncio.wait_for(running, PATIENCE_SECONDS)

    asyncio.run(both())


def test_enabled_feeds_are_accepted_and_disabled_ones_are_not():
    port = free_port(socket.SOCK_DGRAM)
    Feed.objects.create(name="Receiver", source="receiver", url=f"udp://127.0.0.1:{port}")
    Feed.objects.create(name="Off", source="off", url="sim://?ships=50", enabled=False)

    async def scenario():
        def heard():
            send(port)
            return waiting() >= 1

        await until(heard)

    run(scenario)


def test_a_feed_that_is_disabled_in_the_admin_stops_without_a_restart():
    port = free_port(socket.SOCK_DGRAM)

    Feed.objects.create(name="Receiver", source="receiver", url=f"udp://127.0.0.1:{port}")

    def disable():
        Feed.objects.update(enabled=False)
        connections.close_all()

    def bound():
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                return True
        return False

    async def scenario():
        await until(bound)
        await asyncio.to_thread(disable)
        await until(lambda: not bound())

    run(scenario)


def test_a_feed_of_the_table_does_not_reach_the_services_of_this_host_unless_they_are_listed(settings):
    settings.FEED_ALLOW_NETWORKS = []
    reached, port = [], free_port()
    Feed.objects.create(name="Inside", source="inside", url=f"tcp://127.0.0.1:{port}")

    async def scenario():
        async with await asyncio.start_server(lambda reader, writer: reached.append(1), "127.0.0.1", port):
            told = keys.facts("inside")
            await until(lambda: b"FEED_ALLOW_NETWORKS" in (get_redis_connection("queue").hget(told, "error") or b""))

    run(scenario)
    assert reached == []


def test_a_feed_that_cannot_run_says_so_and_stops_no_other(caplog):
    port = free_port(socket.SOCK_DGRAM)
    Feed.objects.create(name="Broken", source="broken", url="gopher://127.0.0.1:1")
    Feed.objects.create(name="Receiver", source="receiver", url=f"udp://127.0.0.1:{port}")

    async def scenario():
        def heard():
            send(port)
            return waiting() >= 1 and "unknown scheme 'gopher'" in caplog.text

        await until(heard)

    run(scenario)


def test_the_log_of_a_feed_holds_no_secret_of_its_address(caplog):
    caplog.set_level("DEBUG")
    secret = "hunter2marker"
    for name, url in {
        "polled": f"http://127.0.0.1:1/{{}}?token={secret}&api_key={secret}",
        "signed": f"http://reader:{secret}@127.0.0.1:1/data.json",
        "stream": f"aisstream://{secret}@127.0.0.1:1?tls=off",
        "wrong": f"gopher://reader:{secret}@127.0.0.1?key={secret}",
    }.items():
        Feed.objects.create(name=name, source=name, url=url)

    async def scenario():
        await until(lambda: all(caplog.text.count(f"feed {name}: ") for name in ("polled", "stream", "wrong")))

    run(scenario)
    assert secret not in caplog.text


def test_a_file_feed_outside_its_directory_is_refused(tmp_path, settings, caplog):
    settings.FEED_FILES_DIR = tmp_path / "recordings"
    (tmp_path / "recordings").mkdir()
    (tmp_path / "secret").write_bytes(position() + b"\n")
    Feed.objects.create(name="Outside", source="outside", url=f"file://{tmp_path}/recordings/../secret")

    async def scenario():
        await until(lambda: "file feeds lie below" in caplog.text)

    run(scenario)
    assert StreamsBroker().depths()["replay"].waiting == 0


def test_a_feed_that_is_added_in_the_admin_starts_without_a_restart():
    port = free_port(socket.SOCK_DGRAM)

    def add():
        Feed.objects.create(name="Receiver", source="receiver", url=f"udp://127.0.0.1:{port}")
        connections.close_all()

    async def scenario():
        await asyncio.sleep(0.3)
        await asyncio.to_thread(add)

        def heard():
            send(port)
            return waiting() >= 1

        await until(heard)

    run(scenario)


def test_a_running_feed_is_told_of_and_a_silent_one_is_announced(settings, caplog):
    settings.FEED_SILENT_SECONDS = 0
    Feed.objects.create(name="Receiver", source="receiver", url=f"udp://127.0.0.1:{free_port(socket.SOCK_DGRAM)}")

    async def scenario():
        await until(lambda: "feed receiver is silent: no message for" in caplog.text)
        assert await asyncio.to_thread(state, "receiver") == "silent"

    run(scenario)
    assert caplog.text.count("feed receiver is silent") == 1


def test_what_a_feed_brings_is_counted_and_disabling_it_ends_its_alert(settings, caplog):
    port = free_port(socket.SOCK_DGRAM)
    caplog.set_level("INFO")
    Feed.objects.create(name="Receiver", source="receiver", url=f"udp://127.0.0.1:{port}")

    def counted():
        send(port)
        recorder.flush()
        return health("receiver").recent.messages >= 1

    def disable():
        Feed.objects.update(enabled=False)
        connections.close_all()

    async def scenario():
        await until(counted)
        settings.FEED_SILENT_SECONDS = 0
        await until(lambda: "feed receiver is silent" in caplog.text)
        await asyncio.to_thread(disable)
        await until(lambda: "feed receiver is off: disabled" in caplog.text)

    run(scenario)


def test_a_feed_that_receivers_push_to_is_looked_after_without_a_collector(caplog):
    Feed.objects.create(name="Push", source="push", url="push://")

    async def scenario():
        await until(lambda: state("push") == "ok")

    run(scenario)
    assert "beginning again" not in caplog.text


def health(label):
    return read([WatchedFeed(label, True, None)], time.time_ns() // 1_000_000)[label]


def state(label):
    return health(label).verdict.state
