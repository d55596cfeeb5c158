"""While the queue's Redis refuses, batches are accepted on this host's disk, and every one of them is booked once."""

import asyncio
import contextlib
import io
import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
import redis
from django.conf import settings as configured
from django.core.management import CommandError, call_command
from django.db import connection, connections
from django.db.models import Q
from django.test import Client
from django_q.conf import Conf
from django_q.signing import SignedPackage
from django_redis import get_redis_connection

from ingest import tasks
from ingest.acceptance import queue as acceptance
from ingest.acceptance.contract import Interrupted, ResumePoint
from ingest.acceptance.queue import QueueAcceptance
from ingest.feeds import runner as feeds
from ingest.ledger.accounts import account, violations
from ingest.models import Batch, Feed
from ingest.push import receivers
from resilience import patience
from resilience.queue.streams import Streams
from resilience.spool import drain
from resilience.spool.spool import SpoolFull, get_spool
from tests.faults.processes import free_port
from tests.support.messages import batch, position
from tests.support.patience import PATIENCE_SECONDS
from tracking import embedded
from tracking.models import VesselPosition

pytestmark = [
    pytest.mark.django_db(transaction=True, databases=["default", "direct"]),
    pytest.mark.fault,
]
fault = pytest.mark.fault

ROOT = Path(__file__).resolve().parents[3]
KEY = "correct-horse-battery-staple"
NOWHERE = "redis://127.0.0.1:1/0"


@pytest.fixture(autouse=True)
def spool(tmp_path, settings):
    """An empty spool of this test's own."""
    settings.SPOOL_DIR = tmp_path / "spool"
    receivers._known.forget()
    yield get_spool()
    drain.stop()


@pytest.fixture
def queue():
    """The queue's Redis, empty; it runs again when the test is over."""
    client = get_redis_connection("queue")
    client.flushdb()
    yield client
    embedded.start(configured.DATA_DIR, ["queue"])
    client.flushdb()


@pytest.fixture
def children():
    """Processes that a test started, with all they forked; killed when it is over."""
    started = []
    yield started
    for child in started:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.communicate(timeout=PATIENCE_SECONDS)


def stop_queue():
    embedded.stop(configured.DATA_DIR, ["queue"])


def start_queue():
    embedded.start(configured.DATA_DIR, ["queue"])


def until(condition, what):
    """Poll until it is true, for as long as PATIENCE_SECONDS."""
    end = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.05)


def started(target):
    """A running thread; it leaves no connection to the test database behind."""

    def run():
        try:
            target()
        finally:
            connections.close_all()

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def key(stream):
    return Streams(get_redis_connection("queue"), Conf.CLUSTER_NAME).key(stream)


def length(stream):
    try:
        return get_redis_connection("queue").xlen(key(stream))
    except redis.RedisError:
        return -1


def work(stream):
    """Run every task of a stream once, as a worker would; how many."""
    client = get_redis_connection("queue")
    found = [fields[b"t"].decode() for _, fields in client.xrange(key(stream))]
    client.delete(key(stream))
    for payload in found:
        tasks.process_batch(*SignedPackage.loads(payload)["args"])
    return len(found)


def accept(*batches):
    for parcel in batches:
        QueueAcceptance(threading.Event()).accept(parcel)


def parcels(count, **fields):
    return [batch([position(mmsi=211000000 + number)], **fields) for number in range(count)]


# --- collectors -------------------------------------------------------------------------------------------------------
@fault
def test_what_is_accepted_while_redis_is_down_is_booked_once_and_in_order(queue, spool):
    before, during, after = (parcels(3, recorded=False) for _ in range(3))
    accept(*before)
    stop_queue()
    accept(*during)
    assert spool.depth().entries == 3
    start_queue()
    accept(*after)
    until(spool.is_empty, "the spool is drained")
    until(lambda: length("live") == 9, "all are on the queue")
    assert work("live") == 9
    ids = list(Batch.objects.order_by("booked_at").values_list("id", flat=True))
    assert ids == [parcel.id for parcel in [*before, *during, *after]]
    assert violations(account(Q())) == []


@fault
def test_a_full_redis_is_passed_by_and_drained_into_later(queue, spool):
    limit = queue.config_get("maxmemory")["maxmemory"]
    queue.config_set("maxmemory", "1")
    try:
        accept(*parcels(3, recorded=False))
        assert (spool.depth().entries, length("live")) == (3, 0)
    finally:
        queue.config_set("maxmemory", limit)
    until(lambda: length("live") == 3, "all are on the queue")
    until(spool.is_empty, "the spool is drained")
    assert (work("live"), account(Q()).messages) == (3, 3)


