"""The stage that fuses: the reports of one batch to what is stored, one row a key and one sighting an identity.

Enters decoded reports with the ordinals of their messages; leaves a Fused batch, from which `ingest/stages/live.py`
makes live updates. Positions with one key are folded by the conflict rule of `tracking/positions/upsert.py`, so that
the statement holds no key twice. Pure: no clock, no server.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Any

from django.db import models

from ingest.reports import AircraftReport, AircraftStatic, Decoded, StationReport, VesselReport, VesselStatic
from ingest.stages.work import Fused, Report, Work
from tracking.models import AircraftPosition, VesselPosition
from tracking.positions.identities import (
    AIRCRAFT_FIELDS,
    STATIC_FIELDS,
    AircraftSighting,
    StationSighting,
    VesselSighting,
)
from tracking.positions.upsert import upsert_of


def fuse(work: Work) -> None:
    """Fold the reports of a batch. All of it comes from one feed, and so do its static data."""
    work.fused = folded(work.decoded)
    sightings: list[VesselSighting | AircraftSighting] = [*work.fused.vessels.values(), *work.fused.aircraft.values()]
    for sighting in sightings:
        sighting.source = work.batch.source


def folded(decoded: Iterable[tuple[int, Decoded]]) -> Fused:
    """What reports come to, given with the ordinals of their messages in the order of the batch."""
    fused = Fused()
    for ordinal, said in decoded:
        if said.position is not None:
            fused.positions.append((ordinal, said.position))
            _see(fused, said.position)
        if said.static is not None:
            _add_static(fused, said.static)
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


def _see(fused: Fused, report: Report) -> None:
    """Widen the time in which the target was seen."""
    if isinstance(report, VesselReport):
        _vessel(fused, report.vessel_id, report.timestamp)
    else:
        _aircraft(fused, report.aircraft_id, report.timestamp)


def _vessel(fused: Fused, mmsi: int, at: dt.datetime) -> VesselSighting:
    sighting = fused.vessels.get(mmsi)
    if sighting is None:
        sighting = fused.vessels[mmsi] = VesselSighting(mmsi, at, at)
    else:
        _widen(sighting, at)
    return sighting


def _aircraft(fused: Fused, icao: str, at: dt.datetime) -> AircraftSighting:
    sighting = fused.aircraft.get(icao)
    if sighting is None:
        sighting = fused.aircraft[icao] = AircraftSighting(icao, at, at)
    else:
        _widen(sighting, at)
    return sighting


def _widen(sighting: VesselSighting | AircraftSighting, at: dt.datetime) -> None:
    if at > sighting.last_seen:
        sighting.last_seen = at
    elif at < sighting.first_seen:
        sighting.first_seen = at


def _add_static(fused: Fused, static: VesselStatic | AircraftStatic) -> None:
    """Merge static data into the sighting: the newer report wins, an older one fills gaps."""
    if isinstance(static, VesselStatic):
        sighting: VesselSighting | AircraftSighting = _vessel(fused, static.mmsi, static.at)
        names: tuple[str, ...] = STATIC_FIELDS
    else:
        sighting, names = _aircraft(fused, static.icao, static.at), AIRCRAFT_FIELDS
    values = {name: value for name in names if (value := getattr(static, name)) is not None}
    if sighting.static_at is None or static.at >= sighting.static_at:
        sighting.static_at, sighting.static = static.at, sighting.static | values
    else:
        sighting.static = values | sighting.static


def _add_station(fused: Fused, report: StationReport) -> None:
    """Keep the newest report of a station, of one moment the first; what it lacks is taken from an older one."""
    sighting = StationSighting(
        report.mmsi, report.at, report.kind, report.latitude, report.longitude, report.name, report.aid_type
    )
    known = fused.stations.get(report.mmsi)
    fused.stations[report.mmsi] = known.with_later(sighting) if known else sighting
