"""A breaker in half-open, eight real processes and one Redis: never more than one probe at a time."""

import multiprocessing
import os
import random
import signal
import time
import uuid
from collections.abc import Iterator

import pytest
import redis
from django_redis import get_redis_connection

from resilience.breaker.registry import Breaker, BreakerConfig, CircuitOpen, Phase, RedisStore
from tests.support.patience import PATIENCE_SECONDS

pytestmark = [pytest.mark.fault]

PROCESSES = 8
PROBES = 40
LEASE_SECONDS = 8.0  # longer than it takes anybody to kill and to ask

fork = multiprocessing.get_context("fork")


class Refused(Exception):
    """What the dependency of these tests fails with."""


def is_refused(error: BaseException) -> bool:
    return isinstance(error, Refused)


@pytest.fixture
def queue() -> redis.Redis:
    client: redis.Redis = get_redis_connection("queue")
    return client


@pytest.fixture
def prefix(queue: redis.Redis) -> Iterator[str]:
    """Where the states and the diary of one test are kept."""
    prefix = f"test:{uuid.uuid4().hex}:{{breaker}}"
    yield prefix
    for key in queue.scan_iter(f"{prefix}*"):
        queue.delete(key)


def breaker_of(client: redis.Redis, prefix: str, lease: float = 20.0) -> Breaker:
    """One that rests for no time and never has enough successes, so it is always about to be probed."""
    config = BreakerConfig(successes=10**9, reset_seconds=0.0, probe_seconds=lease)
    return Breaker("thing", RedisStore(client, prefix), config, is_failure=is_refused)


def open_it(breaker: Breaker) -> None:
    for _ in range(5):
        with pytest.raises(Refused), breaker.guard():
            raise Refused("no")


def own_client() -> redis.Redis:
    """Connections of this process alone, as in a process that was not forked."""
    pool = get_redis_connection("queue").connection_pool
    return redis.Redis(connection_pool=type(pool)(connection_class=pool.connection_class, **pool.connection_kwargs))


def probe_slowly(prefix: str, seed: int) -> None:
    """In a process of its own: probe until there were enough, a third of them fail; begin and end go into the diary."""
    client, chance = own_client(), random.Random(seed)
    breaker = breaker_of(client, prefix)
    end = time.monotonic() + PATIENCE_SECONDS
    while client.llen(f"{prefix}:diary") < 2 * PROBES and time.monotonic() < end:
        try:
            with breaker.guard():
                client.rpush(f"{prefix}:diary", f"begin {os.getpid()}")
                time.sleep(chance.uniform(0.005, 0.1))
                client.rpush(f"{prefix}:diary", f"end {os.getpid()}")
                if chance.random() < 0.33:
                    raise Refused("no")
        except (CircuitOpen, Refused):
            time.sleep(0.002)


def test_of_eight_processes_one_at_a_time_probes(queue: redis.Redis, prefix: str) -> None:
    open_it(breaker_of(queue, prefix))
    processes = [fork.Process(target=probe_slowly, args=(prefix, seed)) for seed in range(PROCESSES)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(2 * PATIENCE_SECONDS)
    assert [process.exitcode for process in processes] == [0] * PROCESSES

    # Redis wrote the diary in one order: with one probe at a time each begin is followed by its own end.
    diary = [line.decode().split() for line in queue.lrange(f"{prefix}:diary", 0, -1)]
    begins, ends = diary[::2], diary[1::2]
    assert [what for what, _ in begins] == ["begin"] * len(begins)
    assert ends == [["end", pid] for _, pid in begins]
    assert len(begins) >= PROBES and len({pid for _, pid in begins}) > 1


def probe_for_ever(prefix: str) -> None:
    client = own_client()
    with breaker_of(client, prefix, LEASE_SECONDS).guard():
        client.rpush(f"{prefix}:diary", "begin")
        signal.pause()


def test_a_probe_that_was_killed_holds_its_place_for_its_lease_and_no_longer(queue: redis.Redis, prefix: str) -> None:
    breaker = breaker_of(queue, prefix, LEASE_SECONDS)
    open_it(breaker)
    begun = time.monotonic()
    killed = fork.Process(target=probe_for_ever, args=(prefix,))
    killed.start()
    assert queue.blpop([f"{prefix}:diary"], timeout=PATIENCE_SECONDS)
    os.kill(killed.pid, signal.SIGKILL)
    killed.join(PATIENCE_SECONDS)

    refusals = 0
    while True:
        try:
            with breaker.guard():
                freed = time.monotonic()
                break
        except CircuitOpen as refusal:
            assert refusal.retry_after_seconds <= LEASE_SECONDS and time.monotonic() < begun + PATIENCE_SECONDS
            refusals += 1
            time.sleep(0.02)
    assert refusals > 0 and freed - begun >= LEASE_SECONDS
    assert breaker.snapshot().state.phase is Phase.HALF_OPEN
