"""Which messages of an entry a relay sends: by feed, kind, format, repetition and rate.

Enters the entries of the stream in their order; leaves for each message what is sent, or why it is not. It goes by the
times of the entries and remembers nothing else, so a relay that begins again decides as it did before, once it was
shown the entries of the last moments (`recall`).
"""

from __future__ import annotations

import datetime as dt
from typing import NamedTuple

from ingest.models import Relay
from ingest.relays.stream import OTHER, POSITION, STATIC, STATION, RelayEntry
from ingest.relays.wire import SAME_MS, Wire, wire_of

MOST_REMEMBERED = 500_000  # contents
BURST_SECONDS = 2.0  # for which a relay may save up its rate: batches come in lumps

Picked = bytes | str  # what is sent, or a reason


class RelayRules(NamedTuple):
    """What of a relay matters to the process that runs it; a change restarts it."""

    key: int
    name: str
    url: str
    format: str
    feeds: frozenset[str]
    kinds: bytes
    messages_per_second: float
    max_age_seconds: int


def rules_of(relay: Relay) -> RelayRules:
    """The rules of a relay as it is in the admin."""
    flags = ((relay.positions, POSITION), (relay.static, STATIC), (relay.stations, STATION), (relay.other, OTHER))
    return RelayRules(
        key=relay.pk,
        name=relay.name,
        url=relay.url,
        format=relay.format,
        feeds=labels(relay.feeds),
        kinds=bytes(kind for wanted, kind in flags if wanted),
        messages_per_second=relay.messages_per_second,
        max_age_seconds=relay.max_age_seconds,
    )


def labels(text: str) -> frozenset[str]:
    """The labels that are named, separated by commas."""
    return frozenset(label for part in text.split(",") if (label := part.strip()))


class Picker:
    """Decides for one relay."""

    def __init__(self, rules: RelayRules) -> None:
        self._rules = rules
        self._same_ms = SAME_MS[rules.format]  # type: ignore[index]  # its value is the same as a key
        self._seen: dict[bytes, int] = {}  # content by when it was seen first, the oldest in front
        self._saved: float | None = None  # messages that may be sent at once
        self._saved_at = 0

    @property
    def recall_ms(self) -> int:
        """For how long (ms) an entry matters to those after it."""
        return max(self._same_ms, round(BURST_SECONDS * 1000))

    def recall(self, entries: list[RelayEntry]) -> None:
        """Entries that were picked from in another process."""
        for entry in entries:
            self.pick(entry)

    def pick(self, entry: RelayEntry) -> list[Picked]:
        """For each message its bytes, or the reason for which it is dropped."""
        reason = self.refusal(entry)
        if reason is not None:
            return [reason] * entry.count
        self._forget_before(entry.ms - self._same_ms)
        self._save_up(entry.ms)
        return [self._one(entry, ordinal) for ordinal in range(entry.count)]

    def refusal(self, entry: RelayEntry) -> str | None:
        """Why nothing of a batch is sent. What was not heard goes only where somebody named its feed."""
        batch = entry.relayed.batch
        if self._rules.feeds:
            return None if batch.source in self._rules.feeds else "other_feed"
        return "simulated" if batch.invented or batch.origin.startswith("sim://") else None

    def _one(self, entry: RelayEntry, ordinal: int) -> Picked:
        if entry.relayed.kinds[ordinal] not in self._rules.kinds:
            return "other_kind"
        batch = entry.relayed.batch
        wire = wire_of(batch.messages[ordinal], batch, self._rules.format)
        if isinstance(wire, str):
            return wire
        if wire.key in self._seen:
            return "duplicate"
        return self._limited(wire, entry.ms)

    def _limited(self, wire: Wire, ms: int) -> Picked:
        """A message that the rate leaves out may come again by another feed."""
        if self._saved is not None:
            if self._saved < 1:
                return "rate_limit"
            self._saved -= 1
        if len(self._seen) < MOST_REMEMBERED:
            self._seen[wire.key] = ms
        return wire.data

    def _forget_before(self, ms: int) -> None:
        while self._seen and next(iter(self._seen.values())) < ms:
            del self._seen[next(iter(self._seen))]

    def _save_up(self, ms: int) -> None:
        rate = self._rules.messages_per_second
        if rate:
            most = max(1.0, rate * BURST_SECONDS)
            gained = rate * (ms - self._saved_at) / 1000
            self._saved = most if self._saved is None else min(most, self._saved + gained)
            self._saved_at = ms


def is_late(entry: RelayEntry, rules: RelayRules, now: dt.datetime) -> bool:
    """Whether a batch was accepted so long ago that its messages are worth nothing to others."""
    return now.timestamp() * 1000 - entry.relayed.batch.accepted_at > rules.max_age_seconds * 1000
