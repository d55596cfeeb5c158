"""The broker on a real Redis: nothing is lost, nothing is read that must wait, and Redis may be away."""

import pickle
import time
from typing import Any

import pytest
import redis
from django_q.signing import SignedPackage
from django_q.tasks import async_task

from resilience.breaker.registry import Breaker, get_breaker
from resilience.queue import broker as queue
from resilience.queue import resubmission
from resilience.queue.broker import HOUSEKEEPING, LIVE, REPLAY, StreamsBroker
from tests.support.streams_of_tasks import ALLOWED, put, take


@pytest.fixture
def breaker(own_names: str) -> Breaker:
    return get_breaker(own_names)


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


# --- Redis away -------------------------------------------------------------------------------------------------------
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
