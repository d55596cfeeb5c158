"""The health of feeds in the admin: columns of the list and a section of a feed's page.

Figures come from one look at the queue's Redis a page. While that is away the pages work and say that nothing is known.
"""

from __future__ import annotations

import datetime as dt
import logging
import time
from typing import Any

import redis
from django.http import HttpRequest, HttpResponse
from unfold.decorators import display
from unfold.views import ChangeList

from ingest.health.reading import FeedMinute, Health, attach, clocks, health_of
from ingest.health.state import span
from ingest.models import Feed
from ingest.reports import StationTime
from resilience.pages.readable import moment

logger = logging.getLogger(__name__)

COLOURS = {
    "ok": "success",
    "silent": "danger",
    "failing": "danger",
    "stale clock": "warning",
    "off": "info",
    "unknown": "warning",
}
UNKNOWN = "-"


class HealthyChangeList(ChangeList):  # type: ignore[misc]  # unfold has no types
    """A list whose feeds carry their `health`, None where it is not known."""

    def get_results(self, request: HttpRequest) -> None:
        """The page's feeds, all asked about at once."""
        super().get_results(request)
        attach(self.result_list, _now_ms())


class HealthPages:
    """For the ModelAdmin of feeds, in front of its base."""

    change_form_before_template = "admin/ingest/feed_health.html"

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        """The list that knows how the feeds are."""
        return HealthyChangeList

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The page of a feed, with its health."""
        feed = self.get_object(request, object_id)  # type: ignore[attr-defined]
        context = {"health": section(feed)} if feed is not None else {}
        return super().change_view(request, object_id, form_url, {**(extra_context or {}), **context})  # type: ignore[misc,no-any-return]

    @display(description="Health", label=COLOURS)  # type: ignore[untyped-decorator]
    def state(self, feed: Feed) -> str:
        """The badge."""
        return state_of(health_of(feed))

    @display(description="Last message")  # type: ignore[untyped-decorator]
    def last_message(self, feed: Feed) -> str:
        """How long ago the last message was accepted."""
        health = health_of(feed)
        return _ago(health.facts.last_message) if health else UNKNOWN

    @display(description="Messages/min (usual)")  # type: ignore[untyped-decorator]
    def rate(self, feed: Feed) -> str:
        """Now, and at this hour of the week."""
        health = health_of(feed)
        if health is None or health.rate is None:
            return UNKNOWN
        return _rate(health.rate) + (f" ({_rate(health.facts.baseline)})" if health.facts.baseline is not None else "")

    @display(description="Rejected")  # type: ignore[untyped-decorator]
    def rejected(self, feed: Feed) -> str:
        """Of the messages of the last minutes."""
        health = health_of(feed)
        return _share(health.rejected_share) if health else UNKNOWN

    @display(description="Delay (50 / 95 %)")  # type: ignore[untyped-decorator]
    def delay(self, feed: Feed) -> str:
        """From the event to its acceptance."""
        health = health_of(feed)
        return _delay(health) if health else UNKNOWN


def section(feed: Feed) -> dict[str, Any]:
    """What the page of a feed shows of its health."""
    attach([feed], _now_ms())
    health = health_of(feed)
    shown: dict[str, Any] = {"state": state_of(health), "colour": COLOURS[state_of(health)]}
    if health is None:
        return shown | {"reason": "The queue's Redis does not answer."}
    try:
        stations = clocks([feed.source])[feed.source]
    except redis.RedisError as error:
        logger.warning("the clocks of feed %s cannot be read: %s", feed.source, error)
        stations = []
    reason = health.verdict.reason
    return shown | {
        "reason": f"{reason[:1].upper()}{reason[1:]}." if reason else "Messages come as they should.",
        "numbers": _numbers(health),
        "reasons": _reasons(health.recent),
        "clocks": [_clock(station) for station in stations],
    }


def state_of(health: Health | None) -> str:
    """The state in words."""
    return health.verdict.state.value.replace("_", " ") if health else "unknown"


def _numbers(health: Health) -> list[tuple[str, str]]:
    recent, facts = health.recent, health.facts
    usual = _rate(facts.baseline) if facts.baseline is not None else "not known yet"
    numbers = [
        ("Last message (UTC)", _moment(facts.last_message)),
        ("Messages a minute", _rate(health.rate) if health.rate is not None else UNKNOWN),
        ("Usual at this hour of the week", usual),
        ("Rejected", _share(health.rejected_share)),
        ("Lines", f"{recent.lines:,}"),
        ("Messages", f"{recent.messages:,}"),
        ("Positions", f"{recent.positions:,}"),
        ("Duplicates", f"{recent.duplicate:,}"),
        ("Distinct targets", f"{recent.targets:,}"),
        ("Datagrams dropped", f"{recent.dropped:,}"),
        ("Delay, median / 95 %", _delay(health)),
        ("Clock skew", _skew(health)),
    ]
    if health.alert_since is not None:
        numbers.append(("Alert since (UTC)", _moment(health.alert_since)))
    if health.breaker is not None:
        numbers += [
            ("Breaker", "open" if health.breaker.open else "closed"),
            ("Last answer (UTC)", _moment(health.breaker.last_success)),
            ("Next request (UTC)", _moment(health.breaker.next_poll)),
        ]
    return numbers


def _reasons(recent: FeedMinute) -> list[tuple[str, str]]:
    """(reason, count) of refused lines and messages, the most frequent first."""
    counts = {**recent.malformed, **recent.rejected}
    return [(reason, f"{counts[reason]:,}") for reason in sorted(counts, key=lambda name: (-counts[name], name))]


def _clock(station: StationTime) -> list[str]:
    """(station, what its time is good for, how far it is ahead, by how many reports)."""
    use = {"own": "right" if station.offset_ms == 0 else "corrected", "arrival": "not believed"}.get(
        station.use, "not judged yet"
    )
    ahead = f"{station.offset_ms / 1000:+,.1f} s" if station.offset_ms else "-"
    return [station.station or "(no name)", use, ahead, f"{station.reports:,}"]


def _moment(ms: int | None) -> str:
    return moment(dt.datetime.fromtimestamp(ms / 1000, dt.UTC) if ms is not None else None)


def _ago(ms: int | None) -> str:
    return f"{span(max(0, _now_ms() - ms) / 1000)} ago" if ms is not None else UNKNOWN


def _rate(rate: float) -> str:
    return f"{rate:,.0f}" if rate >= 10 else f"{rate:.1f}"


def _share(share: float | None) -> str:
    return f"{share:.1%}" if share is not None else UNKNOWN


def _delay(health: Health) -> str:
    if health.delay_median_ms is None or health.delay_95_ms is None:
        return UNKNOWN
    return f"{_short(health.delay_median_ms)} / {_short(health.delay_95_ms)}"


def _skew(health: Health) -> str:
    """How late our receipt is by the other clock, and whose that is."""
    if health.skew_ms is None:
        return UNKNOWN
    by = "the feed's own times" if health.skew_by == "feed" else "the ships' seconds"
    return f"{_short(health.skew_ms)}, by {by}"


def _short(ms: float) -> str:
    return ("-" if ms <= -50 else "") + span(abs(ms) / 1000)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
