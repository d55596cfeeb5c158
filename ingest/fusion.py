"""Reports of one batch to what is written: one row a key, one sighting an identity, one live update a target.

Enters decoded reports with the ordinals of their messages; leaves a Fused batch. Positions with one key are folded by
the conflict rule of `tracking/positions.py`, so that the statement holds no key twice. Pure: no clock, no server.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Any

import msgspec

from ingest.reports import Decoded, StationReport, VesselReport, VesselStatic
from tracking.identities import STATIC_FIELDS, StationSighting, VesselSighting
from tracking.live import LiveUpdate
from tracking.models import VesselPosition
from tracking.positions import upsert_of

_DYNAMIC = ("speed", "course", "heading", "status")


class Fused(msgspec.Struct):
    """What a batch comes to.

    `positions`: (ordinal of the message, report) of every position; `rows`: one report a key; `merged` and `duplicate`
    count the reports that were folded into another's row.
    """

    positions: list[tuple[int, VesselReport]] = []
    rows: list[VesselReport] = []
    merged: int = 0
    duplicate: int = 0
    vessels: dict[int, VesselSighting] = {}
    stations: dict[int, StationSighting] = {}
    live_vessels: dict[int, LiveUpdate] = {}

    def live_stations(self) -> list[LiveUpdate]:
        """The stations as live updates."""
        return [_live_station(sighting) for sighting in self.stations.values()]


def fuse(decoded: Iterable[tuple[int, Decoded]]) -> Fused:
    """Fold the reports of one batch, given with the ordinals of their messages in the order of the batch."""
    fused = Fused()
    for ordinal, said in decoded:
        if said.position is not None:
            fused.positions.append((ordinal, said.position))
            _see(fused, said.position.vessel_id, said.position.timestamp)
            _go_live(fused, said.position)
        if said.static is not None:
            _see(fused, said.static.mmsi, said.static.at)
            _add_static(fused, said.static)
        if said.station is not None:
            _add_station(fused, said.station)
    upsert = upsert_of(VesselPosition)
    fused.rows, fused.merged, fused.duplicate = upsert.fold(report for _, report in fused.positions)
    return fused


def _see(fused: Fused, mmsi: int, at: dt.datetime) -> None:
    """Widen the time in which a vessel was seen."""
    sighting = fused.vessels.get(mmsi)
    if sighting is None:
        fused.vessels[mmsi] = VesselSighting(mmsi, at, at)
    elif at > sighting.last_seen:
        sighting.last_seen = at
    elif at < sighting.first_seen:
        sighting.first_seen = at


def _add_static(fused: Fused, static: VesselStatic) -> None:
    """Merge static data: the newer report wins, an older one fills gaps."""
    values = {field: getattr(static, field) for field in STATIC_FIELDS if getattr(static, field) is not None}
    sighting = fused.vessels[static.mmsi]
    if sighting.static_at is None or static.at >= sighting.static_at:
        sighting.static_at, sighting.static = static.at, sighting.static | values
    else:
        sighting.static = values | sighting.static
    update = fused.live_vessels.get(static.mmsi)
    if update is None:
        update = fused.live_vessels[static.mmsi] = LiveUpdate(str(static.mmsi), static.at.timestamp())
    update.static = _for_live(sighting.static)


def _for_live(static: dict[str, Any]) -> dict[str, Any]:
    """Static data as a document holds them: times in ISO 8601."""
    return {field: value.isoformat() if isinstance(value, dt.datetime) else value for field, value in static.items()}


def _go_live(fused: Fused, report: VesselReport) -> None:
    """Fold a position into its target's update: the newest wins, what it lacks keeps its value and its age."""
    update = LiveUpdate(str(report.vessel_id), report.timestamp.timestamp(), report.latitude, report.longitude)
    update.fields = {field: getattr(report, field) for field in _DYNAMIC if getattr(report, field) is not None}
    update.fields |= {"source": report.source, "score": report.score}
    other = fused.live_vessels.get(report.vessel_id)
    if other is None:
        fused.live_vessels[report.vessel_id] = update
        return
    if other.latitude is None:  # only static data so far
        update.static = other.static
        fused.live_vessels[report.vessel_id] = update
        return
    newer, older = (update, other) if update.ts > other.ts else (other, update)
    for field, value in older.fields.items():
        if field not in newer.fields:
            newer.fields[field] = value
            newer.ages = newer.ages | {field: older.ages.get(field, older.ts)}
    newer.static = older.static | newer.static
    fused.live_vessels[report.vessel_id] = newer


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


def _live_station(sighting: StationSighting) -> LiveUpdate:
    values = {"kind": sighting.kind, "name": sighting.name, "aid_type": sighting.aid_type}
    static = {field: value for field, value in values.items() if value is not None}
    return LiveUpdate(
        str(sighting.mmsi), sighting.seen.timestamp(), sighting.latitude, sighting.longitude, static=static
    )
