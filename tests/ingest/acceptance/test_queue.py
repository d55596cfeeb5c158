"""Batches through the queue: accepted once, processed by a task, given back in an outage, put aside when it fails."""

import json
import random
import threading
import zlib

import msgspec
import pytest
from django.core.management import call_command
from django.db import OperationalError, ProgrammingError
from django.db.models import Q
from django_q.conf import Conf
from django_q.signing import SignedPackage
from django_redis import get_redis_connection

from ingest import consumption, pipeline, replay, tasks
from ingest.acceptance.contract import ResumePoint
from ingest.acceptance.inline import InlineAcceptance
from ingest.acceptance.package import pack, unpack
from ingest.acceptance.queue import QueueAcceptance
from ingest.ledger.accounts import account, violations
from ingest.ledger.waiting import Outstanding
from ingest.models import Batch
from ingest.stages.storing import store
from resilience.breaker.registry import get_breaker
from resilience.models import DeadLetter
from resilience.queue.streams import Streams
from tests.support.messages import batch, position, static
from tracking.models import VesselPosition

pytestmark = [pytest.mark.django_db(transaction=True, databases=["default", "direct"])]


@pytest.fixture
def queue():
    """The queue's Redis, empty, with the breaker closed."""
    client = get_redis_connection("queue")
    client.flushdb()
    yield client
    client.flushdb()


def key(stream):
    return Streams(get_redis_connection("queue"), Conf.CLUSTER_NAME).key(stream)


def payloads(stream):
    """The signed packages of a stream, oldest first."""
    return [fields[b"t"].decode() for _, fields in get_redis_connection("queue").xrange(key(stream))]


def entries(stream):
    """The tasks of a stream, oldest first."""
    return [SignedPackage.loads(payload) for payload in payloads(stream)]


def work(stream):
    """Run every task of a stream once, as a worker would; how many."""
    tasks_found = entries(stream)
    get_redis_connection("queue").delete(key(stream))
    for task in tasks_found:
        tasks.process_batch(*task["args"])
    return len(tasks_found)


def test_packing_is_lossless_and_small():
    parcel = batch(
        [position(mmsi=211000000 + number, lat=50 + number / 500) for number in range(1000)], offset=7, index=9
    )
    assert unpack(pack(parcel)) == parcel
    assert len(pack(parcel)) < 45 * 1000


def test_what_is_no_batch_is_refused():
    with pytest.raises(zlib.error):
        unpack(b"no batch")
    with pytest.raises(msgspec.DecodeError):
        unpack(zlib.compress(b"no batch"))


def test_live_batches_and_recordings_go_to_streams_of_their_own(queue):
    acceptance = QueueAcceptance(threading.Event())
    acceptance.accept(batch([position()], recorded=False))
    acceptance.accept(batch([position()]))
    assert (len(entries("live")), len(entries("replay")), len(entries("housekeeping"))) == (1, 1, 0)


def test_the_place_in_a_recording_is_saved_with_the_batch(queue):
    acceptance = QueueAcceptance(threading.Event())
    assert acceptance.resume_point("test", "/a/log") is None
    acceptance.accept(batch([position()], origin="/a/log", offset=120, index=3, accepted_at=1000))
    assert acceptance.resume_point("test", "/a/log") == ResumePoint(120, 3, 1000, "nmea")
    assert acceptance.resume_point("test", "/b/log") is None


def test_the_newer_place_of_queue_and_ledger_counts(queue):
    QueueAcceptance(threading.Event()).accept(batch([position()], origin="/a", offset=1, index=1, accepted_at=1000))
    InlineAcceptance(threading.Event()).accept(batch([position()], origin="/a", offset=2, index=2, accepted_at=2000))
    assert QueueAcceptance(threading.Event()).resume_point("test", "/a") == ResumePoint(2, 2, 2000, "nmea")


