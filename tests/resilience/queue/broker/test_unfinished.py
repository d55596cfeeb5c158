"""Deliveries without a verdict: taken over from hosts that died, and parked when they are spent or no package."""

import socket
import subprocess
from typing import Any

import pytest
import redis
from django.db import OperationalError
from django_q.conf import Conf
from django_q.signing import SignedPackage
from django_redis import get_redis_connection

from resilience.queue import broker as queue
from resilience.queue import resubmission
from resilience.queue.broker import LIVE, StreamsBroker
from resilience.queue.spent import on_spent
from tests.support.streams_of_tasks import ALLOWED, put, take


def neighbour() -> StreamsBroker:
    """The broker of another host."""
    return StreamsBroker()


# --- deliveries without a verdict -------------------------------------------------------------------------------------
@pytest.fixture
def no_retry_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever has an entry has had it for too long."""
    monkeypatch.setattr(Conf, "RETRY", 0)


def test_what_a_dead_host_had_is_taken_over(broker: StreamsBroker, no_retry_time: None) -> None:
    put(LIVE)
    assert take(neighbour()) == [(LIVE, "x")]
    assert take(broker) == [(LIVE, "x")]
    assert broker.lock_size() == 1


def test_what_a_living_host_has_is_left_to_it(broker: StreamsBroker) -> None:
    put(LIVE)
    assert take(neighbour()) == [(LIVE, "x")]
    assert take(broker) == []


def deliver_until_spent(broker: StreamsBroker) -> int:
    put(LIVE)
    deliveries = 0
    while take(broker):
        deliveries += 1
    return deliveries


@pytest.mark.django_db  # the pusher refreshes the connection for the hook
def test_after_five_deliveries_the_hook_gets_the_task_and_the_entry_is_gone(
    broker: StreamsBroker, no_retry_time: None
) -> None:
    spent: list[tuple[Any, ...]] = []
    on_spent(
        lambda payload, stream, deliveries: spent.append((SignedPackage.loads(payload)["func"], stream, deliveries))
    )
    assert deliver_until_spent(broker) == 5
    assert spent == [(ALLOWED, LIVE, 5)]
    assert (broker.lock_size(), broker.depths()["parked"].waiting) == (0, 0)


def refuse(payload: str, stream: str, deliveries: int) -> None:
    raise RuntimeError("the database is away")


@pytest.mark.django_db
@pytest.mark.parametrize("hook", [None, refuse], ids=["no-hook", "hook-raises"])
def test_a_spent_task_that_nobody_takes_is_parked(broker: StreamsBroker, no_retry_time: None, hook: Any) -> None:
    on_spent(hook)
    assert deliver_until_spent(broker) == 5
    [(_, parked)] = broker.connection.xrange(broker.streams.key("parked"))
    assert (parked[b"reason"], parked[b"deliveries"]) == (b"spent", b"5")
    assert broker.lock_size() == 0


def test_released_tasks_are_taken_at_once_and_only_begun_ones_count(broker: StreamsBroker) -> None:
    for label in ("begun", "queued"):
        put(LIVE, label)
    [(begun, _), (queued, _)] = broker.dequeue()
    assert broker.release_instance({begun}) == 2
    other = neighbour()
    assert sorted(take(other)) == [(LIVE, "begun"), (LIVE, "queued")]
    deliveries = {"|".join(place): count for place, count in other.streams.in_hand(other.instance).items()}
    assert deliveries == {begun: 2, queued: 1}


def test_what_a_cluster_of_this_host_that_is_gone_had_in_hand_is_anybodys_at_once(broker: StreamsBroker) -> None:
    ended = subprocess.Popen(["true"])
    ended.wait()
    gone = neighbour()
    gone.instance = f"{socket.gethostname()}:{ended.pid}:00000000"
    for number in range(3):
        put(LIVE, str(number))
    taken = take(gone)
    assert len(taken) == 3
    assert broker.dequeue() is None, "nobody takes over what may be in work"
    broker._reclaim_at = 0.0
    assert broker.release_dead_instances() == 3
    assert take(broker) == taken


def test_the_tasks_of_clusters_that_live_or_are_elsewhere_are_theirs(broker: StreamsBroker) -> None:
    put(LIVE)
    assert take(neighbour())
    put(LIVE)
    elsewhere = neighbour()
    elsewhere.instance = "another-host:1:00000000"
    assert take(elsewhere)
    assert broker.release_dead_instances() == 0


def test_a_task_that_a_full_queue_cannot_take_back_is_not_charged(broker: StreamsBroker) -> None:
    put(LIVE)
    [(ack_id, _)] = broker.dequeue()
    client = get_redis_connection("queue")
    limit = client.config_get("maxmemory")["maxmemory"]
    resubmission.working_on(ack_id)
    client.config_set("maxmemory", "1")
    try:
        with pytest.raises(redis.OutOfMemoryError):
            resubmission.resubmit(ALLOWED, "run", "x", stream=LIVE)
    finally:
        client.config_set("maxmemory", limit)
        resubmission.working_on("")
    [claimed] = broker.streams.claim(broker.instance, LIVE, 1000, "0-0", 5)[1]
    assert (f"{LIVE}|{claimed.entry_id}", claimed.deliveries) == (ack_id, 1)


@pytest.mark.django_db
def test_a_spent_task_whose_taker_is_away_stays_in_hand(broker: StreamsBroker, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(payload: str, stream: str, deliveries: int) -> None:
        raise OperationalError("the server is away")

    on_spent(away)
    monkeypatch.setattr(Conf, "RETRY", 0)
    monkeypatch.setattr(queue, "MAX_DELIVERIES", 1)
    put(LIVE)
    assert take(broker)
    broker._reclaim_at = 0.0
    assert broker.dequeue() is None
    assert (broker.lock_size(), broker.depths()["parked"].waiting) == (1, 0)


@pytest.mark.parametrize("fields", [{"x": "1"}, {"t": b"\xff\xfe"}, {"t": ""}, {"x": b"\xff", "y": "2"}])
def test_an_entry_that_is_no_package_is_parked_with_all_it_holds(broker, fields):
    """Whoever can write to the queue must not end its pusher."""
    broker.streams.make_groups()
    key = broker.streams.key("live")
    broker.connection.xadd(key, fields)
    assert broker.dequeue() is None
    ((_, kept),) = broker.connection.xrange(broker.streams.key("parked"))
    for name, value in fields.items():
        assert kept[b"t" if name == "t" else f"raw:{name}".encode()] == (
            value if isinstance(value, bytes) else value.encode()
        )
    (entry,) = broker.streams.parked()
    assert entry.stream == "live" and entry.reason.startswith("unreadable")
    assert broker.depths()["live"].pending == 0


def test_an_entry_that_is_no_package_and_was_delivered_often_is_parked_when_it_is_taken_over(broker, monkeypatch):
    monkeypatch.setattr(Conf, "RETRY", 0)
    broker.streams.make_groups()
    broker.connection.xadd(broker.streams.key("live"), {"x": "1"})
    for _ in range(8):
        broker.streams.read("another", {"live": 10}, 1)
        broker.streams.claim("another", "live", 0, "0-0", 10)
    assert broker.dequeue() is None
    assert len(broker.streams.parked()) == 1


def test_what_somebody_else_parked_is_listed_all_the_same(broker):
    broker.connection.xadd(broker.streams.key("parked"), {"anything": b"\xff"})
    (entry,) = broker.streams.parked()
    assert (entry.stream, entry.reason, entry.deliveries, entry.payload) == ("", "", 0, b"")


def test_what_is_delayed_waits_and_comes_back_in_its_time(broker):
    broker.streams.make_groups()
    broker.streams.delay("live", "later", 3600)
    broker.streams.delay("live", "now", 0)
    assert broker.depths()["live"].waiting == 2
    assert (broker.streams.move_due("live"), broker.streams.delayed("live")) == (1, [b"later"])
    assert broker.depths()["live"].waiting == 2
    assert broker.purge_queue() == 2
