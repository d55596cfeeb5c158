"""Dead letters that speak of an identity: the answer of this app to why a target is not on the map.

An MMSI or ICAO address enters, at most one finding leaves (`tracking/map/offers.py`). The latest open letters are
decoded, as they do not say whose they are; who may not see letters is told nothing of them.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from django.urls import reverse

from ingest.replay import HANDLERS
from ingest.stages.storing.store import MESSAGE_KIND
from resilience.letters.handlers import Undecodable
from resilience.models import DeadLetter

LATEST = 300
_NAMES = ("vessel_id", "aircraft_id", "mmsi", "icao")


def findings(key: str, user: Any) -> list[dict[str, str]]:
    """What became of its messages that could not be stored. Raises django.db errors."""
    if not user.has_perm("resilience.view_deadletter"):
        return []
    letters = DeadLetter.objects.filter(kind=MESSAGE_KIND, status__in=DeadLetter.OPEN).order_by("-failed_at")[:LATEST]
    reasons = Counter(letter.reason for letter in letters if speaks_of(letter, key))
    told = ", ".join(f"{count} {reason.replace('_', ' ')}" for reason, count in reasons.most_common())
    text = f"{sum(reasons.values())} open: {told}" if reasons else f"none of its own among the latest {LATEST}"
    link = reverse("admin:resilience_deadletter_changelist")
    return [{"title": "Dead letters", "state": "warn" if reasons else "good", "text": text, "link": link}]


def speaks_of(letter: DeadLetter, key: str) -> bool:
    """Whether the message is of that identity, as far as it can be read."""
    try:
        said = HANDLERS[MESSAGE_KIND].describe(letter)
    except (Undecodable, KeyError):  # KeyError: of a format that this version does not have
        # Nothing of it can be read, but some formats have the key as text.
        return key.encode() in letter.payload.lower()
    return any(said.get(name) == key for name in _NAMES)
