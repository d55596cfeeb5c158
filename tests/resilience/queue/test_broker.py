"""The broker on a real Redis: nothing is lost, nothing is read that must wait, and Redis may be away."""

import pickle
import socket
import subprocess
import time
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
import redis
from django.db import OperationalError
from django_q.conf import Conf
from django_q.signing import SignedPackage
from django_q.tasks import async_task
from django_redis import get_redis_connection
from redis.backoff import NoBackoff
from redis.retry import Retry

from resilience.breaker.registry import Breaker, get_breaker
from resilience.queue import broker as queue
from resilience.queue import resubmission
from resilience.queue.broker import HOUSEKEEPING, LIVE, REPLAY, StreamsBroker
from resilience.queue.spent import on_spent

ALLOWED = "tests.resilience.tasks.note"


@pytest.fixture(autouse=True)
def own_names(monkeypatch: pytest.MonkeyPatch, settings: Any) -> Iterator[str]:
    """A cluster and a breaker that no other test shares."""
    name = f"test-{uuid.uuid4().hex}"
    monkeypatch.setattr(Conf, "CLUSTER_NAME", name)
    monkeypatch.setattr(queue, "BREAKER", name)
    monkeypatch.setattr(queue, "_BLOCK_MS", 10)
    monkeypatch.setattr(queue, "_WITHHELD_BLOCK_MS", 10)
    settings.QUEUE_ALLOWED_TASKS = [ALLOWED]
    yield name
    on_spent(None)
    client = get_redis_connection("queue")
    client.delete(*client.keys(f"tracking:queue:{{{name}}}:*"), *client.keys(f"tracking:{{breaker}}:*:{name}"), "none")
    client.srem("tracking:{breaker}:names", name)


@pytest.fixture
def broker() -> StreamsBroker:
    return StreamsBroker()


@pytest.fixture
def breaker(own_names: str) -> Breaker:
    return get_breaker(own_names)


def put(stream: str, label: str = "x", func: str = ALLOWED) -> None:
    async_task(func, "run", label, broker=StreamsBroker.for_stream(stream))


def take(broker: StreamsBroker) -> list[tuple[str, str]]:
    """(stream, label) of what one round gives."""
    taken = broker.dequeue() or []
    return [(ack_id.split("|")[0], SignedPackage.loads(package)["args"][1]) for ack_id, package in taken]


def neighbour() -> StreamsBroker:
    """The broker of another host."""
    return StreamsBroker()


def test_an_acknowledged_task_is_gone_and_counted(broker: StreamsBroker) -> None:
    put(LIVE)
    [(ack_id, _)] = broker.dequeue()
    assert broker.in_hand() == {ack_id}
    assert broker.acknowledge(ack_id)
    assert not broker.acknowledge(ack_id)
    assert (broker.acked(), broker.lock_size(), broker.queue_size()) == (1, 0, 0)


def test_streams_are_read_in_order_and_each_has_its_share(broker: StreamsBroker) -> None:
    for number in range(20):
        for stream in (REPLAY, LIVE, HOUSEKEEPING):
            put(stream, str(number))
    taken = take(broker)
    assert [stream for stream, _ in taken] == [HOUSEKEEPING] * 2 + [LIVE] * 6 + [REPLAY] * 2
    assert [label for stream, label in taken if stream == LIVE] == list("012345")


def test_a_task_without_a_stream_is_housekeeping(broker: StreamsBroker) -> None:
    async_task(ALLOWED, "run", "x", broker=broker)
    assert take(broker) == [(HOUSEKEEPING, "x")]


def test_keys_set_alongside_appear_with_the_task(broker: StreamsBroker, own_names: str) -> None:
    live = StreamsBroker.for_stream(LIVE)
    live.alongside = {f"tracking:queue:{{{own_names}}}:offset": "17"}
    async_task(ALLOWED, "run", "x", broker=live)
    assert live.connection.get(f"tracking:queue:{{{own_names}}}:offset") == b"17"
    assert take(broker) == [(LIVE, "x")]


def test_an_unknown_stream_is_refused() -> None:
    with pytest.raises(ValueError, match="known are housekeeping, live, replay"):
        StreamsBroker.for_stream("lief")


def test_a_broker_survives_pickling() -> None:
    live = StreamsBroker.for_stream(LIVE)
    copy = pickle.loads(pickle.dumps(live))
    assert (copy.list_key, copy.stream, copy.instance) == (live.list_key, LIVE, live.instance)
    assert copy.ping()


def test_resubmitted_work_goes_to_the_end_of_its_stream(broker: StreamsBroker) -> None:
    put(LIVE, "first")
    resubmission.resubmit(ALLOWED, "run", "again", stream=LIVE)
    assert [label for _, label in take(broker)] == ["first", "again"]


# --- the breaker ------------------------------------------------------------------------------------------------------
def test_an_open_breaker_withholds_batches_and_lets_housekeeping_through(
    broker: StreamsBroker, breaker: Breaker
) -> None:
    for stream in (HOUSEKEEPING, LIVE, REPLAY):
        put(stream)
    breaker.trip("ada", "test")
    assert take(broker) == [(HOUSEKEEPING, "x")]
    assert take(broker) == []
    breaker.reset("ada", "test")
    assert take(broker) == [(LIVE, "x"), (REPLAY, "x")]


