"""Who heard whom lately: every feed that brought a report of an identity counts, not only the one that won.

Labels and identities enter, sets of them leave, from the queue's Redis (`ingest/health/recorder.py` writes there).
Lately is the present ten minutes and the twenty before. An identity of the map is v and an MMSI, or a and an ICAO
address.
"""

from __future__ import annotations

import time

from django_redis import get_redis_connection

from ingest.health import keys
from ingest.health.shown.sections import labels

ICAO_DIGITS = 6


def by_feed(label: str) -> set[str]:
    """Identities of the map that a feed has heard. Raises redis.RedisError."""
    found = get_redis_connection("queue").sunion(_names(label))
    return {_on_map(key.decode()) for key in found}


def feeds_of(key: str) -> list[str]:
    """The feeds that have heard an MMSI or ICAO address. Raises redis.RedisError."""
    pipe = get_redis_connection("queue").pipeline(transaction=False)
    known = labels()
    for label in known:
        for name in _names(label):
            pipe.sismember(name, key)
    answers = iter(pipe.execute() if known else [])
    heard = {label: [next(answers) for _ in range(keys.HEARD_PERIODS)] for label in known}
    return [label for label, periods in heard.items() if any(periods)]


def _names(label: str) -> list[str]:
    newest = round(time.time() * 1000) // keys.MINUTE_MS // keys.HEARD_MINUTES
    return [keys.heard(label, newest - back) for back in range(keys.HEARD_PERIODS)]


def _on_map(key: str) -> str:
    """An MMSI has other than six digits, but for some test ids, which are nobody's."""
    return f"a{key}" if len(key.removeprefix("~")) == ICAO_DIGITS else f"v{key}"
