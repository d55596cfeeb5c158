"""Ships that went dark: silent for far longer than they usually are, where others are still heard.

By each ship's own rate: the median interval of her last reports. Silence speaks only where the feed that heard her
hears others around her last place since then; else she sailed out of reach, or the receiver is off. Anchored and moored
ships, whose class B sets report every three minutes or switch off with the crew, are left out. Ships only: an aircraft
that is heard no more has landed.

An event begins with her last report and is over when she is heard again, or after MOST_DAYS.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

import numpy as np
from django.conf import settings
from django.db import connection

from resilience import clocks
from tracking.events import recording
from tracking.events.models.event import Event, EventKind
from tracking.events.ships import LiveShip, heard_since
from tracking.models import VesselPosition

LEAST_SECONDS = 300.0  # no silence is shorter
INTERVALS = 10.0  # of her own
LEAST_REPORTS = 6  # that say how often she reports
LEAST_KNOTS = 3.0
FRESH_SECONDS = 120.0
NEAR_DEGREES = 0.1  # 6 nautical miles
LEAST_NEIGHBOURS = 3
MOST_ASKED = 500  # ships whose history a run asks for
MOST_DAYS = 7
SUBJECT = "vessel"
_COLUMNS = ("lat", "lon", "ts")


def look() -> int:
    """Open and close; how many of both. Raises django.db and redis errors."""
    now = clocks.database_now()
    ships = heard_since(now.timestamp() - settings.LIVE_TTL_SECONDS)
    back = _close(now, ships)
    silent = silent_among(ships, now.timestamp())[:MOST_ASKED]
    dark = _dark(silent, now.timestamp())
    return back + len(recording.record([_note(ship, interval, now) for ship, interval in dark]))


def silent_among(ships: Sequence[LiveShip], now: float) -> list[LiveShip]:
    """Moving ships that are silent although the feed that heard them hears enough others near them. Pure."""
    placed = [ship for ship in ships if ship.lat is not None and "/" not in ship.id]  # a second track is in dispute
    latitudes, longitudes, times = (np.array([getattr(ship, name) for ship in placed], "f8") for name in _COLUMNS)
    feeds = np.array([ship.source for ship in placed])
    fresh = now - times < FRESH_SECONDS
    found = []
    for index in np.flatnonzero(now - times >= LEAST_SECONDS).tolist():
        ship, latitude = placed[index], latitudes[index]
        if ship.knots < LEAST_KNOTS or not ship.is_ship:
            continue
        width = NEAR_DEGREES / max(0.01, float(np.cos(np.radians(latitude))))
        near = fresh & (np.abs(latitudes - latitude) < NEAR_DEGREES) & (np.abs(longitudes - longitudes[index]) < width)
        if int((near & (feeds == ship.source)).sum()) >= LEAST_NEIGHBOURS:
            found.append(ship)
    return found


def _dark(silent: Sequence[LiveShip], now: float) -> list[tuple[LiveShip, float]]:
    """Those that are silent for many of their own intervals, with the interval in seconds."""
    intervals = _intervals([int(ship.id) for ship in silent], now)
    found = []
    for ship in silent:
        interval = intervals.get(int(ship.id))
        if interval is not None and now - ship.ts >= max(LEAST_SECONDS, INTERVALS * interval):
            found.append((ship, interval))
    return found


def _intervals(ships: Sequence[int], now: float) -> dict[int, float]:
    """The median seconds between reports of the last two hours, of ships with enough of them."""
    if not ships:
        return {}
    since = dt.datetime.fromtimestamp(now - 7200, dt.UTC)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT vessel_id, percentile_cont(0.5) WITHIN GROUP (ORDER BY seconds) FROM ("
            "  SELECT vessel_id, extract(epoch FROM timestamp - lag(timestamp) OVER ("
            "    PARTITION BY vessel_id ORDER BY timestamp))::float8 AS seconds"
            f"  FROM {VesselPosition._meta.db_table} WHERE vessel_id = ANY(%s) AND timestamp >= %s"
            ") AS gaps GROUP BY vessel_id HAVING count(seconds) >= %s",
            [list(ships), since, LEAST_REPORTS - 1],
        )
        return dict(cursor.fetchall())


def _note(ship: LiveShip, interval: float, now: dt.datetime) -> recording.Note:
    minutes = round((now.timestamp() - ship.ts) / 60)
    values: dict[str, Any] = {"interval_seconds": round(interval, 1), "minutes": minutes, "speed": ship.speed}
    values |= {name: value for name in ("name", "callsign") if (value := getattr(ship, name))}
    at = round(ship.ts * 1000)
    return recording.Note(EventKind.DARK, SUBJECT, ship.id, "", at, ship.lat, ship.lon, ship.source, values)


def _close(now: dt.datetime, ships: Sequence[LiveShip]) -> int:
    """Those that are heard again, when they were, and those of whom nothing came for days."""
    heard = {ship.id: ship.ts for ship in ships}
    over: list[recording.Over] = []
    for event in Event.objects.filter(until=None, kind=EventKind.DARK):
        last = heard.get(event.identity)
        if last is not None and last > event.since.timestamp() + 1:
            over.append(recording.Over(EventKind.DARK, SUBJECT, event.identity, "", round(last * 1000)))
        elif now - event.since > dt.timedelta(days=MOST_DAYS):
            over.append(recording.Over(EventKind.DARK, SUBJECT, event.identity, "", round(now.timestamp() * 1000)))
    recording.record([], over)
    return len(over)