def test_a_half_open_breaker_lets_one_batch_through_at_a_time(
    broker: StreamsBroker, breaker: Breaker, settings: Any
) -> None:
    for number in range(3):
        put(LIVE, str(number))
        put(REPLAY, str(number))
    settings.BREAKER_RESET_SECONDS = 0.0
    settings.BREAKER_FAILURES = 1
    with pytest.raises(redis.ConnectionError), get_breaker(breaker.name).guard():
        raise redis.ConnectionError("test")
    assert take(broker) == [(LIVE, "0")]
    assert take(broker) == []
    broker._probe_at = 0.0
    assert take(broker) == [(REPLAY, "0")]


@pytest.mark.parametrize("stream", [LIVE, REPLAY])
def test_a_probe_is_taken_where_there_is_one_whosever_turn_it_is(
    broker: StreamsBroker, breaker: Breaker, settings: Any, stream: str
) -> None:
    settings.BREAKER_RESET_SECONDS = 0.0
    for _ in range(settings.BREAKER_FAILURES):
        with pytest.raises(redis.ConnectionError), get_breaker(breaker.name).guard():
            raise redis.ConnectionError("test")
    for number in range(2):
        put(stream, str(number))
    assert take(broker) == [(stream, "0")]
    broker._probe_at = 0.0
    assert take(broker) == [(stream, "1")]


# --- what nobody may run ----------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "package",
    [
        SignedPackage.dumps({"func": "os.system", "args": ("true",)}),
        SignedPackage.dumps({"func": ALLOWED, "args": (), "hook": "os.system"}),
        SignedPackage.dumps({"args": ()}),
        SignedPackage.dumps({"func": ALLOWED}) + "x",
        "no package at all",
        b"\xff\xfe",
    ],
    ids=["function", "hook", "no-function", "signature", "text", "bytes"],
)
def test_what_is_not_allowed_is_parked_and_the_rest_of_the_round_runs(broker: StreamsBroker, package: Any) -> None:
    broker.connection.xadd(broker.streams.key(LIVE), {"t": package})
    put(LIVE, "good")
    assert take(broker) == [(LIVE, "good")]
    [(_, parked)] = broker.connection.xrange(broker.streams.key("parked"))
    assert parked[b"t"] == (package if isinstance(package, bytes) else package.encode())
    assert parked[b"stream"] == b"live"
    assert broker.depths()["parked"].waiting == 1


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


# --- Redis away -------------------------------------------------------------------------------------------------------
@pytest.fixture
def away(broker: StreamsBroker, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Point the broker at a port where nobody listens; the pauses it makes."""
    pauses: list[float] = []
    monkeypatch.setattr(queue.time, "sleep", pauses.append)
    broker.connection = redis.Redis(port=1, retry=Retry(NoBackoff(), 0))
    broker._begin()
    return pauses


def test_without_redis_dequeue_waits_and_says_so_once(
    broker: StreamsBroker, away: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    assert [broker.dequeue() for _ in range(3)] == [None] * 3
    assert away == [0.5] * 3
    assert caplog.text.count("does not answer, waiting") == 1


def test_without_redis_acknowledge_gives_up_within_half_a_minute(broker: StreamsBroker, away: list[float]) -> None:
    assert broker.acknowledge("live|1-0") is False
    assert 10 < sum(away) < 30


def test_streams_that_were_flushed_are_made_again(broker: StreamsBroker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue, "_OUTAGE_PAUSE_SECONDS", 0)
    assert take(broker) == []
    broker.delete_queue()
    put(LIVE)
    assert take(broker) == []
    assert take(broker) == [(LIVE, "x")]


# --- for status pages -------------------------------------------------------------------------------------------------
def test_depths_tell_waiting_pending_and_age(broker: StreamsBroker) -> None:
    assert set(broker.depths().values()) == {(0, 0, None)}
    stale = int(time.time() * 1000) - 60_000
    broker.connection.xadd(broker.streams.key(LIVE), {"t": SignedPackage.dumps({"func": ALLOWED})}, id=f"{stale}-0")
    put(REPLAY)
    broker.streams.make_groups()
    broker.streams.read(broker.instance, {REPLAY: 1}, block_ms=10)
    depths = broker.depths()
    assert (depths[LIVE].waiting, depths[LIVE].pending) == (1, 0)
    assert depths[LIVE].oldest_seconds == pytest.approx(60, abs=5)
    assert (depths[REPLAY].waiting, depths[REPLAY].pending) == (0, 1)


def test_purging_empties_the_streams_and_they_work_on(broker: StreamsBroker) -> None:
    for stream in (HOUSEKEEPING, LIVE, REPLAY):
        put(stream)
    assert broker.purge_queue() == 3
    put(LIVE, "later")
    assert take(broker) == [(LIVE, "later")]


def test_info_names_streams_and_the_server_version(broker: StreamsBroker) -> None:
    assert broker.info().startswith("Redis Streams 8")


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
