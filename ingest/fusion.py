"""Reports of one batch to what is written: one row a key, one sighting an identity, one live update a target.

Enters decoded reports with the ordinals of their messages; leaves a Fused batch. Positions with one key are folded by
the conflict rule of `tracking/positions.py`, so that the statement holds no key twice. Pure: no clock, no server.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Any

import msgspec
from django.db import models

from ingest.reports import AircraftReport, AircraftStatic, Decoded, StationReport, VesselReport, VesselStatic
from tracking.identities import AIRCRAFT_FIELDS, STATIC_FIELDS, AircraftSighting, StationSighting, VesselSighting
from tracking.live import Kind, LiveUpdate
from tracking.models import AircraftPosition, VesselPosition
from tracking.positions import upsert_of

Report = VesselReport | AircraftReport

_VESSEL_DYNAMIC = ("speed", "course", "heading", "status")
_AIRCRAFT_DYNAMIC = ("altitude", "ground_speed", "heading", "vertical_rate", "on_ground")


class Fused(msgspec.Struct):
    """What a batch comes to.

    `positions`: (ordinal of the message, report) of every position; `rows`: one report a key, by model; `merged` and
    `duplicate` count the reports that were folded into another's row; `live`: one update a target, by kind and key.
    """

    positions: list[tuple[int, Report]] = []
    rows: dict[type[models.Model], list[Any]] = {}
    merged: int = 0
    duplicate: int = 0
    vessels: dict[int, VesselSighting] = {}
    aircraft: dict[str, AircraftSighting] = {}
    stations: dict[int, StationSighting] = {}
    live: dict[Kind, dict[str, LiveUpdate]] = msgspec.field(default_factory=lambda: {kind: {} for kind in Kind})

    def days(self) -> set[dt.date]:
        """The days of the positions, UTC."""
        return {report.timestamp.date() for _, report in self.positions}


def key_of(report: Report) -> tuple[int | str, dt.datetime]:
    """What is unique: identity and time."""
    return (report.vessel_id if isinstance(report, VesselReport) else report.aircraft_id, report.timestamp)


def fuse(decoded: Iterable[tuple[int, Decoded]]) -> Fused:
    """Fold the reports of one batch, given with the ordinals of their messages in the order of the batch."""
    fused = Fused()
    for ordinal, said in decoded:
        if said.position is not None:
            fused.positions.append((ordinal, said.position))
            _add_position(fused, said.position)
        if isinstance(said.static, VesselStatic):
            _add_vessel_static(fused, said.static)
        elif said.static is not None:
            _add_aircraft_static(fused, said.static)
        if said.station is not None:
            _add_station(fused, said.station)
    _fold(fused, VesselPosition, [report for _, report in fused.positions if isinstance(report, VesselReport)])
    _fold(fused, AircraftPosition, [report for _, report in fused.positions if isinstance(report, AircraftReport)])
    return fused


def _fold(fused: Fused, model: type[models.Model], reports: list[Any]) -> None:
    """One row a key of one model."""
    if reports:
        fused.rows[model], merged, duplicate = upsert_of(model).fold(reports)
        fused.merged += merged
        fused.duplicate += duplicate


def _add_position(fused: Fused, report: Report) -> None:
    """Widen the sighting and fold the position into the target's live update."""
    at = report.timestamp
    names: tuple[str, ...]
    update = LiveUpdate("", at.timestamp(), report.latitude, report.longitude)
    if isinstance(report, VesselReport):
        _see_vessel(fused, report.vessel_id, at)
        update.key, kind, names = str(report.vessel_id), Kind.VESSEL, _VESSEL_DYNAMIC
    else:
        _see_aircraft(fused, report.aircraft_id, at)
        update.key, kind, names = report.aircraft_id, Kind.AIRCRAFT, _AIRCRAFT_DYNAMIC
        update.ages = {name: age for name, age in report.ages.items() if getattr(report, name) is not None}
    update.fields = {name: value for name in names if (value := getattr(report, name)) is not None}
    update.fields["source"] = report.source
    update.fields["score"] = report.score
    updates = fused.live[kind]
    other = updates.get(update.key)
    updates[update.key] = update if other is None else _folded(update, other)


