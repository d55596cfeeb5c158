"""What the status page and the metrics say of the queue, the spool, the breakers, the dead letters
and the clocks.

Plain data leave, in the form that `tracking/status/sections.py` describes. For everybody to read: the reasons of
breakers hold drivers' texts, of which only the kind of the error is told.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Mapping
from typing import Any

from django_redis import get_redis_connection

from resilience import clocks
from resilience.breaker.registry import Phase, RedisStore, Snapshot, get_breaker
from resilience.models import DeadLetter
from resilience.queue.admission import BAD_SIGNATURE
from resilience.queue.broker import LIVE, STREAMS, StreamsBroker
from resilience.queue.streams import PARKED
from resilience.spool.spool import get_spool

LATE_SECONDS = 60.0  # a live batch that has waited for longer: the workers do not keep up, or none runs
ROOM_BYTES = 1024 * 1024  # with less left, a large batch may not find room any more
MOST_LETTERS = 100_000  # counting more would take too long for a page

_KIND = re.compile(r"\w+(?:Error|Exception|Timeout|Interrupted|Exceeded|Failure)(?=:|$)")


def sections() -> list[dict[str, Any]]:
    """Those of this app."""
    return [
        {
            "name": "queue",
            "title": "Queue",
            "ask": queue,
            "dependency": "queue_redis",
            "accepts": True,
            "without": "Workers rest, and new messages go to the spool of their host until the queue is back.",
        },
        {
            "name": "spool",
            "title": "Spool of this host",
            "ask": spool,
            "accepts": True,
            "without": "While the queue is away too, messages are refused and sources wait.",
        },
        {
            "name": "dead_letters",
            "title": "Dead letters",
            "ask": dead_letters,
            "without": "They are kept in PostgreSQL and will be counted when it is back.",
        },
        {
            "name": "breakers",
            "title": "Circuit breakers",
            "ask": breakers,
            "without": "While the queue's Redis is away, each process decides for itself.",
        },
        {
            "name": "clocks",
            "title": "Clocks",
            "ask": compared_clocks,
            "without": "They are held against PostgreSQL's. Nothing is deleted or expires until it is back.",
        },
    ]


def queue() -> dict[str, Any]:
    """How much waits in which stream, and since when. Raises redis.RedisError."""
    depths = StreamsBroker().depths()
    parked, late = depths[PARKED].waiting, depths[LIVE].oldest_seconds or 0.0
    waiting = sum(depths[stream].waiting + depths[stream].pending for stream in STREAMS)
    summary = f"{waiting:,} batches and tasks" if waiting else "nothing waits"
    if late > LATE_SECONDS:
        summary += f", the oldest live one is {_span(late)} old"
    if parked:
        summary += f"; {parked:,} parked, {_parked_for(StreamsBroker().streams.parked_reasons())}"
    metrics = [
        _gauge("tracking_queue_entries", "Batches and tasks in a stream.", "stream", _sizes(depths)),
        _gauge(
            "tracking_queue_pending",
            "Those of them that a worker has.",
            "stream",
            {name: depth.pending for name, depth in depths.items()},
        ),
        _gauge(
            "tracking_queue_oldest_seconds",
            "Age of the oldest of them, 0 where there is none.",
            "stream",
            {name: depth.oldest_seconds or 0.0 for name, depth in depths.items()},
        ),
    ]
    rows = [
        [name, f"{depth.waiting:,}", f"{depth.pending:,}", _span(depth.oldest_seconds)]
        for name, depth in depths.items()
    ]
    state = "degraded" if parked or late > LATE_SECONDS else "ok"
    return _answer(state, summary, ["stream", "waiting", "in hand", "oldest"], rows, metrics)


def spool() -> dict[str, Any]:
    """What this host keeps on its disk until the queue takes it. Raises SpoolUnusable."""
    found = get_spool()
    depth = found.depth()
    oldest = None if depth.oldest_at is None else max(0.0, time.time() - depth.oldest_at)
    metrics = [
        _gauge("tracking_spool_entries", "Batches on the disk of this host.", "", {"": depth.entries}),
        _gauge("tracking_spool_bytes", "Their size in bytes.", "", {"": depth.bytes}),
        _gauge("tracking_spool_oldest_seconds", "Age of the oldest, 0 where there is none.", "", {"": oldest or 0.0}),
    ]
    if not depth.entries:
        return _answer("ok", "empty", [], [], metrics)
    summary = f"{depth.entries:,} batches wait for the queue"
    is_full = found.max_bytes - depth.bytes < ROOM_BYTES
    rows = [[f"{depth.entries:,}", f"{depth.bytes / 1e6:,.1f} MB", _span(oldest)]]
    if is_full:
        return _answer("down", f"full: {summary}", ["batches", "size", "oldest"], rows, metrics)
    return _answer("degraded", summary, ["batches", "size", "oldest"], rows, metrics)


def dead_letters() -> dict[str, Any]:
    """How many are open, counted up to MOST_LETTERS. Raises django.db.Error."""
    count = DeadLetter.objects.filter(status__in=DeadLetter.OPEN).order_by()[:MOST_LETTERS].count()
    metrics = [
        _gauge("tracking_dead_letters_open", f"Open dead letters, {MOST_LETTERS} at most.", "", {"": count}),
    ]
    more = " or more" if count == MOST_LETTERS else ""
    return _answer("ok", f"{count:,}{more} open" if count else "none open", [], [], metrics)


def breakers() -> dict[str, Any]:
    """All breakers that were ever used. Raises redis.RedisError: then there is no state that all share."""
    names = RedisStore(get_redis_connection("queue")).names()
    found = [get_breaker(name).snapshot() for name in names]
    refusing = [each.name for each in found if each.state.phase is not Phase.CLOSED]
    metrics = [
        {
            "name": "tracking_breaker_state",
            "type": "gauge",
            "help": "1 for the state in which the breaker is, 0 for the others.",
            "samples": [
                {"labels": {"name": each.name, "state": phase.value}, "value": float(each.state.phase is phase)}
                for each in found
                for phase in Phase
            ],
        },
        _gauge(
            "tracking_breaker_opened_total",
            "How often the breaker has opened.",
            "name",
            {each.name: each.state.opened_total for each in found},
            "counter",
        ),
    ]
    columns = ["breaker", "state", "since", "failures", "opened", "next try", "why"]
    summary = f"not closed: {', '.join(refusing)}" if refusing else "all closed" if found else "none used yet"
    return _answer("degraded" if refusing else "ok", summary, columns, [_row(each) for each in found], metrics)


def compared_clocks() -> dict[str, Any]:
    """How far each clock is from PostgreSQL's. Raises django.db.Error."""
    found = clocks.read()
    differ = found.apart > clocks.MOST_SECONDS_APART
    summary = f"{_span(found.apart)} apart at most"
    metric = _gauge("tracking_clock_ahead_seconds", "How far a clock is ahead of PostgreSQL's.", "clock", found.ahead)
    rows = [[name, f"{seconds:+.1f} s"] for name, seconds in found.ahead.items()]
    if differ:
        summary += f", more than {clocks.MOST_SECONDS_APART:.0f} s: nothing is deleted, closed or expires"
    return _answer("degraded" if differ else "ok", summary, ["clock", "ahead"], rows, [metric])


