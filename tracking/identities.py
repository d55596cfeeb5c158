"""Identities of vessels, aircraft and stations, written in batches: who was heard, when, and what they say of it.

Enters one sighting an identity; leaves rows in Vessel, Aircraft or Station. The newer static report wins, an older one
only fills gaps, first and last seen only widen; so the order of delivery does not matter, except for which of two
reports of the same moment is taken. Rows are sent sorted by key, so two writers cannot deadlock. Positions are not
written here (`tracking/positions.py`).
"""

import datetime as dt
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
import psycopg
from django.db import connections

from tracking.mmsi import classify
from tracking.positions import floats

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
AIRCRAFT_FIELDS = ("callsign", "registration", "type_code", "category", "squawk")
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

    @property
    def key(self) -> int:
        """What identifies the vessel."""
        return self.mmsi


class AircraftSighting(msgspec.Struct, gc=False):
    """An aircraft as a batch saw it, like a vessel; `static` has names of AIRCRAFT_FIELDS."""

    icao: str
    first_seen: dt.datetime
    last_seen: dt.datetime
    static_at: dt.datetime | None = None
    static: dict[str, Any] = {}

    @property
    def key(self) -> str:
        """What identifies the aircraft."""
        return self.icao


class StationSighting(msgspec.Struct, gc=False):
    """A base station or aid to navigation as a batch saw it last; None where a value is unknown."""

    mmsi: int
    seen: dt.datetime
    kind: str
    latitude: float | None
    longitude: float | None
    name: str | None
    aid_type: int | None


def _target_sql(table: str, columns: dict[str, str], texts: Sequence[str], numbers: Iterable[str]) -> str:
    """INSERT … ON CONFLICT: static values by time, and no write at all when a minute has not passed.

    `columns` are all columns with their types, the key first; `texts` are empty and `numbers` NULL where unknown.
    """
    key = next(iter(columns))
    newer = f"excluded.static_at >= COALESCE({table}.static_at, '-infinity')"
    names = ", ".join(columns)
    arrays = ", ".join(f"%b::{kind}[]" for kind in columns.values())
    given = ", ".join(f"COALESCE({column}, '')" if column in texts else column for column in columns)
    merged = [
        f"{c} = CASE WHEN {newer} AND excluded.{c} <> '' OR {table}.{c} = '' THEN excluded.{c} ELSE {table}.{c} END"
        for c in texts
    ]
    merged += [
        f"{c} = CASE WHEN {newer} THEN COALESCE(excluded.{c}, {table}.{c}) ELSE COALESCE({table}.{c}, excluded.{c}) END"
        for c in numbers
    ]
    return f"""
        INSERT INTO {table} ({names}) SELECT {given} FROM unnest({arrays}) AS given({names}) ORDER BY {key}
        ON CONFLICT ({key}) DO UPDATE SET
            first_seen = LEAST({table}.first_seen, excluded.first_seen),
            last_seen = GREATEST({table}.last_seen, excluded.last_seen),
            static_at = GREATEST({table}.static_at, excluded.static_at), {", ".join(merged)}
        WHERE excluded.static_at IS NOT NULL OR excluded.first_seen < {table}.first_seen
           OR excluded.last_seen >= {table}.last_seen + interval '{REWRITE_SECONDS} seconds'"""


_SEEN = {"first_seen": "timestamptz", "last_seen": "timestamptz", "static_at": "timestamptz"}
_VESSEL_SQL = _target_sql(
    "tracking_vessel",
    {"mmsi": "integer", "kind": "text", "flag": "text", **_SEEN, **dict.fromkeys(_TEXTS, "text"), **_NUMBERS},
    _TEXTS,
    _NUMBERS,
)
_AIRCRAFT_SQL = _target_sql(
    "tracking_aircraft", {"icao": "text", **_SEEN, **dict.fromkeys(AIRCRAFT_FIELDS, "text")}, AIRCRAFT_FIELDS, ()
)

# The newer sighting wins, an older one fills gaps and widens first_seen; a redelivered one writes nothing.
_STATION_SQL = """
    INSERT INTO tracking_station AS known (mmsi, kind, name, aid_type, latitude, longitude, first_seen, last_seen)
    SELECT mmsi, kind, COALESCE(name, ''), aid_type, latitude, longitude, seen, seen
    FROM unnest(%b::integer[], %b::text[], %b::text[], %b::smallint[], %b::float8[], %b::float8[], %b::timestamptz[])
        AS given(mmsi, kind, name, aid_type, latitude, longitude, seen)
    ORDER BY mmsi
    ON CONFLICT (mmsi) DO UPDATE SET
        kind = CASE WHEN {newer} THEN excluded.kind ELSE known.kind END,
        name = CASE WHEN {newer} AND excluded.name <> '' OR known.name = '' THEN excluded.name ELSE known.name END,
        aid_type = CASE WHEN {newer} THEN COALESCE(excluded.aid_type, known.aid_type)
            ELSE COALESCE(known.aid_type, excluded.aid_type) END,
        latitude = CASE WHEN {newer} THEN COALESCE(excluded.latitude, known.latitude)
            ELSE COALESCE(known.latitude, excluded.latitude) END,
        longitude = CASE WHEN {newer} THEN COALESCE(excluded.longitude, known.longitude)
            ELSE COALESCE(known.longitude, excluded.longitude) END,
        first_seen = LEAST(known.first_seen, excluded.first_seen),
        last_seen = GREATEST(known.last_seen, excluded.last_seen)
    WHERE {newer} OR excluded.first_seen < known.first_seen
        OR (known.name = '' AND excluded.name <> '')
        OR (known.aid_type IS NULL AND excluded.aid_type IS NOT NULL)
        OR (known.latitude IS NULL AND excluded.latitude IS NOT NULL)""".format(
    newer="excluded.last_seen > known.last_seen"
)


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
    for field in STATIC_FIELDS:
        values = [row.static.get(field) for row in rows]
        columns.append(floats(values) if _NUMBERS.get(field) == "float8" else values)
    _execute(using, _VESSEL_SQL, columns)


def upsert_aircraft(sightings: Iterable[AircraftSighting], using: str = "default") -> None:
    """Write the aircraft, one sighting each, in one statement. Raises django.db errors."""
    rows = sorted(sightings, key=lambda sighting: sighting.icao)
    if not rows:
        return
    columns: list[list[Any]] = [[getattr(row, name) for row in rows] for name in ("icao", *_SEEN)]
    columns += [[row.static.get(field) for row in rows] for field in AIRCRAFT_FIELDS]
    _execute(using, _AIRCRAFT_SQL, columns)


def upsert_stations(sightings: Iterable[StationSighting], using: str = "default") -> None:
    """Write the stations, one sighting each, in one statement. Raises django.db errors."""
    rows = sorted(sightings, key=lambda sighting: sighting.mmsi)
    if not rows:
        return
    columns: list[list[Any]] = [[getattr(row, field) for row in rows] for field in ("mmsi", "kind", "name", "aid_type")]
    columns += [floats(row.latitude for row in rows), floats(row.longitude for row in rows)]
    _execute(using, _STATION_SQL, [*columns, [row.seen for row in rows]])


def _execute(using: str, sql: str, columns: Sequence[list[Any]]) -> None:
    """Send arrays in binary through psycopg's own cursor; Django's would merge them into the text."""
    connection = connections[using]
    connection.ensure_connection()
    with connection.wrap_database_errors, psycopg.Cursor(connection.connection) as cursor:
        cursor.execute(sql, columns)
