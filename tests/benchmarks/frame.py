"""A benchmark, what it says, and how that is shown: the registry, the targets, the table and the JSON.

Enters the names of registered benchmarks; leaves an Outcome each, with its figures as medians over the rounds. A
benchmark verifies what it wrote and raises Unverified if that is not what went in: figures of wrong work are not shown,
and the run fails. A missed target is shown and fails nothing, because machines differ. Nothing is measured here.
"""

from __future__ import annotations

import logging
import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

logger = logging.getLogger(__name__)

ROUNDS = 5
QUICK_ROUNDS = 3


class Unverified(Exception):
    """What a benchmark wrote or decoded is not what it should be."""


@dataclass(frozen=True)
class Run:
    """How to measure: `rounds` after the warm-up; `quick`: simulated input is smaller as well."""

    rounds: int = ROUNDS
    quick: bool = False


@dataclass(frozen=True)
class Figure:
    """One number, measured once a round: `samples` in `unit`, none where this system cannot tell.

    `target` is the least that is wanted, with `at_most` the most.
    """

    name: str
    samples: Sequence[float]
    unit: str = ""
    target: float | None = None
    at_most: bool = False

    @property
    def value(self) -> float | None:
        """The median."""
        return statistics.median(self.samples) if self.samples else None

    @property
    def met(self) -> bool | None:
        """Whether the target is met; None without a target or a value."""
        if self.target is None or self.value is None:
            return None
        return self.value <= self.target if self.at_most else self.value >= self.target

    @property
    def verdict(self) -> str:
        """`ok`, or the side on which the target was missed: `below`, or `above` where the target is a limit."""
        if self.met is None:
            return ""
        return "ok" if self.met else "above" if self.at_most else "below"


@dataclass(frozen=True)
class Measured:
    """What a benchmark returns once it has verified its work; `subject` says what it worked on."""

    subject: str
    figures: Sequence[Figure]


Measure = Callable[[Run], Measured]


@dataclass(frozen=True)
class Benchmark:
    """A registered benchmark; `title` says in one line what is measured."""

    name: str
    title: str
    measure: Measure


@dataclass(frozen=True)
class Outcome:
    """What became of a benchmark; `error` is empty when it ran and verified its work, else there are no figures."""

    benchmark: Benchmark
    seconds: float
    subject: str = ""
    figures: Sequence[Figure] = field(default_factory=tuple)
    error: str = ""


REGISTRY: dict[str, Benchmark] = {}


def benchmark(name: str, title: str, registry: dict[str, Benchmark] | None = None) -> Callable[[Measure], Measure]:
    """Register the function below. Raises ValueError for a name that is taken."""
    registered = REGISTRY if registry is None else registry

    def register(measure: Measure) -> Measure:
        if name in registered:
            raise ValueError(f"there is a benchmark {name} already")
        registered[name] = Benchmark(name, title, measure)
        return measure

    return register


def execute(chosen: Iterable[Benchmark], run: Run, on_start: Callable[[str], object]) -> list[Outcome]:
    """Measure one after the other, each announced to `on_start`; one that fails is an outcome too."""
    outcomes = []
    for one in chosen:
        on_start(one.name)
        outcomes.append(_outcome(one, run))
    return outcomes


def _outcome(one: Benchmark, run: Run) -> Outcome:
    began = time.monotonic()
    try:
        measured = one.measure(run)
    except Unverified as error:
        return Outcome(one, time.monotonic() - began, error=f"not verified: {error}")
    except Exception as error:
        logger.exception("benchmark %s failed", one.name)
        return Outcome(one, time.monotonic() - began, error=f"{type(error).__name__}: {error}")
    return Outcome(one, time.monotonic() - began, measured.subject, measured.figures)


def succeeded(outcomes: Sequence[Outcome]) -> bool:
    """Whether something was measured and all of it verified."""
    return bool(outcomes) and not any(outcome.error for outcome in outcomes)


def table(outcomes: Iterable[Outcome]) -> str:
    """For a person: a block a benchmark, a line a figure with its spread over the rounds, target and verdict."""
    blocks = []
    for outcome in outcomes:
        head = f"{outcome.benchmark.name}: {outcome.benchmark.title}"
        subject = [f"  {outcome.subject}"] if outcome.subject else []
        failure = [f"  FAILED {outcome.error}"] if outcome.error else []
        blocks.append("\n".join([head, *subject, *failure, *map(_line, outcome.figures)]))
    return "\n\n".join(blocks)


def _line(figure: Figure) -> str:
    if figure.value is None:
        return f"  {figure.name:<50}{'not known here':>14}"
    spread = f"{_number(min(figure.samples))} to {_number(max(figure.samples))}"
    target = "" if figure.target is None else f"{'<=' if figure.at_most else '>='} {_number(figure.target)}"
    words = f"  {figure.name:<50}{_number(figure.value):>10} {figure.unit:<6}{spread:>22}{target:>12}  {figure.verdict}"
    return words.rstrip()


def _number(value: float) -> str:
    """Three digits that matter, thousands apart."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def as_json(outcomes: Iterable[Outcome], machine: dict[str, Any], run: Run) -> dict[str, Any]:
    """For a program: the machine, the run, and every sample of every figure."""
    return {
        "machine": machine,
        "rounds": run.rounds,
        "quick": run.quick,
        "benchmarks": [_outcome_json(outcome) for outcome in outcomes],
    }


def _outcome_json(outcome: Outcome) -> dict[str, Any]:
    return {
        "name": outcome.benchmark.name,
        "title": outcome.benchmark.title,
        "subject": outcome.subject,
        "seconds": round(outcome.seconds, 3),
        "error": outcome.error,
        "figures": [_figure_json(figure) for figure in outcome.figures],
    }


def _figure_json(figure: Figure) -> dict[str, Any]:
    return {
        "name": figure.name,
        "unit": figure.unit,
        "value": figure.value,
        "target": figure.target,
        "at_most": figure.at_most,
        "met": figure.met,
        "samples": list(figure.samples),
    }
