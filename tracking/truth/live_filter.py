"""The filter of live state: which reports of a batch may move documents; one question to the live Redis and one answer.

    v2:vessels:filter:{period}   hash, identity -> up to three tracks of 36 bytes (`live_rule`), aircraft alike
    v2:vessels:jumps:{y}:{x}     sorted set of who jumped to a place of 0.2 degrees, by time

Tracks are kept for two periods of PERIOD_SECONDS. Two workers that hold the same target at the same moment cost a track
some support at worst, never a wrong document. A track to which many identities jump takes no document over: that is a
spoofed fleet (`fleets`). Errors of Redis reach the caller, who has the breaker.
"""

from __future__ import annotations

import struct
import time
from collections import Counter
from collections.abc import Sequence
from operator import attrgetter
from typing import Any, NamedTuple

import msgspec
import numpy as np
from django_redis import get_redis_connection

from tracking.truth.budget import AIRCRAFT, VESSEL, budget_of
from tracking.truth.fleets import LEAST, WINDOW_MS, ZONE_DEGREES
from tracking.truth.live_rule import FULL, LiveOutcome, LiveTrack, decide
from tracking.truth.live_steady import COARSE, TRACK, Reports, continued
from tracking.truth.models import PositionKind
from tracking.truth.notes import Key, milliseconds
from tracking.truth.steady import Flags, Floats, coarse

PERIOD_SECONDS = 6 * 3600
_LAYOUT = struct.Struct("<qdddBBH")  # of a track, its score with COARSE where it is
_PLURAL = {PositionKind.VESSEL: "vessels", PositionKind.AIRCRAFT: "aircraft"}
_SPEED = {PositionKind.VESSEL: "speed", PositionKind.AIRCRAFT: "ground_speed"}
_COURSE = {PositionKind.VESSEL: "course", PositionKind.AIRCRAFT: "heading"}
_WHOSE = {PositionKind.VESSEL: "vessel_id", PositionKind.AIRCRAFT: "aircraft_id"}

_JUMPS = {LiveOutcome.BESIDE, LiveOutcome.CONFIRMED, LiveOutcome.TAKEN_OVER}
_HIDDEN = {LiveOutcome.BESIDE, LiveOutcome.CONFIRMED, LiveOutcome.HIDDEN}

# Names and values go and come as one argument each: packing thousands of them takes the client longer than the rest.
_READ = """
local names, sizes, values = cmsgpack.unpack(ARGV[1]), {}, {}
for first = 1, #names, 1000 do -- unpack() fails at about 8,000 values
  local last = math.min(first + 999, #names)
  local found = redis.call('HMGET', KEYS[1], unpack(names, first, last))
  for i = 1, last - first + 1 do
    local value = found[i] or ''
    sizes[#sizes + 1], values[#values + 1] = #value, value
  end
end
return {cmsgpack.pack(sizes), table.concat(values)}
"""
_WRITE = """
local given, at, fields = cmsgpack.unpack(ARGV[1]), 1, {}
for i, name in ipairs(given[1]) do
  local size = given[2][i]
  fields[#fields + 1], fields[#fields + 2] = name, string.sub(ARGV[2], at, at + size - 1)
  at = at + size
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
        values = attrgetter(
            _WHOSE[subject], "timestamp", "latitude", "longitude", _SPEED[subject], _COURSE[subject], "score"
        )
        self._keys, times, *columns = zip(*map(values, reports), strict=True)
        places = [np.array(column, np.float64) for column in columns[:4]]  # None becomes NaN
        self._columns = Reports(
            np.array([milliseconds(at) for at in times], np.int64),
            *places,
            np.array(columns[4], np.int64),
            _are_coarse(reports, *places[:3]),
        )
        self._redis = get_redis_connection("live")
        self._packed = self._load(list(set(self._keys)))
        self._changed: dict[Key, bytes] = {}

    def without_steady(self) -> list[int]:
        """Those that do not simply continue a steady target, in the order of their times; the others are done."""
        count = Counter(self._keys)
        usual = VESSEL if self._subject is PositionKind.VESSEL else AIRCRAFT
        steady = [
            index
            for index, key in enumerate(self._keys)
            if count[key] == 1 and len(self._packed.get(key, b"")) == TRACK.itemsize and budget_of(key) == usual
        ]
        if steady:
            where = np.array(steady)
            known = [self._packed[self._keys[index]] for index in steady]
            shown, after = continued(known, Reports(*(column[where] for column in self._columns)), usual)
            for place in np.flatnonzero(shown).tolist():
                self._changed[self._keys[steady[place]]] = after[place]
            left = np.ones(len(self._keys), bool)
            left[where[shown]] = False
        else:
            left = np.ones(len(self._keys), bool)
        rest = np.flatnonzero(left)
        return [int(index) for index in rest[np.argsort(self._columns.ts[rest], kind="stable")]]

    def take(self, index: int) -> None:
        """Decide on one report."""
        key = self._keys[index]
        ts, latitude, longitude, speed, course, score, rough = (column[index].item() for column in self._columns)
        said = LiveTrack(ts, latitude, longitude, speed, 1, score, 0, rough)
        before = _unpacked(self._packed.get(key, b""))
        outcome, tracks = decide(before, said, budget_of(key), course)
        if outcome in _JUMPS and self._is_fleet(key, said):
            self.sifted.hidden.add(index)
            return
        if outcome in _HIDDEN:
            self.sifted.hidden.add(index)
        if tracks is not None:
            self._packed[key] = self._changed[key] = _packed(tracks)
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
        if not self._changed:
            return
        sizes = [list(self._changed), [len(packed) for packed in self._changed.values()]]
        self._redis.register_script(_WRITE)(
            keys=[self._name(_period())],
            args=[msgspec.msgpack.encode(sizes), b"".join(self._changed.values()), 2 * PERIOD_SECONDS],
        )

    def _load(self, keys: list[Key]) -> dict[Key, bytes]:
        """What is known of the targets; the period before is asked only of those that this one does not know."""
        known: dict[Key, bytes] = {}
        for period in (_period(), _period() - 1):
            missing = [key for key in keys if key not in known] if known else keys
            known |= self._ask(period, missing) if missing else {}
        return known

    def _ask(self, period: int, keys: list[Key]) -> dict[Key, bytes]:
        """What is known of the targets in a period."""
        asked = self._redis.register_script(_READ)
        sizes, packed = asked(keys=[self._name(period)], args=[msgspec.msgpack.encode(keys)])
        found, at = {}, 0
        for key, size in zip(keys, msgspec.msgpack.decode(sizes), strict=True):
            if size:
                found[key] = packed[at : at + size]
                at += size
        return found

    def _name(self, period: int) -> str:
        return f"v2:{_PLURAL[self._subject]}:filter:{period}"

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


def _period() -> int:
    return int(time.time() // PERIOD_SECONDS)


def _packed(tracks: Tracks) -> bytes:
    return b"".join(_LAYOUT.pack(*track[:5], track.score | track.coarse * COARSE, track.interval) for track in tracks)


def _unpacked(packed: bytes) -> Tracks:
    unpacked = _LAYOUT.iter_unpack(packed)
    return [LiveTrack(*start, score & ~COARSE, interval, score >= COARSE) for *start, score, interval in unpacked]


def _are_coarse(reports: Sequence[Any], latitude: Floats, longitude: Floats, speed: Floats) -> Flags:
    """By the type of each message; where that is not told, by the look of the place."""
    told = [getattr(report, "coarse", False) for report in reports]
    looks = coarse(latitude, longitude, speed)
    return np.array([look if said is None else said for said, look in zip(told, looks.tolist(), strict=True)], bool)
