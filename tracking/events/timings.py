"""For how long each kind of event must be absent to be over, and how long the same is not told again after that.

A condition that comes and goes at its border makes one event: it is over only after its quiet period. If it comes again
within the cooldown after that, the old event goes on and nobody is told. Seconds.
"""

from __future__ import annotations

import datetime as dt
from typing import NamedTuple

from tracking.events.models.event import EventKind


class Timing(NamedTuple):
    """Of one kind. `lasts`: whether it has a duration; else it is over when it is told."""

    quiet_seconds: int
    cooldown_seconds: int
    lasts: bool = True

    @property
    def quiet_ms(self) -> int:
        """The quiet period in milliseconds."""
        return self.quiet_seconds * 1000

    @property
    def cooldown(self) -> dt.timedelta:
        """The cooldown."""
        return dt.timedelta(seconds=self.cooldown_seconds)


TIMINGS = {
    EventKind.EMERGENCY: Timing(300, 1800),
    EventKind.DISTRESS: Timing(900, 3600),  # a SART sends for 14 seconds of every minute, an EPIRB likewise
    EventKind.ENTERED: Timing(120, 600),
    EventKind.LEFT: Timing(0, 600, lasts=False),
    EventKind.DWELLS: Timing(120, 600),
    EventKind.SPEED: Timing(120, 900),
    EventKind.SIGHTED: Timing(1800, 6 * 3600),
    EventKind.DARK: Timing(0, 3600),
    EventKind.ENCOUNTER: Timing(60, 900),
    EventKind.DISPUTE: Timing(0, 3600),
    EventKind.SPOOFED: Timing(1800, 3600),
}
HEARD_SECONDS = 1800  # a stay in a geofence lasts as long as the target is heard, however seldom that is
