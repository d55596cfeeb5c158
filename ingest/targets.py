"""What the ledger and the dead letters say of one ship or aircraft, for its page in the admin.

A subject and its key enter; tables leave, in the form of `tracking/desk/targets.py`. A batch holds messages of many
targets and does not say which, so the batches are the latest ones of those feeds that last heard this one. A dead
letter does not say it either: the latest open ones are decoded, as many as BUDGET_SECONDS allow.
"""

from __future__ import annotations

import datetime as dt
import time
from typing import Any

from django.urls import reverse

from ingest.mentions import speaks_of
from ingest.models import Batch
from ingest.stages.storing.store import MESSAGE_KIND
from resilience.models import DeadLetter
from resilience.pages.readable import moment
from tracking.desk.targets import Linked, Subject, TargetTable
from tracking.models import Aircraft, AircraftPosition, Vessel, VesselPosition

BATCHES_SHOWN = 8
LETTERS_SHOWN = 8
LETTERS_DECODED = 300
BUDGET_SECONDS = 0.3
POSITIONS_ASKED = 50
RECENT = dt.timedelta(days=1)


def tables(subject: Subject, key: Any) -> list[TargetTable]:
    """Those of this app."""
    return [
        {
            "title": "Latest batches of the feeds that last heard it",
            "permission": "ingest.view_batch",
            "headings": ["Booked (UTC)", "Source", "Messages", "Positions", "Stored", "Dead letters"],
            "empty": "No feed has heard it within a day of its last report.",
            "ask": lambda: batches(subject, key),
        },
        {
            "title": "Open dead letters",
            "permission": "resilience.view_deadletter",
            "headings": ["Failed (UTC)", "Source", "Stage", "Reason"],
            "empty": f"None among the latest {LETTERS_DECODED} open ones.",
            "ask": lambda: letters(key),
        },
    ]


def batches(subject: Subject, key: Any) -> list[list[Linked]]:
    """The latest batches of the feeds that last heard it, the newest first. Raises django.db errors."""
    sources = _sources(subject, key)
    found = Batch.objects.filter(source__in=sources).order_by("-booked_at")[:BATCHES_SHOWN] if sources else []
    return [
        [
            Linked(moment(batch.booked_at), reverse("admin:ingest_batch_change", args=[batch.pk])),
            Linked(batch.source),
            *(Linked(f"{count:,}") for count in (batch.messages, batch.positions, batch.stored, batch.dead)),
        ]
        for batch in found
    ]


def _sources(subject: Subject, key: Any) -> set[str]:
    identity: type[Any] = Vessel if subject == "vessel" else Aircraft
    positions: type[Any] = VesselPosition if subject == "vessel" else AircraftPosition
    seen = identity.objects.filter(pk=key).values_list("last_seen", flat=True).first()
    if seen is None:
        return set()
    recent = positions.objects.filter(**{f"{subject}_id": key}, timestamp__gte=seen - RECENT)
    return set(recent.order_by("-timestamp").values_list("source", flat=True)[:POSITIONS_ASKED])


def letters(key: Any) -> list[list[Linked]]:
    """Open dead letters whose message is of this target, the newest first. Raises django.db errors."""
    candidates = DeadLetter.objects.filter(kind=MESSAGE_KIND, status__in=DeadLetter.OPEN).defer("traceback", "history")
    deadline = time.monotonic() + BUDGET_SECONDS
    found: list[list[Linked]] = []
    for letter in candidates.order_by("-failed_at")[:LETTERS_DECODED]:
        if len(found) == LETTERS_SHOWN or time.monotonic() > deadline:
            break
        if speaks_of(letter, str(key)):
            found.append(_row(letter))
    return found


def _row(letter: DeadLetter) -> list[Linked]:
    page = reverse("admin:resilience_deadletter_change", args=[letter.pk])
    return [Linked(moment(letter.failed_at), page), Linked(letter.source), Linked(letter.stage), Linked(letter.reason)]
