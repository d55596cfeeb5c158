"""Tracks: the positions of one identity in a range of time, whole or thinned to their outline.

Enters a model, the identity and the range; leaves plain dictionaries in order of time. Both queries are bounded by
time, so PostgreSQL opens only the day partitions that can hold them. Thinning is done by PostgreSQL: the range is cut
into equal spans of time, and of each the first and last position stay and the southernmost, northernmost, westernmost
and easternmost, so a line drawn through what is left covers the same pixels (the M4 aggregation of Jugel et al.,
VLDB 2014, for two axes). Every point that stays is a report as it was stored.
"""

import datetime as dt
from collections.abc import Sequence
from typing import Any

from django.db import connections

from tracking.models import Position

Point = dict[str, Any]

POINTS_PER_SPAN = 6


def points(
    model: type[Position],
    key: str,
    identity: Any,
    start: dt.datetime,
    end: dt.datetime,
    fields: Sequence[str],
    limit: int,
    refused: bool = False,
) -> list[Point]:
    """The first `limit` positions from `start`, included, to `end`, excluded; `key` is the column of `identity`.

    `refused`: those that the judge refused, too. Plain dictionaries of `fields`: a serializer would take ten times as
    long over 10,000 points.
    """
    inside = model.objects.filter(**{key: identity}, timestamp__gte=start, timestamp__lt=end)
    if not refused:
        inside = inside.filter(track__gte=0)
    return list(inside.order_by("timestamp").values(*fields)[:limit])


def outline(
    model: type[Position],
    key: str,
    identity: Any,
    start: dt.datetime,
    end: dt.datetime,
    fields: Sequence[str],
    limit: int,
    refused: bool = False,
) -> list[Point]:
    """At most `limit` positions (6 at least) that show the line of all, first and last included."""
    connection = connections[model.objects.db]
    quote = connection.ops.quote_name
    columns = ", ".join(quote(field) for field in fields)
    extremes = ", ".join(
        f"({which}(ARRAY[{axis}, at]))[2]" for axis in ("latitude", "longitude") for which in ("min", "max")
    )
    accepted = "" if refused else " AND track >= 0"
    statement = f"""
        WITH inside AS (
            SELECT {columns}, extract(epoch FROM "timestamp")::float8 AS at
            FROM {quote(model._meta.db_table)}
            WHERE {quote(key)} = %(identity)s AND "timestamp" >= %(start)s AND "timestamp" < %(end)s{accepted}
        ), kept AS (
            SELECT DISTINCT unnest(ARRAY[min(at), max(at), {extremes}]) AS at FROM inside
            GROUP BY width_bucket(at, %(first)s, %(last)s, %(spans)s)
        )
        SELECT {columns} FROM inside JOIN kept USING (at) ORDER BY at"""
    values = {
        "identity": identity,
        "start": start,
        "end": end,
        "first": start.timestamp(),
        "last": end.timestamp(),
        "spans": max(1, limit // POINTS_PER_SPAN),
    }
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return [dict(zip(fields, row, strict=True)) for row in cursor.fetchall()]