def _folded(update: LiveUpdate, other: LiveUpdate) -> LiveUpdate:
    """Two updates of one target: the newest position wins, what it lacks keeps its value and its age."""
    if other.latitude is None:  # only static data so far
        update.static = other.static
        return update
    newer, older = (update, other) if update.ts > other.ts else (other, update)
    for field, value in older.fields.items():
        if field not in newer.fields:
            newer.fields[field] = value
            newer.ages = newer.ages | {field: older.ages.get(field, older.ts)}
    newer.static = older.static | newer.static
    return newer


def _see_vessel(fused: Fused, mmsi: int, at: dt.datetime) -> None:
    sighting = fused.vessels.get(mmsi)
    if sighting is None:
        fused.vessels[mmsi] = VesselSighting(mmsi, at, at)
    else:
        _widen(sighting, at)


def _see_aircraft(fused: Fused, icao: str, at: dt.datetime) -> None:
    sighting = fused.aircraft.get(icao)
    if sighting is None:
        fused.aircraft[icao] = AircraftSighting(icao, at, at)
    else:
        _widen(sighting, at)


def _widen(sighting: VesselSighting | AircraftSighting, at: dt.datetime) -> None:
    """Widen the time in which a target was seen."""
    if at > sighting.last_seen:
        sighting.last_seen = at
    elif at < sighting.first_seen:
        sighting.first_seen = at


def _add_vessel_static(fused: Fused, static: VesselStatic) -> None:
    _see_vessel(fused, static.mmsi, static.at)
    values = _merge_static(fused.vessels[static.mmsi], static, STATIC_FIELDS)
    _static_live(fused, Kind.VESSEL, str(static.mmsi), static.at, values)


def _add_aircraft_static(fused: Fused, static: AircraftStatic) -> None:
    _see_aircraft(fused, static.icao, static.at)
    values = _merge_static(fused.aircraft[static.icao], static, AIRCRAFT_FIELDS)
    _static_live(fused, Kind.AIRCRAFT, static.icao, static.at, values)


def _merge_static(
    sighting: VesselSighting | AircraftSighting, static: VesselStatic | AircraftStatic, names: Iterable[str]
) -> dict[str, Any]:
    """Merge static data into a sighting: the newer report wins, an older one fills gaps; all that is known now."""
    values = {name: value for name in names if (value := getattr(static, name)) is not None}
    if sighting.static_at is None or static.at >= sighting.static_at:
        sighting.static_at, sighting.static = static.at, sighting.static | values
    else:
        sighting.static = values | sighting.static
    return sighting.static


def _static_live(fused: Fused, kind: Kind, key: str, at: dt.datetime, static: dict[str, Any]) -> None:
    """Static data as a document holds them: times in ISO 8601."""
    update = fused.live[kind].setdefault(key, LiveUpdate(key, at.timestamp()))
    update.static = {
        field: value.isoformat() if isinstance(value, dt.datetime) else value for field, value in static.items()
    }


def _add_station(fused: Fused, report: StationReport) -> None:
    """Keep the newest report of a station; what it lacks is taken from an older one."""
    sighting = StationSighting(
        report.mmsi, report.at, report.kind, report.latitude, report.longitude, report.name, report.aid_type
    )
    other = fused.stations.get(report.mmsi)
    if other is not None:
        newer, older = (sighting, other) if sighting.seen >= other.seen else (other, sighting)
        newer.name = newer.name or older.name
        newer.aid_type = newer.aid_type or older.aid_type
        if newer.latitude is None:
            newer.latitude, newer.longitude = older.latitude, older.longitude
        sighting = newer
    fused.stations[report.mmsi] = sighting
    values = {"kind": sighting.kind, "name": sighting.name, "aid_type": sighting.aid_type}
    fused.live[Kind.STATION][str(report.mmsi)] = LiveUpdate(
        str(sighting.mmsi),
        sighting.seen.timestamp(),
        sighting.latitude,
        sighting.longitude,
        static={field: value for field, value in values.items() if value is not None},
    )