def test_new_batches_wait_behind_those_in_the_spool(queue, spool, monkeypatch):
    monkeypatch.setattr(drain, "wake", lambda: None)
    spool.append("live", ["older"], {})
    accept(*parcels(2, recorded=False))
    assert (spool.depth().entries, length("live")) == (3, 0)


def test_an_add_that_took_effect_before_it_timed_out_is_booked_once(queue, spool, monkeypatch):
    add = drain.add

    def late(*args):
        add(*args)
        monkeypatch.setattr(drain, "add", add)
        raise redis.TimeoutError("no answer")

    monkeypatch.setattr(drain, "add", late)
    accept(*parcels(1))
    until(lambda: length("replay") == 2, "it is there twice")
    assert (work("replay"), account(Q()).messages, VesselPosition.objects.count()) == (2, 1, 1)


@fault
def test_a_full_spool_holds_the_source_up_until_it_is_stopped(queue, settings, monkeypatch, caplog):
    monkeypatch.setattr(patience, "PAUSES_SECONDS", (0.01,))
    settings.SPOOL_MAX_BYTES = 10
    stop_queue()
    stop = threading.Event()
    ended = []

    def run():
        with pytest.raises(Interrupted):
            QueueAcceptance(stop).accept(batch([position()]))
        ended.append(True)

    accepting = started(run)
    until(lambda: "neither queue nor spool takes batches" in caplog.text, "it says that it waits")
    assert accepting.is_alive()
    stop.set()
    accepting.join(PATIENCE_SECONDS)
    assert ended == [True]
    with pytest.raises(SpoolFull):
        acceptance.enqueue(batch([position()]))


def test_a_spool_that_cannot_be_used_stops_nobody_while_the_queue_answers(queue, settings, tmp_path):
    (tmp_path / "file").touch()
    settings.SPOOL_DIR = tmp_path / "file" / "spool"
    accept(*parcels(2))
    assert length("replay") == 2


@fault
def test_the_place_in_a_recording_waits_with_its_batch_and_is_found_wherever_it_is(queue, spool, monkeypatch):
    monkeypatch.setattr(patience, "PAUSES_SECONDS", (0.05,))
    accept(batch([position()], origin="/a", offset=1, index=1, accepted_at=1000))
    stop_queue()
    accept(batch([position()], origin="/a", offset=2, index=2, accepted_at=2000))
    found, stop = [], threading.Event()
    asking = started(lambda: found.append(QueueAcceptance(stop).resume_point("test", "/a")))
    asking.join(0.3)
    assert asking.is_alive()  # the queue may know a newer place
    start_queue()
    asking.join(PATIENCE_SECONDS)
    until(spool.is_empty, "the spool is drained")
    assert found == [ResumePoint(2, 2, 2000, "nmea")] == [QueueAcceptance(stop).resume_point("test", "/a")]


@fault
def test_asking_for_the_place_can_be_stopped(queue, monkeypatch):
    monkeypatch.setattr(patience, "PAUSES_SECONDS", (0.01,))
    stop_queue()
    stop = threading.Event()
    threading.Timer(0.1, stop.set).start()
    with pytest.raises(Interrupted):
        QueueAcceptance(stop).resume_point("test", "/a")


