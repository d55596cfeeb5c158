"""The positions around a refused one, for the small map of its page.

Enters a refused position; leaves the nearest positions of its identity before and after it, in order of time, refused
ones among them. Two looks into the primary key, within SPAN; days in the archive are not asked.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.db import connection

from tracking.truth.models import PositionKind, Refusal, RefusedPosition
from tracking.truth.reading import SOURCES, as_key

EACH_WAY = 40
SPAN = dt.timedelta(days=1)


def around(refused: RefusedPosition) -> list[dict[str, Any]]:
    """Positions with `lon`, `lat`, `time`, `track` (its number), `why` ("" where accepted) and `this`, the one itself.

    Raises django.db errors.
    """
    source = SOURCES[PositionKind(refused.subject)]
    at, key = refused.timestamp, as_key(source, refused.identity)
    rows = f'SELECT "timestamp", latitude, longitude, track FROM {source.table} WHERE {source.key} = %s'
    with connection.cursor() as cursor:
        cursor.execute(
            f'({rows} AND "timestamp" BETWEEN %s AND %s ORDER BY "timestamp" DESC LIMIT {EACH_WAY + 1})'
            f' UNION ALL ({rows} AND "timestamp" > %s AND "timestamp" <= %s ORDER BY "timestamp" LIMIT {EACH_WAY})',
            [key, at - SPAN, at, key, at, at + SPAN],
        )
        found = sorted(cursor.fetchall())
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
