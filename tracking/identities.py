"""Identities of vessels and stations, written in batches: who was heard, when, and what they say of themselves.

Enters one sighting an identity; leaves rows in Vessel or Station, merged so that the order of delivery never decides:
the newer static report wins, an older one only fills gaps, first and last seen only widen. Rows are sent sorted by key,
so two writers cannot deadlock. Positions are not written here (`tracking/positions.py`).
"""

import datetime as dt
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
import psycopg
from django.db import connections

from tracking.mmsi import classify

_TEXTS = ("name", "callsign", "destination")
_NUMBERS = {
    "imo": "integer",
    "ship_type": "smallint",
    "to_bow": "smallint",
    "to_stern": "smallint",
    "to_port": "smallint",
    "to_starboard": "smallint",
    "draught": "float8",
    "eta": "timestamptz",
    "mothership": "integer",
}
STATIC_FIELDS = (*_TEXTS, *_NUMBERS)
REWRITE_SECONDS = 60


class VesselSighting(msgspec.Struct, gc=False):
    """A vessel as a batch saw it: first and last report, and its static data (names of STATIC_FIELDS), if any.

    `static_at` is the time of the static data, None where there is none; absent values are None or left out.
    """

    mmsi: int
    first_seen: dt.datetime
    last_seen: dt.datetime
    static_at: dt.datetime | None = None
    static: dict[str, Any] = {}


class StationSighting(msgspec.Struct, gc=False):
    """A base station or aid to navigation as a batch saw it last; None where a value is unknown."""

    mmsi: int
    seen: dt.datetime
    kind: str
    latitude: float | None
    longitude: float | None
    name: str | None
    aid_type: int | None


def _vessel_sql() -> str:
    """INSERT … ON CONFLICT: static values by time, and no write at all when a minute has not passed."""
    table = "tracking_vessel"
    newer = f"excluded.static_at >= COALESCE({table}.static_at, '-infinity')"
    columns = {"mmsi": "integer", "kind": "text", "flag": "text", "first_seen": "timestamptz"}
    columns |= {"last_seen": "timestamptz", "static_at": "timestamptz"}
    columns |= dict.fromkeys(_TEXTS, "text") | _NUMBERS
    names = ", ".join(columns)
    arrays = ", ".join(f"%b::{kind}[]" for kind in columns.values())
    given = ", ".join(f"COALESCE({column}, '')" if column in _TEXTS else column for column in columns)
    merged = [
        f"{c} = CASE WHEN {newer} AND excluded.{c} <> '' OR {table}.{c} = '' THEN excluded.{c} ELSE {table}.{c} END"
        for c in _TEXTS
    ]
    merged += [
        f"{c} = CASE WHEN {newer} THEN COALESCE(excluded.{c}, {table}.{c}) ELSE COALESCE({table}.{c}, excluded.{c}) END"
        for c in _NUMBERS
    ]
    return f"""
        INSERT INTO {table} ({names}) SELECT {given} FROM unnest({arrays}) AS given({names}) ORDER BY mmsi
        ON CONFLICT (mmsi) DO UPDATE SET
            first_seen = LEAST({table}.first_seen, excluded.first_seen),
            last_seen = GREATEST({table}.last_seen, excluded.last_seen),
            static_at = GREATEST({table}.static_at, excluded.static_at), {", ".join(merged)}
        WHERE excluded.static_at IS NOT NULL OR excluded.first_seen < {table}.first_seen
           OR excluded.last_seen >= {table}.last_seen + interval '{REWRITE_SECONDS} seconds'"""


_VESSEL_SQL = _vessel_sql()

_STATION_SQL = """
    INSERT INTO tracking_station (mmsi, kind, name, aid_type, latitude, longitude, first_seen, last_seen)
    SELECT mmsi, kind, COALESCE(name, ''), aid_type, latitude, longitude, seen, seen
    FROM unnest(%b::integer[], %b::text[], %b::text[], %b::smallint[], %b::float8[], %b::float8[], %b::timestamptz[])
        AS given(mmsi, kind, name, aid_type, latitude, longitude, seen)
    ORDER BY mmsi
    ON CONFLICT (mmsi) DO UPDATE SET
        kind = excluded.kind,
        name = CASE WHEN excluded.name <> '' THEN excluded.name ELSE tracking_station.name END,
        aid_type = COALESCE(excluded.aid_type, tracking_station.aid_type),
        latitude = COALESCE(excluded.latitude, tracking_station.latitude),
        longitude = COALESCE(excluded.longitude, tracking_station.longitude),
        last_seen = excluded.last_seen
    WHERE excluded.last_seen > tracking_station.last_seen"""


def upsert_vessels(sightings: Iterable[VesselSighting], using: str = "default") -> None:
    """Write the vessels, one sighting each, in one statement. Raises django.db errors."""
    rows = sorted(sightings, key=lambda sighting: sighting.mmsi)
    if not rows:
        return
    classified = [classify(row.mmsi) for row in rows]
    columns: list[list[Any]] = [
        [row.mmsi for row in rows],
        [str(kind) for kind, _ in classified],
        [flag for _, flag in classified],
        [row.first_seen for row in rows],
        [row.last_seen for row in rows],
        [row.static_at for row in rows],
    ]
    columns += [[row.static.get(field) for row in rows] for field in STATIC_FIELDS]
    _execute(using, _VESSEL_SQL, columns)


def upsert_stations(sightings: Iterable[StationSighting], using: str = "default") -> None:
    """Write the stations, one sighting each, in one statement. Raises django.db errors."""
    rows = sorted(sightings, key=lambda sighting: sighting.mmsi)
    if not rows:
        return
    fields = ("mmsi", "kind", "name", "aid_type", "latitude", "longitude", "seen")
    _execute(using, _STATION_SQL, [[getattr(row, field) for row in rows] for field in fields])


def _execute(using: str, sql: str, columns: Sequence[list[Any]]) -> None:
    """Send arrays in binary through psycopg's own cursor; Django's would merge them into the text."""
    connection = connections[using]
    connection.ensure_connection()
    with connection.wrap_database_errors, psycopg.Cursor(connection.connection) as cursor:
        cursor.execute(sql, columns)
