"""The breaker over random histories: one behaviour in Redis and in memory, the seed's thresholds, no host's clock."""

import random
import time
import uuid
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from django_redis import get_redis_connection

from resilience.breaker.registry import (
    Abandoned,
    Acquire,
    Breaker,
    BreakerConfig,
    CallFailed,
    CircuitOpen,
    Decision,
    MemoryStore,
    Phase,
    RedisStore,
    Reset,
    Succeeded,
    Trip,
)

pytestmark = pytest.mark.fault

TRACES = 300
EVENTS = 16
SEED = BreakerConfig(failures=5, successes=2, reset_seconds=30.0)


@pytest.fixture
def prefix() -> Iterator[str]:
    """Keys of this test, on the server without a disk: thousands of writes that need none."""
    name = f"test:{uuid.uuid4().hex}:{{breaker}}"
    yield name
    client = get_redis_connection("live")
    for key in client.scan_iter(f"{name}*"):
        client.delete(key)


class World:
    """A clock, and calls that were granted and are not answered yet: what a random event is chosen from."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.now = 1_800_000_000.0
        self.granted: list[tuple[str, int]] = []

    def clock(self) -> float:
        return self.now

    def event(self) -> Any:
        kind = self.chance.choices(("acquire", "answer", "wait", "trip", "reset", "set back"), (40, 40, 15, 1, 2, 2))[0]
        if kind == "wait":
            self.now += self.chance.choice((0.1, 1, 19.9, 20, 29.9, 30, 31))
        elif kind == "set back":
            self.now -= self.chance.choice((1, 3600))
        elif kind == "trip":
            return Trip("ada", "test")
        elif kind == "reset":
            return Reset("ada", "test")
        elif kind == "answer" and self.granted:
            return self._answer()
        return Acquire(f"call-{self.chance.randrange(10**9)}")

    def _answer(self) -> Any:
        token, generation = self.granted.pop(self.chance.randrange(len(self.granted)))
        kind = self.chance.choices((Succeeded, CallFailed, Abandoned), (35, 60, 5))[0]
        return kind(token, generation, "refused") if kind is CallFailed else kind(token, generation)

    def note(self, event: Any, decision: Decision) -> None:
        if isinstance(event, Acquire) and decision.allowed:
            self.granted.append((event.token, decision.generation))


def test_redis_and_memory_decide_alike_in_random_histories(prefix: str) -> None:
    shared, memory = RedisStore(get_redis_connection("live"), prefix), MemoryStore()
    phases = set()
    for seed in range(TRACES):
        world = World(seed)
        config = replace(SEED, failures=1 + seed % SEED.failures)  # short histories reach all phases, too
        name = f"trace-{seed}"
        for _ in range(EVENTS):
            event = world.event()
            decisions = [store.apply(name, event, config, world.clock) for store in (shared, memory)]
            assert decisions[0] == decisions[1], (seed, event)
            world.note(event, decisions[0])
        assert shared.load(name)[0] == memory.load(name)[0]
        assert shared.history(name) == memory.history(name)
        phases |= {transition.to_phase for transition in memory.history(name)}
    assert phases == set(Phase), "the traces did not reach every phase"


class SeedBreaker:
    """The seed's rules for one caller, written down once more: 5 failures, one off for each success, 30 s, 2 probes."""

    def __init__(self) -> None:
        self.failures = self.successes = 0
        self.opened_at: float | None = None
        self.probing = False

    def admits(self, now: float) -> bool:
        if self.opened_at is not None and now - self.opened_at >= 30:
            self.opened_at, self.probing, self.successes = None, True, 0
        return self.opened_at is None

    def answer(self, good: bool, now: float) -> None:
        if not good:
            self.failures += 1
            if self.probing or self.failures >= 5:
                self.opened_at, self.probing = now, False
        elif self.probing:
            self.successes += 1
            if self.successes == 2:
                self.probing, self.failures = False, 0
        else:
            self.failures = max(0, self.failures - 1)


@pytest.mark.parametrize("kind", ["redis", "memory"])
def test_for_one_caller_it_is_the_seed_s_breaker(prefix: str, kind: str) -> None:
    store = MemoryStore() if kind == "memory" else RedisStore(get_redis_connection("live"), prefix)
    refused = 0
    for seed in range(40):
        chance, now, expected = random.Random(seed), 1_800_000_000.0, SeedBreaker()
        for number in range(30):
            now += chance.choice((0.1, 5, 30))
            token = f"{seed}-{number}"
            decision = store.apply(f"seed-{seed}", Acquire(token), SEED, lambda now=now: now)
            assert decision.allowed == expected.admits(now), (seed, number)
            refused += not decision.allowed
            if decision.allowed:
                good = chance.random() < 0.4
                expected.answer(good, now)
                generation = decision.generation
                said = Succeeded(token, generation) if good else CallFailed(token, generation, "refused")
                store.apply(f"seed-{seed}", said, SEED, lambda now=now: now)
    assert refused > 50, "the traces hardly ever opened it"


@pytest.mark.parametrize("skew", [3600.0, -3600.0])
def test_a_host_whose_clock_is_an_hour_off_opens_and_closes_it_with_the_others(
    prefix: str, monkeypatch: pytest.MonkeyPatch, skew: float
) -> None:
    store = RedisStore(get_redis_connection("live"), prefix)
    patient = BreakerConfig(failures=1, successes=1, reset_seconds=600.0)  # an hour is longer, this test is not
    here, there = (Breaker("thing", store, patient, is_failure=bool) for _ in range(2))
    true_time = time.time
    with pytest.raises(ValueError, match="away"), here.guard():
        raise ValueError("away")
    monkeypatch.setattr(time, "time", lambda: true_time() + skew)
    with pytest.raises(CircuitOpen) as refusal, there.guard():
        pytest.fail("the call was made")
    assert 0 < refusal.value.retry_after_seconds <= 600.0
    here, there = (Breaker("thing", store, replace(patient, reset_seconds=0.3), is_failure=bool) for _ in range(2))
    time.sleep(0.31)  # Redis's own clock is what is tried here
    with there.guard():
        assert here.permits() == 0
    monkeypatch.undo()
    assert here.snapshot().state.phase is Phase.CLOSED