def test_through_the_queue_in_any_order_and_twice_gives_the_rows_of_inline(queue):
    chance = random.Random(1)
    raws = [position(mmsi=211000000 + number % 9, lat=chance.uniform(50, 60)) for number in range(120)] + [static()]
    whole = batch(raws, step=100)
    pipeline.process(whole)
    expected = sorted(VesselPosition.objects.values_list("vessel_id", "timestamp", "latitude"))
    VesselPosition.objects.all().delete()
    Batch.objects.all().delete()

    parcels = [batch([], messages=whole.messages[start : start + 10]) for start in range(0, 121, 10)]
    chance.shuffle(parcels)
    acceptance = QueueAcceptance(threading.Event())
    for parcel in [*parcels, *parcels[:4]]:
        acceptance.accept(parcel)
    outstanding = Outstanding()
    for parcel in parcels:
        outstanding.add(parcel, [])
    assert outstanding.messages() == 121
    assert work("replay") == 17

    assert sorted(VesselPosition.objects.values_list("vessel_id", "timestamp", "latitude")) == expected
    booked = account(Q())
    assert (booked.messages, booked.stored) == (121, 120)
    assert outstanding.messages() == 0


@pytest.mark.parametrize("outage", [OperationalError("the server is away"), None])
def test_a_batch_that_meets_an_outage_goes_back_and_is_not_booked(queue, monkeypatch, outage):
    if outage:
        monkeypatch.setattr("ingest.stages.storing.store.book", lambda *args: (_ for _ in ()).throw(outage))
    else:
        get_breaker("database").trip("a test", "to see it refuse")
    QueueAcceptance(threading.Event()).accept(batch([position()], recorded=False))
    work("live")

    assert (len(entries("live")), Batch.objects.count()) == (1, 0)
    monkeypatch.undo()
    get_breaker("database").reset("a test", "seen")
    work("live")
    assert (len(entries("live")), Batch.objects.count()) == (0, 1)


@pytest.fixture
def no_column(monkeypatch):
    """Code and schema disagree, until `undo`."""
    monkeypatch.setattr(
        "ingest.stages.storing.store.book", lambda *args: (_ for _ in ()).throw(ProgrammingError("no column"))
    )
    return monkeypatch


def fail_once(queue):
    """Have what is delayed come due, and run it."""
    streams = Streams(queue, Conf.CLUSTER_NAME)
    for member in queue.zrange(f"{streams.key('live')}:delayed", 0, -1):
        queue.zadd(f"{streams.key('live')}:delayed", {member: 0})
    streams.move_due("live")
    return work("live")


def test_a_batch_that_fails_as_a_whole_is_tried_later_and_then_parked_with_its_traceback(queue, no_column, settings):
    streams = Streams(queue, Conf.CLUSTER_NAME)
    QueueAcceptance(threading.Event()).accept(batch([position()], recorded=False, source="pier"))
    for attempt in range(1, settings.BATCH_ATTEMPTS):
        assert fail_once(queue) == 1
        assert (len(entries("live")), len(streams.delayed("live"))) == (0, 1), attempt
        assert streams.depths()["live"].waiting == 1, "it waits"
    assert fail_once(queue) == 1
    (parked,) = streams.parked()
    assert (parked.stream, parked.deliveries, parked.subject) == ("live", settings.BATCH_ATTEMPTS, "pier")
    assert "no column" in parked.reason and "ProgrammingError" in parked.traceback
    assert (streams.depths()["live"].waiting, DeadLetter.objects.count(), Batch.objects.count()) == (0, 0, 0)
    assert str(get_breaker("database").snapshot().state.phase) == "closed"


def test_a_parked_batch_that_is_returned_begins_anew(queue, no_column, settings):
    streams = Streams(queue, Conf.CLUSTER_NAME)
    QueueAcceptance(threading.Event()).accept(batch([position()], recorded=False))
    for _ in range(settings.BATCH_ATTEMPTS):
        fail_once(queue)
    no_column.undo()
    call_command("parked", "--return", "all")
    assert [task["args"][2:] for task in entries("live")] == [()]
    work("live")
    assert (Batch.objects.count(), streams.parked()) == (1, [])


def test_one_feed_alone_never_suspends_consumption(queue, no_column):
    for _ in range(20):
        QueueAcceptance(threading.Event()).accept(batch([position()], recorded=False, source="broken"))
    work("live")
    assert str(get_breaker("database").snapshot().state.phase) == "closed"


