"""When a message was heard: what a recording or a feed says, or what is told of one that says nothing.

Enters the number of a message, the time that its lines give and the time of its arrival; leaves milliseconds since
1970. One clock is made for each feed and belongs to its assembly. What decoders make of the milliseconds is here too.
"""

import datetime as dt
from collections.abc import Callable
from operator import add

import numpy as np
import numpy.typing as npt

from ingest.errors import Malformed

LAST_MS = 253_402_300_799_000  # the last second of the year 9999, which is the last that a datetime can say

# (number of the message, ms that its lines give, ms of its arrival; None where unknown) -> ms since 1970, None: unknown
Clock = Callable[[int, int | None, int | None], int | None]


class UnknownTime(Exception):
    """A recording gives no time and none was told: the run cannot go on."""


def possible(heard: int | None) -> int:
    """What a clock says, if it is a time that can be stored: from 1970 to 9999, in ms.

    Raises UnknownTime for None, and Malformed for a time that cannot be.
    """
    if heard is None:
        raise UnknownTime
    if not 0 <= heard <= LAST_MS:
        raise Malformed("time_out_of_range")
    return heard


def arrival_clock(index: int, given: int | None, arrival: int | None) -> int | None:
    """Live: the receiver's own time where it sends one, else the arrival."""
    return given if given is not None else arrival


def arrival_only_clock(index: int, given: int | None, arrival: int | None) -> int | None:
    """Live, from stations whose clocks nobody believes: the arrival."""
    return arrival if arrival is not None else given


def recorded_clock() -> Clock:
    """Recordings with times: a message without one was heard with or after the last that had one."""
    latest: int | None = None

    def clock(index: int, given: int | None, arrival: int | None) -> int | None:
        nonlocal latest
        latest = given if given is not None else latest
        return latest

    return clock


def invented_clock(start: int, rate: float) -> Clock:
    """Message i was heard at `start` (ms) + i / `rate` seconds, whatever the lines say."""
    return lambda index, given, arrival: start + round(index * 1000 / rate)


class _Seconds(dict[int, dt.datetime]):
    """Seconds since 1970 as datetimes, kept because many messages are of one second. Bounded: begins anew when full."""

    LIMIT = 10_000

    def __missing__(self, second: int) -> dt.datetime:
        if len(self) >= self.LIMIT:
            self.clear()
        at = self[second] = dt.datetime.fromtimestamp(second, dt.UTC)
        return at


_seconds = _Seconds()
_MILLISECONDS = tuple(dt.timedelta(milliseconds=number) for number in range(1000))


def moment(ms: int) -> dt.datetime:
    """Milliseconds since 1970 as an aware datetime in UTC."""
    return _seconds[ms // 1000] + _MILLISECONDS[ms % 1000]


def moments(ms: npt.NDArray[np.int64]) -> list[dt.datetime]:
    """The moment of each."""
    seconds, milliseconds = np.divmod(ms, 1000)
    parts = map(_MILLISECONDS.__getitem__, milliseconds.tolist())
    return list(map(add, map(_seconds.__getitem__, seconds.tolist()), parts))
