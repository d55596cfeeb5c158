"""The live targets nearest to a place, from Redis alone.

A place and a distance enter; documents leave as JSON, the nearest first, each with its `distance_nm`. Redis sorts what
it has in its index of places; of the targets beyond 85.05 degrees, which that cannot hold, all in reach are looked at.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from django_redis import get_redis_connection

from tracking.live.state import EARTH_RADIUS_M, GEO_LIMIT, LiveState

METRES_PER_NM = 1852.0
SLACK_M = 10.0  # Redis keeps places in 52 bits, and a document may have moved since


def nearest(state: LiveState, latitude: float, longitude: float, within_nm: float, limit: int) -> list[bytes]:
    """The `limit` nearest documents within the distance. Degrees of WGS 84. Raises redis.RedisError."""
    within = within_nm * METRES_PER_NM
    found = []
    for raw, place in state.encoded(_near(state, latitude, longitude, within, limit)):
        if place.lat is not None and place.lon is not None:
            metres = distance_m(latitude, longitude, place.lat, place.lon)
            if metres <= within:
                found.append((metres, raw))
    found.sort(key=lambda one: one[0])
    return [b'{"distance_nm":%.3f,%b' % (metres / METRES_PER_NM, raw[1:]) for metres, raw in found[:limit]]


def _near(state: LiveState, latitude: float, longitude: float, within: float, limit: int) -> Iterable[str]:
    """Keys of all targets that can be among the nearest, and of some that are not."""
    pipeline = get_redis_connection("live").pipeline(transaction=False)
    centre = max(-GEO_LIMIT, min(GEO_LIMIT, latitude))
    away = distance_m(latitude, longitude, centre, longitude)
    # From a centre that had to be moved the order is another one, so nothing is cut off there.
    most = None if away else limit + 1
    pipeline.geosearch(
        state.geo,
        longitude=longitude,
        latitude=centre,
        radius=within + away + SLACK_M,
        unit="m",
        sort="ASC",
        count=most,
    )
    degrees = math.degrees((within + SLACK_M) / EARTH_RADIUS_M)
    if latitude + degrees >= GEO_LIMIT or latitude - degrees <= -GEO_LIMIT:
        pipeline.zrange(state.polar, latitude - degrees, latitude + degrees, byscore=True)
    return dict.fromkeys(key.decode() for keys in pipeline.execute() for key in keys)


def distance_m(latitude: float, longitude: float, other_latitude: float, other_longitude: float) -> float:
    """Metres along the great circle, on the sphere that Redis measures on."""
    first, second = math.radians(latitude), math.radians(other_latitude)
    half = math.sin((second - first) / 2) ** 2
    half += math.cos(first) * math.cos(second) * math.sin(math.radians(other_longitude - longitude) / 2) ** 2
    return 2 * EARTH_RADIUS_M * math.asin(math.sqrt(min(1.0, half)))
