"""The circuit breaker as a pure function: a state, an event and the time go in, the next state and a decision come out.

                 5 failures                30 s passed, one probe
    closed ---------------------> open --------------------------> half_open
      ^                            ^  ------- probe failed -------   |
      |                            +---------------------------------+
      +------------------- 2 successful probes, one after the other -+

    closed, half_open --suspend--> open                        (by callers, who found that calling is of no use)
    any state --trip--> forced_open --reset--> closed          (by a person, who says why)

While closed, each success takes one failure off the count. In half_open a single caller holds the probe, on a lease,
so that a probe whose process was killed frees its place. Every transition begins a new generation, and an answer that
belongs to an older generation is counted but decides nothing.

It reads no clock, keeps nothing and talks to nobody: `resilience.breaker.store` keeps states,
`resilience.breaker.registry` is what callers use. All times are seconds since the epoch.
"""

from dataclasses import dataclass, replace
from enum import StrEnum


class Phase(StrEnum):
    """Where a breaker stands."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"
    FORCED_OPEN = "forced_open"


@dataclass(frozen=True, slots=True)
class BreakerConfig:
    """How many failures open it, how many probes close it, how long it rests, how long a probe may take.

    `keep_seconds`: how long a shared state outlives its last change, None for ever; one that a person tripped stays.
    """

    failures: int = 5
    successes: int = 2
    reset_seconds: float = 30.0
    probe_seconds: float = 20.0
    history_length: int = 200
    keep_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class BreakerState:
    """Everything a breaker remembers; a new one is closed. `probe` is the token of the lease holder or empty."""

    phase: Phase = Phase.CLOSED
    failures: int = 0
    successes: int = 0
    changed_at: float = 0.0
    generation: int = 0
    probe: str = ""
    probe_until: float = 0.0
    opened_total: int = 0
    rejected_total: int = 0
    succeeded_total: int = 0
    failed_total: int = 0


@dataclass(frozen=True, slots=True)
class Transition:
    """One change of phase: when, from what, to what and why."""

    at: float
    from_phase: Phase
    to_phase: Phase
    reason: str


@dataclass(frozen=True, slots=True)
class Acquire:
    """Somebody identified by `token` asks to call."""

    token: str


@dataclass(frozen=True, slots=True)
class Succeeded:
    """The call granted to `token` in `generation` was answered."""

    token: str
    generation: int


@dataclass(frozen=True, slots=True)
class CallFailed:
    """The call granted to `token` in `generation` failed for `reason`."""

    token: str
    generation: int
    reason: str


@dataclass(frozen=True, slots=True)
class Abandoned:
    """The call granted to `token` in `generation` was interrupted and says nothing about the other side."""

    token: str
    generation: int


@dataclass(frozen=True, slots=True)
class Suspend:
    """The callers found that calling is of no use for now, though the other side answers."""

    reason: str


@dataclass(frozen=True, slots=True)
class Trip:
    """A person stops all calls."""

    by: str
    reason: str


@dataclass(frozen=True, slots=True)
class Reset:
    """A person closes the breaker."""

    by: str
    reason: str


Event = Acquire | Succeeded | CallFailed | Abandoned | Suspend | Trip | Reset


@dataclass(frozen=True, slots=True)
class Decision:
    """`allowed` and `generation` answer an Acquire; `transition` is what happened, None when the phase stayed.

    `retry_after_seconds` is 0 when allowed, otherwise the time after which asking again makes sense.
    """

    allowed: bool = True
    generation: int = 0
    retry_after_seconds: float = 0.0
    transition: Transition | None = None


def step(state: BreakerState, event: Event, now: float, config: BreakerConfig) -> tuple[BreakerState, Decision]:
    """The next state and what it means for the caller. Pure; raises nothing."""
    state = _within_reach(state, now, config)
    match event:
        case Acquire(token):
            return _acquire(state, token, now, config)
        case Succeeded() | CallFailed() | Abandoned():
            return _answer(state, event, now, config)
        case Suspend(reason):
            if state.phase in (Phase.OPEN, Phase.FORCED_OPEN):
                return state, Decision(generation=state.generation)
            return _move(state, Phase.OPEN, now, reason)
        case Trip(by, reason):
            return _move(state, Phase.FORCED_OPEN, now, f"tripped by {by}: {reason}")
        case Reset(by, reason):
            return _move(state, Phase.CLOSED, now, f"reset by {by}: {reason}")


def permits(state: BreakerState, now: float, config: BreakerConfig) -> int | None:
    """How many calls would be granted now, without taking any: None is any number, 1 the probe, 0 none."""
    if state.phase is Phase.CLOSED:
        return None
    return 0 if retry_after_seconds(state, now, config) > 0 else 1


def retry_after_seconds(state: BreakerState, now: float, config: BreakerConfig) -> float:
    """Seconds until an Acquire can be granted, 0 when it would be now; the reset time while forced open."""
    state = _within_reach(state, now, config)
    match state.phase:
        case Phase.OPEN:
            return max(0.0, state.changed_at + config.reset_seconds - now)
        case Phase.HALF_OPEN:
            return max(0.0, state.probe_until - now) if state.probe else 0.0
        case Phase.FORCED_OPEN:
            return config.reset_seconds
        case _:
            return 0.0


def _within_reach(state: BreakerState, now: float, config: BreakerConfig) -> BreakerState:
    """A clock that was set back must not hold the breaker open for the difference."""
    if state.changed_at <= now and state.probe_until <= now + config.probe_seconds:
        return state
    return replace(
        state,
        changed_at=min(state.changed_at, now),
        probe_until=min(state.probe_until, now + config.probe_seconds),
    )


def _acquire(state: BreakerState, token: str, now: float, config: BreakerConfig) -> tuple[BreakerState, Decision]:
    wait = retry_after_seconds(state, now, config)
    if wait > 0:
        refused = replace(state, rejected_total=state.rejected_total + 1)
        return refused, Decision(allowed=False, generation=state.generation, retry_after_seconds=wait)
    if state.phase is Phase.CLOSED:
        return state, Decision(generation=state.generation)
    transition = None
    if state.phase is Phase.OPEN:
        state, opened = _move(state, Phase.HALF_OPEN, now, f"{config.reset_seconds:g} s have passed")
        transition = opened.transition
    leased = replace(state, probe=token, probe_until=now + config.probe_seconds)
    return leased, Decision(generation=leased.generation, transition=transition)


def _answer(
    state: BreakerState, event: Succeeded | CallFailed | Abandoned, now: float, config: BreakerConfig
) -> tuple[BreakerState, Decision]:
    state = _counted(state, event)
    if event.generation != state.generation:
        return state, Decision(generation=state.generation)
    if state.phase is Phase.CLOSED:
        return _answer_closed(state, event, now, config)
    if state.phase is Phase.HALF_OPEN and state.probe == event.token:
        return _answer_probe(state, event, now, config)
    return state, Decision(generation=state.generation)


def _counted(state: BreakerState, event: Succeeded | CallFailed | Abandoned) -> BreakerState:
    match event:
        case Succeeded():
            return replace(state, succeeded_total=state.succeeded_total + 1)
        case CallFailed():
            return replace(state, failed_total=state.failed_total + 1)
        case Abandoned():
            return state


def _answer_closed(
    state: BreakerState, event: Succeeded | CallFailed | Abandoned, now: float, config: BreakerConfig
) -> tuple[BreakerState, Decision]:
    match event:
        case Succeeded():
            state = replace(state, failures=max(0, state.failures - 1))
        case CallFailed(reason=reason):
            state = replace(state, failures=state.failures + 1)
            if state.failures >= config.failures:
                return _move(state, Phase.OPEN, now, reason)
    return state, Decision(generation=state.generation)


def _answer_probe(
    state: BreakerState, event: Succeeded | CallFailed | Abandoned, now: float, config: BreakerConfig
) -> tuple[BreakerState, Decision]:
    state = replace(state, probe="", probe_until=0.0)
    match event:
        case Succeeded():
            state = replace(state, successes=state.successes + 1)
            if state.successes >= config.successes:
                return _move(state, Phase.CLOSED, now, f"{state.successes} probes succeeded")
        case CallFailed(reason=reason):
            return _move(state, Phase.OPEN, now, reason)
    return state, Decision(generation=state.generation)


def _move(state: BreakerState, to: Phase, now: float, reason: str) -> tuple[BreakerState, Decision]:
    """Begin a new generation in phase `to`. The failures that opened it stay readable until it closes."""
    moved = replace(
        state,
        phase=to,
        failures=0 if to is Phase.CLOSED else state.failures,
        successes=0,
        changed_at=now,
        generation=state.generation + 1,
        probe="",
        probe_until=0.0,
        opened_total=state.opened_total + (to is Phase.OPEN),
    )
    transition = Transition(at=now, from_phase=state.phase, to_phase=to, reason=reason)
    return moved, Decision(generation=moved.generation, transition=transition)
