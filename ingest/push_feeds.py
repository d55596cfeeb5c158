"""Which feeds receivers may push to, and with which keys: a copy in the queue's Redis.

Feeds enter; who asks with a label and a key gets the feed's facts or nothing. The view reads this copy alone, so
receivers are heard while PostgreSQL is away. It is written when a feed is saved or deleted and by the loop that keeps
the feeds running (`ingest/feeds.py`), which also mends what a Redis that was away missed. Keys are 256 random bits and
stored as their SHA-256: nothing slower is needed for what nobody can guess.
"""

from __future__ import annotations

import hmac
import logging
import secrets
from collections.abc import Iterable
from functools import partial
from hashlib import sha256
from typing import Any

import msgspec
import redis
from django.db import transaction
from django_redis import get_redis_connection

from ingest.models import Feed

logger = logging.getLogger(__name__)

COPY = "tracking:push:feeds"
KEY_BYTES = 32
_NOBODY = "0" * 64  # compared with where there is no feed, so that both answers take as long


class PushFeed(msgspec.Struct, frozen=True):
    """What the view needs of a feed; `receiver`: latitude and longitude of the antenna in degrees, None: unknown."""

    source: str
    format: str
    score: int
    enabled: bool
    key_hash: str
    receiver: tuple[float, float] | None = None


_read = msgspec.json.Decoder(PushFeed).decode


def new_key() -> str:
    """A key of 256 random bits, 43 characters that need no quoting anywhere."""
    return secrets.token_urlsafe(KEY_BYTES)


def hashed(key: str) -> str:
    """The key as it is stored: SHA-256, hexadecimal."""
    return sha256(key.encode("utf-8", "surrogateescape")).hexdigest()


def admit(label: str, key: str) -> PushFeed | None:
    """The feed with this label, enabled or not, if the key is its key; else None. Raises redis.RedisError."""
    stored = get_redis_connection("queue").hget(COPY, label)
    feed = _read(stored) if stored else None
    right = hmac.compare_digest(hashed(key), (feed.key_hash if feed else "") or _NOBODY)
    return feed if right else None


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
    try:
        copy(Feed.objects.using(using))
    except redis.RedisError as error:
        logger.warning("receivers that push are told of changed feeds later, the queue does not answer: %s", error)


def _facts(feed: Feed) -> PushFeed:
    latitude, longitude = feed.receiver_latitude, feed.receiver_longitude
    receiver = (latitude, longitude) if latitude is not None and longitude is not None else None
    return PushFeed(feed.source, feed.format, feed.score, feed.enabled, feed.key_hash, receiver)
