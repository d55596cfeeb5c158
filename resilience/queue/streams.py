"""The queue's Redis Streams: entries go in, deliveries come out, and nothing falls between two calls.

    tracking:queue:{<cluster>}:housekeeping    schedules and maintenance
    tracking:queue:{<cluster>}:live            batches as they arrive
    tracking:queue:{<cluster>}:replay          recordings and redrives
    tracking:queue:{<cluster>}:live:delayed    what goes back to that stream when its time has come (sorted set)
    tracking:queue:{<cluster>}:parked          what nobody may or can run; kept for a person to look at
    tracking:queue:{<cluster>}:acked           how many entries were done so far

All have one hash tag. Ages, idle times and delivery counts are Redis's own, so hosts' clocks do not matter. It knows
neither tasks nor breakers, and lets errors of Redis through: `resilience.queue.broker` decides what is read when.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import redis

HOUSEKEEPING, LIVE, REPLAY = STREAMS = ("housekeeping", "live", "replay")
PARKED = "parked"

_GROUP = "workers"
_RELEASED = "released"  # the consumer that holds what a killed pusher had; it has no process
_RELEASED_IDLE_MS = 86_400_000
_PAGE = 500
_FACTS = ("stream", "reason", "deliveries", "subject", "traceback")

# KEYS: stream, counter. ARGV: group, id. One call: a crash between XACK and XDEL would leave an entry nobody gets.
_DONE = """
redis.call('XACK', KEYS[1], ARGV[1], ARGV[2])
local removed = redis.call('XDEL', KEYS[1], ARGV[2])
if removed > 0 then redis.call('INCR', KEYS[2]) end
return removed
"""
# KEYS: stream, parked stream. ARGV: group, id, name of the stream, reason, deliveries.
# Whatever else the entry holds is kept under `raw:` and its name.
_PARK = """
local entry = redis.call('XRANGE', KEYS[1], ARGV[2], ARGV[2])[1]
if entry then
  local kept = {'id', ARGV[2], 'stream', ARGV[3], 'reason', ARGV[4], 'deliveries', ARGV[5]}
  for i = 1, #entry[2], 2 do
    kept[#kept + 1] = entry[2][i] == 't' and 't' or 'raw:' .. entry[2][i]
    kept[#kept + 1] = entry[2][i + 1]
  end
  redis.call('XADD', KEYS[2], '*', unpack(kept))
end
redis.call('XACK', KEYS[1], ARGV[1], ARGV[2])
return redis.call('XDEL', KEYS[1], ARGV[2])
"""


# KEYS: parked stream, stream. ARGV: id, what is put back.
_UNPARK = """
local entry = redis.call('XRANGE', KEYS[1], ARGV[1], ARGV[1])[1]
if not entry then return 0 end
redis.call('XADD', KEYS[2], '*', 't', ARGV[2])
return redis.call('XDEL', KEYS[1], ARGV[1])
"""
# KEYS: sorted set. ARGV: package, seconds from now on Redis's clock, which is the one that `_MOVE_DUE` reads.
_DELAY = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
return redis.call('ZADD', KEYS[1], now + ARGV[2] * 1000, ARGV[1])
"""
# KEYS: sorted set, stream. ARGV: at most. One call: nothing is ever in both or in neither.
_MOVE_DUE = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local due = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, ARGV[1])
for _, package in ipairs(due) do
  redis.call('XADD', KEYS[2], '*', 't', package)
  redis.call('ZREM', KEYS[1], package)
end
return #due
"""
# KEYS: parked stream. ARGV: at most. The reasons alone: what was parked may be large.
_REASONS = """
local found = {}
for _, entry in ipairs(redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', ARGV[1])) do
  for i = 1, #entry[2], 2 do
    if entry[2][i] == 'reason' then found[#found + 1] = entry[2][i + 1] end
  end
end
return found
"""


class Parked(NamedTuple):
    """An entry that was put aside: its id among the parked, the stream it came from, why, how often it was delivered
    or attempted, when it was parked (epoch seconds), and what was added.

    `subject` and `traceback` are empty where nobody knows of them: whose work it was, such as a feed, and the end of
    what the last attempt raised.
    """

    entry_id: str
    stream: str
    reason: str
    deliveries: int
    parked_at: float
    payload: bytes
    subject: str = ""
    traceback: str = ""


class StreamDelivery(NamedTuple):
    """One entry in the hands of a consumer: its stream, its id, what was added, how often it was delivered.

    `payload` is None where the entry is not one of ours: it has no field for it.
    """

    stream: str
    entry_id: str
    payload: bytes | None
    deliveries: int = 1


class StreamDepth(NamedTuple):
    """One stream: entries nobody has yet (delayed ones among them), entries somebody has, and the age of the oldest
    (None: it is empty)."""

    waiting: int
    pending: int
    oldest_seconds: float | None


class Streams:
    """The streams of one cluster on one Redis. Every method may raise redis.RedisError."""

    def __init__(self, connection: redis.Redis, cluster: str) -> None:
        self._redis: Any = connection  # redis-py's annotations mix its two clients
        self._cluster = cluster

    def key(self, name: str) -> str:
        """The Redis key of one of STREAMS, of "parked" or of "acked"."""
        return f"tracking:queue:{{{self._cluster}}}:{name}"

    def make_groups(self) -> None:
        """Make the streams and their consumer groups where they are missing."""
        for stream in STREAMS:
            try:
                self._redis.xgroup_create(self.key(stream), _GROUP, id="0", mkstream=True)
            except redis.ResponseError as error:
                if "BUSYGROUP" not in str(error):
                    raise

    def add(self, stream: str, payload: str, alongside: Mapping[str, str]) -> str:
        """Add an entry and set the keys `alongside`, all or nothing; the entry's id."""
        return self.add_all(stream, [payload], alongside)[0]

    def add_all(self, stream: str, payloads: Sequence[str], alongside: Mapping[str, str]) -> list[str]:
        """Add entries in their order and set the keys `alongside`, all or nothing; the entries' ids."""
        pipe = self._redis.pipeline(transaction=True)
        for payload in payloads:
            pipe.xadd(self.key(stream), {"t": payload})
        for key, value in alongside.items():
            pipe.set(key, value)
        return [str(added.decode()) for added in pipe.execute()[: len(payloads)]]

    def read(self, consumer: str, quotas: Mapping[str, int], block_ms: int) -> list[StreamDelivery]:
        """New entries in the order of `quotas` (stream -> at most); if none is there, wait for the first to come."""
        pipe = self._redis.pipeline(transaction=False)
        for stream, quota in quotas.items():
            pipe.xreadgroup(_GROUP, consumer, {self.key(stream): ">"}, count=quota)
        taken = [delivery for reply in pipe.execute() for delivery in _deliveries(reply)]
        if taken:
            return taken
        keys = {self.key(stream): ">" for stream in quotas}
        return _deliveries(self._redis.xreadgroup(_GROUP, consumer, keys, count=1, block=block_ms))

    def claim(
        self, consumer: str, stream: str, idle_ms: int, cursor: str, count: int
    ) -> tuple[str, list[StreamDelivery]]:
        """Take over entries that somebody has had for over `idle_ms`: the next cursor ("0-0": all seen) and them."""
        after, entries, _ = self._redis.xautoclaim(self.key(stream), _GROUP, consumer, idle_ms, cursor, count=count)
        pipe = self._redis.pipeline(transaction=False)
        for entry_id, _fields in entries:
            pipe.xpending_range(self.key(stream), _GROUP, entry_id, entry_id, 1)
        counts = [pending[0]["times_delivered"] if pending else 1 for pending in pipe.execute()]
        claimed = [
            StreamDelivery(stream, entry_id.decode(), fields.get(b"t"), deliveries)
            for (entry_id, fields), deliveries in zip(entries, counts, strict=True)
        ]
        return after.decode(), claimed

    def done(self, stream: str, entry_id: str) -> bool:
        """Remove an entry for good; False when it was gone already."""
        return bool(self._redis.eval(_DONE, 2, self.key(stream), self.key("acked"), _GROUP, entry_id))

    def park(self, stream: str, entry_id: str, reason: str, deliveries: int = 1) -> None:
        """Move an entry to the parked stream."""
        keys = self.key(stream), self.key(PARKED)
        self._redis.eval(_PARK, 2, *keys, _GROUP, entry_id, stream, reason, deliveries)

    def parked(self, count: int = 1000) -> list[Parked]:
        """The oldest parked entries, at most `count`."""
        return [_parked(entry_id, fields) for entry_id, fields in self._redis.xrange(self.key(PARKED), count=count)]

    def delay(self, stream: str, payload: str, seconds: float) -> None:
        """Have an entry added to the end of `stream` in so many seconds, by whoever calls `move_due` then."""
        self._redis.eval(_DELAY, 1, self._delayed(stream), payload, seconds)

    def move_due(self, stream: str, count: int = 100) -> int:
        """Add to `stream` what was delayed and is due, at most `count`; how many that were."""
        return int(self._redis.eval(_MOVE_DUE, 2, self._delayed(stream), self.key(stream), count))

    def delayed(self, stream: str) -> list[bytes]:
        """What is delayed, the first due first."""
        found: list[bytes] = self._redis.zrange(self._delayed(stream), 0, -1)
        return found

    def add_parked(self, stream: str, payload: str, reason: str, attempts: int, subject: str, traceback: str) -> None:
        """Put an entry aside that `unpark` gives back to `stream`; see Parked for the rest."""
        facts = {"stream": stream, "reason": reason, "deliveries": attempts, "subject": subject, "traceback": traceback}
        self._redis.xadd(self.key(PARKED), {"t": payload, **facts})

    def _delayed(self, stream: str) -> str:
        return f"{self.key(stream)}:delayed"

    def parked_reasons(self, count: int = 100) -> list[str]:
        """Why the newest parked entries are parked, of at most `count`, newest first."""
        return [reason.decode() for reason in self._redis.eval(_REASONS, 1, self.key(PARKED), count)]

    def unpark(self, entry: Parked, payload: str) -> bool:
        """Put a parked entry at the end of its stream as `payload`, with no deliveries; False when it was gone."""
        keys = self.key(PARKED), self.key(entry.stream)
        return bool(self._redis.eval(_UNPARK, 2, *keys, entry.entry_id, payload))

    def discard_parked(self, entry: Parked) -> bool:
        """Throw a parked entry away; False when it was gone already."""
        return bool(self._redis.xdel(self.key(PARKED), entry.entry_id))

    def give_back(self, stream: str, entry_id: str) -> None:
        """Make an entry claimable at once, this delivery not counted. Works where Redis has no memory left to add."""
        held = self._redis.xpending_range(self.key(stream), _GROUP, entry_id, entry_id, 1)
        for entry in held:
            count = max(0, entry["times_delivered"] - 1)
            options = {"idle": _RELEASED_IDLE_MS, "retrycount": count, "justid": True}
            self._redis.xclaim(self.key(stream), _GROUP, _RELEASED, 0, [entry_id], **options)

    def in_hand(self, consumer: str) -> dict[tuple[str, str], int]:
        """(stream, entry id) -> deliveries of what `consumer` has, at most 500 a stream."""
        pipe = self._redis.pipeline(transaction=False)
        for stream in STREAMS:
            pipe.xpending_range(self.key(stream), _GROUP, "-", "+", _PAGE, consumername=consumer)
        return {
            (stream, entry["message_id"].decode()): entry["times_delivered"]
            for stream, entries in zip(STREAMS, pipe.execute(), strict=True)
            for entry in entries
        }

    def release(self, consumer: str, uncounted: Iterable[tuple[str, str]]) -> int:
        """Make all that a killed `consumer` had claimable at once; how many entries that were.

        The delivery of those in `uncounted` (stream, entry id) never began and does not count.
        """
        spared, released = set(uncounted), 0
        while held := self.in_hand(consumer):
            pipe = self._redis.pipeline(transaction=False)
            for (stream, entry_id), deliveries in held.items():
                count = max(0, deliveries - ((stream, entry_id) in spared))
                options = {"idle": _RELEASED_IDLE_MS, "retrycount": count, "justid": True}
                pipe.xclaim(self.key(stream), _GROUP, _RELEASED, 0, [entry_id], **options)
            pipe.execute()
            released += len(held)
        return released

    def consumers(self) -> set[str]:
        """The names of all that ever read, the one of released entries left out."""
        pipe = self._redis.pipeline(transaction=False)
        for stream in STREAMS:
            pipe.xinfo_consumers(self.key(stream), _GROUP)
        return {one["name"].decode() for found in pipe.execute() for one in found} - {_RELEASED}

    def acked(self) -> int:
        """How many entries were done since the queue was made."""
        return int(self._redis.get(self.key("acked")) or 0)

    def depths(self) -> dict[str, StreamDepth]:
        """The depth of each stream and of "parked"."""
        names = (*STREAMS, PARKED)
        pipe = self._redis.pipeline(transaction=False)
        pipe.time()
        for name in names:
            pipe.xlen(self.key(name))
            pipe.xpending(self.key(name), _GROUP)
            pipe.xrange(self.key(name), count=1)
            pipe.zcard(self._delayed(name))
        (seconds, microseconds), *replies = pipe.execute(raise_on_error=False)
        now = seconds + microseconds / 1e6
        return {name: _depth(now, *replies[4 * place : 4 * place + 4]) for place, name in enumerate(names)}

    def drop(self) -> int:
        """Delete the three streams with all they hold, for an operator; how many entries that were."""
        pipe = self._redis.pipeline(transaction=True)
        for stream in STREAMS:
            pipe.xlen(self.key(stream))
            pipe.zcard(self._delayed(stream))
        pipe.delete(*(key for stream in STREAMS for key in (self.key(stream), self._delayed(stream))))
        return sum(pipe.execute()[:-1])


def _deliveries(reply: Any) -> list[StreamDelivery]:
    """XREADGROUP's reply, flat; an entry that was deleted meanwhile has no fields."""
    return [
        StreamDelivery(key.decode().rsplit(":", 1)[1], entry_id.decode(), fields.get(b"t"))
        for key, entries in reply or []
        for entry_id, fields in entries
        if fields
    ]


def _parked(entry_id: bytes, fields: Mapping[bytes, bytes]) -> Parked:
    """Whatever is missing, because somebody else wrote it, is empty."""
    facts = {name: fields.get(name.encode(), b"").decode(errors="replace") for name in _FACTS}
    deliveries = int(facts["deliveries"]) if facts["deliveries"].isdecimal() else 0
    parked_at = int(entry_id.split(b"-")[0]) / 1000
    return Parked(
        entry_id.decode(),
        facts["stream"],
        facts["reason"],
        deliveries,
        parked_at,
        fields.get(b"t", b""),
        facts["subject"],
        facts["traceback"],
    )


def _depth(now: float, length: Any, pending: Any, first: Any, delayed: Any) -> StreamDepth:
    for reply in (length, pending, first, delayed):
        if isinstance(reply, Exception) and "NOGROUP" not in str(reply):
            raise reply
    held = 0 if isinstance(pending, Exception) else int(pending["pending"])
    oldest = max(0.0, now - int(first[0][0].split(b"-")[0]) / 1000) if first else None
    return StreamDepth(max(0, length - held) + delayed, held, oldest)
