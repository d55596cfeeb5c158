"""From workers to relays: accepted batches in a bounded stream of the live Redis.

A batch enters with a letter for each of its messages; entries leave, in order, with a count of all messages that ever
entered, so that a reader knows how many it missed: those that were trimmed away, and those that a worker could not
write. The live Redis keeps nothing over its own restart; the count then begins anew, under another `epoch`.
"""

from __future__ import annotations

from typing import Any, cast

import msgspec
from django.conf import settings
from django_redis import get_redis_connection

from ingest.reports import MessageBatch

STREAM = "v2:relayed"
HEAD = "v2:relayed:head"  # hash: `total` messages that entered, and `epoch`, when the count began
MOST_ENTRIES = 5000
FEWEST_ENTRIES = 8
ENTRIES_PER_READ = 8

# What a message is, as the ledger counts it.
POSITION, STATIC, STATION, OTHER = b"psbo"

# 1: messages of the entry, 2: messages missed before it, 3: entries to keep, 4: the batch
_APPEND = """
local epoch = redis.call('HGET', KEYS[2], 'epoch')
if not epoch then
  epoch = table.concat(redis.call('TIME'), '.')
  redis.call('HSET', KEYS[2], 'epoch', epoch)
end
local total = redis.call('HINCRBY', KEYS[2], 'total', ARGV[1] + ARGV[2])
return redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[3], '*', 'e', epoch, 't', total, 'n', ARGV[1], 'b', ARGV[4])
"""


class RelayedBatch(msgspec.Struct):
    """The messages of a batch that were accepted, and what each of them is: a letter of POSITION, STATIC, …"""

    kinds: bytes
    batch: MessageBatch


class RelayEntry(msgspec.Struct, frozen=True):
    """A batch in the stream; `total` counts all messages up to its last."""

    id: str
    epoch: str
    total: int
    count: int
    relayed: RelayedBatch

    @property
    def ms(self) -> int:
        """When it entered, by the clock of Redis."""
        return int(self.id.partition("-")[0])


class StreamEnd(msgspec.Struct, frozen=True):
    """The place behind everything that is in the stream."""

    id: str
    epoch: str
    total: int


_decode = msgspec.msgpack.Decoder(RelayedBatch).decode


def pack(relayed: RelayedBatch) -> bytes:
    """A batch as the stream carries it."""
    return msgspec.msgpack.encode(relayed)


def append(packed: bytes, count: int, missed: int = 0) -> None:
    """Add a batch of `count` messages; `missed`: messages before it that could not be added. Raises redis.RedisError.

    The larger an entry, the fewer are kept, so that RELAY_STREAM_MB bounds them all.
    """
    room = settings.RELAY_STREAM_MB * 2**20 // max(1, len(packed))
    keep = max(FEWEST_ENTRIES, min(MOST_ENTRIES, room))
    get_redis_connection("live").eval(_APPEND, 2, STREAM, HEAD, count, missed, keep, packed)


def read(after: str, block_ms: int | None = None) -> list[RelayEntry]:
    """The next entries after an id, a few at a time; waits `block_ms` for the first. Raises redis.RedisError."""
    found = get_redis_connection("live").xread({STREAM: after}, count=ENTRIES_PER_READ, block=block_ms)
    streams = found.values() if isinstance(found, dict) else (entries for _, entries in found or ())
    return [_entry(*entry) for entries in streams for entry in _flat(entries)]


def between(first_ms: int, last: str) -> list[RelayEntry]:
    """The entries from a time (ms) to an id, both included. Raises redis.RedisError."""
    return [_entry(*entry) for entry in get_redis_connection("live").xrange(STREAM, f"{first_ms}-0", last)]


def end() -> StreamEnd:
    """Where a relay begins that has never run. Raises redis.RedisError."""
    client: Any = get_redis_connection("live")
    newest = client.xrevrange(STREAM, count=1)
    if not newest:
        total, epoch = client.hmget(HEAD, "total", "epoch")
        return StreamEnd("0-0", (epoch or b"").decode(), int(total or 0))
    identity, fields = newest[0]
    return StreamEnd(identity.decode(), fields[b"e"].decode(), int(fields[b"t"]))


def total() -> tuple[str, int]:
    """(epoch, messages that ever entered). Raises redis.RedisError."""
    count, epoch = cast(Any, get_redis_connection("live")).hmget(HEAD, "total", "epoch")
    return (epoch or b"").decode(), int(count or 0)


def _flat(entries: Any) -> Any:
    """RESP3 puts the entries of a stream into one more list."""
    return entries[0] if entries and isinstance(entries[0], list) else entries


def _entry(identity: bytes, fields: dict[bytes, bytes]) -> RelayEntry:
    return RelayEntry(
        identity.decode(), fields[b"e"].decode(), int(fields[b"t"]), int(fields[b"n"]), _decode(fields[b"b"])
    )
