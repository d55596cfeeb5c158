"""What the status page and the metrics say of PostgreSQL and of live state; the contract of such sections.

Every AppConfig that has a method `status_sections` is asked for a list of Questions, plain dictionaries, so that no app
imports another for it. `tracking/status/survey.py` asks them all at once, each in a thread of its own, and remembers
the latest Answers; the page shows them, and `tracking/status/metrics.py` gives their metrics to Prometheus.

An Answer is for everybody: no host, address, user or path, and no text of a driver. A question that raises is a
dependency that is down; the page tells the kind of the error only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Literal, NotRequired, TypedDict

import redis
from django.db import connections
from django_redis import get_redis_connection

from tracking.live.state import LiveKind, LiveState

State = Literal["ok", "degraded", "down", "unknown"]


class Sample(TypedDict):
    """One value of a metric."""

    labels: dict[str, str]
    value: float


class Metric(TypedDict):
    """A family of values, named by Prometheus' conventions; all its samples have the same labels."""

    name: str
    type: Literal["gauge", "counter"]
    help: str
    samples: list[Sample]


class SectionAnswer(TypedDict):
    """How something is: a state, one sentence, a table, numbers.

    A row has a cell for each column, "-" where there is nothing to say; cells of a column `state` are coloured.
    """

    state: State
    summary: str
    columns: list[str]
    rows: list[list[str]]
    metrics: list[Metric]


class SectionQuestion(TypedDict):
    """Something that can be asked how it is.

    `ask` may block and raise anything. `without`: what its absence means, for people. `dependency`: the server behind
    it, as tracking_dependency_up names it. `accepts`: messages come in through it; without any such, all is down.
    """

    name: str
    title: str
    ask: Callable[[], SectionAnswer]
    without: NotRequired[str]
    dependency: NotRequired[str]
    accepts: NotRequired[bool]


def sections() -> list[SectionQuestion]:
    """Those of this app, but for the archive's, which `tracking/history/archiving/standing.py` has."""
    return [
        {
            "name": "postgresql",
            "title": "PostgreSQL",
            "ask": postgresql,
            "dependency": "postgresql",
            "without": "Messages are accepted and wait in the queue. History and the admin are away; live state does "
            "not need it.",
        },
        {
            "name": "live",
            "title": "Live state",
            "ask": live,
            "dependency": "live_redis",
            "without": "The live map and API are away. History grows on, and live state comes back with the reports.",
        },
    ]


def postgresql() -> SectionAnswer:
    """Whether it answers and takes writes. Raises django.db.Error."""
    with connections["default"].cursor() as cursor:
        cursor.execute("SELECT pg_is_in_recovery()")
        (is_standby,) = cursor.fetchone()
    if is_standby:
        return answered("degraded", "answers, but takes no writes: it is a standby")
    return answered("ok", "answers and takes writes")


def live() -> SectionAnswer:
    """How many targets live, by kind. Raises redis.RedisError."""
    try:
        get_redis_connection("live").execute_command("JSON.GET", "tracking:check")
    except redis.ResponseError:  # it speaks, so it is there: what it lacks is the module
        return answered("down", "Redis answers, but it has no RedisJSON")
    counts = {kind: LiveState(kind).count() for kind in LiveKind}
    answer = answered("ok", f"{sum(counts.values()):,} targets")
    answer["columns"] = ["kind", "targets"]
    answer["rows"] = [[kind.value, f"{count:,}"] for kind, count in counts.items()]
    samples = (({"kind": kind.value}, count) for kind, count in counts.items())
    answer["metrics"] = [gauge("tracking_live_targets", "Targets heard within the TTL of live state.", samples)]
    return answer


def gauge(name: str, text: str, samples: Iterable[tuple[Mapping[str, str], float]]) -> Metric:
    """A gauge with its samples."""
    return {
        "name": name,
        "type": "gauge",
        "help": text,
        "samples": [{"labels": dict(labels), "value": value} for labels, value in samples],
    }


def answered(state: State, summary: str) -> SectionAnswer:
    return {"state": state, "summary": summary, "columns": [], "rows": [], "metrics": []}
