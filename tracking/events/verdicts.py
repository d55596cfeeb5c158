"""What the judging of history found, as events: identities in dispute, and places to which fleets jumped.

Enter the tables of `tracking/truth/models.py`; a dispute counts when at least two of its tracks are confirmed, so that
a single wrong position is none. They go on for as long as the judge leaves them open, and the jumps come.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from resilience import clocks
from tracking.events import keeping, recording
from tracking.events.models.event import EventKind
from tracking.truth.fleets import WINDOW_MS
from tracking.truth.models import Dispute, Jump
from tracking.truth.notes import milliseconds

RECENT = dt.timedelta(hours=24)  # a dispute that began earlier is no news to anybody
AREA_DEGREES = 1.0
NAMED = 20  # identities that an area lists
MOST = 500  # of each kind and run


def look() -> int:
    """Open and close; how many of both. Raises django.db errors."""
    now = clocks.database_now()
    done = 0
    for kind, notes in ((EventKind.DISPUTE, disputes(now)), (EventKind.SPOOFED, areas(now))):
        done += keeping.close_where(kind, [(note.subject, note.identity, note.reference) for note in notes], now)
        done += len(recording.record(notes))
    return done


def disputes(now: dt.datetime) -> list[recording.Note]:
    """The open disputes between confirmed tracks."""
    found = Dispute.objects.filter(until=None, state__isnull=False, since__gt=now - RECENT).order_by("-since")[:MOST]
    return [note for dispute in found if (note := _note(dispute)) is not None]


def areas(now: dt.datetime) -> list[recording.Note]:
    """The areas to which fleets jumped within the window."""
    since = now - dt.timedelta(milliseconds=WINDOW_MS)
    zones: defaultdict[tuple[int, int], list[Jump]] = defaultdict(list)
    for jump in Jump.objects.filter(fleet=True, at__gt=since).order_by("at")[: MOST * NAMED]:
        zones[int(jump.latitude // AREA_DEGREES), int(jump.longitude // AREA_DEGREES)].append(jump)
    return [_area(*zone, jumps) for zone, jumps in sorted(zones.items())][:MOST]


def _note(dispute: Dispute) -> recording.Note | None:
    tails = [tail for tail, _, _, _, confirmed, *_ in dispute.state["tracks"] if confirmed and tail]
    if len(tails) < 2:
        return None
    places = [{"latitude": row[1], "longitude": row[2]} for row in (tail[-1] for tail in tails)]
    return recording.Note(
        EventKind.DISPUTE,
        dispute.subject,
        dispute.identity,
        "",
        milliseconds(dispute.since),
        places[0]["latitude"],
        places[0]["longitude"],
        values={"places": places},
    )


def _area(row: int, column: int, jumps: Sequence[Jump]) -> recording.Note:
    identities = sorted({jump.identity for jump in jumps})
    values: dict[str, Any] = {"count": len(identities), "identities": identities[:NAMED]}
    return recording.Note(
        EventKind.SPOOFED,
        "area",
        f"{row}:{column}",
        "",
        milliseconds(jumps[0].at),
        sum(jump.latitude for jump in jumps) / len(jumps),
        sum(jump.longitude for jump in jumps) / len(jumps),
        values=values,
    )
