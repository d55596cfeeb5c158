"""The stage that fuses: the reports of one batch to what is stored, one row a key and one sighting an identity.

Enters decoded reports with the ordinals of their messages; leaves a Fused batch, from which `ingest/stages/live.py`
makes live updates. Positions with one key are folded by the conflict rule of `tracking/positions/upsert.py`, so that
the statement holds no key twice. Pure: no clock, no server.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable
from operator import attrgetter
from typing import Any, TypeVar

from django.db import models

from ingest.reports import AircraftReport, AircraftStatic, Decoded, StationReport, VesselReport, VesselStatic
from ingest.stages.work import Fused, Work
from tracking.models import AircraftPosition, VesselPosition
from tracking.positions.identities import (
    AIRCRAFT_FIELDS,
    STATIC_FIELDS,
    AircraftSighting,
    StationSighting,
    VesselSighting,
)
from tracking.positions.upsert import upsert_of

K = TypeVar("K", int, str)
S = TypeVar("S", VesselSighting, AircraftSighting)

_VESSEL_SEEN, _AIRCRAFT_SEEN = (attrgetter(key, "timestamp") for key in ("vessel_id", "aircraft_id"))


def fuse(work: Work) -> None:
    """Fold the reports of a batch. All of it comes from one feed, and so do its static data."""
    work.fused = folded(work.decoded)
    sightings: list[VesselSighting | AircraftSighting] = [*work.fused.vessels.values(), *work.fused.aircraft.values()]
    for sighting in sightings:
        sighting.source = work.batch.source


def folded(decoded: Iterable[tuple[int, Decoded]]) -> Fused:
    """What reports come to, given with the ordinals of their messages in the order of the batch."""
    fused = Fused()
    vessels: list[VesselReport] = []
    aircraft: list[AircraftReport] = []
    for ordinal, said in decoded:
        position = said.position
        if position is not None:
            fused.positions.append((ordinal, position))
            if isinstance(position, VesselReport):
                vessels.append(position)
            else:
                aircraft.append(position)
        if said.static is not None:
            _add_static(fused, said.static)
        if said.station is not None:
            _add_station(fused, said.station)
    _see(fused.vessels, VesselSighting, map(_VESSEL_SEEN, vessels))
    _see(fused.aircraft, AircraftSighting, map(_AIRCRAFT_SEEN, aircraft))
    _fold(fused, VesselPosition, vessels)
    _fold(fused, AircraftPosition, aircraft)
    return fused


def _fold(fused: Fused, model: type[models.Model], reports: list[Any]) -> None:
    """One row a key of one model."""
    if reports:
        fused.rows[model], merged, duplicate = upsert_of(model).fold(reports)
        fused.merged += merged
        fused.duplicate += duplicate


def _see(sightings: dict[K, S], make: Callable[[K, dt.datetime, dt.datetime], S], seen: Iterable[Any]) -> None:
    """Widen the times in which targets were seen, given as (key, time); `make` makes the sighting of a new one."""
    for key, at in seen:
        sighting = sightings.get(key)
        if sighting is None:
            sightings[key] = make(key, at, at)
        elif at > sighting.last_seen:
            sighting.last_seen = at
        elif at < sighting.first_seen:
            sighting.first_seen = at


def _add_static(fused: Fused, static: VesselStatic | AircraftStatic) -> None:
    """Merge static data into the sighting: the newer report wins, an older one fills gaps."""
    if isinstance(static, VesselStatic):
        _see(fused.vessels, VesselSighting, [(static.mmsi, static.at)])
        sighting: VesselSighting | AircraftSighting = fused.vessels[static.mmsi]
        names: tuple[str, ...] = STATIC_FIELDS
    else:
        _see(fused.aircraft, AircraftSighting, [(static.icao, static.at)])
        sighting, names = fused.aircraft[static.icao], AIRCRAFT_FIELDS
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
