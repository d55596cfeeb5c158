"""The routes of ADSBx v2, as airplanes.live, adsb.lol and adsb.fi answer them: aircraft by what one knows of them.

What is asked enters; a document leaves, `ac` with aircraft as in aircraft.json (`readsb.py`). Distances are nautical
miles, at most MOST_MILES; where a place was named each aircraft has `dst`, the distance to it, and `dir`, the bearing
from it. Times of the document are milliseconds since 1970. Source: airplanes.live, descriptions of the REST API.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable

import msgspec

from tracking.clients.readsb import AircraftEntry, entry
from tracking.clients.values import FRESH_SECONDS, lately
from tracking.live.state import Document, LiveKind, LiveState

MOST_MILES = 250.0
MOST_ADDRESSES = 1000
EARTH_RADIUS_NM = 3440.065
_DEGREE_NM = 60.0

# What can be asked for by one text: how a live document says it.
NAMED: dict[str, Callable[[Document], str]] = {
    "callsign": lambda document: document.get("callsign") or "",
    "reg": lambda document: document.get("registration") or "",
    "registration": lambda document: document.get("registration") or "",
    "type": lambda document: document.get("type_code") or "",
    "squawk": lambda document: document.get("squawk") or "",
    "sqk": lambda document: document.get("squawk") or "",
}


def by_address(addresses: Iterable[str]) -> bytes:
    """The aircraft with these ICAO addresses, as far as they were heard in the last minute."""
    now = time.time()
    found = LiveState(LiveKind.AIRCRAFT).get_many(addresses).values()
    return _answer([entry(one, now) for one in found if now - one["ts"] <= FRESH_SECONDS], now)


def by_name(what: str, names: Iterable[str]) -> bytes:
    """The aircraft with one of these callsigns, registrations, types or squawks, in whatever case."""
    wanted, said = {name.strip().upper() for name in names}, NAMED[what]
    now, documents = lately(LiveKind.AIRCRAFT)
    return _answer([entry(one, now) for one in documents if said(one).upper() in wanted], now)


def around(latitude: float, longitude: float, miles: float, closest: bool = False) -> bytes:
    """The aircraft within a distance of a place, the nearest first; only that one if `closest`."""
    now = time.time()
    found = []
    for document in LiveState(LiveKind.AIRCRAFT).in_box(*_box(latitude, longitude, miles)):
        one = entry(document, now)
        if "lat" in one:
            distance = distance_nm(latitude, longitude, one["lat"], one["lon"])
            bearing = bearing_degrees(latitude, longitude, one["lat"], one["lon"])
            found.append(one | {"dst": round(distance, 3), "dir": round(bearing, 1)})
    near = sorted((one for one in found if one["dst"] <= miles), key=lambda one: one["dst"])
    return _answer(near[:1] if closest else near, now)


def distance_nm(latitude: float, longitude: float, other_latitude: float, other_longitude: float) -> float:
    """The great circle between two places (haversine)."""
    one, other = math.radians(latitude), math.radians(other_latitude)
    across = math.radians(other_longitude - longitude) / 2
    chord = math.sin((other - one) / 2) ** 2 + math.cos(one) * math.cos(other) * math.sin(across) ** 2
    return 2 * EARTH_RADIUS_NM * math.asin(min(1.0, math.sqrt(chord)))


def bearing_degrees(latitude: float, longitude: float, other_latitude: float, other_longitude: float) -> float:
    """Degrees true from the first place to the second, 0 to 360."""
    one, other = math.radians(latitude), math.radians(other_latitude)
    across = math.radians(other_longitude - longitude)
    east = math.sin(across) * math.cos(other)
    north = math.cos(one) * math.sin(other) - math.sin(one) * math.cos(other) * math.cos(across)
    return math.degrees(math.atan2(east, north)) % 360


def _box(latitude: float, longitude: float, miles: float) -> tuple[float, float, float, float]:
    """A box that holds the circle; around a pole it holds all longitudes."""
    height = miles / _DEGREE_NM + 0.01
    south, north = max(-90.0, latitude - height), min(90.0, latitude + height)
    widest = math.cos(math.radians(max(abs(south), abs(north))))
    width = height / widest if widest > 1e-6 else 180.0
    if south == -90 or north == 90 or width >= 180:
        return -180.0, south, 180.0, north
    return _wrapped(longitude - width), south, _wrapped(longitude + width), north


def _wrapped(longitude: float) -> float:
    return (longitude + 180) % 360 - 180


def _answer(found: list[AircraftEntry], now: float) -> bytes:
    at = round(now * 1000)
    took = round((time.time() - now) * 1000)
    body = {"ac": found, "msg": "No error", "now": at, "total": len(found), "ctime": at, "ptime": took}
    return msgspec.json.encode(body)
