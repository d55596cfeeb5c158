"""Whether a feed is well: a pure function of what is known of it and the time.

Facts enter, a Verdict leaves; nothing is read, stored or announced here. In the order in which they are looked for:

    off           disabled, or no collector runs it
    failing       its source cannot be reached or read
    silent        connected, and no message for longer than usual
    stale clock   its own times lead or lag the arrival by more than a minute
    ok

A verdict that is not `settled` is what can be said now and may be over in seconds: it is shown, but nobody is called.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

COLLECTOR_LOST_MS = 60_000  # its runner tells of a feed every few seconds
FAILING_MS = 30_000  # a connection that is lost and found again in less is no reason to call anybody
STALE_CLOCK_MS = 60_000.0
# Messages come at random: at a steady rate, ten mean gaps pass without one once in 22,000.
SILENT_GAPS = 10.0
SILENT_POLLS = 3.0
LONGEST_SILENCE_SECONDS = 6 * 3600.0


class FeedState(StrEnum):
    """How a feed is."""

    OK = "ok"
    SILENT = "silent"
    STALE_CLOCK = "stale_clock"
    FAILING = "failing"
    OFF = "off"


class Facts(msgspec.Struct, frozen=True):
    """What is known of a feed. Times are ms since 1970, None: never.

    `told_at`: when its collector last told of it; `since`: since when the source is as it is (reached, or failing);
    `error`: why it is failing, empty where it is not; `recorded`: its times are of the past, so it may say nothing;
    `own_skew_ms`: median of arrival minus the feed's own time, None where it sends none; `baseline`: messages a minute
    at this hour of the week; `poll_seconds` of a polled one; `unreadable`: the commonest reason for which lines were
    refused lately, empty where any of them became a message or none came.
    """

    enabled: bool = True
    told_at: int | None = None
    since: int | None = None
    error: str = ""
    recorded: bool = False
    last_message: int | None = None
    own_skew_ms: float | None = None
    baseline: float | None = None
    poll_seconds: float | None = None
    unreadable: str = ""


class FeedVerdict(msgspec.Struct, frozen=True):
    """A state and its reason in words, empty where all is well."""

    state: FeedState
    reason: str = ""
    settled: bool = True


def judge(facts: Facts, now: int, silent_seconds: float) -> FeedVerdict:
    """The state of a feed at `now` (ms since 1970); `silent_seconds` without a message are silence at the least."""
    if not facts.enabled:
        return FeedVerdict(FeedState.OFF, "disabled")
    if facts.told_at is None or now - facts.told_at > COLLECTOR_LOST_MS:
        return FeedVerdict(FeedState.OFF, "no collector runs it")
    since = facts.since if facts.since is not None else facts.told_at
    if facts.error:
        return FeedVerdict(FeedState.FAILING, facts.error, settled=now - since >= FAILING_MS)
    if facts.recorded:
        return FeedVerdict(FeedState.OK, "a recording")
    if facts.unreadable:
        reason = f"nothing of what comes can be read: {facts.unreadable}"
        return FeedVerdict(FeedState.FAILING, reason, settled=now - since >= FAILING_MS)
    limit = silence_limit(facts, silent_seconds)
    quiet = (now - max(since, facts.last_message or 0)) / 1000
    if quiet > limit:
        return FeedVerdict(FeedState.SILENT, f"no message for {span(quiet)}, expected within {span(limit)}")
    if facts.own_skew_ms is not None and abs(facts.own_skew_ms) > STALE_CLOCK_MS:
        side = "behind" if facts.own_skew_ms > 0 else "ahead of"
        return FeedVerdict(
            FeedState.STALE_CLOCK, f"its times are about {span(abs(facts.own_skew_ms) / 1000)} {side} ours"
        )
    if facts.last_message is None or facts.last_message < since:
        return FeedVerdict(FeedState.OK, "waiting for the first message", settled=False)
    return FeedVerdict(FeedState.OK)


def silence_limit(facts: Facts, silent_seconds: float) -> float:
    """Seconds without a message that are silence: longer where the feed is usually slow, six hours at most."""
    usual = SILENT_GAPS * 60 / facts.baseline if facts.baseline else 0.0
    polls = SILENT_POLLS * facts.poll_seconds if facts.poll_seconds else 0.0
    return max(silent_seconds, min(max(usual, polls), LONGEST_SILENCE_SECONDS))


def span(seconds: float) -> str:
    """A span for people: `0.4 s`, `3 min 5 s`, `2 h 10 min`, `3 d 4 h`."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return _two(whole, "min", 60, "s", 1)
    if whole < 86_400:
        return _two(whole, "h", 3600, "min", 60)
    return _two(whole, "d", 86_400, "h", 3600)


def _two(seconds: int, unit: str, size: int, smaller: str, part: int) -> str:
    rest = seconds % size // part
    return f"{seconds // size} {unit}" + (f" {rest} {smaller}" if rest else "")
