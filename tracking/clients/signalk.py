"""Ships in the model of Signal K: the whole of it over HTTP, and what changed as deltas, for relays.

Live documents and single values enter; objects of Signal K 1.7 leave, in its units: metres a second, radians, metres.
A vessel is known by its MMSI. Deltas have a context and updates, each with its source, its time, and values by path.
Source: Signal K specification, data model, full and delta formats; states as its NMEA 0183 parser names them.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping
from typing import Any

import msgspec

from tracking.clients.values import FreshValues, lately
from tracking.live.state import Document, LiveKind

VERSION = "1.7.0"
HEARD_SECONDS = 1800.0
SOURCE_TYPE = "AIS"
METRES_PER_SECOND = 1852 / 3600  # of a knot
STATES = {
    **{0: "motoring", 1: "anchored", 2: "not under command", 3: "restricted manouverability"},
    **{4: "constrained by draft", 5: "moored", 6: "aground", 7: "fishing", 8: "sailing"},
    **{9: "hazardous material high speed", 10: "hazardous material wing in ground", 14: "ais-sart"},
}

PathValues = dict[str, Any]


def context(mmsi: int | str) -> str:
    """What a vessel is called."""
    return f"urn:mrn:imo:mmsi:{mmsi:>09}"


def position_paths(values: Mapping[str, Any]) -> PathValues:
    """Values by path, of what a position report says: names as in live documents and reports, None: not known."""
    found: PathValues = {}
    if values.get("latitude") is not None:
        found["navigation.position"] = {"latitude": values["latitude"], "longitude": values["longitude"]}
    if (speed := values.get("speed")) is not None:
        found["navigation.speedOverGround"] = round(speed * METRES_PER_SECOND, 3)
    for name, path in (("course", "navigation.courseOverGroundTrue"), ("heading", "navigation.headingTrue")):
        if (degrees := values.get(name)) is not None:
            found[path] = round(math.radians(degrees), 4)
    if values.get("status") in STATES:
        found["navigation.state"] = STATES[values["status"]]
    return found


def static_paths(values: Mapping[str, Any]) -> PathValues:
    """Values by path, of static and voyage data."""
    found: PathValues = {}
    bow, stern, port, starboard = (values.get(f"to_{side}") for side in ("bow", "stern", "port", "starboard"))
    if bow is not None and stern is not None and bow + stern:
        found["design.length"] = {"overall": bow + stern}
    if port is not None and starboard is not None and port + starboard:
        found["design.beam"] = port + starboard
    if values.get("draught"):
        found["design.draft"] = {"current": values["draught"]}
    if values.get("ship_type"):
        found["design.aisShipType"] = {"id": values["ship_type"]}
    if values.get("destination"):
        found["navigation.destination.commonName"] = values["destination"]
    return found


def names(mmsi: int | str, values: Mapping[str, Any]) -> dict[str, Any]:
    """What a vessel is called, which the model keeps without source and time."""
    found: dict[str, Any] = {"mmsi": f"{mmsi:>09}"}
    if values.get("name"):
        found["name"] = values["name"]
    if values.get("callsign"):
        found["communication"] = {"callsignVhf": values["callsign"]}
    if values.get("imo"):
        found["registrations"] = {"imo": f"IMO {values['imo']}"}
    return found


def delta(mmsi: int | str, at: dt.datetime, label: str, paths: PathValues, named: Mapping[str, Any]) -> bytes:
    """One delta, a line of JSON without its end."""
    values = [{"path": path, "value": value} for path, value in {"": named, **paths}.items()]
    update = {"source": {"label": label, "type": SOURCE_TYPE}, "timestamp": _instant(at.timestamp()), "values": values}
    return msgspec.json.encode({"context": f"vessels.{context(mmsi)}", "updates": [update]})


def vessels_json() -> bytes:
    """All vessels that were heard, by name. Raises redis.RedisError."""
    now, documents = lately(LiveKind.VESSEL, HEARD_SECONDS)
    return msgspec.json.encode({context(one["id"]): vessel(one, now) for one in documents})


def discovery_json(root: str) -> bytes:
    """Where the model is, below the address of this site."""
    endpoints = {"v1": {"version": VERSION, "signalk-http": f"{root}signalk/v1/api/"}}
    return msgspec.json.encode({"endpoints": endpoints, "server": {"id": "tracking", "version": VERSION}})


def vessel(document: Document, now: float) -> dict[str, Any]:
    """One vessel in the full model: its values with their times, as a tree of their paths."""
    fresh = FreshValues(document, now, HEARD_SECONDS)
    dynamic = {name: fresh.get(name) for name in ("speed", "course", "heading", "status")}
    place = {"latitude": document.get("lat"), "longitude": document.get("lon")}
    tree: dict[str, Any] = names(document["id"], document)
    source = document.get("source") or "tracking"
    for path, value in (position_paths(place | dynamic) | static_paths(document)).items():
        at = _instant(now - fresh.age(_NAMES.get(path, "")))
        _put(tree, path, {"value": value, "$source": source, "timestamp": at})
    return tree


_NAMES = {
    "navigation.position": "position",
    "navigation.speedOverGround": "speed",
    "navigation.courseOverGroundTrue": "course",
    "navigation.headingTrue": "heading",
    "navigation.state": "status",
}


def _put(tree: dict[str, Any], path: str, leaf: dict[str, Any]) -> None:
    *above, last = path.split(".")
    for name in above:
        tree = tree.setdefault(name, {})
    tree[last] = leaf


def _instant(seconds: float) -> str:
    return dt.datetime.fromtimestamp(seconds, dt.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
