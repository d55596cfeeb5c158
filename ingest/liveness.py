"""A fused batch to live updates: one a target, the newest position with the age of each value that is older.

Enters what `ingest/fusion.py` leaves, only for batches that write live state; leaves updates for `tracking/live.py`.
Pure: no clock, no server.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

from ingest.fusion import Fused, Report
from ingest.reports import AircraftReport, VesselReport
from tracking.identities import AircraftSighting, StationSighting, VesselSighting
from tracking.live import Kind, LiveUpdate

_VESSEL_DYNAMIC = ("speed", "course", "heading", "status")
_AIRCRAFT_DYNAMIC = ("altitude", "ground_speed", "heading", "vertical_rate", "on_ground")


def live_updates(fused: Fused) -> dict[Kind, list[LiveUpdate]]:
    """The updates of a batch, by kind."""
    updates: dict[tuple[Kind, int | str], LiveUpdate] = {}
    for _, report in fused.positions:
        _add_position(updates, report)
    for vessel in fused.vessels.values():
        _add_static(updates, Kind.VESSEL, vessel)
    for aircraft in fused.aircraft.values():
        _add_static(updates, Kind.AIRCRAFT, aircraft)
    by_kind: dict[Kind, list[LiveUpdate]] = {kind: [] for kind in Kind}
    for (kind, _), update in updates.items():
        by_kind[kind].append(update)
    by_kind[Kind.STATION] = [_station(sighting) for sighting in fused.stations.values()]
    return by_kind


def _add_position(updates: dict[tuple[Kind, int | str], LiveUpdate], report: Report) -> None:
    """The newest position of a target wins; what it lacks keeps its value and its age."""
    if isinstance(report, VesselReport):
        key: tuple[Kind, int | str] = (Kind.VESSEL, report.vessel_id)
        names: tuple[str, ...] = _VESSEL_DYNAMIC
    else:
        key, names = (Kind.AIRCRAFT, report.aircraft_id), _AIRCRAFT_DYNAMIC
    update = LiveUpdate(str(key[1]), report.timestamp.timestamp(), report.latitude, report.longitude)
    update.fields = {name: value for name in names if (value := getattr(report, name)) is not None}
    update.fields["source"] = report.source
    update.fields["score"] = report.score
    if isinstance(report, AircraftReport):
        update.ages = {name: age for name, age in report.ages.items() if name in update.fields}
    other = updates.get(key)
    updates[key] = update if other is None else _folded(update, other)


def _folded(update: LiveUpdate, other: LiveUpdate) -> LiveUpdate:
    newer, older = (update, other) if update.ts > other.ts else (other, update)
    for field, value in older.fields.items():
        if field not in newer.fields:
            newer.fields[field] = value
            newer.ages = newer.ages | {field: older.ages.get(field, older.ts)}
    return newer


def _add_static(
    updates: dict[tuple[Kind, int | str], LiveUpdate], kind: Kind, sighting: VesselSighting | AircraftSighting
) -> None:
    """Static data of a target, with its position or alone; times in ISO 8601."""
    if sighting.static_at is None:
        return
    update = updates.get((kind, sighting.key))
    if update is None:
        update = updates[kind, sighting.key] = LiveUpdate(str(sighting.key), sighting.static_at.timestamp())
    update.static = {field: _as_json(value) for field, value in sighting.static.items()}


def _as_json(value: Any) -> Any:
    return value.isoformat() if isinstance(value, dt.datetime) else value


def _station(sighting: StationSighting) -> LiveUpdate:
    values = {"kind": sighting.kind, "name": sighting.name, "aid_type": sighting.aid_type}
    return LiveUpdate(
        str(sighting.mmsi),
        sighting.seen.timestamp(),
        sighting.latitude,
        sighting.longitude,
        static={field: value for field, value in values.items() if value is not None},
    )
