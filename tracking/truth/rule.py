"""The rule: which of an identity's tracks does a position continue, or why does it continue none.

Enter the positions of ONE identity in the order of their times; leaves a number for each. 0 is the main track, 1 and
above are others under the same identity at the same time (two ships with one MMSI), below 0 it is refused: RefusalCode.

A position continues the track whose budget of speed it fits (`budget`), of several the one that dead reckoning leads
nearest to. What fits none begins a track of its own, which counts from its CONFIRM-th position on: so a teleport stays
alone and is refused, a wrong first fix is outnumbered by what follows it, and a second ship becomes a second track.
Beside others an unconfirmed track must follow from its own reported speed, or three teleports would make a ship.

While more than one track is open the identity is in dispute. A dispute is over when one track is left and has TAIL
further positions; then those alone, the last of a track, say all that later verdicts depend on. So whoever judges a
part of history needs the TAIL accepted positions before it, or the state that `Fold.save` gives of an open dispute.

Pure: no clock, no server, no order but that of the times. What is done with the numbers is told by `judge`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from tracking.truth.budget import VESSEL, Budget, metres, reckoned
from tracking.truth.terms import (
    ACCEPTED,
    Birth,
    JudgedPosition,
    Measure,
    OpenTracks,
    OperatorDecision,
    RefusalCode,
    is_coarse,
    is_null_island,
)

CONFIRM = 3  # positions that agree make a track
TAIL = 3  # the last positions of a track: its whole state
MOST_TRACKS = 8  # open at once, and the greatest number of a track
TWIN_M = 20.0  # two places of one second further apart than this contradict each other
_NEVER = -(10**15)


class Track:
    """One open track: its last positions, and the times of all of them while it is not confirmed."""

    __slots__ = ("confirmed", "count", "first", "number", "origin", "pending", "tail")

    def __init__(self, row: JudgedPosition, origin: tuple[float, float] | None) -> None:
        self.first, self.origin = row, origin
        self.tail, self.pending = [row], [row.ts]
        self.count, self.number, self.confirmed = 1, 0, False

    @property
    def last(self) -> JudgedPosition:
        """The newest position."""
        return self.tail[-1]

    def add(self, row: JudgedPosition) -> None:
        """Take the next position."""
        self.tail = [*self.tail[1 - TAIL :], row]
        self.count += 1
        if not self.confirmed:
            self.pending.append(row.ts)

    def withdraw(self) -> None:
        """Give up the newest position, for one of the same second."""
        gone = self.tail.pop()
        self.count -= 1
        if gone.ts in self.pending:
            self.pending.remove(gone.ts)

    def save(self) -> list[Any]:
        """Its state as JSON has it."""
        tail = [_saved(row) for row in self.tail]
        return [tail, self.pending, self.count, self.number, self.confirmed, _saved(self.first), self.origin]

    @classmethod
    def load(cls, saved: list[Any]) -> Track:
        """A track as it was saved."""
        tail, pending, count, number, confirmed, first, origin = saved
        track = cls(_loaded(first), tuple(origin) if origin else None)
        track.tail, track.pending = [_loaded(row) for row in tail], list(pending)
        track.count, track.number, track.confirmed = count, number, confirmed
        return track


def _saved(row: JudgedPosition) -> list[Any]:
    return [None if value != value else value for value in row]


def _loaded(values: list[Any]) -> JudgedPosition:
    ts, latitude, longitude, speed, course, decision = (math.nan if value is None else value for value in values)
    return JudgedPosition(ts, latitude, longitude, speed, course, OperatorDecision(decision))


class Fold:
    """The tracks of one identity. `take` its positions in order of time, then `settle`.

    `numbers`: of each time that was decided, earlier ones decided anew included. `disputes`: those that began or went
    on. `births`: see Birth. `measures`: of what fits no track or contradicts one, by time. `seen`: what was said within
    the last hour (`said`), with the time. `looked_back`: whether more of that could have changed a number.
    """

    def __init__(self, budget: Budget = VESSEL, seen: dict[tuple[float, ...], int] | None = None) -> None:
        self.budget = budget
        self.seen = {} if seen is None else seen
        self.looked_back = False
        self.numbers: dict[int, int] = {}
        self.births: list[Birth] = []
        self.measures: dict[int, Measure] = {}
        self.closed: list[OpenTracks] = []
        self.since: int | None = None
        self._open: list[Track] = []
        self._fine = _NEVER
        self._others = 0  # the last number given in this dispute
        self._calm = TAIL  # further positions until the dispute is over

    @property
    def disputes(self) -> list[OpenTracks]:
        """In order of time; the last one may be open."""
        return [*self.closed, OpenTracks(self.since, None)] if self.since is not None else self.closed

    def save(self) -> dict[str, Any]:
        """The state of an open dispute, for JSON."""
        tracks = [track.save() for track in self._open]
        return {"tracks": tracks, "fine": self._fine, "others": self._others, "calm": self._calm, "since": self.since}

    def load(self, saved: dict[str, Any]) -> None:
        """Go on with an open dispute."""
        self._open = [Track.load(track) for track in saved["tracks"]]
        self._fine, self._others = saved["fine"], saved["others"]
        self._calm, self.since = saved["calm"], saved["since"]

    def take(self, row: JudgedPosition) -> None:
        """Decide on the next position."""
        refusal = self._refused_alone(row)
        if refusal is not None:
            self.numbers[row.ts] = refusal
            return
        self._forget(row.ts)
        coarse = is_coarse(row.latitude, row.longitude, row.speed)
        if coarse and row.ts - self._fine <= self.budget.fine_s * 1000:
            self._refuse(row, RefusalCode.COARSE)
            return
        track = self._best(row, coarse)
        if not coarse and row.speed >= self.budget.repeat_kn:
            if self._is_repeat(row, track):
                self._refuse(row, RefusalCode.REPEAT)
                return
            self.seen[row.said] = row.ts
        if track is not None and self._contradicts(track, row):
            if self._is_worse(track, row):
                self._refuse(row, RefusalCode.OUTLIER)
                return
            self._refuse(track.last, RefusalCode.OUTLIER)
            self.measures[track.last.ts] = self.measures.pop(row.ts)
            track.withdraw()
        self._add(track, row)
        if not coarse:
            self._fine = row.ts

    def settle(self) -> None:
        """Number what is not confirmed: refused beside what is; else the greater track stays, then the earlier."""
        self._settle(self._open)

    def _refused_alone(self, row: JudgedPosition) -> RefusalCode | None:
        """Why a position is refused whatever the others say."""
        if row.decision == OperatorDecision.REFUSE:
            return RefusalCode.BY_HAND
        if row.decision != OperatorDecision.ACCEPT and is_null_island(row.latitude, row.longitude):
            return RefusalCode.NULL_ISLAND
        return None

    def _refuse(self, row: JudgedPosition, reason: RefusalCode) -> None:
        self.numbers[row.ts] = ACCEPTED if row.decision == OperatorDecision.ACCEPT else reason

    def _best(self, row: JudgedPosition, coarse: bool) -> Track | None:
        """The track that the position continues."""
        several = len(self._open) > 1
        best, least = None, math.inf
        nearest: Measure | None = None
        for track in self._open:
            last = track.last
            seconds = (row.ts - last.ts) / 1000
            distance = metres(*last.place, *row.place)
            rough = coarse or is_coarse(*last.place, last.speed)
            steady = several and not track.confirmed
            allowed = self.budget.allowed(last.speed, row.speed, seconds, rough, steady)
            if distance > allowed:
                if nearest is None or distance - allowed < nearest.distance_m - nearest.budget_m:
                    nearest = Measure(distance, seconds, allowed)
                continue
            if not several:
                return track
            led = metres(*reckoned(*last.place, last.speed, last.course, seconds), *row.place)
            share = min(led, distance) / allowed + (0.0 if track.confirmed else 0.25)
            if share < least:
                best, least = track, share
        if best is None and nearest is not None:
            self.measures[row.ts] = nearest
        return best

    def _is_repeat(self, row: JudgedPosition, track: Track | None) -> bool:
        """Whether a position that moves says what was said before.

        Where it fits a track only the last positions count, which are always known; else all within the budget's time.
        """
        if track is None:
            before = self.seen.get(row.said)
            self.looked_back |= before is None
            return before is not None and row.ts - before <= self.budget.repeat_s * 1000
        return self.budget.once_a_second and any(last[1:4] == row[1:4] for last in track.tail)

    def _contradicts(self, track: Track, row: JudgedPosition) -> bool:
        """Whether the track's last position is another place in the same second, where nobody is at two."""
        if not self.budget.once_a_second or row.ts // 1000 != track.last.ts // 1000:
            return False
        distance = metres(*track.last.place, *row.place)
        if distance <= TWIN_M:
            return False
        self.measures[row.ts] = Measure(distance, (row.ts - track.last.ts) / 1000, TWIN_M)
        return True

    def _is_worse(self, track: Track, row: JudgedPosition) -> bool:
        """Whether the position lies further from where the track led than the track's last, of the same second."""
        if len(track.tail) < 2:
            return True
        before = track.tail[-2]
        led = reckoned(*before.place, before.speed, before.course, (row.ts - before.ts) / 1000)
        return metres(*led, *row.place) >= metres(*led, *track.last.place)

    def _add(self, track: Track | None, row: JudgedPosition) -> None:
        if track is None:
            track = self._begin(row)
        else:
            track.add(row)
        if track.confirmed:
            self.numbers[row.ts] = track.number
        elif track.count >= CONFIRM:
            self._confirm(track)
        self._watch(row.ts)

    def _begin(self, row: JudgedPosition) -> Track:
        """A new track; beside others the identity is in dispute from the first position that nothing confirms."""
        if len(self._open) >= MOST_TRACKS:
            gone = min(self._open, key=lambda track: (track.confirmed, track.last.ts))
            self._open.remove(gone)
            self._lose(gone)
        left = max((track for track in self._open if track.confirmed), key=lambda track: track.last.ts, default=None)
        track = Track(row, left.last.place if left else None)
        self._open.append(track)
        if len(self._open) > 1 and self.since is None:
            self.since = min(track.pending[0] for track in self._open if track.pending)
        return track

    def _confirm(self, track: Track) -> None:
        track.confirmed = True
        if any(other.confirmed and other.number == 0 for other in self._open if other is not track):
            self._others += 1
            track.number = min(self._others, MOST_TRACKS)
        for ts in track.pending:
            self.numbers[ts] = track.number
        track.pending = []
        if track.origin is not None:
            self.births.append(Birth(track.first.ts, *track.first.place, track.number, track.origin))

    def _watch(self, ts: int) -> None:
        """End the dispute when one track has been alone for long enough."""
        if self.since is None:
            return
        self._calm = TAIL if len(self._open) > 1 else self._calm - 1
        if self._calm <= 0:
            self.closed.append(OpenTracks(self.since, ts))
            self.since, self._calm, self._others = None, TAIL, 0

    def _forget(self, ts: int) -> None:
        """Close the tracks that have ended by `ts`."""
        if not self._open:
            return
        gap, young = self.budget.gap_s * 1000, self.budget.candidate_s * 1000
        several = len(self._open) > 1
        kept = [
            track for track in self._open if ts - track.last.ts <= (gap if track.confirmed or not several else young)
        ]
        if len(kept) == len(self._open):
            return
        if not kept:
            newest = max(self._open, key=lambda track: track.last.ts)
            kept = [newest] if ts - newest.last.ts <= gap else []
        gone = [track for track in self._open if track not in kept]
        self._open = kept
        if kept:
            for track in gone:
                self._lose(track)
            self._promote()
        else:
            self._settle(gone)

    def _promote(self) -> None:
        """Where the main track has ended, another takes its number; one that is alone left nothing."""
        if len(self._open) == 1:
            self._open[0].origin = None
        confirmed = [track for track in self._open if track.confirmed]
        if confirmed and all(track.number for track in confirmed):
            min(confirmed, key=lambda track: track.number).number = 0

    def _settle(self, tracks: Iterable[Track]) -> None:
        young = [track for track in tracks if not track.confirmed]
        if young and not any(track.confirmed for track in tracks):
            first = min(young, key=lambda track: (-track.count, track.first.ts))
            young.remove(first)
            for ts in first.pending:
                self.numbers[ts] = 0
        for track in young:
            self._lose(track)

    def _lose(self, track: Track) -> None:
        for row in (track.first, *track.tail):
            if row.ts in track.pending:
                self._refuse(row, RefusalCode.OUTLIER)


def fold(rows: Iterable[JudgedPosition], budget: Budget = VESSEL) -> Fold:
    """All positions of one identity at once."""
    folded = Fold(budget)
    for row in rows:
        folded.take(row)
    folded.settle()
    return folded