def manage(*args, **environment):
    """`manage.py` or another program of the project in a session of its own, on the tests' database."""
    settings = connection.settings_dict
    url = f"postgres://{settings['USER']}@:{settings['PORT']}/{settings['HOST'].replace('/', '%2F')}/{settings['NAME']}"
    environment = {"DATABASE_URL": url} | environment
    environment |= {"DJANGO_SETTINGS_MODULE": "tests.settings", "SPOOL_DIR": str(get_spool().directory)}
    return subprocess.Popen(
        [sys.executable, *args],
        cwd=ROOT,
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


@fault
def test_a_collector_killed_while_redis_is_down_neither_skips_nor_repeats(queue, spool, children, tmp_path):
    log = tmp_path / "log.nmea"
    lines = [position(mmsi=211000000 + number % 1000, lat=number / 1000) for number in range(10_000)]
    log.write_bytes(b"\n".join(lines) + b"\n")
    begin = ("manage.py", "ingest", str(log), "--label", "log", "--start", "2026-01-01T00:00:00Z", "--no-wait")
    # Ten batches of 15 kB: full after six, so that it cannot be done before it is killed.
    collector = manage(*begin, QUEUE_REDIS_URL=NOWHERE, SPOOL_MAX_BYTES="100000")
    children.append(collector)
    until(lambda: spool.depth().entries >= 3, "it spools")
    os.killpg(collector.pid, signal.SIGKILL)
    assert collector.wait(PATIENCE_SECONDS) == -signal.SIGKILL
    held = spool.depth().entries
    assert 3 <= held <= 6

    out = io.StringIO()
    call_command("ingest", *begin[2:], "--resume", "--json", stdout=out, stderr=io.StringIO())
    until(spool.is_empty, "the spool is drained")
    said = json.loads(out.getvalue().splitlines()[-1])
    assert work("replay") == 10
    assert said["messages"] == 10_000 - 1000 * held
    booked = account(Q())
    assert (booked.messages, booked.stored, booked.duplicate) == (10_000, 10_000, 0)
    assert violations(booked) == []


def test_running_feeds_drain_what_another_process_left(queue, spool, monkeypatch):
    monkeypatch.setattr(feeds, "RECONCILE_SECONDS", 0.1)

    async def scenario():
        stop = asyncio.Event()
        running = asyncio.create_task(feeds.FeedRunner().run(stop))
        await asyncio.sleep(0.3)  # it has looked, and found nothing
        await asyncio.to_thread(spool.append, "live", acceptance._packages(parcels(2, recorded=False), "live"), {})
        await asyncio.to_thread(until, lambda: length("live") == 2, "both are on the queue")
        stop.set()
        await asyncio.wait_for(running, PATIENCE_SECONDS)

    asyncio.run(scenario())
    assert (work("live"), account(Q()).messages) == (2, 2)


def heard(child, text):
    """Read what it writes to standard error until it says `text`; it is killed if it takes too long."""
    clock = threading.Timer(PATIENCE_SECONDS, child.kill)
    clock.start()
    try:
        assert any(text in line for line in child.stderr), f"it never said {text!r}"
    finally:
        clock.cancel()


# --- the command ------------------------------------------------------------------------------------------------------
def recording(tmp_path):
    path = tmp_path / "short.nmea"
    path.write_bytes(b"\n".join(position(mmsi=211000000 + number) for number in range(30)) + b"\n")
    return "manage.py", "ingest", str(path), "--start", "2026-01-01T00:00:00Z"


def test_without_waiting_the_command_tells_what_waits_on_disk(queue, spool, tmp_path, children):
    child = manage(*recording(tmp_path), "--no-wait", "--json", QUEUE_REDIS_URL=NOWHERE)
    children.append(child)
    out, errors = child.communicate(timeout=PATIENCE_SECONDS)
    assert (child.returncode, json.loads(out)["waiting"]) == (0, 30)
    assert f"1 batches wait on disk in {spool.directory}" in errors
    assert "Traceback" not in errors


@fault
def test_the_command_drains_while_it_waits_for_the_booking(queue, spool, tmp_path):
    out = io.StringIO()
    stop_queue()
    running = started(lambda: call_command(*recording(tmp_path)[1:], stdout=out, stderr=io.StringIO()))
    until(lambda: spool.depth().entries == 1, "it is spooled")
    start_queue()
    until(lambda: length("replay") == 1, "it is on the queue")
    assert running.is_alive()
    work("replay")
    running.join(PATIENCE_SECONDS)
    assert not running.is_alive()
    assert "per second" in out.getvalue()
    assert account(Q()).messages == 30


@pytest.mark.parametrize("how", ["--no-wait", "SIGINT"])
def test_a_database_that_is_away_is_no_traceback_and_no_success(queue, tmp_path, children, how):
    more = [how] if how == "--no-wait" else []
    child = manage(*recording(tmp_path), *more, DATABASE_URL="postgres://nobody@127.0.0.1:1/nothing")
    children.append(child)
    if how == "SIGINT":
        heard(child, "the database is away, waiting for it")
        child.send_signal(signal.SIGINT)
    _, errors = child.communicate(timeout=PATIENCE_SECONDS)
    assert child.returncode == 1
    assert "30 messages were accepted and are safe; the database is away" in errors
    assert "waiting for it" not in errors  # said once, if at all
    assert "Traceback" not in errors
    assert work("replay") == 1


def test_resuming_waits_for_a_ledger_that_is_away(queue, tmp_path, children):
    child = manage(*recording(tmp_path), "--resume", DATABASE_URL="postgres://nobody@127.0.0.1:1/nothing")
    children.append(child)
    heard(child, "the ledger does not tell where to go on, waiting")
    child.send_signal(signal.SIGINT)
    _, errors = child.communicate(timeout=PATIENCE_SECONDS)
    assert child.returncode == 1
    assert "nothing was read" in errors
    assert "Traceback" not in errors
    assert length("replay") == 0


def test_the_command_drains_what_others_left(queue, spool, tmp_path):
    accepted = parcels(2, recorded=False)
    spool.append("live", acceptance._packages(accepted, "live"), {})
    call_command("ingest", *recording(tmp_path)[2:], "--no-wait", stdout=io.StringIO(), stderr=io.StringIO())
    until(lambda: length("live") == 2, "the others' are on the queue")
    with pytest.raises(CommandError, match="does not exist"):
        call_command("ingest", "/nowhere", stdout=io.StringIO())


# --- receivers that push ----------------------------------------------------------------------------------------------
def feed(**fields):
    values = {"name": "Pier", "url": "push://", "source": "pier", "key_hash": receivers.hashed(KEY)}
    return Feed.objects.create(**values | fields)


def post(number=0, key=KEY):
    body = position(mmsi=211000000 + number) + b"\n"
    return Client().post("/api/push/pier/", body, content_type="text/plain", headers={"X-Api-Key": key})


@fault
def test_a_push_is_accepted_while_redis_is_down_by_the_last_known_key(queue, spool, django_assert_num_queries):
    feed()
    assert post(0).status_code == 202
    stop_queue()
    with django_assert_num_queries(0):
        assert [post(number).status_code for number in (1, 2)] == [202, 202]
        assert post(key="wrong").status_code == 401
    assert spool.depth().entries == 2
    start_queue()
    until(lambda: length("live") == 3, "all are on the queue")
    assert (work("live"), account(Q()).stored) == (3, 3)


@fault
def test_a_feed_that_this_process_does_not_know_is_looked_up_in_the_database(queue, spool):
    feed(enabled=False)
    stop_queue()
    assert post().status_code == 403
    Feed.objects.update(enabled=True)
    receivers._known.forget()
    assert post().status_code == 202
    assert post(key="wrong").status_code == 401
    assert spool.depth().entries == 1


@fault
def test_a_feed_that_changes_while_redis_is_down_is_not_known_from_before(queue):
    changed = feed()
    assert post().status_code == 202
    stop_queue()
    changed.key_hash = receivers.hashed("another")
    changed.save()
    assert (post().status_code, post(key="another").status_code) == (401, 202)


@fault
def test_a_push_is_a_503_when_neither_queue_nor_spool_takes_it(queue, spool, settings):
    feed()
    assert post().status_code == 202
    stop_queue()
    settings.SPOOL_MAX_BYTES = 1
    response = post()
    assert (response.status_code, response["Retry-After"]) == (503, "5")
    assert spool.depth().entries == 0


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


@fault
def test_what_was_last_known_is_trusted_for_an_hour_and_redis_is_not_asked_each_time(queue, monkeypatch):
    feed()
    clock = Clock()
    known = receivers.KnownFeeds(clock)
    assert known.feed("pier").source == "pier"
    stop_queue()
    asked = []
    connect = receivers.get_redis_connection
    monkeypatch.setattr(receivers, "get_redis_connection", lambda alias: asked.append(alias) or connect(alias))
    for _ in range(3):
        assert known.feed("pier").source == "pier"
    assert len(asked) == 1
    clock.now += receivers.AWAY_SECONDS
    assert known.feed("pier").source == "pier"
    assert len(asked) == 2
    monkeypatch.setattr(receivers.KnownFeeds, "_from_the_table", lambda self, label, away: "the table's")
    clock.now = 1000.0 + receivers.TRUSTED_SECONDS + 1
    assert known.feed("pier") == "the table's"


@fault
def test_a_web_process_killed_after_its_202s_loses_none_of_them(queue, spool, children):
    feed()
    port = free_port()
    command = ("manage.py", "web", f"--port={port}", "--processes=1")
    web = manage(*command)
    children.append(web)
    until(lambda: pushed(port, 0) == 202, "the web process answers")
    already = length("live")
    stop_queue()
    assert [pushed(port, number) for number in range(1, 21)] == [202] * 20
    os.killpg(web.pid, signal.SIGKILL)
    web.wait(10)
    assert spool.depth().entries == 20

    runner = manage("manage.py", "ingest")  # it starts the queue's Redis, too
    children.append(runner)
    until(lambda: length("live") == already + 20, "another process drains the spool")
    runner.send_signal(signal.SIGTERM)
    assert runner.wait(PATIENCE_SECONDS) == 0
    assert spool.is_empty()
    assert work("live") == already + 20
    booked = account(Q())
    assert (booked.messages, VesselPosition.objects.values("vessel").distinct().count()) == (already + 20, 21)
    assert violations(booked) == []


def pushed(port, number):
    """The status of a push to a real web process; 0: nobody answers."""
    url, body = f"http://127.0.0.1:{port}/api/push/pier/", position(mmsi=211000000 + number) + b"\n"
    request = urllib.request.Request(url, body, {"X-Api-Key": KEY, "Content-Type": "text/plain"})
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE_SECONDS) as response:
            return response.status
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0
