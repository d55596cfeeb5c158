"""The note that live state missed something that PostgreSQL has: a token in the queue's Redis, read by the keeper.

Whoever fails to write live state, in any process, calls `note`; the keeper (`tracking/live/keeper.py`) loads what was
missed and calls `settle` with the token that it saw before. Each miss has a token of its own, so one that happens
while the keeper loads stays. Best effort: while the queue's Redis is away too, the process remembers that it owes the
note, and `pay` tries again at its next write; a process that ends before that leaves no note.
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

# KEYS: note. ARGV: the token that may be removed.
_SETTLE = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0"

_owed = False
_pay_at = 0.0


def note() -> None:
    """Live state missed something just now. Raises nothing of Redis."""
    global _owed
    _owed = True
    pay()


def pay() -> None:
    """Leave a note that could not be left before, if one is owed. Raises nothing of Redis."""
    global _owed, _pay_at
    if not _owed or time.monotonic() < _pay_at:
        return
    try:
        get_redis_connection("queue").set(KEY, uuid.uuid4().hex)
    except (redis.RedisError, OSError) as error:
        _pay_at = time.monotonic() + PAUSE_SECONDS
        logger.debug("that live state missed something is noted later: %s", error)
    else:
        _owed, _pay_at = False, 0.0


def token() -> bytes | None:
    """The note as it is now, None where nothing was missed. Raises redis.RedisError."""
    found: bytes | None = get_redis_connection("queue").get(KEY)
    return found


def settle(seen: bytes) -> bool:
    """Remove the note if it still is the one that was `seen` before loading. Raises redis.RedisError."""
    return bool(get_redis_connection("queue").register_script(_SETTLE)(keys=[KEY], args=[seen]))
