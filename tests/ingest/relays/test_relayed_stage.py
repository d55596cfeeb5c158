"""Batches on their way to relays: only while one is enabled, only what was accepted, and at nobody's cost."""

import pytest
import redis

from ingest import pipeline
from ingest.models import Batch, Relay
from ingest.relays import stream
from ingest.stages import relayed
from resilience import memory
from tests.resilience.conftest import queue
from tests.support.letters import forget_breakers
from tests.support.messages import position, static
from tests.support.relays import Receiver, live, rules, running, until
from tests.tracking.conftest import live_redis

__all__ = ["live_redis", "queue"]
pytestmark = [
    pytest.mark.django_db(transaction=True, databases=["default", "direct"]),
    pytest.mark.usefixtures("live_redis"),
]


@pytest.fixture(autouse=True)
def breakers():
    forget_breakers()
    yield
    forget_breakers()


@pytest.fixture
def relay():
    made = Relay.objects.create(name="Pier", url="udp://127.0.0.1:9")
    memory.forget()
    return made


def process(raws, **fields):
    parcel = live(raws, **fields)
    pipeline.process(parcel)
    return parcel


def test_without_an_enabled_relay_nothing_is_handed_over(relay, live_redis):
    Relay.objects.update(enabled=False)
    process([position()])
    assert not live_redis.exists(stream.STREAM, stream.HEAD)


def test_what_was_accepted_is_handed_over_with_what_it_is(relay):
    weather = position().replace(b",A,1", b",A,8")
    raws = [position(), position(mmsi=0), static(), weather]
    parcel = process(raws, source="pier")
    [entry] = stream.read("0-0")
    assert (entry.count, entry.total, entry.relayed.kinds) == (3, 3, b"pso")
    assert [message.raw for message in entry.relayed.batch.messages] == [raws[0], raws[2], raws[3]]
    assert (entry.relayed.batch.id, entry.relayed.batch.source) == (parcel.id, "pier")


def test_a_batch_that_comes_again_is_not_handed_over_again(relay):
    parcel = process([position()])
    pipeline.process(parcel)
    assert len(stream.read("0-0")) == 1


def test_its_failure_holds_no_batch_and_is_counted_by_the_next(relay, monkeypatch, caplog):
    def away(*args):
        raise redis.ConnectionError("away")

    with monkeypatch.context() as patch:
        patch.setattr(relayed.stream, "append", away)
        process([position(), position(mmsi=211000001)])
    assert Batch.objects.get().stored == 2
    assert "relays were not given a batch" in caplog.text
    process([position(mmsi=211000002)])
    [entry] = stream.read("0-0")
    assert (entry.count, entry.total) == (1, 3)


def test_a_bug_in_it_holds_no_batch(relay, monkeypatch):
    monkeypatch.setattr(relayed, "_relayed", lambda work: 1 / 0)
    process([position()])
    assert Batch.objects.get().stored == 1


def test_a_database_that_does_not_answer_changes_nothing(relay, monkeypatch):
    from django.db import OperationalError

    process([position()])
    clock = iter(range(0, 1000, 10))
    switch = relayed.RelaySwitch(lambda: float(next(clock)))
    assert switch.is_on()
    monkeypatch.setattr(Relay.objects, "filter", lambda **_: (_ for _ in ()).throw(OperationalError("away")))
    assert switch.is_on()


def test_what_a_station_heard_leaves_by_a_relay_as_it_came(relay, queue, settings):
    settings.FEED_ALLOW_NETWORKS = ["127.0.0.0/8"]
    receiver = Receiver()
    with running(rules(receiver.url)):
        process([position(), static()])
        until(lambda: len(receiver.lines) == 3)
    assert receiver.text == b"\r\n".join([position(), *static().split(b"\n")]) + b"\r\n"
    receiver.close()


def test_large_batches_leave_room_for_fewer(settings, live_redis):
    settings.RELAY_STREAM_MB = 1
    for _ in range(100):
        stream.append(b"x" * 100_000, 1)
    assert live_redis.xlen(stream.STREAM) == 10


def test_a_relay_that_never_ran_begins_at_the_end(relay):
    assert stream.end().total == 0
    process([position()])
    end = stream.end()
    assert (end.total, stream.read(end.id)) == (1, [])
    assert stream.total() == (end.epoch, 1)
