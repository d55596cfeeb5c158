"""How far the clocks of a feed's stations are off, learnt from the UTC second that ships put into their reports.

Enter the time that a station gives and that of the arrival; leaves the time at which the message was heard. Each
station (tag block `s:`) has a clock of its own. Of its last position reports the distance of its time from the ships'
second is known up to whole minutes, and the arrival tells these:

    near 0 s, not ahead and within a day of the arrival    the clock is right, however late its lines come
    elsewhere, but steady                                  it is off by that: subtracted, whole minutes by the arrival
    not steady, or standing still                          useless: the arrival counts

One formula mends seconds, years and weeks of satellite navigation counted from zero again. -1.5 to 6 s is right,
because stations stamp late and satellites hear from far away. Until LEARN reports are known, a time is believed that is
within TRUSTED_MS of the arrival. In the assembly, which has memory over messages, so a batch carries mended times and
any cut of the stream gives the same. Only for live feeds: a recording has no arrivals.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from enum import Enum

from ingest.reports import StationTime

MOST_STATIONS = 4096
MOST_TOLD = 50
LEARN, MEMORY, EVERY = 8, 64, 4
TRUSTED_MS = 3000
RIGHT_MS = (-1500, 6000)
STEADY_MS = 1500
USUAL_DELAY_MS = 500  # of a right clock behind the ships' second
AHEAD_MS = 5000
DAY_MS = 86_400_000
STANDING_MS = 20_000  # after which a clock that shows one time stands still
_MINUTE_MS = 60_000


class Use(Enum):
    """What a station's time is good for."""

    UNKNOWN = "unknown"
    OWN = "own"
    ARRIVAL = "arrival"


class StationClock:
    """The clock of one station; `offset_ms` is how far it is ahead."""

    __slots__ = ("_heard", "_last", "_leads", "_residuals", "_since", "offset_ms", "use")

    def __init__(self) -> None:
        self.use, self.offset_ms = Use.UNKNOWN, 0
        self._residuals: deque[int] = deque(maxlen=MEMORY)
        self._leads: deque[int] = deque(maxlen=MEMORY)
        self._heard = 0
        self._last: int | None = None
        self._since = 0

    @property
    def reports(self) -> int:
        """How many position reports it was judged by."""
        return self._heard

    def learn(self, own: int, arrival: int, second: int) -> None:
        """Take a position report of that UTC second."""
        self._residuals.append(circular(own - second * 1000))
        self._leads.append(own - arrival)
        self._heard += 1
        if self._heard >= LEARN and self._heard % EVERY == 0:
            self._judge()

    def heard_at(self, own: int, arrival: int) -> int:
        """When a message was heard that arrived then and has this time."""
        if self._stands_still(own, arrival) or self.use is Use.ARRIVAL:
            return arrival
        if self.use is Use.OWN:
            return own - self.offset_ms
        return own if abs(own - arrival) <= TRUSTED_MS else arrival

    def _stands_still(self, own: int, arrival: int) -> bool:
        if own != self._last:
            self._last, self._since = own, arrival
        return arrival - self._since > STANDING_MS

    def _judge(self) -> None:
        middle = self._middle()
        near = sum(abs(circular(residual - middle)) <= STEADY_MS for residual in self._residuals)
        if near * 2 < len(self._residuals):
            self.use, self.offset_ms = Use.ARRIVAL, 0
            return
        self.use = Use.OWN
        lead = sorted(self._leads)[len(self._leads) // 2]
        if RIGHT_MS[0] <= middle <= RIGHT_MS[1] and -DAY_MS <= lead <= AHEAD_MS:
            self.offset_ms = 0
            return
        seconds = middle - USUAL_DELAY_MS
        self.offset_ms = seconds + _MINUTE_MS * round((lead - seconds) / _MINUTE_MS)

    def _middle(self) -> int:
        """The median of the residuals on their circle, turned so that the newest lies at its middle."""
        base = self._residuals[-1]
        turned = sorted(circular(residual - base) for residual in self._residuals)
        return circular(turned[len(turned) // 2] + base)


class StationClocks:
    """The clocks of the stations of one feed; the one that was silent for longest is forgotten first."""

    def __init__(self) -> None:
        self._known: OrderedDict[bytes, StationClock] = OrderedDict()

    def heard_at(self, station: bytes, sentence: bytes, own: int, arrival: int) -> int:
        """When a message of one sentence, or of several, was heard by its station."""
        clock = self._clock(station)
        second = second_of(sentence)
        if second is not None:
            clock.learn(own, arrival, second)
        return clock.heard_at(own, arrival)

    def told(self) -> list[StationTime]:
        """Of the stations heard last, the latest first. Copied at once, because another thread may ask."""
        latest = list(self._known.items())[-MOST_TOLD:]
        return [
            StationTime(station.decode(errors="replace"), clock.use.value, clock.offset_ms, clock.reports)
            for station, clock in reversed(latest)
        ]

    def _clock(self, station: bytes) -> StationClock:
        clock = self._known.get(station)
        if clock is None:
            clock = self._known[station] = StationClock()
            if len(self._known) > MOST_STATIONS:
                self._known.popitem(last=False)
        else:
            self._known.move_to_end(station)
        return clock


def circular(ms: int) -> int:
    """A difference of seconds within a minute: -30 s to 30 s."""
    return (ms + _MINUTE_MS // 2) % _MINUTE_MS - _MINUTE_MS // 2


def second_of(sentence: bytes) -> int | None:
    """The UTC second of a position report in one sentence, None where there is none.

    Types 1 to 3: bits 137-142; 9: 128-133; 18 and 19: 133-138. Source: ITU-R M.1371-5, tables 48 to 69.
    """
    fields = sentence.split(b",", 6)
    payload = fields[5] if len(fields) == 7 else b""
    if len(payload) < 24 or b"\n" in sentence:
        return None
    kind = _value(payload[0])
    before, first, last = map(_value, payload[21:24])
    if kind in (1, 2, 3):
        second = (first & 1) << 5 | last >> 1
    elif kind == 9:
        second = (before & 15) << 2 | first >> 4
    elif kind in (18, 19):
        second = (first & 31) << 1 | last >> 5
    else:
        return None
    return second if second < 60 else None


def _value(character: int) -> int:
    """The six bits of a character of a payload."""
    return character - 48 if character < 88 else character - 56
