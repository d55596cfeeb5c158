"""The rules of the breaker hold for any trace of events, because the breaker is a pure function."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from resilience.breaker.registry import (
    Abandoned,
    Acquire,
    BreakerConfig,
    BreakerState,
    CallFailed,
    Decision,
    Phase,
    Reset,
    Succeeded,
    Trip,
    permits,
    step,
)
from resilience.breaker.store import dump_state, load_state

CONFIG = BreakerConfig()
EVENTS = st.one_of(
    st.tuples(st.just("acquire"), st.integers(0, 3)),
    st.tuples(st.sampled_from(["succeed", "fail", "abandon"]), st.integers(0, 3)),
    st.tuples(st.sampled_from(["trip", "reset"]), st.just(0)),
    st.tuples(st.just("wait"), st.sampled_from([0.1, 5.0, 19.9, 20.0, 30.0, 100.0])),
)


@given(st.lists(EVENTS, max_size=80))
def test_no_trace_of_events_breaks_the_rules(trace: list[tuple[str, Any]]) -> None:
    state, now = BreakerState(), 0.0
    granted: dict[str, int] = {}  # token of each caller -> the generation of its permission
    for kind, value in trace:
        if kind == "wait":
            now += value
            continue
        caller = f"caller {value}"
        allowance = permits(state, now, CONFIG)
        before, generation = state, granted.get(caller, -1)
        event = {
            "acquire": Acquire(caller),
            "succeed": Succeeded(caller, generation),
            "fail": CallFailed(caller, generation, "no"),
            "abandon": Abandoned(caller, generation),
            "trip": Trip("ada", "test"),
            "reset": Reset("ada", "test"),
        }[kind]
        state, decision = step(state, event, now, CONFIG)
        assert_rules(before, state, decision, now)
        if kind in ("succeed", "fail", "abandon") and generation != before.generation:
            assert (state.phase, state.failures, state.probe) == (before.phase, before.failures, before.probe)
        if kind == "acquire":
            assert decision.allowed == (allowance is None or allowance > 0)
            if decision.allowed:
                granted[caller] = decision.generation
                assert_one_probe(before, state, caller, now)


def assert_rules(before: BreakerState, state: BreakerState, decision: Decision, now: float) -> None:
    moved = decision.transition is not None
    assert state.generation == before.generation + moved
    assert moved or state.phase is before.phase
    assert 0 <= state.failures <= CONFIG.failures
    assert 0 <= state.successes < CONFIG.successes
    assert not state.probe or state.phase is Phase.HALF_OPEN
    assert state.probe_until <= now + CONFIG.probe_seconds
    assert load_state(dump_state(state)) == state
    if before.phase is Phase.FORCED_OPEN and moved:
        assert decision.transition.reason.startswith(("reset by", "tripped by"))


def assert_one_probe(before: BreakerState, state: BreakerState, caller: str, now: float) -> None:
    if state.phase is Phase.HALF_OPEN:
        assert state.probe == caller
        assert not before.probe or before.probe_until <= now
