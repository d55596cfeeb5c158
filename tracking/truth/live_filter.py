"""The filter of live state: which reports of a batch may move documents; one question to the live Redis and one answer.

    v2:vessels:filter:{period}   hash, identity -> up to three tracks of 36 bytes (`live_rule`), aircraft alike
    v2:vessels:jumps:{y}:{x}     sorted set of who jumped to a place of 0.2 degrees, by time

Tracks are kept for two periods of PERIOD_SECONDS. Two workers that hold the same target at the same moment cost a track
some support at worst, never a wrong document. A track to which many identities jump takes no document over: that is a
spoofed fleet (`fleets`). Errors of Redis reach the caller, who has the breaker.
"""

from __future__ import annotations

import math
import struct
import time
from collections.abc import Iterable, Sequence
from operator import attrgetter
from typing import Any, NamedTuple

from django_redis import get_redis_connection

from tracking.truth.budget import budget_of
from tracking.truth.fleets import LEAST, WINDOW_MS, ZONE_DEGREES
from tracking.truth.live_rule import FULL, LiveTrack, Outcome, decide
from tracking.truth.models import Subject
from tracking.truth.notes import Key, milliseconds
from tracking.truth.rule import is_coarse

PERIOD_SECONDS = 6 * 3600
_LAYOUT = struct.Struct("<qdddBBH")  # of a track, its score with _COARSE where it is
_COARSE = 0x80
_PLURAL = {Subject.VESSEL: "vessels", Subject.AIRCRAFT: "aircraft"}
_SPEED = {Subject.VESSEL: "speed", Subject.AIRCRAFT: "ground_speed"}
_COURSE = {Subject.VESSEL: "course", Subject.AIRCRAFT: "heading"}
_WHOSE = {Subject.VESSEL: "vessel_id", Subject.AIRCRAFT: "aircraft_id"}

_JUMPS = {Outcome.BESIDE, Outcome.CONFIRMED, Outcome.TAKEN_OVER}
_HIDDEN = {Outcome.BESIDE, Outcome.CONFIRMED, Outcome.HIDDEN}

Tracks = Sequence[LiveTrack]


class Sifted(NamedTuple):
    """What may be shown of the reports of a batch, by their indexes.

    `hidden`: must not move the document of their target. `beside`: those of them that are shown as a target of their
    own, with its number, 1 or 2. `tracks`: under how many targets an identity is shown, where that may have changed.
    """

    hidden: set[int]
    beside: dict[int, int]
    tracks: dict[Key, int]


def sift(subject: Subject, reports: Sequence[Any]) -> Sifted:
    """Decide on the reports of a batch; what is known of the targets is updated."""
    if not reports:
        return Sifted(set(), {}, {})
    found = _Filter(subject, {getattr(report, _WHOSE[subject]) for report in reports})
    times = [report.timestamp for report in reports]
    for index in sorted(range(len(reports)), key=times.__getitem__):
        found.take(index, reports[index])
    found.save()
    return found.sifted


class _Filter:
    """The tracks of the targets of one batch."""

    def __init__(self, subject: Subject, keys: Iterable[Key]) -> None:
        self.sifted = Sifted(set(), {}, {})
        self._subject = subject
        self._values = attrgetter(_WHOSE[subject], _SPEED[subject], _COURSE[subject])
        self._redis = get_redis_connection("live")
        self._known = self._load(list(keys))
        self._changed: dict[Key, Tracks] = {}

    def take(self, index: int, report: Any) -> None:
        """Decide on one report."""
        key, speed, course = self._values(report)
        said = LiveTrack(
            milliseconds(report.timestamp),
            report.latitude,
            report.longitude,
            math.nan if speed is None else speed,
            1,
            report.score,
            0,
            _is_coarse(report),
        )
        before = self._known.get(key, ())
        outcome, tracks = decide(before, said, budget_of(key), math.nan if course is None else course)
        if outcome in _JUMPS and self._is_fleet(key, said):
            self.sifted.hidden.add(index)
            return
        if outcome in _HIDDEN:
            self.sifted.hidden.add(index)
        if tracks is not None:
            self._known[key] = self._changed[key] = tracks
            if len(tracks) > 1 or len(before) > 1:
                self._count(key, before, tracks)
                if outcome is Outcome.BESIDE:
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
        name = self._name(_period())
        pipeline = self._redis.pipeline(transaction=False)
        pipeline.hset(name, mapping={key: _packed(tracks) for key, tracks in self._changed.items()})
        pipeline.expire(name, 2 * PERIOD_SECONDS)
        pipeline.execute()

    def _load(self, keys: list[Key]) -> dict[Key, Tracks]:
        """What is known of the targets; the period before is asked only of those that this one does not know."""
        known: dict[Key, Tracks] = {}
        for period in (_period(), _period() - 1):
            missing = [key for key in keys if key not in known] if known else keys
            packed = self._redis.hmget(self._name(period), missing) if missing else []
            known |= {key: _unpacked(found) for key, found in zip(missing, packed, strict=True) if found}
        return known

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
    return b"".join(_LAYOUT.pack(*track[:5], track.score | track.coarse * _COARSE, track.interval) for track in tracks)


def _unpacked(packed: bytes) -> Tracks:
    unpacked = _LAYOUT.iter_unpack(packed)
    return [LiveTrack(*start, score & ~_COARSE, interval, score >= _COARSE) for *start, score, interval in unpacked]


def _is_coarse(report: Any) -> bool:
    """By the type of the message; where that is not told, by the look of the place."""
    told: bool | None = getattr(report, "coarse", False)
    if told is None:
        return is_coarse(report.latitude, report.longitude, math.nan if report.speed is None else report.speed)
    return told
