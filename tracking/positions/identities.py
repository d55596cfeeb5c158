"""Identities of vessels, aircraft and stations, written in batches: who was heard, when, and what they say of it.

Enters one sighting an identity; leaves rows in Vessel, Aircraft or Station. The newer static report wins, an older one
only fills gaps, first and last seen only widen; so the order of delivery does not matter, except for which of two
reports of the same moment is taken. Each static value that changes leaves a row of its own in the same statement
(`tracking/positions/changes.py`). Rows are sent sorted by key, so two writers cannot deadlock. Positions are not
written here (`tracking/positions/upsert.py`).
"""

import datetime as dt
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from tracking.positions.mmsi import classify
from tracking.postgresql import arrays

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
# An ETA moves with every report of some ships, and is a forecast: its past is not kept.
KEPT_VESSEL_FIELDS = tuple(name for name in STATIC_FIELDS if name != "eta")
REWRITE_SECONDS = 60


class VesselSighting(msgspec.Struct, gc=False):
    """A vessel as a batch saw it: first and last report, and its static data (names of STATIC_FIELDS), if any.

    `static_at` is the time of the static data, None where there is none; absent values are None or left out. `source`
    is the label of the feed that gave the newest of them.
    """

    mmsi: int
    first_seen: dt.datetime
    last_seen: dt.datetime
    static_at: dt.datetime | None = None
    static: dict[str, Any] = {}
    source: str = ""

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
    source: str = ""

    @property
    def key(self) -> str:
        """What identifies the aircraft."""
        return self.icao


class StationSighting(msgspec.Struct, gc=False):
    """A base station or aid to navigation as a batch saw it last; None where a value is unknown.

    `first_seen`: None for what was seen once, at `seen`.
    """

    mmsi: int
    seen: dt.datetime
    kind: str
    latitude: float | None
    longitude: float | None
    name: str | None
    aid_type: int | None
    first_seen: dt.datetime | None = None

    @property
    def key(self) -> int:
        """What identifies the station."""
        return self.mmsi

    def with_later(self, other: "StationSighting") -> "StationSighting":
        """Both as one: the newer, of one moment this; what it lacks is taken from the older. Changes the newer."""
        newer, older = (other, self) if other.seen > self.seen else (self, other)
        newer.first_seen = min(newer.first_seen or newer.seen, older.first_seen or older.seen)
        newer.name, newer.aid_type = newer.name or older.name, newer.aid_type or older.aid_type
        if newer.latitude is None:
            newer.latitude, newer.longitude = older.latitude, older.longitude
        return newer


def _seen_sql(table: str, key: str, columns: dict[str, str]) -> str:
    """INSERT … ON CONFLICT of the sightings themselves: no write at all when a minute has not passed.

    It locks every row in the order of the keys, written or not, so what follows in the transaction cannot deadlock.
    """
    names = ", ".join(columns)
    casts = ", ".join(f"%b::{kind}[]" for kind in columns.values())
    return f"""
        INSERT INTO {table} ({names}) SELECT {names} FROM unnest({casts}) AS given({names}) ORDER BY {key}
        ON CONFLICT ({key}) DO UPDATE SET
            first_seen = LEAST({table}.first_seen, excluded.first_seen),
            last_seen = GREATEST({table}.last_seen, excluded.last_seen)
        WHERE excluded.first_seen < {table}.first_seen
           OR excluded.last_seen >= {table}.last_seen + interval '{REWRITE_SECONDS} seconds'"""


def _static_sql(
    table: str, key: str, key_type: str, texts: Sequence[str], numbers: dict[str, str], kept: Sequence[str]
) -> str:
    """UPDATE of static values by time; a report that changes nothing writes nothing. Texts are empty where unknown.

    What changed of the columns `kept` goes into the table of changes. `old` is what an UPDATE cannot return, the row as
    it was: no other writer changes it, because `_seen_sql` has locked it before.
    """
    columns = {key: key_type, "source": "text", "static_at": "timestamptz", **dict.fromkeys(texts, "text"), **numbers}
    newer = "given.static_at >= COALESCE(known.static_at, '-infinity')"
    values = {"static_at": "GREATEST(known.static_at, given.static_at)"}
    for c in texts:
        values[c] = (
            f"CASE WHEN {newer} AND given.{c} <> '' OR known.{c} = '' THEN COALESCE(given.{c}, '') ELSE known.{c} END"
        )
    for c in numbers:
        wins = f"{newer} AND NOT {_PLACELESS}" if c in _ANTENNA else newer
        values[c] = f"CASE WHEN {wins} THEN COALESCE(given.{c}, known.{c}) ELSE COALESCE(known.{c}, given.{c}) END"
    changes = ", ".join(f"('{c}', changed.old_{c}, changed.new_{c})" for c in kept)
    return f"""
        WITH given AS (
            SELECT * FROM unnest({", ".join(f"%b::{kind}[]" for kind in columns.values())})
                AS given({", ".join(columns)})
        ), changed AS (
            UPDATE {table} AS known SET {", ".join(f"{c} = {value}" for c, value in values.items())}
            FROM given JOIN {table} AS old USING ({key})
            WHERE known.{key} = given.{key}
              AND ({", ".join(f"known.{c}" for c in values)}) IS DISTINCT FROM ({", ".join(values.values())})
            RETURNING known.{key}, given.source, given.static_at AS since,
                {", ".join(f"old.{c}::text AS old_{c}, known.{c}::text AS new_{c}" for c in kept)}
        )
        INSERT INTO {table}change ({table.removeprefix("tracking_")}_id, field, value, source, since)
        SELECT changed.{key}, field, value, changed.source, changed.since
        FROM changed, LATERAL (VALUES {changes}) AS said(field, before, value)
        WHERE value IS DISTINCT FROM before"""


