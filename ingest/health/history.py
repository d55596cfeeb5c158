"""How many messages came over time, by feed: an hour by minutes, a day by ten minutes, a week by hours.

Labels and a time enter; Series leave, from the queue's Redis. Minutes that are over are read once and remembered in
this process, so whoever looks every few seconds reads the last ones only.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from django_redis import get_redis_connection

from ingest.health import keys
from resilience import memory

HOUR = 60
OPEN_MINUTES = 3  # workers and collectors still add to them
_HELD = 50_000  # remembered minutes of feeds, some 200 bytes each

# The span of a series: (minutes a step, steps).
SPANS = {"1h": (1, 60), "24h": (10, 144), "7d": (60, 168)}


class Past(msgspec.Struct, frozen=True):
    """One feed and minute: messages, and how long they took from receipt to live state, by bucket."""

    messages: int = 0
    through: dict[int, int] = {}


class Series(msgspec.Struct):
    """Messages of each step by feed; `since` (ms since 1970) is when the first step began, the last one is open."""

    since: int
    step_minutes: int
    messages: dict[str, list[int]]


_pasts: dict[tuple[str, int], Past] = {}
_targets: dict[tuple[tuple[str, ...], int], int] = {}
memory.forgotten_by(_pasts.clear)
memory.forgotten_by(_targets.clear)


def hour(labels: Sequence[str], now: int) -> dict[str, list[Past]]:
    """The last 60 minutes of each feed, the oldest first, up to `now` (ms since 1970). Raises redis.RedisError."""
    newest = now // keys.MINUTE_MS
    wanted = range(newest - HOUR + 1, newest + 1)
    unknown = [(label, number) for label in labels for number in wanted if (label, number) not in _pasts]
    pipe = get_redis_connection("queue").pipeline(transaction=False)
    for label, number in unknown:
        pipe.hgetall(keys.minute(label, number))
    fresh = dict(zip(unknown, map(_past, pipe.execute() if unknown else []), strict=True))
    _remember(_pasts, {key: past for key, past in fresh.items() if key[1] <= newest - OPEN_MINUTES})
    return {label: [_pasts.get((label, number)) or fresh[label, number] for number in wanted] for label in labels}


def targets(labels: Sequence[str], now: int) -> list[int]:
    """Distinct targets of all feeds together in each of the last 60 minutes, the oldest first.

    Raises redis.RedisError.
    """
    newest, among = now // keys.MINUTE_MS, tuple(sorted(labels))
    wanted = range(newest - HOUR + 1, newest + 1)
    if not among:
        return [0] * HOUR
    unknown = [number for number in wanted if (among, number) not in _targets]
    pipe = get_redis_connection("queue").pipeline(transaction=False)
    for number in unknown:
        pipe.pfcount(*(keys.targets(label, number) for label in among))
    fresh = dict(zip(unknown, pipe.execute() if unknown else [], strict=True))
    _remember(_targets, {(among, number): fresh[number] for number in unknown if number <= newest - OPEN_MINUTES})
    return [fresh[number] if number in fresh else _targets[among, number] for number in wanted]


def series(labels: Sequence[str], now: int, span: str) -> Series:
    """The messages of the `span` (of SPANS) before `now` (ms since 1970). Raises redis.RedisError."""
    step, count = SPANS[span]
    minute = now // keys.MINUTE_MS
    first = minute // step - count + 1
    if step == 1:
        found = {label: [past.messages for past in pasts] for label, pasts in hour(labels, now).items()}
    else:
        found = _longer(labels, first, step, count)
    return Series(since=first * step * keys.MINUTE_MS, step_minutes=step, messages=found)


def _longer(labels: Sequence[str], first: int, step: int, count: int) -> dict[str, list[int]]:
    tenths = step // keys.TENTH_MINUTES
    begin, end = first * tenths, (first + count) * tenths
    days = range(begin // keys.TENTHS_OF_DAY, (end - 1) // keys.TENTHS_OF_DAY + 1)
    pipe = get_redis_connection("queue").pipeline(transaction=False)
    for label in labels:
        for day in days:
            pipe.hgetall(keys.tenths(label, day))
    answers = iter(pipe.execute() if labels else [])
    found = {}
    for label in labels:
        counted = Counter[int]()
        for day in days:
            counted.update({day * keys.TENTHS_OF_DAY + int(tenth): int(n) for tenth, n in next(answers).items()})
        found[label] = [sum(counted[begin + tenths * at + each] for each in range(tenths)) for at in range(count)]
    return found


def _past(stored: dict[bytes, bytes]) -> Past:
    through = {int(name[8:]): int(count) for name, count in stored.items() if name.startswith(b"through.")}
    return Past(int(stored.get(b"messages", 0)), through)


def merged(pasts: Iterable[Past]) -> dict[int, int]:
    """How long messages took, over several minutes or feeds."""
    total = Counter[int]()
    for past in pasts:
        total.update(past.through)
    return total


def _remember(kept: dict[Any, Any], found: dict[Any, Any]) -> None:
    if len(kept) > _HELD:
        kept.clear()
    kept.update(found)
