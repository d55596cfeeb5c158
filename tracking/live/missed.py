"""The mark that live state missed something that PostgreSQL has: a random value in the queue's Redis.

Whoever fails to write live state, in any process, calls `mark`; the keeper (`tracking/live/keeper.py`) loads what was
missed and calls `clear_mark` with the value that it saw before. Each miss sets a new value, so one that happens while
the keeper loads stays. Best effort: while the queue's Redis is away too, the process remembers that the mark is not
set, and `retry_mark` tries again at its next write; a process that ends before that leaves no mark.
"""

from __future__ import annotations

import logging
import time
import uuid

import redis
from django_redis import get_redis_connection

logger = logging.getLogger(__name__)

KEY = "tracking:live:missed"
PAUSE_SECONDS = 1.0  # an unreachable Redis costs the time-out of a connection each time

# KEYS: mark. ARGV: the value that may be removed.
_CLEAR = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0"

_unmarked = False
_retry_at = 0.0


def mark() -> None:
    """Live state missed something just now. Raises nothing of Redis."""
    global _unmarked
    _unmarked = True
    retry_mark()


def retry_mark() -> None:
    """Set a mark that could not be set before, if there is one. Raises nothing of Redis."""
    global _unmarked, _retry_at
    if not _unmarked or time.monotonic() < _retry_at:
        return
    try:
        get_redis_connection("queue").set(KEY, uuid.uuid4().hex)
    except (redis.RedisError, OSError) as error:
        _retry_at = time.monotonic() + PAUSE_SECONDS
        logger.debug("the mark that live state missed something is set later: %s", error)
    else:
        _unmarked, _retry_at = False, 0.0


def pending_mark() -> bytes | None:
    """The mark as it is now, None where nothing was missed. Raises redis.RedisError."""
    found: bytes | None = get_redis_connection("queue").get(KEY)
    return found


def clear_mark(seen: bytes) -> bool:
    """Remove the mark if it still is the one that was `seen` before loading. Raises redis.RedisError."""
    return bool(get_redis_connection("queue").register_script(_CLEAR)(keys=[KEY], args=[seen]))
