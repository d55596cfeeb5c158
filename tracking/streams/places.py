"""How many streams a process has room for, in all and of one address.

An address enters, a Place leaves: it is given back with `leave`, or by itself where its stream never began.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable

UNUSED_SECONDS = 30.0  # after which a place that was taken for a client who hung up at once is free again


class Full(Exception):
    """No place is left; the message says of what."""


class StreamPlace:
    """One stream's: `begun` once something was sent."""

    def __init__(self, holder: str, taken_at: float) -> None:
        self.holder, self.taken_at, self.begun = holder, taken_at, False


class Places:
    """Safe for threads. Times are monotonic seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._taken: set[StreamPlace] = set()

    def __len__(self) -> int:
        return len(self._taken)

    def take(self, holder: str, most: int, most_of_one: int) -> StreamPlace:
        """A place for the holder; `most_of_one` 0: no share of an address. Raises Full."""
        now = self._clock()
        with self._lock:
            self._taken = {one for one in self._taken if one.begun or now - one.taken_at < UNUSED_SECONDS}
            if len(self._taken) >= most:
                raise Full(f"All {most} places for streams are taken.")
            if most_of_one and Counter(one.holder for one in self._taken)[holder] >= most_of_one:
                raise Full(f"All {most_of_one} places for streams of one address are taken.")
            place = StreamPlace(holder, now)
            self._taken.add(place)
            return place

    def leave(self, place: StreamPlace) -> None:
        """Give it back; twice is as good as once."""
        with self._lock:
            self._taken.discard(place)


places = Places()
