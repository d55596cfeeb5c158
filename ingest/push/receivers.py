"""Which feeds receivers may push to, and with which keys: a copy in the queue's Redis.

Feeds enter; who asks with a label and a key gets the feed's facts or nothing. The view reads this copy alone, so
receivers are heard while PostgreSQL is away. It is written when a feed is saved or deleted and by the loop that keeps
the feeds running (`ingest/feeds/runner.py`), which also mends what a Redis that was away missed. Keys are 256 random
bits and stored as their SHA-256: nothing slower is needed for what nobody can guess.

While that Redis is away, receivers are still heard: a process then trusts what the copy last said of a feed, for an
hour at most, and asks PostgreSQL for feeds it does not know.
"""

from __future__ import annotations

import hmac
import logging
import secrets
import time
from collections.abc import Callable, Iterable
from functools import partial
from hashlib import sha256
from typing import Any

import msgspec
import redis
from django.db import Error as DatabaseError
from django.db import close_old_connections, transaction
from django_redis import get_redis_connection

from ingest.models import Feed
from resilience.database.deadline import deadline

logger = logging.getLogger(__name__)

COPY = "tracking:push:feeds"
KEY_BYTES = 32
TRUSTED_SECONDS = 3600.0  # for which a process goes by what it was last told, while Redis is away
LOOKUP_SECONDS = 3.0  # for PostgreSQL: whoever posts waits, without having shown a key yet
AWAY_SECONDS = 2.0  # for which it then does not ask Redis again: a frozen one answers nothing for seconds
_NOBODY = "0" * 64  # compared with where there is no feed, so that both answers take as long


class PushFeed(msgspec.Struct, frozen=True):
    """What the view needs of a feed; `receiver`: latitude and longitude of the antenna in degrees, None: unknown."""

    source: str
    format: str
    score: int
    enabled: bool
    key_hash: str
    receiver: tuple[float, float] | None = None
    columns: str = ""
    zone: str = "UTC"


_read = msgspec.json.Decoder(PushFeed).decode


def new_key() -> str:
    """A key of 256 random bits, 43 characters that need no quoting anywhere."""
    return secrets.token_urlsafe(KEY_BYTES)


def hashed(key: str) -> str:
    """The key as it is stored: SHA-256, hexadecimal."""
    return sha256(key.encode("utf-8", "surrogateescape")).hexdigest()


def admit(label: str, key: str) -> PushFeed | None:
    """The feed with this label, enabled or not, if the key is its key; else None.

    Raises redis.RedisError when Redis does not answer, this process does not know the feed and PostgreSQL is away too.
    """
    feed = _known.feed(label)
    right = hmac.compare_digest(hashed(key), (feed.key_hash if feed else "") or _NOBODY)
    return feed if right else None


class KnownFeeds:
    """What this process was last told of feeds; `now`: seconds of a clock that only goes forward."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._told: dict[str, tuple[PushFeed, float]] = {}
        self._away: redis.RedisError | None = None
        self._away_until = 0.0

    def feed(self, label: str) -> PushFeed | None:
        """The feed with this label, from the first that answers. Raises redis.RedisError when none does."""
        away = self._away if self._now() < self._away_until else None
        if away is None:
            try:
                stored = get_redis_connection("queue").hget(COPY, label)
                return self._remember(label, _read(stored) if stored else None)
            except redis.RedisError as error:
                away = self._away = error
                self._away_until = self._now() + AWAY_SECONDS
        return self._remembered(label) or self._from_the_table(label, away)

    def forget(self) -> None:
        """Feeds were changed while Redis was away."""
        self._told.clear()

    def _remembered(self, label: str) -> PushFeed | None:
        feed, told_at = self._told.get(label, (None, 0.0))
        return feed if self._now() - told_at <= TRUSTED_SECONDS else None

    def _remember(self, label: str, feed: PushFeed | None) -> PushFeed | None:
        """Only what exists, so that guessing labels fills nothing."""
        if feed is None:
            self._told.pop(label, None)
        else:
            self._told[label] = feed, self._now()
        return feed

    def _from_the_table(self, label: str, away: redis.RedisError) -> PushFeed | None:
        try:
            close_old_connections()
            with deadline(LOOKUP_SECONDS):
                found = Feed.objects.filter(source=label).first()
        except DatabaseError as error:
            logger.warning("feeds cannot be looked up, neither queue nor database answers: %s", error)
            raise away from error
        return self._remember(label, _facts(found) if found and found.only_receives else None)


_known = KnownFeeds()


def copy(feeds: Iterable[Feed]) -> None:
    """Make the copy that of these feeds, all there are. Raises redis.RedisError.

    Nothing is written where nothing changed: every write of the queue's Redis is flushed to its disk.
    """
    wanted = {feed.source.encode(): msgspec.json.encode(_facts(feed)) for feed in feeds if feed.only_receives}
    client: Any = get_redis_connection("queue")
    if client.hgetall(COPY) == wanted:
        return
    pipe = client.pipeline(transaction=True)
    pipe.delete(COPY)
    if wanted:
        pipe.hset(COPY, mapping=wanted)
    pipe.execute()


def on_change(sender: type[Feed], using: str = "default", **_: Any) -> None:
    """Signal: a feed was saved or deleted; the copy follows when the transaction is committed."""
    transaction.on_commit(partial(_copy_again, using), using=using)


def _copy_again(using: str) -> None:
    _known.forget()
    try:
        copy(Feed.objects.using(using))
    except redis.RedisError as error:
        logger.warning("receivers that push are told of changed feeds later, the queue does not answer: %s", error)


def _facts(feed: Feed) -> PushFeed:
    latitude, longitude = feed.receiver_latitude, feed.receiver_longitude
    receiver = (latitude, longitude) if latitude is not None and longitude is not None else None
    columns, zone = (str(feed.options.get(name, default)) for name, default in (("columns", ""), ("zone", "UTC")))
    return PushFeed(feed.source, feed.format, feed.score, feed.enabled, feed.key_hash, receiver, columns, zone)
