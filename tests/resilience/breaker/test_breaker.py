"""The breaker: one contract for both stores, the guard around a call, many processes, Redis away."""

import json
import multiprocessing
import os
import pickle
import socket
import subprocess
import time
import uuid
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import redis
from django.db import OperationalError
from django_redis import get_redis_connection

from resilience.breaker import guard as breaker_guard
from resilience.breaker import registry as breakers
from resilience.breaker.registry import (
    Acquire,
    Breaker,
    BreakerConfig,
    CallFailed,
    CircuitOpen,
    MemoryStore,
    Phase,
    RedisStore,
    get_breaker,
)
from tests.support.patience import PATIENCE_SECONDS

CONFIG = BreakerConfig()


class FakeClock:
    """Time that moves when told to."""

    def __init__(self, now: float = 1_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    def pass_seconds(self, seconds: float) -> None:
        self.now += seconds


class Refused(Exception):
    """What the dependency of these tests fails with."""


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def queue() -> redis.Redis:
    return get_redis_connection("queue")


@pytest.fixture
def prefix(queue: redis.Redis) -> Iterator[str]:
    """Where the states of one test are kept."""
    prefix = f"test:{uuid.uuid4().hex}:{{breaker}}"
    yield prefix
    for key in queue.scan_iter(f"{prefix}*"):
        queue.delete(key)


@pytest.fixture(params=["redis", "memory"])
def store(request: pytest.FixtureRequest, queue: redis.Redis, prefix: str) -> Any:
    return MemoryStore() if request.param == "memory" else RedisStore(queue, prefix)


@pytest.fixture
def breaker(store: Any, clock: FakeClock) -> Breaker:
    return Breaker("thing", store, CONFIG, clock, is_failure=lambda error: isinstance(error, Refused))


def fail(breaker: Breaker, times: int = 1, error: type[BaseException] = Refused) -> None:
    for _ in range(times):
        with pytest.raises(error), breaker.guard():
            raise error("no")


def succeed(breaker: Breaker, times: int = 1) -> None:
    for _ in range(times):
        with breaker.guard():
            pass


# --- the contract, with both stores -----------------------------------------------------------------------------------
def test_five_failures_open_it_and_the_call_is_not_made(breaker: Breaker) -> None:
    fail(breaker, 5)
    with pytest.raises(CircuitOpen) as refusal, breaker.guard():
        pytest.fail("the call was made")
    assert (refusal.value.name, refusal.value.retry_after_seconds) == ("thing", 30.0)


def test_each_success_takes_one_failure_off(breaker: Breaker) -> None:
    fail(breaker, 4)
    succeed(breaker)
    fail(breaker)
    assert breaker.snapshot().state.phase is Phase.CLOSED
    fail(breaker)
    assert breaker.snapshot().state.phase is Phase.OPEN


def test_two_probes_close_it(breaker: Breaker, clock: FakeClock) -> None:
    fail(breaker, 5)
    clock.pass_seconds(30)
    succeed(breaker)
    assert breaker.snapshot().state.phase is Phase.HALF_OPEN
    succeed(breaker)
    assert breaker.snapshot().state.phase is Phase.CLOSED
    assert breaker.snapshot().state.failures == 0


def test_a_failed_probe_opens_it_for_another_thirty_seconds(breaker: Breaker, clock: FakeClock) -> None:
    fail(breaker, 5)
    clock.pass_seconds(30)
    fail(breaker)
    clock.pass_seconds(29.9)
    assert breaker.permits() == 0
    clock.pass_seconds(0.1)
    assert breaker.permits() == 1


def test_while_a_probe_runs_nobody_else_gets_in(breaker: Breaker, clock: FakeClock) -> None:
    fail(breaker, 5)
    clock.pass_seconds(30)
    with breaker.guard():
        assert breaker.permits() == 0
        with pytest.raises(CircuitOpen), breaker.guard():
            pytest.fail("two probes at once")
    assert breaker.permits() == 1


def test_a_probe_that_never_answers_frees_its_place_after_its_lease(breaker: Breaker, clock: FakeClock) -> None:
    fail(breaker, 5)
    clock.pass_seconds(30)
    killed = breaker.guard()
    killed.__enter__()
    clock.pass_seconds(20)
    assert breaker.permits() == 1
    with breaker.guard():
        killed.__exit__(None, None, None)  # the late answer of the first probe
        assert breaker.snapshot().state.successes == 0
        assert breaker.permits() == 0


def test_an_answer_of_an_older_generation_decides_nothing(breaker: Breaker, clock: FakeClock) -> None:
    slow = breaker.guard()
    slow.__enter__()
    fail(breaker, 5)
    clock.pass_seconds(30)
    slow.__exit__(None, None, None)
    state = breaker.snapshot().state
    assert (state.phase, state.failures, state.succeeded_total) == (Phase.OPEN, 5, 1)


def test_a_failure_from_before_the_outage_does_not_count_after_it(breaker: Breaker) -> None:
    slow = breaker.guard()
    slow.__enter__()
    fail(breaker, 5)
    breaker.reset("ada", "repaired")
    slow.__exit__(Refused, Refused("late"), None)
    state = breaker.snapshot().state
    assert (state.phase, state.failures, state.failed_total) == (Phase.CLOSED, 0, 6)


def test_an_error_that_is_no_failure_counts_as_an_answer(breaker: Breaker) -> None:
    fail(breaker, 2)
    fail(breaker, 1, error=ValueError)
    assert breaker.snapshot().state.failures == 1


def test_an_interrupted_probe_gives_its_place_back_and_counts_as_nothing(breaker: Breaker, clock: FakeClock) -> None:
    fail(breaker, 5)
    clock.pass_seconds(30)
    fail(breaker, 1, error=SystemExit)
    state = breaker.snapshot().state
    assert (state.phase, state.successes, state.probe) == (Phase.HALF_OPEN, 0, "")


def test_a_tripped_breaker_opens_for_nobody_until_it_is_reset(breaker: Breaker, clock: FakeClock) -> None:
    assert breaker.trip("ada", "maintenance").state.phase is Phase.FORCED_OPEN
    clock.pass_seconds(1e6)
    assert breaker.permits() == 0
    fail(breaker, 1, error=CircuitOpen)
    assert breaker.reset("bob", "done").permits is None
    succeed(breaker)


def test_history_says_when_from_what_to_what_and_why(breaker: Breaker, clock: FakeClock) -> None:
    breaker.trip("ada", "maintenance")
    clock.pass_seconds(5)
    snapshot = breaker.reset("bob", "done")
    newest, oldest = snapshot.history
    assert (oldest.at, oldest.from_phase, oldest.to_phase) == (clock.now - 5, Phase.CLOSED, Phase.FORCED_OPEN)
    assert oldest.reason == "tripped by ada: maintenance"
    assert (newest.to_phase, newest.reason) == (Phase.CLOSED, "reset by bob: done")


def test_history_keeps_the_latest_transitions_only(store: Any, clock: FakeClock) -> None:
    breaker = Breaker("thing", store, replace(CONFIG, history_length=3), clock)
    for number in range(5):
        breaker.trip("ada", str(number))
    assert [transition.reason[-1] for transition in breaker.snapshot().history] == ["4", "3", "2"]


def test_counters_tell_answers_refusals_and_openings(breaker: Breaker) -> None:
    succeed(breaker, 3)
    fail(breaker, 5)
    fail(breaker, 2, error=CircuitOpen)
    state = breaker.snapshot().state
    totals = (state.succeeded_total, state.failed_total, state.rejected_total, state.opened_total)
    assert totals == (3, 5, 2, 1)


def test_a_used_breaker_is_known_by_name(store: Any) -> None:
    for name in ("b", "a"):
        succeed(Breaker(name, store))
    assert store.names() == ["a", "b"]


def test_a_clock_that_is_set_back_does_not_hold_it_open(breaker: Breaker, clock: FakeClock) -> None:
    fail(breaker, 5)
    clock.pass_seconds(-3600)
    fail(breaker, 1, error=CircuitOpen)
    clock.pass_seconds(30)
    succeed(breaker)


# --- with Redis -------------------------------------------------------------------------------------------------------
def _probe_often(prefix: str, times: int, inside: Any, most: Any, entered: Any) -> None:
    """In a process of its own: try to get the probe until all had it `times`; note how many hold it at once."""
    client = redis.Redis(connection_pool=get_redis_connection("queue").connection_pool)
    config = BreakerConfig(successes=10**9, reset_seconds=0.0)
    breaker = Breaker("thing", RedisStore(client, prefix), config)
    end = time.monotonic() + PATIENCE_SECONDS
    while entered.value < times and time.monotonic() < end:
        try:
            with breaker.guard():
                with inside.get_lock():
                    inside.value += 1
                    most.value = max(most.value, inside.value)
                    entered.value += 1
                time.sleep(0.002)
                with inside.get_lock():
                    inside.value -= 1
        except CircuitOpen:
            time.sleep(0.001)


def test_eight_processes_never_probe_at_once(queue: redis.Redis, prefix: str) -> None:
    breaker = Breaker("thing", RedisStore(queue, prefix), BreakerConfig(reset_seconds=0.0), is_failure=bool)
    fail(breaker, 5)
    fork = multiprocessing.get_context("fork")
    inside, most, entered = (fork.Value("i", 0) for _ in range(3))
    processes = [fork.Process(target=_probe_often, args=(prefix, 100, inside, most, entered)) for _ in range(8)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(2 * PATIENCE_SECONDS)
    assert [process.exitcode for process in processes] == [0] * 8
    assert (most.value, entered.value >= 100) == (1, True)


def test_processes_that_fail_at_once_lose_no_failure(queue: redis.Redis, prefix: str) -> None:
    breaker = Breaker("thing", RedisStore(queue, prefix), BreakerConfig(failures=10**6), is_failure=bool)
    fork = multiprocessing.get_context("fork")
    processes = [fork.Process(target=fail, args=(breaker, 25, ValueError)) for _ in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(2 * PATIENCE_SECONDS)
    assert breaker.snapshot().state.failures == 100


def test_an_unreadable_state_counts_as_a_new_breaker(
    queue: redis.Redis, prefix: str, caplog: pytest.LogCaptureFixture
) -> None:
    queue.set(f"{prefix}:state:thing", "{not json")
    breaker = Breaker("thing", RedisStore(queue, prefix))
    succeed(breaker)
    assert json.loads(queue.get(f"{prefix}:state:thing"))["succeeded_total"] == 1
    assert "unreadable state" in caplog.text


@pytest.fixture
def unreachable() -> redis.Redis:
    return redis.Redis(port=1, socket_connect_timeout=0.5, retry=None)


def test_without_redis_it_decides_by_itself_and_raises_no_redis_error(unreachable: redis.Redis) -> None:
    breaker = Breaker("thing", RedisStore(unreachable), is_failure=bool)
    fail(breaker, 5)
    fail(breaker, 1, error=CircuitOpen)
    snapshot = breaker.snapshot()
    assert (snapshot.state.phase, snapshot.shared, breaker.permits()) == (Phase.OPEN, False, 0)


def test_redis_is_asked_again_after_a_second(
    unreachable: redis.Redis, queue: redis.Redis, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = FakeClock()
    monkeypatch.setattr(breaker_guard.time, "monotonic", now)
    breaker = Breaker("thing", RedisStore(unreachable, prefix))
    succeed(breaker)
    breaker._store = RedisStore(queue, prefix)
    now.pass_seconds(0.9)
    assert not breaker.snapshot().shared
    now.pass_seconds(0.2)
    assert breaker.snapshot().shared


# --- as the project uses it -------------------------------------------------------------------------------------------
@pytest.fixture
def fresh_name(queue: redis.Redis) -> Iterator[str]:
    name = f"test-{os.getpid()}-{uuid.uuid4().hex}"
    yield name
    queue.delete(f"tracking:{{breaker}}:state:{name}", f"tracking:{{breaker}}:history:{name}")
    queue.srem("tracking:{breaker}:names", name)


def test_get_breaker_takes_its_thresholds_from_the_settings(fresh_name: str, settings: Any) -> None:
    settings.BREAKER_FAILURES = 2
    fail(breakers.get_breaker(fresh_name), 2, error=OperationalError)
    assert breakers.get_breaker(fresh_name).permits() == 0


def test_all_snapshots_lists_every_breaker(fresh_name: str) -> None:
    breakers.get_breaker(fresh_name).trip("ada", "test")
    found = {snapshot.name: snapshot for snapshot in breakers.all_snapshots()}
    assert found[fresh_name].state.phase is Phase.FORCED_OPEN
    assert found[fresh_name].shared


def test_only_outages_open_a_breaker_of_the_project(fresh_name: str) -> None:
    breaker = breakers.in_process_breaker(fresh_name)
    fail(breaker, 9, error=ValueError)
    assert breaker.permits() is None
    fail(breaker, 5, error=OperationalError)
    assert breaker.permits() == 0


def test_circuit_open_survives_a_process_border() -> None:
    copy = pickle.loads(pickle.dumps(CircuitOpen("database", 3.0)))
    assert (copy.name, copy.retry_after_seconds) == ("database", 3.0)


def test_transitions_are_logged_once_with_their_reason(caplog):
    breaker = Breaker("logged", MemoryStore(), BreakerConfig(failures=2))
    with caplog.at_level("INFO"):
        breaker.trip("ann", "maintenance")
        breaker.reset("ann", "done")
    said = [(record.levelname, record.getMessage()) for record in caplog.records]
    assert said == [
        ("WARNING", "breaker logged: closed -> forced_open: tripped by ann: maintenance"),
        ("INFO", "breaker logged: forced_open -> closed: reset by ann: done"),
    ]


@pytest.mark.parametrize("alive", [False, True])
def test_the_probe_of_a_process_that_died_is_given_back(alive: bool) -> None:
    ended = subprocess.Popen(["true"])
    ended.wait()
    breaker = get_breaker(f"probe-{uuid.uuid4().hex}")
    before = FakeClock(time.time() - breaker.config.reset_seconds - 1)
    store = RedisStore(get_redis_connection("queue"))
    for _ in range(breaker.config.failures):
        store.apply(breaker.name, CallFailed("x", 0, "away"), breaker.config, before)
    token = f"{socket.gethostname()}:{os.getpid() if alive else ended.pid}:0"
    assert store.apply(breaker.name, Acquire(token), breaker.config).allowed
    assert breaker.permits() == 0
    assert breakers.release_probes_of_the_dead() == (not alive)
    assert breaker.permits() == (not alive)
