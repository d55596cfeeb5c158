"""Trace files of one aircraft as readsb writes them, which tar1090 reads for the one that is clicked.

An address enters; the track leaves, a row a position: seconds after `timestamp`, latitude, longitude, altitude (feet,
or "ground"), ground speed, track, flags, vertical rate, and an object with details or null. Who is live has a trace
here, of the last 24 hours and at most MOST_POINTS, as in the card of the map: more is history, and that takes a key.
Flag 1 says that nothing was heard for 20 s before. Source: README-json.md of readsb.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

import msgspec

from tracking.clients.readsb import GROUND, entry
from tracking.history import tracks
from tracking.history.door import HistorySpan
from tracking.live.state import Document, LiveKind, LiveState
from tracking.models import AircraftPosition

FULL = dt.timedelta(hours=24)
RECENT = dt.timedelta(minutes=10)
LEAD = dt.timedelta(minutes=1)  # a sender's clock may be ahead
MOST_POINTS = 600
STALE_SECONDS = 20.0
_STALE = 1
_FIELDS = ("timestamp", "latitude", "longitude", "altitude", "ground_speed", "heading", "vertical_rate", "on_ground")
_DETAILS = ("type", "flight", "squawk", "category")

TraceRow = list[Any]


def trace(address: str, length: dt.timedelta) -> bytes | None:
    """The trace of an aircraft that is live, else None. Raises errors of Redis, of django.db and of the archive."""
    document = LiveState(LiveKind.AIRCRAFT).get(address)
    if document is None:
        return None
    end = dt.datetime.now(dt.UTC) + LEAD
    span = HistorySpan(AircraftPosition, end - LEAD - length, end, address)
    points = tracks.points(span, _FIELDS, limit=MOST_POINTS + 1)
    if len(points) > MOST_POINTS:
        points = tracks.outline(span, _FIELDS, limit=MOST_POINTS)
    return msgspec.json.encode(_written(document, points, end.timestamp()))


def _written(document: Document, points: list[dict[str, Any]], now: float) -> dict[str, Any]:
    known = entry(document, now)
    begin = points[0]["timestamp"].timestamp() if points else document["ts"]
    rows: list[TraceRow] = []
    for point in points:
        offset = round(point["timestamp"].timestamp() - begin, 2)
        stale = bool(rows) and offset - rows[-1][0] > STALE_SECONDS
        rows.append(_row(point, offset, _STALE if stale else 0))
    if rows:
        rows[-1][8] = {name: known[name] for name in _DETAILS if name in known}
    names: dict[str, Any] = {name: known[name] for name in ("r", "t") if name in known}
    return {"icao": document["id"], **names, "timestamp": round(begin, 3), "trace": rows}


def _row(point: dict[str, Any], offset: float, flags: int) -> TraceRow:
    altitude = GROUND if point["on_ground"] else point["altitude"]
    place = (round(point["latitude"], 6), round(point["longitude"], 6))
    return [offset, *place, altitude, point["ground_speed"], point["heading"], flags, point["vertical_rate"], None]
