"""The list of ships as AIS-catcher's web server gives it, for its pages and for what was written for them.

Live documents of vessels enter; JSON leaves, with the keys of AIS-catcher in its units: knots, degrees, metres. What
only a receiver knows (signal level, frequency error, channels) is null, and so is what nobody heard. Listed are ships
heard within HEARD_SECONDS; `last_signal` is how many seconds ago that was. Source of the names: AIS-catcher's `DB.cpp`.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

import msgspec

from tracking.clients.values import FreshValues, lately
from tracking.live.state import Document, LiveKind
from tracking.positions.mmsi import classify

HEARD_SECONDS = 1800.0
UNDEFINED_STATUS = 15
_OF_A_RECEIVER = ("distance", "bearing", "level", "ppm", "group_mask", "msg_type", "channels")
_MEASURES = ("to_bow", "to_stern", "to_starboard", "to_port")


def ships_json() -> bytes:
    """All ships. Raises redis.RedisError."""
    now, documents = lately(LiveKind.VESSEL, HEARD_SECONDS)
    found = [ship(document, now) for document in documents]
    return msgspec.json.encode({"count": len(found), "ships": found, "error": False})


def ship(document: Document, now: float) -> dict[str, Any]:
    """One ship."""
    fresh = FreshValues(document, now, HEARD_SECONDS)
    status = fresh.get("status")
    return {
        "mmsi": int(document["id"]),
        "lat": document.get("lat"),
        "lon": document.get("lon"),
        **dict.fromkeys(_OF_A_RECEIVER),
        "count": None,
        "approx": False,
        "heading": fresh.get("heading"),
        "cog": fresh.get("course"),
        "speed": fresh.get("speed"),
        **{name: fresh.static(name) for name in _MEASURES},
        "shiptype": fresh.static("ship_type") or 0,
        "validated": 1,
        "country": classify(int(document["id"]))[1],
        "status": UNDEFINED_STATUS if status is None else status,
        "draught": fresh.static("draught") or 0,
        **_arrival(fresh.static("eta")),
        "imo": fresh.static("imo"),
        "callsign": fresh.static("callsign") or "",
        "shipname": fresh.static("name") or "",
        "destination": fresh.static("destination") or "",
        "last_signal": round(fresh.seen),
    }


def _arrival(eta: str | None) -> dict[str, int | None]:
    """The expected arrival, UTC."""
    moment = dt.datetime.fromisoformat(eta) if eta else None
    names = ("month", "day", "hour", "minute")
    return {f"eta_{name}": None if moment is None else getattr(moment, name) for name in names}
