"""What began and what ended, in the order in which this process read it, for those who follow events.

PostgreSQL's rows enter, JSON for streams leaves. Rows of the last hour are remembered, the latest REMEMBERED of them.
Each has a number: when it changed, in microseconds, but always greater than those before it, since a transaction may
commit a row later than others that changed after it. So rows are read again for OVERLAP, and a number is a cursor:
exact in this process, and in the next one good for what came OVERLAP before it, which may be told twice.
"""

from __future__ import annotations

import datetime as dt
import itertools
import threading
import time
from collections import deque
from typing import Any, NamedTuple

import msgspec
from django.db import close_old_connections

from resilience import clocks
from tracking.api.common.query import Box
from tracking.events.models.event import Event
from tracking.events.notices import messages
from tracking.live.mirror import Told

OVERLAP = dt.timedelta(minutes=1)  # longer than any transaction that notes events
REMEMBERED_FOR = dt.timedelta(hours=1)
REMEMBERED = 10_000
MOST_TOLD = 500  # at once; the rest at the next turn
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MICROSECOND = dt.timedelta(microseconds=1)


class Following(NamedTuple):
    """Which events: of these kinds (none: of all), inside the box, degrees (None: wherever they are, or nowhere)."""

    kinds: frozenset[str]
    box: Box | None

    def wants(self, event: Event) -> bool:
        """Whether it is one of them."""
        return (not self.kinds or event.kind in self.kinds) and (self.box is None or _inside(event, self.box))


class EventLog:
    """Safe for threads: one reads, whoever asks meanwhile waits for it. PostgreSQL is read once a turn at most."""

    def __init__(self, turn_seconds: float) -> None:
        self._turn_seconds = turn_seconds
        self._reading = threading.Lock()
        self._read_at = -turn_seconds
        self._rows: deque[tuple[int, Event]] = deque()
        self._known: dict[Any, dt.datetime] = {}  # when it changed, of each row read that may be read again
        self._last = self._from = self._forgotten = 0  # numbers: the latest, that at the start, of the last forgotten
        self._newest: dt.datetime | None = None

    def refresh(self) -> int:
        """Read what is new, unless that was done just now; the number of the latest. Raises django.db errors."""
        with self._reading:
            if time.monotonic() - self._read_at >= self._turn_seconds:
                close_old_connections()
                self._begin() if self._newest is None else self._read(self._newest - OVERLAP)
                self._read_at = time.monotonic()
            return self._last

    def told(self, following: Following, since: str | None) -> Told:
        """What began or ended after the cursor, the oldest first; without one only the cursor to go on from.

        `reset`: the cursor is older than what is remembered, so that some may be missing. Raises ValueError for a
        cursor that is none.
        """
        with self._reading:
            after = self._last if since is None else cursor(since)
            if after <= self._from:
                after -= _microseconds(OVERLAP)
            news = list(itertools.takewhile(lambda row: row[0] > after, reversed(self._rows)))[::-1]
            found = [(number, event) for number, event in news if following.wants(event)]
            end = found[MOST_TOLD - 1][0] if len(found) >= MOST_TOLD else max(self._last, after)
            if since is not None and not found and after >= self._forgotten:
                return Told(str(end), None)
            results = [brief(event) for _, event in found[:MOST_TOLD]]
            body = {"next": str(end), "reset": after < self._forgotten, "results": results}
            return Told(str(end), msgspec.json.encode(body))

    def _begin(self) -> None:
        start = clocks.database_now() - REMEMBERED_FOR
        self._forgotten = _microseconds(start - _EPOCH)
        self._newest = start
        self._read(start)
        self._from, self._last = self._last, max(self._last, self._forgotten) + 1  # no cursor of now is one of before

    def _read(self, start: dt.datetime) -> None:
        """Rows that changed since."""
        rows = list(Event.objects.filter(changed_at__gt=start).order_by("-changed_at", "-id")[:REMEMBERED])
        new = [event for event in reversed(rows) if self._known.get(event.id) != event.changed_at]
        if len(new) == REMEMBERED:
            self._forgotten = self._last + 1  # there may have been more between
        for event in new:
            self._take(event)
        oldest = self._newest - OVERLAP if self._newest else start
        self._known = {key: changed_at for key, changed_at in self._known.items() if changed_at > oldest}

    def _take(self, event: Event) -> None:
        self._known[event.id] = event.changed_at
        self._newest = max(event.changed_at, self._newest or event.changed_at)
        self._last = max(self._last + 1, _microseconds(event.changed_at - _EPOCH))
        self._rows.append((self._last, event))
        if len(self._rows) > REMEMBERED:
            self._forgotten = self._rows.popleft()[0]


def brief(event: Event) -> dict[str, Any]:
    """One event as the map and streams show it."""
    return {
        "id": str(event.id),
        "kind": event.kind,
        "identity": event.identity,
        "text": messages.title(event),
        "at": round(event.since.timestamp(), 1),
        "over": event.until is not None,
        "lat": event.latitude,
        "lon": event.longitude,
    }


def _inside(event: Event, box: Box) -> bool:
    if event.latitude is None or event.longitude is None:
        return False
    west, south, east, north = box
    spans = west <= event.longitude <= east if west <= east else event.longitude >= west or event.longitude <= east
    return spans and south <= event.latitude <= north


def cursor(text: str) -> int:
    """The number that `next` says. Raises ValueError."""
    if not (text.isascii() and text.isdecimal() and len(text) < 20):
        raise ValueError(f"no cursor: {text[:40]!r}")
    return int(text)


def _microseconds(span: dt.timedelta) -> int:
    return span // _MICROSECOND