def test_many_batches_of_several_feeds_suspend_consumption_until_a_probe_passes(queue, no_column):
    breaker = get_breaker("database")
    for number in range(consumption.FAILING_BATCHES):
        QueueAcceptance(threading.Event()).accept(batch([position()], recorded=False, source=f"feed-{number % 2}"))
    work("live")
    found = breaker.snapshot()
    assert str(found.state.phase) == "open"
    assert found.history[0].reason.startswith(consumption.SUSPENDED)
    assert len(Streams(queue, Conf.CLUSTER_NAME).delayed("live")) == consumption.FAILING_BATCHES


def test_a_batch_that_passes_in_between_speaks_for_us(queue, monkeypatch):
    book = store.book

    def refuses_some(work):
        if work.batch.source.startswith("broken"):
            raise ProgrammingError("no column")
        book(work)

    monkeypatch.setattr("ingest.stages.storing.store.book", refuses_some)
    for number in range(3 * consumption.FAILING_BATCHES):
        label = "good" if number % 3 == 2 else f"broken-{number % 3}"
        QueueAcceptance(threading.Event()).accept(batch([position()], recorded=False, source=label))
    work("live")
    assert str(get_breaker("database").snapshot().state.phase) == "closed"
    assert Batch.objects.count() == consumption.FAILING_BATCHES


def test_a_host_that_fails_blames_nobody(queue, monkeypatch):
    monkeypatch.setattr("ingest.stages.storing.store.book", lambda *args: (_ for _ in ()).throw(MemoryError()))
    QueueAcceptance(threading.Event()).accept(batch([position()], recorded=False))
    (task,) = entries("live")
    with pytest.raises(MemoryError):
        tasks.process_batch(*task["args"])
    assert str(get_breaker("database").snapshot().state.phase) == "closed"
    assert (len(entries("live")), Streams(queue, Conf.CLUSTER_NAME).delayed("live")) == (1, [])


def test_a_batch_whose_deliveries_are_spent_is_a_dead_letter_once_and_can_be_replayed(queue):
    parcel = batch([position(), static(), position(mmsi=0)])
    QueueAcceptance(threading.Event()).accept(parcel)
    (payload,) = payloads("replay")
    consumption.make_dead_letter(payload, "replay", 6)
    consumption.make_dead_letter(payload, "replay", 7)

    letter = DeadLetter.objects.get()
    assert (letter.kind, letter.ordinal, letter.reason) == (consumption.BATCH_KIND, -1, "no_verdict")
    assert (account(Q()).dead, violations(account(Q()))) == (3, [])
    replay.HANDLERS[letter.kind].replay(letter)
    booked = account(Q())
    assert (booked.stored, booked.static, booked.rejected, booked.dead) == (1, 1, {"mmsi_zero": 1}, 0)
    assert violations(booked) == []


@pytest.fixture
def buried(monkeypatch):
    """The dead letter of a position that the database refused; what was wrong is mended."""
    with monkeypatch.context() as broken:
        broken.setattr("ingest.formats.ais.decoder.check_position", lambda latitude, longitude: None)
        pipeline.process(batch([position(lat=-91.5), position()]))
    return DeadLetter.objects.get()


def test_a_replayed_message_moves_from_dead_to_what_it_became(buried):
    buried.raw = position(mmsi=211000001)
    assert replay.HANDLERS[buried.kind].replay(buried) == "stored"
    booked = account(Q())
    assert (booked.dead, booked.stored, violations(booked)) == (0, 2, [])


def test_a_message_that_is_still_bad_stays_dead(buried):
    from ingest.errors import Rejected

    with pytest.raises(Rejected, match="latitude_out_of_range"):
        replay.HANDLERS[buried.kind].replay(buried)
    assert account(Q()).dead == 1


def test_a_discarded_message_is_accounted_for(buried):
    replay.HANDLERS[buried.kind].discarded(buried)
    booked = account(Q())
    assert (booked.dead, booked.discarded, violations(booked)) == (0, 1, [])


def test_the_resume_point_is_readable_json(queue):
    QueueAcceptance(threading.Event()).accept(batch([position()], origin="/a", offset=5, index=1, accepted_at=7))
    (key,) = queue.keys("tracking:resume:*")
    assert json.loads(queue.get(key)) == {"offset": 5, "index": 1, "accepted_at": 7, "format": "nmea"}
