"""What of a live document is fresh enough for others, who know no ages of single values.

A document enters as `tracking/live/state.py` keeps it; values leave, None where a value is unknown or too old. And the
documents themselves: those that were heard lately.
"""

from __future__ import annotations

import time
from typing import Any

from tracking.live.state import Document, LiveKind, LiveState

FRESH_SECONDS = 60.0  # readsb shows an aircraft, and each of its values, for a minute
MOST_TARGETS = 20_000


class FreshValues:
    """The values of one document at `now`, epoch seconds."""

    def __init__(self, document: Document, now: float, seconds: float = FRESH_SECONDS) -> None:
        self.document = document
        self._now, self._seconds = now, seconds
        self._ts: float = document["ts"]
        self._ages: dict[str, float] = document.get("ages", {})

    def get(self, name: str) -> Any:
        """A dynamic value, None where it is too old."""
        return None if self.is_old(name) else self.document.get(name)

    def is_old(self, name: str) -> bool:
        """Whether a value, or "position", is too old to be told."""
        return self.age(name) > self._seconds

    def age(self, name: str) -> float:
        """Seconds since a value, or "position", was heard; never below 0."""
        return max(0.0, self._now - self._ages.get(name, self._ts))

    @property
    def seen(self) -> float:
        """Seconds since anything was heard."""
        return max(0.0, self._now - self._ts)

    def static(self, name: str) -> Any:
        """A static value, None where it is unknown or empty."""
        return self.document.get(name) or None


def lately(kind: LiveKind, seconds: float = FRESH_SECONDS) -> tuple[float, list[Document]]:
    """(now, the documents that were heard within so many seconds, oldest first). Raises redis.RedisError."""
    now = time.time()
    return now, LiveState(kind).changed_since(now - seconds, limit=MOST_TARGETS)
