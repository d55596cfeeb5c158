"""Which conditions each target fulfilled before, and what of them begins and ends with a batch.

    v2:events:{subject}s   hash, identity -> msgpack of `Held`, in the live Redis

At most MOST_TARGETS of each subject; those beyond are compared with PostgreSQL each time they fulfil something. What is
lost here, or overwritten by another worker at the same moment, begins again, and PostgreSQL refuses the repeat. Errors
of Redis reach the caller.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import NamedTuple

import msgspec
from django_redis import get_redis_connection

from tracking.events.conditions import BatchMoment, Condition, Values
from tracking.events.models.event import EventKind
from tracking.events.rules import Key, Rules
from tracking.events.timings import HEARD_SECONDS, TIMINGS
from tracking.truth.models import PositionKind

logger = logging.getLogger(__name__)

MOST_TARGETS = 100_000
_PER_CALL = 1000


class Held(msgspec.Struct, array_like=True):
    """Of one target: the time of the newest moment, and of each condition (kind and reference) since when and when
    last; ms since 1970."""

    newest: int = 0
    conditions: dict[str, tuple[int, int]] = {}


class Begun(NamedTuple):
    """A condition that was not fulfilled before."""

    key: Key
    condition: Condition
    moment: BatchMoment
    values: Values


class Ended(NamedTuple):
    """A condition that is over since `at`."""

    key: Key
    condition: Condition
    at: int


class Changes(NamedTuple):
    """What a batch changed."""

    begun: list[Begun]
    ended: list[Ended]
    held: dict[Key, Held]


# KEYS: hash. ARGV: msgpack of identities. The place of each that is known, from 1, and what it holds: the client
# neither sends thousands of arguments nor reads thousands of empty answers.
_LOAD = """
if redis.call('HLEN', KEYS[1]) == 0 then return {} end
local wanted, found = cmsgpack.unpack(ARGV[1]), {}
for start = 1, #wanted, 1000 do
  local values = redis.call('HMGET', KEYS[1], unpack(wanted, start, math.min(start + 999, #wanted)))
  for place = 1, #values do
    if values[place] then
      found[#found + 1] = start + place - 1
      found[#found + 1] = values[place]
    end
  end
end
return found
"""
_decode = msgspec.msgpack.Decoder(Held).decode


def name(condition: Condition) -> str:
    """As it is kept."""
    return f"{condition.kind.value}:{condition.reference}"


def condition_of(text: str) -> Condition:
    """The same back."""
    kind, _, reference = text.partition(":")
    return Condition(EventKind(kind), reference)


def load(subject: PositionKind, keys: Collection[Key]) -> dict[Key, Held]:
    """What is known of the targets, of those alone of whom something is."""
    if not keys:
        return {}
    wanted = list(keys)
    ask = get_redis_connection("live").register_script(_LOAD)
    found = ask(keys=[_hash(subject)], args=[msgspec.msgpack.encode(wanted)])
    return {wanted[place - 1]: _decode(packed) for place, packed in zip(found[::2], found[1::2], strict=True)}


def save(subject: PositionKind, held: Mapping[Key, Held]) -> None:
    """Keep what changed."""
    if not held:
        return
    client = get_redis_connection("live")
    if client.hlen(_hash(subject)) >= MOST_TARGETS:
        logger.warning("conditions of more than %d %ss are not remembered", MOST_TARGETS, subject)
        return
    client.hset(_hash(subject), mapping={key: msgspec.msgpack.encode(one) for key, one in held.items()})


def all_held(subject: PositionKind) -> Iterator[tuple[str, Held]]:
    """(identity, what it holds) of all targets, in pieces that keep other clients waiting for a few milliseconds."""
    for key, packed in get_redis_connection("live").hscan_iter(_hash(subject), count=_PER_CALL):
        yield key.decode(), _decode(packed)


def forget(subject: PositionKind, keys: Sequence[str]) -> None:
    """Forget targets."""
    if keys:
        get_redis_connection("live").hdel(_hash(subject), *keys)


def advance(held: Mapping[Key, Held], moments: Mapping[Key, Sequence[BatchMoment]], rules: Rules) -> Changes:
    """Take the moments of each target in turn. Pure. A moment that is older than the newest changes nothing."""
    changes = Changes([], [], {})
    for key, found in moments.items():
        before = held.get(key)
        one = Held(before.newest, dict(before.conditions)) if before else Held()
        for moment in found:
            if moment.at >= one.newest:
                one.newest = moment.at
                _take(key, one, moment, rules, changes)
        if one.conditions or before:
            changes.held[key] = one
    return changes


def quiet_ms(condition: Condition) -> int:
    """For how long a target may be silent before a condition of it is over."""
    if condition.kind in (EventKind.ENTERED, EventKind.DWELLS):
        return HEARD_SECONDS * 1000
    return TIMINGS[condition.kind].quiet_ms


def _take(key: Key, one: Held, moment: BatchMoment, rules: Rules, changes: Changes) -> None:
    fulfilled = dict(moment.fulfilled)
    for condition, values in moment.fulfilled.items():
        if condition.kind is EventKind.ENTERED:
            fulfilled |= _staying(one, condition, moment, values, rules)
    for condition, values in fulfilled.items():
        known = one.conditions.get(name(condition))
        if known is None:
            changes.begun.append(Begun(key, condition, moment, values))
        one.conditions[name(condition)] = (known[0] if known else moment.at, moment.at)
    for text, (_, last) in list(one.conditions.items()):
        condition = condition_of(text)
        if condition in fulfilled or condition.kind not in moment.denies:
            continue
        if moment.at - last >= TIMINGS[condition.kind].quiet_ms:
            _end(key, one, condition, last, moment, rules, changes)


def _staying(
    one: Held, inside: Condition, moment: BatchMoment, values: Values, rules: Rules
) -> dict[Condition, Values]:
    """That it stays, if it has been inside for long enough."""
    fence = rules.by_number[inside.reference]
    since = one.conditions.get(name(inside))
    if fence.dwell_ms is None or since is None or moment.at - since[0] < fence.dwell_ms:
        return {}
    return {Condition(EventKind.DWELLS, inside.reference): values | {"minutes": fence.dwell_ms // 60_000}}


def _end(
    key: Key, one: Held, condition: Condition, last: int, moment: BatchMoment, rules: Rules, changes: Changes
) -> None:
    del one.conditions[name(condition)]
    changes.ended.append(Ended(key, condition, last))
    fence = rules.by_number.get(condition.reference)
    if condition.kind is EventKind.ENTERED and fence is not None:
        left = Condition(EventKind.LEFT, condition.reference)
        changes.begun.append(Begun(key, left, moment, {"geofence": fence.name}))


def _hash(subject: PositionKind) -> str:
    return f"v2:events:{subject.value}s"