_ANTENNA = ("to_bow", "to_stern", "to_port", "to_starboard")
# Length and beam alone, the antenna's place unknown (zero to bow and port): worth less than the same with the place.
_PLACELESS = (
    "COALESCE(given.to_bow = 0 AND given.to_port = 0 AND given.to_stern = known.to_bow + known.to_stern"
    " AND given.to_starboard = known.to_port + known.to_starboard, false)"
)
_SEEN = {"first_seen": "timestamptz", "last_seen": "timestamptz"}
_VESSELS_SEEN = _seen_sql("tracking_vessel", "mmsi", {"mmsi": "integer", "kind": "text", "flag": "text", **_SEEN})
_VESSELS_STATIC = _static_sql("tracking_vessel", "mmsi", "integer", _TEXTS, _NUMBERS, KEPT_VESSEL_FIELDS)
_AIRCRAFT_SEEN = _seen_sql("tracking_aircraft", "icao", {"icao": "text", **_SEEN})
_AIRCRAFT_STATIC = _static_sql("tracking_aircraft", "icao", "text", AIRCRAFT_FIELDS, {}, AIRCRAFT_FIELDS)

# The newer sighting wins, an older one fills gaps and widens first_seen; a redelivered one writes nothing.
_STATION_SQL = """
    INSERT INTO tracking_station AS known (mmsi, kind, name, aid_type, latitude, longitude, first_seen, last_seen)
    SELECT mmsi, kind, COALESCE(name, ''), aid_type, latitude, longitude, COALESCE(first_seen, seen), seen
    FROM unnest(%b::integer[], %b::text[], %b::text[], %b::smallint[], %b::float8[], %b::float8[], %b::timestamptz[],
        %b::timestamptz[]) AS given(mmsi, kind, name, aid_type, latitude, longitude, first_seen, seen)
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
    """Write the vessels, one sighting each, to be called in a transaction. Raises django.db errors."""
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
    ]
    arrays.execute(using, _VESSELS_SEEN, columns)
    _update_static(using, _VESSELS_STATIC, rows, STATIC_FIELDS)


def upsert_aircraft(sightings: Iterable[AircraftSighting], using: str = "default") -> None:
    """Write the aircraft, one sighting each, to be called in a transaction. Raises django.db errors."""
    rows = sorted(sightings, key=lambda sighting: sighting.icao)
    if not rows:
        return
    arrays.execute(using, _AIRCRAFT_SEEN, [[getattr(row, name) for row in rows] for name in ("icao", *_SEEN)])
    _update_static(using, _AIRCRAFT_STATIC, rows, AIRCRAFT_FIELDS)


def _update_static(
    using: str, sql: str, sightings: Sequence[VesselSighting | AircraftSighting], fields: Sequence[str]
) -> None:
    """Static data of the few sightings that have some."""
    rows = [row for row in sightings if row.static_at is not None]
    if not rows:
        return
    columns: list[list[Any]] = [[getattr(row, name) for row in rows] for name in ("key", "source", "static_at")]
    columns += [[row.static.get(field) for row in rows] for field in fields]
    arrays.execute(using, sql, columns)


def upsert_stations(sightings: Iterable[StationSighting], using: str = "default") -> None:
    """Write the stations, one sighting each, in one statement. Raises django.db errors."""
    rows = sorted(sightings, key=lambda sighting: sighting.mmsi)
    if not rows:
        return
    fields = ("mmsi", "kind", "name", "aid_type", "latitude", "longitude", "first_seen", "seen")
    arrays.execute(using, _STATION_SQL, ([getattr(row, field) for row in rows] for field in fields))
