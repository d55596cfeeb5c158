"""What the status page and the metrics say of the feeds, from their health in the queue's Redis alone.

Plain data leave, in the form that `tracking/status/sections.py` describes. Which feeds there are is told by what is
kept of them, not by their table: a feed is listed for a day after it was last heard of. So this knows no difference
between a feed that is disabled and one that lacks its collector. It never says why a source fails: that may hold an
address.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
from django.conf import settings
from django_redis import get_redis_connection

from ingest.health import keys
from ingest.health.reading import Health, WatchedFeed, read
from ingest.health.recorder import TOTALLED
from ingest.health.state import FeedState, span

MOST_FEEDS = 500
MOST_ROWS = 50
LISTED_MS = 86_400_000
LABELS_SECONDS = 30.0  # a look through all keys of the queue's Redis is not for every request

_WORST_FIRST = (FeedState.FAILING, FeedState.SILENT, FeedState.STALE_CLOCK, FeedState.OFF, FeedState.OK)
_UNREACHED = "its source cannot be reached or read; the admin says why"

_TOTALS = {
    "lines": "Lines read, of whatever kind.",
    "messages": "Messages accepted.",
    "malformed": "Lines refused because they could not be read.",
    "rejected": "Accepted messages that workers refused.",
    "identities": "Ships and aircraft of booked batches, each counted once a batch.",
    "unchanged": "Those of them that said nothing new, so that no statement wrote them.",
}


class _FeedLabels(msgspec.Struct):
    """The labels of feeds, and until when they are taken as they are (monotonic seconds)."""

    labels: tuple[str, ...] = ()
    until: float = 0.0


_known = _FeedLabels()


def sections() -> list[dict[str, Any]]:
    """Those of this app."""
    return [
        {
            "name": "feeds",
            "title": "Feeds",
            "ask": feeds,
            "without": "Their health is kept in the queue's Redis; feeds run on, and receivers are still heard.",
        }
    ]


def feeds() -> dict[str, Any]:
    """The health of each feed, the worst first. Raises redis.RedisError."""
    now = round(time.time() * 1000)
    found = listed(now)
    states = {label: state_of(health, now) for label, health in found.items()}
    ill = sum(state in (FeedState.FAILING, FeedState.SILENT, FeedState.STALE_CLOCK) for state in states.values())
    lost = bool(states) and all(state is FeedState.OFF for state in states.values())
    rates = [health.rate for health in found.values() if health.rate is not None]
    summary = f"{len(found)} feeds" if found else "none has been run lately"
    if rates:
        summary += f", {sum(rates) / 60:,.1f} messages/s"
    if ill:
        summary += f"; {ill} not well"
    if lost:
        summary += "; no collector runs"
    worst = sorted(found, key=lambda label: (_WORST_FIRST.index(states[label]), label))
    return {
        "state": "degraded" if ill or lost else "ok",
        "summary": summary,
        "columns": ["feed", "state", "messages/s", "delay", "95 %", "last message", "why"],
        "rows": [_row(label, states[label], found[label], now) for label in worst[:MOST_ROWS]],
        "metrics": [*_metrics(found, states), *_totals(list(found))],
    }


def labels() -> tuple[str, ...]:
    """The labels of all feeds of which something is kept. Raises redis.RedisError."""
    return _labels()


def listed(now: int) -> dict[str, Health]:
    """The health of each feed that was heard of within a day, at `now` (ms since 1970). Raises redis.RedisError."""
    subjects = heard_subjects()
    found = read(subjects, now) if subjects else {}
    return {label: health for label, health in found.items() if is_listed(health, now)}


def heard_subjects() -> list[WatchedFeed]:
    """The feeds of which something is kept, whether or not they are in the table. Raises redis.RedisError."""
    labels = _labels()
    pipe = get_redis_connection("queue").pipeline(transaction=False)
    for label in labels:
        pipe.hmget(keys.facts(label), "next_poll", "last_success")
    polls = pipe.execute() if labels else []
    return [WatchedFeed(label, True, _poll_seconds(*told)) for label, told in zip(labels, polls, strict=True)]


def _labels() -> tuple[str, ...]:
    """The labels of all feeds of which something is kept, at most MOST_FEEDS."""
    if time.monotonic() >= _known.until:
        prefix = keys.facts("")
        scanned = get_redis_connection("queue").scan_iter(match=f"{prefix}*", count=1000)
        _known.labels = tuple(sorted({key.decode().removeprefix(prefix) for key in scanned})[:MOST_FEEDS])
        _known.until = time.monotonic() + LABELS_SECONDS
    return _known.labels


def _poll_seconds(next_poll: bytes | None, last_success: bytes | None) -> float | None:
    """How often a polled feed is asked, by its own account."""
    if not next_poll or not last_success:
        return None
    return max(0.0, (int(next_poll) - int(last_success)) / 1000)


def is_listed(health: Health, now: int) -> bool:
    """Whether it was heard of within a day."""
    return now - max(health.facts.told_at or 0, health.facts.last_message or 0) < LISTED_MS


def state_of(health: Health, now: int) -> FeedState:
    """The verdict; a source that somebody runs by hand has no collector that tells of it, only its messages."""
    by_hand = health.facts.told_at is None and health.facts.last_message is not None
    if by_hand and now - (health.facts.last_message or 0) < settings.FEED_SILENT_SECONDS * 1000:
        return FeedState.OK
    return health.verdict.state


def _row(label: str, state: FeedState, health: Health, now: int) -> list[str]:
    last = health.facts.last_message
    rate = "-" if health.rate is None else f"{health.rate / 60:,.1f}"
    why = _UNREACHED if health.facts.error else health.verdict.reason
    return [
        label,
        state.value.replace("_", " "),
        rate,
        _span(health.delay_median_ms),
        _span(health.delay_95_ms),
        f"{span(max(0, now - last) / 1000)} ago" if last else "never",
        why if state is not FeedState.OK else "-",
    ]


def _span(milliseconds: float | None) -> str:
    return "-" if milliseconds is None else span(milliseconds / 1000)


def _metrics(found: Mapping[str, Health], states: Mapping[str, FeedState]) -> list[dict[str, Any]]:
    return [
        _gauge(
            "tracking_feed_state",
            "1 for the state in which the feed is, 0 for the others.",
            (({"feed": label, "state": state.value}, states[label] is state) for label in found for state in FeedState),
        ),
        _gauge(
            "tracking_feed_messages_per_second",
            "Messages accepted, over the last five whole minutes.",
            (({"feed": label}, health.rate / 60) for label, health in found.items() if health.rate is not None),
        ),
        _gauge(
            "tracking_feed_delay_seconds",
            "From the event to its acceptance, over the last ten minutes.",
            _delays(found),
        ),
    ]


def _totals(labels: Sequence[str]) -> list[dict[str, Any]]:
    """Counters of what feeds brought, as far as anything was counted. Raises redis.RedisError."""
    pipe = get_redis_connection("queue").pipeline(transaction=False)
    for label in labels:
        pipe.hmget(keys.totals(label), TOTALLED)
    counted = dict(zip(labels, pipe.execute() if labels else [], strict=True))
    return [
        {
            "name": f"tracking_feed_{name}_total",
            "type": "counter",
            "help": _TOTALS[name],
            "samples": [
                {"labels": {"feed": label}, "value": float(counts[place] or 0)}
                for label, counts in counted.items()
                if any(counts)
            ],
        }
        for place, name in enumerate(TOTALLED)
    ]


def _delays(found: Mapping[str, Health]) -> Iterable[tuple[dict[str, str], float]]:
    for label, health in found.items():
        for quantile, delay in (("0.5", health.delay_median_ms), ("0.95", health.delay_95_ms)):
            if delay is not None:
                yield {"feed": label, "quantile": quantile}, delay / 1000


def _gauge(name: str, text: str, samples: Iterable[tuple[dict[str, str], float]]) -> dict[str, Any]:
    listed = [{"labels": labels, "value": float(value)} for labels, value in samples]
    return {"name": name, "type": "gauge", "help": text, "samples": listed}
