"""What a relay did with the messages that it was given, and how far it is: one hash in the queue's Redis.

    accepted == sent + sum(dropped) + sending

`accepted` are messages that the relay took account of. Before a relay sends, it writes down the place behind what it is
about to send, and how many messages that are (`sending`); afterwards, that they are sent. So a relay that is killed in
between repeats nothing: when it begins again nobody can know which of them went out, and they are counted as dropped,
`interrupted`. Place and counts change in one command.

A relay belongs to the process that claimed it last: another one that still runs it learns so when it writes next, and
sends nothing more.
"""

from __future__ import annotations

import time
import uuid
from collections import Counter
from collections.abc import Mapping
from typing import Any

import msgspec
from django_redis import get_redis_connection

from ingest.relays.stream import RelayEntry, StreamEnd

PREFIX = "tracking:relay:"
KEPT_SECONDS = 30 * 86_400  # after a relay ran last
INTERRUPTED, OVERRUN = "interrupted", "overrun"
_DROPPED = "dropped."

_CLAIM = """
redis.call('HSET', KEYS[1], 'run', ARGV[1])
return redis.call('HGETALL', KEYS[1])
"""
_SAVE = """
if redis.call('HGET', KEYS[1], 'run') ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], unpack(ARGV, 3))
redis.call('EXPIRE', KEYS[1], ARGV[2])
return 1
"""


class TakenOver(Exception):
    """Another process runs this relay now."""


class RelayStanding(msgspec.Struct):
    """How the connection stands, for people; `state` is starting, ok, failing or stopped."""

    state: str = "starting"
    error: str = ""
    clients: int | None = None  # of a relay that is connected to


class RelayAccount(msgspec.Struct):
    """Counts, and the place: the entry that was settled last, and how many messages of the stream were settled.

    `id` is empty for a relay that has no place yet. `missed_streams`: how often the stream was lost, with what was in
    it.
    """

    id: str = ""
    epoch: str = ""
    total: int = 0
    accepted: int = 0
    sent: int = 0
    sending: int = 0
    dropped: Counter[str] = msgspec.field(default_factory=Counter)
    missed_streams: int = 0
    sent_at: int = 0  # ms, when something was sent last

    def begin_at(self, end: StreamEnd) -> None:
        """The place of a relay that runs for the first time."""
        self.id, self.epoch, self.total = end.id, end.epoch, end.total

    def meet(self, entry: RelayEntry) -> int:
        """Count what is missing before an entry; how many messages of it are settled already."""
        if entry.epoch != self.epoch:
            self.missed_streams += bool(self.epoch)
            self.epoch, self.total = entry.epoch, 0
        first = entry.total - entry.count
        if first > self.total:
            self.accepted += first - self.total
            self.dropped[OVERRUN] += first - self.total
            self.total = first
        return self.total - first

    def settled(self, number: int, sent: int, sending: int, dropped: Mapping[str, int]) -> RelayAccount:
        """The account with `number` messages more, of which `sending` are about to be sent."""
        return msgspec.structs.replace(
            self,
            total=self.total + number,
            accepted=self.accepted + number,
            sent=self.sent + sent,
            sending=sending,
            dropped=self.dropped + Counter(dropped),
            sent_at=_now_ms() if sent else self.sent_at,
        )

    def adds_up(self) -> bool:
        """Whether the equation holds."""
        return self.accepted == self.sent + self.dropped.total() + self.sending


class AccountBook:
    """The account of one relay, as this process writes it."""

    def __init__(self, key: int, name: str) -> None:
        self._key, self._name, self._run = f"{PREFIX}{key}", name, uuid.uuid4().hex
        self._claim = get_redis_connection("queue").register_script(_CLAIM)
        self._save = get_redis_connection("queue").register_script(_SAVE)

    def claim(self) -> RelayAccount:
        """Take the relay over, and count what was being sent when its process was killed. Raises redis.RedisError."""
        told: Any = self._claim(keys=[self._key], args=[self._run])
        account = read_account(dict(zip(told[::2], told[1::2], strict=True)) if isinstance(told, list) else told)
        if account.sending:
            account.dropped[INTERRUPTED] += account.sending
            account.sending = 0
        return account

    def save(self, account: RelayAccount, standing: RelayStanding) -> None:
        """Write both down. Raises TakenOver and redis.RedisError."""
        fields: dict[str, Any] = {name: getattr(account, name) for name in _NUMBERS}
        fields |= {"id": account.id, "epoch": account.epoch, "name": self._name, "told_at": _now_ms()}
        fields |= {f"{_DROPPED}{reason}": count for reason, count in account.dropped.items()}
        fields |= {"state": standing.state, "error": standing.error}
        fields["clients"] = "" if standing.clients is None else standing.clients
        pairs = [text for pair in fields.items() for text in pair]
        if not self._save(keys=[self._key], args=[self._run, KEPT_SECONDS, *pairs]):
            raise TakenOver(f"relay {self._name} is run by another process now")


_NUMBERS = ("total", "accepted", "sent", "sending", "missed_streams", "sent_at")


class ToldRelay(msgspec.Struct, frozen=True):
    """What is known of a relay: its account, and when (ms) its process told how it stands; 0: never."""

    account: RelayAccount
    name: str = ""
    standing: RelayStanding = msgspec.field(default_factory=lambda: RelayStanding("unknown"))
    told_at: int = 0


def read_account(fields: Mapping[bytes, bytes]) -> RelayAccount:
    """The account in a hash; a new one for an empty hash."""
    account = RelayAccount(fields.get(b"id", b"").decode(), fields.get(b"epoch", b"").decode())
    for name in _NUMBERS:
        setattr(account, name, int(fields.get(name.encode(), 0)))
    prefix = _DROPPED.encode()
    for field, count in fields.items():
        if field.startswith(prefix):
            account.dropped[field.removeprefix(prefix).decode()] = int(count)
    return account


def told_of(keys: list[int]) -> dict[int, ToldRelay]:
    """What is known of relays, by their keys. Raises redis.RedisError."""
    pipe = get_redis_connection("queue").pipeline(transaction=False)
    for key in keys:
        pipe.hgetall(f"{PREFIX}{key}")
    return {key: _told(fields) for key, fields in zip(keys, pipe.execute() if keys else (), strict=True)}


def known_keys() -> list[int]:
    """The keys of relays that ran within KEPT_SECONDS. Raises redis.RedisError."""
    scanned = get_redis_connection("queue").scan_iter(match=f"{PREFIX}*", count=1000)
    return sorted(int(key.decode().removeprefix(PREFIX)) for key in scanned)


def lose_place(key: int) -> None:
    """A relay that is no longer wanted begins at the end when it is wanted again. Raises redis.RedisError."""
    client: Any = get_redis_connection("queue")
    if client.exists(f"{PREFIX}{key}"):
        client.hset(f"{PREFIX}{key}", mapping={"id": "", "state": "stopped", "run": ""})


def forget(key: int) -> None:
    """A relay that there is no more. Raises redis.RedisError."""
    get_redis_connection("queue").delete(f"{PREFIX}{key}")


def _told(fields: Mapping[bytes, bytes]) -> ToldRelay:
    text = {name.decode(): value.decode() for name, value in fields.items()}
    clients = int(text["clients"]) if text.get("clients") else None
    standing = RelayStanding(text.get("state", "unknown"), text.get("error", ""), clients)
    return ToldRelay(read_account(fields), text.get("name", ""), standing, int(text.get("told_at", 0)))


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
