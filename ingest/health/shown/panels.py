"""What the operator's desk shows of the feeds: each with its health, and how many messages come through how fast.

Plain data leave, in the form that `tracking/desk/panels.py` describes. The feeds are those of the table, and those that
somebody runs by hand and that were heard within a day. Names, rates, delays and states are those of the feeds' pages
and of `/status`.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, NamedTuple

from django.urls import reverse

from ingest.health import history
from ingest.health.histogram import quantile
from ingest.health.history import Past
from ingest.health.reading import Health, WatchedFeed, read, subject
from ingest.health.shown import sections
from ingest.health.state import FeedState
from ingest.models import Feed
from ingest.sources.common import urls as feed_urls
from tracking.desk.panels import Panel, Trouble, Window, trouble

RECENT_MINUTES = 10  # of the figures that are one number
NOT_WELL = (FeedState.FAILING, FeedState.SILENT, FeedState.STALE_CLOCK)
_WORST_FIRST = (*NOT_WELL, FeedState.OFF, FeedState.OK)
_WORDS = {FeedState.FAILING: "is failing", FeedState.SILENT: "is silent", FeedState.STALE_CLOCK: "has a wrong clock"}


class Known(NamedTuple):
    """A feed as the desk shows it; `url` leads to its page and is empty where it has none."""

    subject: WatchedFeed
    name: str
    address: str
    url: str


def panels() -> list[Panel]:
    """The one of the feeds."""
    return [{"name": "feeds", "permission": "ingest.view_feed", "ask": feeds}]


def badges() -> list[dict[str, Any]]:
    """Feeds that are not well."""
    return [{"page": "ingest_feed", "permission": "ingest.view_feed", "variant": "danger", "ask": _count_ill}]


def feeds(window: Window) -> dict[str, Any]:
    """Every feed, the worst first, and all of them together. Raises redis.RedisError and django.db errors."""
    now = _now_ms()
    known = _known(now)
    found = read([each.subject for each in known], now) if known else {}
    hours = history.hour(list(found), now)
    shown = [_feed(each, found[each.subject.label], hours[each.subject.label], now) for each in known]
    shown.sort(key=lambda feed: (_WORST_FIRST.index(feed["state"]), feed["name"].lower()))
    return {
        "feeds": shown,
        "url": reverse("admin:ingest_feed_changelist"),
        "messages": _messages(known, found, hours, now, window),
        "troubles": _troubles(known, found, now),
    }


def _messages(
    known: Sequence[Known], found: dict[str, Health], hours: dict[str, list[Past]], now: int, window: Window
) -> dict[str, Any]:
    """How many come from all feeds, how long they take, and the chart of the window. Raises redis.RedisError."""
    names = {each.subject.label: each.name for each in known}
    rates = [health.rate for health in found.values() if health.rate is not None]
    usual = [health.facts.baseline for health in found.values() if health.facts.baseline is not None]
    return {
        "per_second": sum(rates) / 60,
        "usual_per_second": sum(usual) / 60 if usual else None,
        "hour": _sums([[past.messages for past in pasts] for pasts in hours.values()]),
        "targets": history.targets(list(names), now),
        "through": _through(hours, names),
        "chart": _chart(names, now, window),
    }


def _chart(names: dict[str, str], now: int, window: Window) -> dict[str, Any]:
    series = history.series(list(names), now, window)
    return {
        "window": window,
        "since": series.since,
        "step_minutes": series.step_minutes,
        "feeds": [
            {"label": label, "name": names[label], "values": values}
            for label, values in series.messages.items()
            if any(values)
        ],
    }


def _known(now: int) -> list[Known]:
    listed = [
        Known(subject(feed), feed.name, feed_urls.masked(feed.url), reverse("admin:ingest_feed_change", args=[feed.pk]))
        for feed in Feed.objects.order_by("name")
    ]
    labels = {each.subject.label for each in listed}
    by_hand = [each for each in sections.heard_subjects() if each.label not in labels]
    heard = read(by_hand, now) if by_hand else {}
    recent = (each for each in by_hand if sections.is_listed(heard[each.label], now))
    return listed + [Known(each, each.label, "run by hand", "") for each in recent]


def _state(each: Known, health: Health, now: int) -> FeedState:
    """Of the table's feeds the verdict; who runs one by hand tells of it by its messages only."""
    return health.verdict.state if each.url else sections.state_of(health, now)


def _feed(each: Known, health: Health, hour: Sequence[Past], now: int) -> dict[str, Any]:
    last = health.facts.last_message
    return {
        "name": each.name,
        "label": each.subject.label,
        "address": each.address,
        "url": each.url,
        "state": _state(each, health, now),
        "reason": health.verdict.reason,
        "per_second": None if health.rate is None else health.rate / 60,
        "usual_per_second": None if health.facts.baseline is None else health.facts.baseline / 60,
        "hour": [past.messages for past in hour],
        "delay_seconds": _seconds(health.delay_median_ms),
        "delay_95_seconds": _seconds(health.delay_95_ms),
        "skew_seconds": _seconds(health.skew_ms),
        "rejected_share": health.rejected_share,
        "heard_seconds": None if last is None else max(0, now - last) / 1000,
    }


def _troubles(known: Sequence[Known], found: dict[str, Health], now: int) -> list[Trouble]:
    """Feeds that are not well, and that nothing collects."""
    states = {each: _state(each, found[each.subject.label], now) for each in known}
    enabled = [each for each in known if each.subject.enabled]
    page = reverse("admin:ingest_feed_changelist")
    if enabled and all(states[each] is FeedState.OFF for each in enabled):
        return [trouble("no collector runs any of the feeds: start `manage.py ingest`", page)]
    if not known:
        return [trouble("there is no feed yet: make one", reverse("admin:ingest_feed_add"))]
    return [
        trouble(f"{each.name} {_WORDS[state]}{_why(found[each.subject.label])}", each.url or page)
        for each, state in states.items()
        if state in NOT_WELL and found[each.subject.label].verdict.settled
    ]


def _why(health: Health) -> str:
    return f" ({health.verdict.reason})" if health.verdict.reason else ""


def _through(hours: dict[str, list[Past]], names: dict[str, str]) -> dict[str, Any]:
    """From receipt to live state, in seconds: now, by minute, and of the slowest feed."""
    recent = {label: history.merged(pasts[-RECENT_MINUTES:]) for label, pasts in hours.items()}
    worst = {label: ms for label, counted in recent.items() if (ms := quantile(counted, 0.95)) is not None}
    slowest = max(worst, key=worst.__getitem__, default=None)
    total = history.merged(past for pasts in hours.values() for past in pasts[-RECENT_MINUTES:])
    by_minute = [history.merged(minute) for minute in zip(*hours.values(), strict=True)]
    return {
        "median_seconds": _seconds(quantile(total, 0.5)),
        "p95_seconds": _seconds(quantile(total, 0.95)),
        "hour": [_seconds(quantile(counted, 0.95)) for counted in by_minute],
        "slowest": None if slowest is None else {"name": names[slowest], "p95_seconds": _seconds(worst[slowest])},
    }


def _count_ill() -> int:
    now = _now_ms()
    known = [subject(feed) for feed in Feed.objects.filter(enabled=True)]
    found = read(known, now) if known else {}
    return sum(health.verdict.settled and health.verdict.state in NOT_WELL for health in found.values())


def _sums(series: Sequence[Sequence[int]]) -> list[int]:
    return [sum(step) for step in zip(*series, strict=True)] if series else [0] * history.HOUR


def _seconds(ms: float | None) -> float | None:
    return None if ms is None else round(ms / 1000, 3)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
