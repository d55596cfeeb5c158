"""Alerts: a feed that is not well is announced once, and once more when it is well again or switched off.

Verdicts enter; log lines and, with ALERT_WEBHOOK_URL, requests (`ingest/health/webhook.py`) leave. What was announced
last is kept in the queue's Redis and changed by compare-and-set, so of several processes that judge a feed one
announces. The log says, in words that may be searched for:

    WARNING  feed NAME is silent: REASON        (or "is failing", "has a stale clock")
    INFO     feed NAME is ok again after SPAN   (or "is off: REASON")

A process that dies between the change and the announcement takes it along: nothing is announced twice.
"""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import redis
from django_redis import get_redis_connection

from ingest.health import keys, webhook
from ingest.health.reading import WatchedFeed, read
from ingest.health.standing import Standing, fold_baselines, tell
from ingest.health.state import FeedState, FeedVerdict, span

logger = logging.getLogger(__name__)

ALERT_SECONDS = 30 * 86_400

# KEYS: alert. ARGV: expected text, new text ("": none), seconds to keep it.
_COMPARE_AND_SET = """
if (redis.call('GET', KEYS[1]) or '') ~= ARGV[1] then return 0 end
if ARGV[2] == '' then redis.call('DEL', KEYS[1]) else redis.call('SET', KEYS[1], ARGV[2], 'EX', ARGV[3]) end
return 1
"""


class _Alert(msgspec.Struct):
    """What was announced: the state, and since when (ms since 1970)."""

    state: FeedState
    since: int


class Watch:
    """Looks after the feeds that one process runs; `post` sends an announcement to the webhook without waiting."""

    def __init__(self, post: Callable[[dict[str, Any]], None] = webhook.post) -> None:
        self._post = post
        self._is_blind = False

    def look(self, feeds: Sequence[tuple[WatchedFeed, Standing]], now: int) -> None:
        """Tell how the running feeds stand, judge each, and announce what changed. Never raises."""
        try:
            standings = [standing for _, standing in feeds]
            tell(standings, now)
            fold_baselines(standings, now)
            for label, health in read([subject for subject, _ in feeds], now).items():
                announce(label, health.verdict, now, self._post)
        except Exception as error:
            # Not only RedisError: the loop that runs the feeds calls this, and no bug in here may stop them.
            self._blinded(error)
            return
        self._is_blind = False

    def left(self, labels: Sequence[str], now: int) -> None:
        """These feeds were disabled or deleted, which ends their alerts. Never raises."""
        try:
            for label in labels:
                announce(label, FeedVerdict(FeedState.OFF, "disabled"), now, self._post)
        except Exception as error:
            self._blinded(error)

    def _blinded(self, error: Exception) -> None:
        """Say so once an outage."""
        if not self._is_blind:
            bug = not isinstance(error, (redis.RedisError, OSError))
            logger.warning("nobody looks after the feeds for now: %s", error, exc_info=bug)
        self._is_blind = True


def announce(label: str, verdict: FeedVerdict, now: int, post: Callable[[dict[str, Any]], None] = webhook.post) -> bool:
    """Announce the state of a feed unless that was done; whether it was announced now. Raises redis.RedisError."""
    if not verdict.settled:
        return False
    client: redis.Redis = get_redis_connection("queue")
    stored: Any = client.get(keys.alert(label)) or b""
    before = msgspec.json.decode(stored, type=_Alert) if stored else None
    is_well = verdict.state in (FeedState.OK, FeedState.OFF)
    if (is_well and before is None) or (before is not None and before.state == verdict.state):
        return False
    after = b"" if is_well else msgspec.json.encode(_Alert(verdict.state, now))
    changed = client.register_script(_COMPARE_AND_SET)(keys=[keys.alert(label)], args=[stored, after, ALERT_SECONDS])
    if not changed:
        return False
    _log(label, verdict, before, now)
    post(_notice(label, verdict, before, now))
    return True


def _log(label: str, verdict: FeedVerdict, before: _Alert | None, now: int) -> None:
    if before is not None and verdict.state is FeedState.OK:
        logger.info("feed %s is ok again after %s", label, span((now - before.since) / 1000))
    elif verdict.state is FeedState.OFF:
        logger.info("feed %s is off: %s", label, verdict.reason)
    else:
        how = "has a stale clock" if verdict.state is FeedState.STALE_CLOCK else f"is {verdict.state.value}"
        logger.warning("feed %s %s: %s", label, how, verdict.reason)


def _notice(label: str, verdict: FeedVerdict, before: _Alert | None, now: int) -> dict[str, Any]:
    """The body of the request: `event` is `raised` or `cleared`; times are ISO 8601, UTC."""
    return {
        "event": "cleared" if verdict.state in (FeedState.OK, FeedState.OFF) else "raised",
        "feed": label,
        "state": verdict.state.value,
        "reason": verdict.reason,
        "previous": before.state.value if before is not None else FeedState.OK.value,
        "previous_since": _iso(before.since) if before is not None else None,
        "at": _iso(now),
    }


def _iso(ms: int) -> str:
    return dt.datetime.fromtimestamp(ms / 1000, dt.UTC).isoformat(timespec="milliseconds")
