"""How each running feed stands, told to the queue's Redis by the process that runs it, every few seconds.

The runner says when a feed's source was opened and what ended it; a source that reconnects by itself says how it is in
a `status` (state, last_error, last_success, next_poll), if it has one. Facts leave (`ingest/health/keys.py`), among
them the baselines: an hour that is over is folded into the average of its hour of the week. Nothing is judged here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import msgspec
from django_redis import get_redis_connection

from ingest.health import keys
from ingest.reports import StationTime
from ingest.sources.common.contract import Source

BASELINE_WEIGHT = 0.3  # of the latest week: a change is half learnt after two
BASELINE_MINUTES = 30  # that a feed must have been run in an hour for the hour to say what is usual

# KEYS: baseline. ARGV: number of the hour since 1970, hour of the week, messages a minute or "" for no opinion, weight,
# seconds to keep. Several processes may run the feed: the first one folds.
_FOLD = """
if tonumber(redis.call('HGET', KEYS[1], 'folded') or '-1') >= tonumber(ARGV[1]) then return 0 end
redis.call('HSET', KEYS[1], 'folded', ARGV[1])
if ARGV[3] ~= '' then
  local before = tonumber(redis.call('HGET', KEYS[1], ARGV[2]) or ARGV[3])
  redis.call('HSET', KEYS[1], ARGV[2], string.format('%.3f', before + ARGV[4] * (ARGV[3] - before)))
end
redis.call('EXPIRE', KEYS[1], ARGV[5])
return 1
"""


class Standing:
    """One running feed. Written by the event loop, read by the thread that tells. Times are ms since 1970."""

    def __init__(self, label: str, now: int) -> None:
        self.label = label
        self._source: Source | None = None
        self.clocks: Callable[[], list[StationTime]] = list  # of its stations
        self._ended = ""
        self._error, self._since = "", now
        self._dropped = 0
        self.folded = -1  # the last hour that this process has folded into the baseline

    def opened(self, source: Source, clocks: Callable[[], list[StationTime]] = list) -> None:
        """Its source is being read from now on; `clocks` says how those of its stations are used."""
        self._source, self._ended, self._dropped, self.clocks = source, "", 0, clocks

    def ended(self) -> None:
        """Its source came to its end, which only a recording should."""
        if self._source is None or not self._source.recorded:
            self._ended = "the source ended"

    def failed(self, reason: str) -> None:
        """Its source cannot be used, until it is opened again."""
        self._ended = reason

    def facts(self, now: int) -> dict[str, Any]:
        """The fields of the hash of facts."""
        source = self._source
        status = getattr(source, "status", None)
        error = self._ended or (status.last_error if status is not None and status.state == "failing" else "")
        if bool(error) != bool(self._error):
            self._since = now
        self._error = error
        return {
            "told_at": now,
            "since": self._since,
            "error": error,
            "recorded": int(source is not None and source.recorded),
            "next_poll": getattr(status, "next_poll", None) or "",
            "last_success": getattr(status, "last_success", None) or "",
        }

    def newly_dropped(self) -> int:
        """Datagrams dropped since this was last asked."""
        total = self._source.dropped() if self._source is not None else 0
        new, self._dropped = max(0, total - self._dropped), total
        return new


def tell(standings: Iterable[Standing], now: int) -> None:
    """Say how these feeds stand at `now` (ms since 1970). Raises redis.RedisError."""
    minute = now // keys.MINUTE_MS
    pipe = get_redis_connection("queue").pipeline(transaction=False)
    for standing in standings:
        pipe.hset(keys.facts(standing.label), mapping=standing.facts(now))
        pipe.expire(keys.facts(standing.label), keys.FACTS_SECONDS)
        if clocks := standing.clocks():
            pipe.set(keys.clocks(standing.label), msgspec.json.encode(clocks), ex=keys.CLOCKS_SECONDS)
        key = keys.minute(standing.label, minute)
        pipe.hset(key, "told", 1)
        if dropped := standing.newly_dropped():
            pipe.hincrby(key, "dropped", dropped)
        pipe.expire(key, keys.MINUTE_SECONDS)
    pipe.execute()


def fold_baselines(standings: Iterable[Standing], now: int) -> None:
    """Add the hour before `now` (ms since 1970) to the baselines, once for each feed. Raises redis.RedisError.

    An hour without any message is a fault, and one in which the feed hardly ran says nothing: neither is folded.
    """
    hour = now // keys.HOUR_MS - 1
    client = get_redis_connection("queue")
    for standing in standings:
        if standing.folded == hour:
            continue
        pipe = client.pipeline(transaction=False)
        for number in range(hour * 60, hour * 60 + 60):
            pipe.hmget(keys.minute(standing.label, number), "told", "messages")
        minutes = pipe.execute()
        told = sum(1 for ran, _ in minutes if ran)
        messages = sum(int(count or 0) for _, count in minutes)
        rate = messages / told if told >= BASELINE_MINUTES and messages else ""
        client.register_script(_FOLD)(
            keys=[keys.baseline(standing.label)],
            args=[hour, keys.hour_of_week(hour), rate, BASELINE_WEIGHT, keys.BASELINE_SECONDS],
        )
        standing.folded = hour
