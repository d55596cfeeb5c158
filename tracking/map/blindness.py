"""Where the map is blind because a feed is silent: where that feed was heard last, and no other is heard now.

The label of a feed and the time of its last message enter, cells of CELL degrees leave. What a feed heard in its last
minutes comes from PostgreSQL, once for each silence and in a thread of its own; None while that is not known.
"""

from __future__ import annotations

import datetime as dt
import logging
from functools import partial

from django.db.models import F
from django.db.models.functions import Floor

from tracking.models import AircraftPosition, Position, VesselPosition
from tracking.status.inquiry import Inquiry

logger = logging.getLogger(__name__)

CELL = 0.5
LAST = dt.timedelta(minutes=15)  # of a feed before its silence
MOST_CELLS = 2000
WAIT_SECONDS = 0.3
Cells = frozenset[tuple[int, int]]

_remembered: dict[str, tuple[float, Cells]] = {}


def heard_last(feed: str, since: float) -> Cells | None:
    """The cells in which a feed that has been silent `since` (epoch seconds) was heard before; None: not known yet."""
    known = _remembered.get(feed)
    if known is not None and known[0] == since:
        return known[1]
    inquiry = Inquiry.start(f"blind-{feed}", partial(_look, feed, since))
    if not inquiry.wait(WAIT_SECONDS):
        return None
    try:
        cells = inquiry.answer()
    except Exception as error:  # whatever a driver raises: the map goes on without this
        logger.warning("where feed %s was heard is not known: %s", feed, error)
        return None
    _remembered[feed] = (since, cells)
    return cells


def _look(feed: str, since: float) -> Cells:
    end = dt.datetime.fromtimestamp(since, dt.UTC)
    return frozenset(cell for model in (VesselPosition, AircraftPosition) for cell in _cells(model, feed, end))


def _cells(model: type[Position], feed: str, end: dt.datetime) -> list[tuple[int, int]]:
    """Their corners in the south west, longitude first, in units of CELL."""
    rows = model.objects.filter(source=feed, track__gte=0, timestamp__gt=end - LAST, timestamp__lte=end + LAST)
    places = rows.annotate(east=Floor(F("longitude") / CELL), north=Floor(F("latitude") / CELL))
    return [(int(east), int(north)) for east, north in places.values_list("east", "north").distinct()[:MOST_CELLS]]
