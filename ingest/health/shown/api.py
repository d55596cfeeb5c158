"""The health of feeds as the API says it. Nothing is read or judged here (`ingest/health/reading.py`)."""

from __future__ import annotations

import datetime as dt
from typing import Any

from rest_framework import serializers

from ingest.health.keys import MINUTE_MS
from ingest.health.reading import WINDOW, FeedMinute, Health
from ingest.health.state import FeedState


class BreakerSerializer(serializers.Serializer[Any]):
    """A polled source: while it fails, nothing is requested before `next_poll`."""

    state = serializers.ChoiceField(["closed", "open"])
    next_poll = serializers.DateTimeField(allow_null=True)
    last_success = serializers.DateTimeField(allow_null=True)


class CountsSerializer(serializers.Serializer[Any]):
    """What was read and what became of it."""

    lines = serializers.IntegerField()
    messages = serializers.IntegerField(help_text="accepted")
    positions = serializers.IntegerField()
    duplicates = serializers.IntegerField(help_text="positions that changed nothing")
    dropped = serializers.IntegerField(help_text="datagrams that came faster than they were taken")
    targets = serializers.IntegerField(help_text="distinct ones, about 1 % off")
    malformed = serializers.DictField(child=serializers.IntegerField(), help_text="lines refused, by reason")
    rejected = serializers.DictField(child=serializers.IntegerField(), help_text="messages refused, by reason")


class HealthSerializer(serializers.Serializer[Any]):
    """How a feed is."""

    state = serializers.ChoiceField([state.value for state in FeedState])
    reason = serializers.CharField(help_text="in words, empty where all is well")
    alert_since = serializers.DateTimeField(allow_null=True, help_text="null where it is no alert")
    last_message = serializers.DateTimeField(allow_null=True)
    messages_per_minute = serializers.FloatField(allow_null=True, help_text="now, over whole minutes")
    baseline_per_minute = serializers.FloatField(allow_null=True, help_text="usual at this hour of the week")
    rejected_share = serializers.FloatField(allow_null=True, help_text="0 to 1")
    delay_median_seconds = serializers.FloatField(allow_null=True, help_text="from the event to its acceptance")
    delay_95_seconds = serializers.FloatField(allow_null=True, help_text="95 % are not above it")
    clock_skew_seconds = serializers.FloatField(allow_null=True, help_text="positive: the other clock is behind ours")
    clock_skew_by = serializers.ChoiceField(
        ["feed", "ships"], allow_null=True, help_text="the feed's own times, or the seconds in ships' reports"
    )
    window_minutes = serializers.IntegerField(help_text="that counts, delays and skew are of")
    counts = CountsSerializer()
    breaker = BreakerSerializer(allow_null=True, help_text="of a polled feed")


class MinuteSerializer(CountsSerializer):
    """One minute of a feed."""

    at = serializers.DateTimeField(help_text="when it began")


def represent(health: Health | None) -> dict[str, Any] | None:
    """What HealthSerializer describes; None where nothing is known because Redis is away."""
    if health is None:
        return None
    breaker = health.breaker
    return {
        "state": health.verdict.state.value,
        "reason": health.verdict.reason,
        "alert_since": _time(health.alert_since),
        "last_message": _time(health.facts.last_message),
        "messages_per_minute": _rounded(health.rate, 1),
        "baseline_per_minute": _rounded(health.facts.baseline, 1),
        "rejected_share": _rounded(health.rejected_share, 4),
        "delay_median_seconds": _seconds(health.delay_median_ms),
        "delay_95_seconds": _seconds(health.delay_95_ms),
        "clock_skew_seconds": _seconds(health.skew_ms),
        "clock_skew_by": health.skew_by,
        "window_minutes": WINDOW,
        "counts": _counts(health.recent),
        "breaker": {
            "state": "open" if breaker.open else "closed",
            "next_poll": _time(breaker.next_poll),
            "last_success": _time(breaker.last_success),
        }
        if breaker
        else None,
    }


def represent_minute(minute: FeedMinute) -> dict[str, Any]:
    """What MinuteSerializer describes."""
    return {"at": _time(minute.number * MINUTE_MS), **_counts(minute)}


def _counts(minute: FeedMinute) -> dict[str, Any]:
    return {
        "lines": minute.lines,
        "messages": minute.messages,
        "positions": minute.positions,
        "duplicates": minute.duplicate,
        "dropped": minute.dropped,
        "targets": minute.targets,
        "malformed": minute.malformed,
        "rejected": minute.rejected,
    }


def _time(ms: int | None) -> str | None:
    return serializers.DateTimeField().to_representation(dt.datetime.fromtimestamp(ms / 1000, dt.UTC)) if ms else None


def _seconds(ms: float | None) -> float | None:
    return _rounded(ms / 1000, 3) if ms is not None else None


def _rounded(value: float | None, places: int) -> float | None:
    return round(value, places) if value is not None else None