def _row(breaker: Snapshot) -> list[str]:
    state, phase = breaker.state, breaker.state.phase
    since = breaker.now - state.changed_at if state.changed_at else None
    waits = "by hand" if phase is Phase.FORCED_OPEN else _span(breaker.retry_after_seconds or None)
    why = _kind(breaker.history[0].reason) if breaker.history and phase is not Phase.CLOSED else "-"
    phase_text = phase.value.replace("_", " ")
    return [breaker.name, phase_text, _span(since), str(state.failures), str(state.opened_total), waits, why]


def _kind(reason: str) -> str:
    """What may be told of a transition's reason: the kind of an error, or that a person did it."""
    if reason.startswith(("tripped by ", "reset by ")):
        return "by hand"
    found = _KIND.match(reason)
    return found.group() if found else "a probe" if "probe" in reason else "an error"


def _parked_for(reasons: Iterable[str]) -> str:
    """What a person has to do about parked entries. Other reasons may name callables, which is not for everybody."""
    if any(reason.startswith(BAD_SIGNATURE) for reason in reasons):
        return "not signed with the SECRET_KEY of the workers: set the same on all hosts, then see `manage.py parked`"
    return "which somebody has to look at with `manage.py parked`"


def _sizes(depths: Mapping[str, Any]) -> dict[str, float]:
    return {name: depth.waiting + depth.pending for name, depth in depths.items()}


def _gauge(name: str, text: str, label: str, values: Mapping[str, float], kind: str = "gauge") -> dict[str, Any]:
    """A metric with one label, or with none where `label` is empty."""
    samples = [{"labels": {label: key} if label else {}, "value": value} for key, value in values.items()]
    return {"name": name, "type": kind, "help": text, "samples": samples}


def _span(seconds: float | None) -> str:
    """A span for people, a dash for None: `0.4 s`, `3 min 5 s`, `2 h 10 min`."""
    if seconds is None:
        return "-"
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if minutes else f"{rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def _answer(
    state: str, summary: str, columns: list[str], rows: list[list[str]], metrics: Iterable[dict[str, Any]]
) -> dict[str, Any]:
    return {"state": state, "summary": summary, "columns": columns, "rows": rows, "metrics": list(metrics)}
