"""The health of feeds, as pages, the API and alerts read it: what was recorded lately, and what that comes to.

Feeds enter, a Health each leaves, all from one round trip to the queue's Redis. Figures are of the last WINDOW minutes,
the present one included; the rate is of whole minutes only. Nothing is written here; what is recorded, and what the two
skews can see, is told by `ingest/health/recorder.py`.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
import redis
from django.conf import settings
from django_redis import get_redis_connection

from ingest.health import keys
from ingest.health.histogram import quantile
from ingest.health.state import Facts, FeedVerdict, judge
from ingest.models import Feed
from ingest.reports import StationTime

logger = logging.getLogger(__name__)

WINDOW = 10
RATE_MINUTES = 5
OWN_SAMPLES = 5  # one a chunk
SHIPS_SAMPLES = 20


class WatchedFeed(msgspec.Struct, frozen=True):
    """What of a feed its health depends on; `poll_seconds` is None where nothing is polled."""

    label: str
    enabled: bool
    poll_seconds: float | None


class FeedMinute(msgspec.Struct):
    """Counts of one feed and minute, or of several added; `number` is that of the (last) minute since 1970.

    `booked`: messages that workers have taken through the pipeline; `targets`: distinct ones, about 1 % off; `told`:
    minutes in which a collector ran the feed. The last four are distributions by bucket of
    `ingest/health/histogram.py`; `through` is from receipt until live state is written, in ms, of messages.
    """

    number: int
    lines: int = 0
    foreign: int = 0
    messages: int = 0
    booked: int = 0
    positions: int = 0
    duplicate: int = 0
    dropped: int = 0
    targets: int = 0
    told: int = 0
    malformed: dict[str, int] = {}
    rejected: dict[str, int] = {}
    delay: dict[int, int] = {}
    skew: dict[int, int] = {}
    second: dict[int, int] = {}
    through: dict[int, int] = {}


class PollBackoff(msgspec.Struct):
    """A polled source: while it fails (`open`) nothing is requested before `next_poll`. Times in ms since 1970."""

    open: bool
    next_poll: int | None
    last_success: int | None


class Health(msgspec.Struct):
    """How a feed is and why; `alert_since` (ms since 1970): since when it has been an alert, None where it is none.

    `rate` and `baseline` are messages a minute, now and usually at this hour of the week, None where unknown; delays
    are from the event to its acceptance in ms; `skew_ms` compares clocks, by the feed's own times (`skew_by` "feed") or
    by the seconds in ships' reports ("ships").
    """

    verdict: FeedVerdict
    facts: Facts
    recent: FeedMinute
    rate: float | None = None
    delay_median_ms: float | None = None
    delay_95_ms: float | None = None
    skew_ms: float | None = None
    skew_by: str | None = None
    breaker: PollBackoff | None = None
    alert_since: int | None = None

    @property
    def rejected_share(self) -> float | None:
        """Messages refused of those booked, 0 to 1."""
        return sum(self.recent.rejected.values()) / self.recent.booked if self.recent.booked else None


def subject(feed: Feed) -> WatchedFeed:
    """A feed as its health sees it."""
    polled = feed.url.startswith(("http://", "https://"))
    return WatchedFeed(feed.source, feed.enabled, feed.poll_seconds if polled else None)


def read(subjects: Sequence[WatchedFeed], now: int) -> dict[str, Health]:
    """The health of each feed by its label, at `now` (ms since 1970). Raises redis.RedisError."""
    newest, hour = now // keys.MINUTE_MS, now // keys.HOUR_MS
    numbers = range(newest - WINDOW + 1, newest + 1)
    pipe = get_redis_connection("queue").pipeline(transaction=False)
    for each in subjects:
        pipe.hgetall(keys.facts(each.label))
        pipe.get(keys.alert(each.label))
        pipe.hmget(keys.baseline(each.label), _hours(hour))
        pipe.pfcount(*(keys.targets(each.label, number) for number in numbers))
        for number in numbers:
            pipe.hgetall(keys.minute(each.label, number))
    answers = iter(pipe.execute())
    found = {}
    for each in subjects:
        told, alert, usual, targets = (next(answers) for _ in range(4))
        minutes = [_minute(number, next(answers)) for number in numbers]
        found[each.label] = _health(each, _texts(told), usual, _added(minutes, targets), minutes, now)
        found[each.label].alert_since = msgspec.json.decode(alert)["since"] if alert else None
    return found


def attach(feeds: Iterable[Feed], now: int) -> None:
    """Have `health_of` know how each feed is at `now` (ms since 1970); nothing while Redis is away."""
    feeds = list(feeds)
    try:
        found = read([subject(feed) for feed in feeds], now)
    except redis.RedisError as error:
        logger.warning("the health of feeds cannot be read: %s", error)
        found = {}
    for feed in feeds:
        feed.health = found.get(feed.source)  # type: ignore[attr-defined]


def health_of(feed: Feed) -> Health | None:
    """What was attached to the feed; None where nothing is known."""
    health: Health | None = getattr(feed, "health", None)
    return health


def minutes(label: str, now: int, count: int) -> list[FeedMinute]:
    """The last `count` minutes (120 at most are kept), the newest first. Raises redis.RedisError."""
    newest = now // keys.MINUTE_MS
    pipe = get_redis_connection("queue").pipeline(transaction=False)
    for number in range(newest, newest - count, -1):
        pipe.hgetall(keys.minute(label, number))
        pipe.pfcount(keys.targets(label, number))
    answers = iter(pipe.execute())
    found = []
    for number in range(newest, newest - count, -1):
        minute = _minute(number, next(answers))
        minute.targets = next(answers)
        found.append(minute)
    return found


def clocks(labels: Sequence[str]) -> dict[str, list[StationTime]]:
    """How the clocks of the stations of each feed are used, those heard last first. Raises redis.RedisError."""
    names = [keys.clocks(label) for label in labels]
    stored: list[Any] = get_redis_connection("queue").mget(names) if names else []
    return {
        label: msgspec.json.decode(told, type=list[StationTime]) if told else []
        for label, told in zip(labels, stored, strict=True)
    }


def _hours(hour: int) -> list[str]:
    """The hours of the week that tell what is usual: this one first, then the same on the other days."""
    return [str(keys.hour_of_week(hour + 24 * day)) for day in range(7)]


def _usual(averages: Sequence[bytes | None]) -> float | None:
    """Messages a minute of this hour of the week; until a week has passed, the mean of the same hour on other days."""
    if averages[0] is not None:
        return float(averages[0])
    others = [float(average) for average in averages[1:] if average is not None]
    return sum(others) / len(others) if others else None


def _health(
    of: WatchedFeed,
    told: Mapping[str, str],
    usual: Sequence[bytes | None],
    recent: FeedMinute,
    each: list[FeedMinute],
    now: int,
) -> Health:
    own = quantile(recent.skew, 0.5) if sum(recent.skew.values()) >= OWN_SAMPLES else None
    ships = quantile(recent.second, 0.5) if sum(recent.second.values()) >= SHIPS_SAMPLES else None
    facts = Facts(
        enabled=of.enabled,
        told_at=_int(told, "told_at"),
        since=_int(told, "since"),
        error=told.get("error", ""),
        recorded=told.get("recorded") == "1",
        last_message=_int(told, "last_message"),
        own_skew_ms=own,
        baseline=_usual(usual),
        poll_seconds=of.poll_seconds,
        unreadable=max(recent.malformed, key=recent.malformed.__getitem__, default="") if not recent.messages else "",
    )
    breaker = PollBackoff(bool(facts.error), _int(told, "next_poll"), _int(told, "last_success"))
    return Health(
        verdict=judge(facts, now, settings.FEED_SILENT_SECONDS),
        facts=facts,
        recent=recent,
        rate=_rate(each),
        delay_median_ms=quantile(recent.delay, 0.5),
        delay_95_ms=quantile(recent.delay, 0.95),
        skew_ms=own if own is not None else ships,
        skew_by="feed" if own is not None else "ships" if ships is not None else None,
        breaker=breaker if of.poll_seconds is not None else None,
    )


def _rate(each: list[FeedMinute]) -> float | None:
    """Messages a minute over the last whole minutes in which anything ran or came."""
    whole = [minute for minute in each[-1 - RATE_MINUTES : -1] if minute.told or minute.messages]
    return sum(minute.messages for minute in whole) / len(whole) if whole else None


def _minute(number: int, stored: Mapping[bytes, bytes]) -> FeedMinute:
    """The hash of a minute; a field `name.key` is an entry of the mapping `name`. A newer version may write others."""
    minute = FeedMinute(number, malformed={}, rejected={}, delay={}, skew={}, second={}, through={})
    for name, text in _texts(stored).items():
        field, dot, key = name.partition(".")
        if field not in FeedMinute.__struct_fields__:
            continue
        if not dot:
            setattr(minute, field, int(text))
        else:
            getattr(minute, field)[key if field in ("malformed", "rejected") else int(key)] = int(text)
    return minute


def _added(each: Iterable[FeedMinute], targets: int) -> FeedMinute:
    """Minutes as one; `targets` cannot be added, because a target is heard in many minutes."""
    total: dict[str, Any] = {}
    for minute in each:
        for field, value in msgspec.structs.asdict(minute).items():
            empty: Any = Counter() if isinstance(value, dict) else 0
            total[field] = total.get(field, empty) + (Counter(value) if isinstance(value, dict) else value)
        total["number"] = minute.number
    return FeedMinute(**total | {"targets": targets})


def _texts(stored: Mapping[bytes, bytes]) -> dict[str, str]:
    return {name.decode(): value.decode() for name, value in stored.items()}


def _int(told: Mapping[str, str], name: str) -> int | None:
    text = told.get(name, "")
    return int(text) if text else None
