"""While the queue's Redis refuses, batches are accepted on this host's disk, and every one of them is booked once."""

import asyncio
import io
import json
import os
import signal
import threading

import pytest
import redis
from django.core.management import call_command
from django.db.models import Q

from ingest.acceptance import queue as acceptance
from ingest.acceptance.contract import Interrupted, ResumePoint
from ingest.acceptance.queue import QueueAcceptance
from ingest.feeds import runner as feeds
from ingest.ledger.accounts import account, violations
from ingest.models import Batch
from resilience import patience
from resilience.spool import drain
from resilience.spool.spool import SpoolFull
from tests.support.messages import batch, position
from tests.support.patience import PATIENCE_SECONDS
from tests.support.spooling import NOWHERE, length, manage, parcels, start_queue, started, stop_queue, until, work
from tracking.models import VesselPosition

pytestmark = [
    pytest.mark.django_db(transaction=True, databases=["default", "direct"]),
    pytest.mark.fault,
]


fault = pytest.mark.fault


def accept(*batches):
    for parcel in batches:
        QueueAcceptance(threading.Event()).accept(parcel)


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
