"""The filter of live state: which reports of a batch may move documents; one question to the live Redis and one answer.

    v2:vessels:filter:{period}   hash, identity -> up to three tracks of 36 bytes (`rule`), aircraft alike
    v2:vessels:jumps:{y}:{x}     sorted set of who jumped to a place of 0.2 degrees, by time

Tracks are kept for two periods of PERIOD_SECONDS. Two workers that hold the same target at the same moment cost a track
some support at worst, never a wrong document. A track to which many identities jump takes no document over: that is a
spoofed fleet (`fleets`). Errors of Redis reach the caller, who has the breaker.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Sequence
from itertools import chain
from operator import attrgetter
from typing import Any, NamedTuple

import msgspec
import numpy as np
from django_redis import get_redis_connection

from tracking.truth.budget import AIRCRAFT, VESSEL, budget_of
from tracking.truth.fleets import LEAST, WINDOW_MS, ZONE_DEGREES
from tracking.truth.live.rule import FULL, LiveOutcome, LiveTrack, decide
from tracking.truth.live.steady import COARSE, TRACK, Reports, continued
from tracking.truth.models import PositionKind
from tracking.truth.notes import Key, milliseconds_of
from tracking.truth.steady import Flags, Floats, coarse

PERIOD_SECONDS = 6 * 3600
_LAYOUT = struct.Struct("<qdddBBH")  # of a track, its score with COARSE where it is
_PLURAL = {PositionKind.VESSEL: "vessels", PositionKind.AIRCRAFT: "aircraft"}
_PLACED = ("timestamp", "latitude", "longitude")
_NAMES = {
    PositionKind.VESSEL: ("vessel_id", *_PLACED, "speed", "course", "score", "coarse"),
    PositionKind.AIRCRAFT: ("aircraft_id", *_PLACED, "ground_speed", "heading", "score"),
}
_VALUES = {subject: [attrgetter(name) for name in names] for subject, names in _NAMES.items()}

_JUMPS = {LiveOutcome.BESIDE, LiveOutcome.CONFIRMED, LiveOutcome.TAKEN_OVER}
_HIDDEN = {LiveOutcome.BESIDE, LiveOutcome.CONFIRMED, LiveOutcome.HIDDEN}

# Names and values go and come as one argument each: packing thousands of them takes the client longer than the rest.
# How many tracks a target has goes beside them: a byte each, or beside its name.
_READ = f"""
local names, counts, values, one = cmsgpack.unpack(ARGV[1]), {{}}, {{}}, string.char(1)
for first = 1, #names, 1000 do -- unpack() fails at about 8,000 values
  local last = math.min(first + 999, #names)
  local found = redis.call('HMGET', KEYS[1], unpack(names, first, last))
  for i = 1, last - first + 1 do
    local value = found[i]
    if not value then
      value = redis.call('HGET', KEYS[2], names[first + i - 1]) or ''
      found[i] = value
    end
    counts[first + i - 1] = #value == {TRACK.itemsize} and one or string.char(#value / {TRACK.itemsize})
  end
  values[#values + 1] = table.concat(found)
end
return {{table.concat(counts), table.concat(values)}}
"""
_WRITE = f"""
local fields, at = cmsgpack.unpack(ARGV[1]), 1
for i = 2, #fields, 2 do
  local past = at + fields[i] * {TRACK.itemsize}
  fields[i], at = string.sub(ARGV[2], at, past - 1), past
end
for first = 1, #fields, 1000 do
  redis.call('HSET', KEYS[1], unpack(fields, first, math.min(first + 999, #fields)))
end
redis.call('EXPIRE', KEYS[1], ARGV[3])
"""

Tracks = Sequence[LiveTrack]


class Sifted(NamedTuple):
    """What may be shown of the reports of a batch, by their indexes.

    `hidden`: must not move the document of their target. `beside`: those of them that are shown as a target of their
    own, with its number, 1 or 2. `tracks`: under how many targets an identity is shown, where that may have changed.
    """

    hidden: set[int]
    beside: dict[int, int]
    tracks: dict[Key, int]


def sift(subject: PositionKind, reports: Sequence[Any]) -> Sifted:
    """Decide on the reports of a batch; what is known of the targets is updated."""
    if not reports:
        return Sifted(set(), {}, {})
    found = _Filter(subject, reports)
    for index in found.without_steady():
        found.take(index)
    found.save()
    return found.sifted


class _Filter:
    """The tracks of the targets of one batch."""

    def __init__(self, subject: PositionKind, reports: Sequence[Any]) -> None:
        self.sifted = Sifted(set(), {}, {})
        self._subject = subject
        self._keys, times, *columns = (list(map(value, reports)) for value in _VALUES[subject])
        places = [np.array(column, np.float64) for column in columns[:4]]  # None becomes NaN
        self._columns = Reports(
            milliseconds_of(times),
            *places,
            np.array(columns[4], np.int64),
            _are_coarse(columns[5] if len(columns) > 5 else (), *places[:3]),
        )
        self._redis = get_redis_connection("live")
        self._place = {key: place for place, key in enumerate(dict.fromkeys(self._keys))}
        period = int(time.time() // PERIOD_SECONDS)
        self._names = [f"v2:{_PLURAL[subject]}:filter:{number}" for number in (period, period - 1)]
        counts, self._known = self._redis.register_script(_READ)(
            keys=self._names, args=[msgspec.msgpack.encode(list(self._place))]
        )
        self._counts = np.frombuffer(counts, np.uint8).astype(np.int64)
        self._starts = np.cumsum(self._counts) - self._counts
        self._steady: tuple[list[Key], bytes] = [], b""
        self._changed: dict[Key, bytes] = {}

    def without_steady(self) -> list[int]:
        """Those that do not simply continue a steady target, in the order of their times; the others are done."""
        left = np.ones(len(self._keys), bool)
        usual = VESSEL if self._subject is PositionKind.VESSEL else AIRCRAFT
        place = np.array([self._place[key] for key in self._keys])
        alone = (np.bincount(place) == 1) & (self._counts == 1)
        alone &= np.array([budget_of(key) is usual for key in self._place])
        where = np.flatnonzero(alone[place])
        if len(where):
            known = np.frombuffer(self._known, TRACK)[self._starts[place[where]]]
            shown, after = continued(known, Reports(*(column[where] for column in self._columns)), usual)
            where = where[shown]
            self._steady = [self._keys[index] for index in where.tolist()], after[shown].tobytes()
            left[where] = False
        rest = np.flatnonzero(left)
        return [int(index) for index in rest[np.argsort(self._columns.ts[rest], kind="stable")]]

    def _tracks(self, key: Key) -> Tracks:
        """What is known of a target, with what this batch added."""
        packed = self._changed.get(key)
        if packed is None:
            place = self._place[key]
            first, count = int(self._starts[place]), int(self._counts[place])
            packed = self._known[first * TRACK.itemsize : (first + count) * TRACK.itemsize]
        return _unpacked(packed)

    def take(self, index: int) -> None:
        """Decide on one report."""
        key = self._keys[index]
        ts, latitude, longitude, speed, course, score, rough = (column[index].item() for column in self._columns)
        said = LiveTrack(ts, latitude, longitude, speed, 1, score, 0, rough)
        before = self._tracks(key)
        outcome, tracks = decide(before, said, budget_of(key), course)
        if outcome in _JUMPS and self._is_fleet(key, said):
            self.sifted.hidden.add(index)
            return
        if outcome in _HIDDEN:
            self.sifted.hidden.add(index)
        if tracks is not None:
            self._changed[key] = _packed(tracks)
            if len(tracks) > 1 or len(before) > 1:
                self._count(key, before, tracks)
                if outcome is LiveOutcome.BESIDE:
                    self.sifted.beside[index] = next(n for n, track in enumerate(tracks) if n and track.ts == said.ts)

    def _count(self, key: Key, before: Tracks, after: Tracks) -> None:
        """Note under how many targets an identity is shown, if there are or were several."""
        shown, earlier = (sum(track.support >= FULL for track in tracks[1:]) for tracks in (after, before))
        if shown or earlier:
            self.sifted.tracks[key] = 1 + shown

    def save(self) -> None:
        """Write the tracks that changed."""
        names, packed = self._steady
        if not names and not self._changed:
            return
        counts = dict.fromkeys(names, 1) | {key: len(one) // TRACK.itemsize for key, one in self._changed.items()}
        self._redis.register_script(_WRITE)(
            keys=self._names[:1],
            args=[
                msgspec.msgpack.encode(list(chain.from_iterable(counts.items()))),
                packed + b"".join(self._changed.values()),
                2 * PERIOD_SECONDS,
            ],
        )

    def _is_fleet(self, key: Key, said: LiveTrack) -> bool:
        """Enter a jump, and say whether enough others jumped to its place."""
        row, column = int(said.latitude // ZONE_DEGREES), int(said.longitude // ZONE_DEGREES)
        pipeline = self._redis.pipeline(transaction=False)
        here = self._jumps(row, column)
        pipeline.zadd(here, {str(key): said.ts})
        pipeline.expire(here, 2 * WINDOW_MS // 1000)
        for down in (-1, 0, 1):
            for right in (-1, 0, 1):
                near = self._jumps(row + down, column + right)
                pipeline.zrangebyscore(near, said.ts - WINDOW_MS, said.ts + WINDOW_MS)
        _, _, *zones = pipeline.execute()
        return len({member for zone in zones for member in zone}) >= LEAST

    def _jumps(self, row: int, column: int) -> str:
        return f"v2:{_PLURAL[self._subject]}:jumps:{row}:{column}"


def _packed(tracks: Tracks) -> bytes:
    return b"".join(_LAYOUT.pack(*track[:5], track.score | track.coarse * COARSE, track.interval) for track in tracks)


def _unpacked(packed: bytes) -> Tracks:
    unpacked = _LAYOUT.iter_unpack(packed)
    return [LiveTrack(*start, score & ~COARSE, interval, score >= COARSE) for *start, score, interval in unpacked]


def _are_coarse(told: Sequence[bool | None], latitude: Floats, longitude: Floats, speed: Floats) -> Flags:
    """By the type of each message; where that is not told, by the look of the place. Aircraft have no such type."""
    if not told:
        return np.zeros(len(latitude), bool)
    if None not in told:
        return np.array(told, bool)
    looks = coarse(latitude, longitude, speed).tolist()
    return np.array([look if said is None else said for said, look in zip(told, looks, strict=True)], bool)
