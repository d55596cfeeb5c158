"""aircraft.json and receiver.json as readsb writes them, for tar1090, SkyAware, graphs and scripts.

Live documents of aircraft enter; JSON leaves. An aircraft is listed while it was heard in the last minute, with the
values that are as fresh; a position that is older is its `lastPosition`. Units are those of both sides: feet, knots,
degrees true, feet per minute. Keys for which nothing is known are left out, as readsb leaves them out: how a position
was found is not kept, so the type is `other`. Source: README-json.md of readsb.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from tracking.clients.values import FreshValues, lately
from tracking.live.state import Document, LiveKind

REFRESH_MS = 1000  # answers are shared for a second
VERSION = "Tracking"
CALLSIGN_CHARACTERS = 8
GROUND = "ground"

AircraftEntry = dict[str, Any]


def aircraft_json() -> bytes:
    """The document of all aircraft. Raises redis.RedisError."""
    now, documents = lately(LiveKind.AIRCRAFT)
    return msgspec.json.encode({"now": round(now, 3), "messages": 0, "aircraft": entries(documents, now)})


def receiver_json() -> bytes:
    """What a page asks once: how often to ask for the rest, and that there are no files of history."""
    return msgspec.json.encode({"version": VERSION, "refresh": REFRESH_MS, "history": 0, "haveTraces": True})


def entries(documents: Iterable[Document], now: float) -> list[AircraftEntry]:
    """The aircraft of a list."""
    return [entry(document, now) for document in documents]


def entry(document: Document, now: float) -> AircraftEntry:
    """One aircraft."""
    fresh = FreshValues(document, now)
    values: AircraftEntry = {
        "hex": document["id"],
        "type": "other",
        "flight": flight(fresh.static("callsign")),
        "r": fresh.static("registration"),
        "t": fresh.static("type_code"),
        "alt_baro": GROUND if fresh.get("on_ground") else fresh.get("altitude"),
        "gs": fresh.get("ground_speed"),
        "track": fresh.get("heading"),
        "baro_rate": fresh.get("vertical_rate"),
        "squawk": fresh.static("squawk"),
        "category": fresh.static("category"),
        **_position(fresh),
        "mlat": [],
        "tisb": [],
        "seen": round(fresh.seen, 1),
    }
    return {name: value for name, value in values.items() if value is not None}


def flight(callsign: str | None) -> str | None:
    """A callsign as it is transmitted, in eight characters."""
    return callsign.ljust(CALLSIGN_CHARACTERS) if callsign else None


def _position(fresh: FreshValues) -> AircraftEntry:
    """The position, or the last one. readsb's README calls its age `age`, readsb itself writes `seen_pos`."""
    latitude, longitude = fresh.document.get("lat"), fresh.document.get("lon")
    age = round(fresh.age("position"), 1)
    if latitude is None:
        return {}
    if fresh.is_old("position"):
        return {"lastPosition": {"lat": latitude, "lon": longitude, "age": age, "seen_pos": age}}
    return {"lat": latitude, "lon": longitude, "seen_pos": age}
