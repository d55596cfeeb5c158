"""The positions around a refused one, for the small map of its page.

Enters a refused position; leaves the nearest positions of its identity before and after it, in order of time, refused
ones among them. Two looks into the primary key, within SPAN; days in the archive are not asked.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

from tracking.models import AircraftPosition, VesselPosition
from tracking.truth.models import Refusal, RefusedPosition, Subject
from tracking.truth.reading import SOURCES

EACH_WAY = 40
SPAN = dt.timedelta(days=1)
_MODELS: dict[str, Any] = {Subject.VESSEL: VesselPosition, Subject.AIRCRAFT: AircraftPosition}


def around(refused: RefusedPosition) -> list[dict[str, Any]]:
    """Positions with `lon`, `lat`, `time`, `track` (its number), `why` ("" where accepted) and `this`, the one itself.

    Raises django.db errors.
    """
    source = SOURCES[Subject(refused.subject)]
    at = refused.timestamp
    mine = _MODELS[refused.subject].objects.filter(**{source.key: refused.identity})
    before = mine.filter(timestamp__lte=at, timestamp__gte=at - SPAN).order_by("-timestamp")[: EACH_WAY + 1]
    after = mine.filter(timestamp__gt=at, timestamp__lte=at + SPAN).order_by("timestamp")[:EACH_WAY]
    columns = ("timestamp", "latitude", "longitude", "track")
    found = [*reversed(before.values_list(*columns)), *after.values_list(*columns)]
    return [
        {
            "lon": longitude,
            "lat": latitude,
            "time": f"{when:%Y-%m-%d %H:%M:%S}",
            "track": track,
            "why": Refusal(track).label if track < 0 else "",
            "this": when == at,
        }
        for when, latitude, longitude, track in found
    ]
