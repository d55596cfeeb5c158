"""The stage that writes live state: one update a target, the newest position with the age of each value that is older.

Enters what `ingest/stages/fusion.py` leaves, only for batches that write live state; what cannot be true is left out
(`tracking/truth/live/filter.py`). Leaves documents in the live Redis by `tracking/live/state.py`. Live state is
derived: its failure holds no batch, and the keeper makes up for it (`tracking/live/keeper.py`).
"""

from __future__ import annotations

import datetime as dt
import logging
from typing import Any

from ingest.reports import AircraftReport, VesselReport
from ingest.stages.work import Fused, Report, Work
from resilience.breaker.registry import CircuitOpen
from resilience.database.sqlstate import is_outage
from tracking.live import missed
from tracking.live.state import LiveKind, LiveState, LiveUpdate
from tracking.positions.identities import AircraftSighting, StationSighting, VesselSighting
from tracking.truth.live.filter import Sifted, sift
from tracking.truth.live.rule import MOST_TRACKS
from tracking.truth.models import PositionKind

logger = logging.getLogger(__name__)

_EVERYTHING = Sifted(set(), {}, {})
_VESSEL_DYNAMIC = ("speed", "course", "heading", "status")
_AIRCRAFT_DYNAMIC = ("altitude", "ground_speed", "heading", "vertical_rate", "on_ground")


def write_live(work: Work) -> None:
    """Write what the batch says of each target, behind the breaker "live"; what fails is marked as missed."""
    if work.breakers is None:
        return
    missed.retry_mark()
    try:
        with work.breakers("live").guard():
            shown = sifted(work.fused)
            for kind, updates in live_updates(work.fused, shown).items():
                LiveState(kind).write(updates)
        work.hidden = shown.hidden
    except CircuitOpen:
        missed.mark()  # a line in the log for each batch would say nothing new
    except Exception as error:
        # The batch is committed: nothing that happens here may send it through again.
        missed.mark()
        logger.warning("live state was not written: %s", error, exc_info=not is_outage(error))


def sifted(fused: Fused) -> Sifted:
    """What may be shown of the positions, by their indexes (`tracking/truth/live/filter.py`)."""
    found = Sifted(set(), {}, {})
    for subject, kind in ((PositionKind.VESSEL, VesselReport), (PositionKind.AIRCRAFT, AircraftReport)):
        mine = [index for index, (_, report) in enumerate(fused.positions) if isinstance(report, kind)]
        hidden, beside, tracks = sift(subject, [fused.positions[index][1] for index in mine])
        found.hidden.update(mine[place] for place in hidden)
        found.beside.update((mine[place], number) for place, number in beside.items())
        found.tracks.update(tracks)
    return found


def live_updates(fused: Fused, shown: Sifted = _EVERYTHING) -> dict[LiveKind, list[LiveUpdate]]:
    """The updates of a batch, by kind: of what is hidden none, of what is shown beside those of another target."""
    vessels: dict[int | str, LiveUpdate] = {}
    aircraft: dict[int | str, LiveUpdate] = {}
    for index, (_, report) in enumerate(fused.positions):
        number = shown.beside.get(index)
        if number is None and index in shown.hidden:
            continue
        if isinstance(report, VesselReport):
            key: int | str = report.vessel_id if number is None else f"{report.vessel_id}/{number}"
            _add(vessels, key, _position(key, report, _VESSEL_DYNAMIC))
        else:
            key = report.aircraft_id if number is None else f"{report.aircraft_id}/{number}"
            update = _position(key, report, _AIRCRAFT_DYNAMIC)
            update.ages = {name: age for name, age in report.ages.items() if name in update.fields}
            _add(aircraft, key, update)
    for vessel in fused.vessels.values():
        _add_static(vessels, vessel)
    for plane in fused.aircraft.values():
        _add_static(aircraft, plane)
    for identity, tracks in shown.tracks.items():
        _flag(vessels if isinstance(identity, int) else aircraft, identity, tracks)
    return {
        LiveKind.VESSEL: list(vessels.values()),
        LiveKind.AIRCRAFT: list(aircraft.values()),
        LiveKind.STATION: [_station(sighting) for sighting in fused.stations.values()],
    }


def _position(key: int | str, report: Report, names: tuple[str, ...]) -> LiveUpdate:
    fields = {name: value for name in names if (value := getattr(report, name)) is not None}
    fields["source"], fields["score"] = report.source, report.score
    return LiveUpdate(str(key), report.timestamp.timestamp(), report.latitude, report.longitude, fields)


def _add(updates: dict[int | str, LiveUpdate], key: int | str, update: LiveUpdate) -> None:
    """The newest position of a target wins; what it lacks keeps its value and its age."""
    other = updates.get(key)
    updates[key] = update if other is None else _folded(update, other)


def _folded(update: LiveUpdate, other: LiveUpdate) -> LiveUpdate:
    newer, older = (update, other) if update.ts > other.ts else (other, update)
    for field, value in older.fields.items():
        if field not in newer.fields:
            newer.fields[field] = value
            newer.ages = newer.ages | {field: older.ages.get(field, older.ts)}
    return newer


def _add_static(updates: dict[Any, LiveUpdate], sighting: VesselSighting | AircraftSighting) -> None:
    """Static data of a target, with its position or alone; times in ISO 8601."""
    if sighting.static_at is None:
        return
    update = updates.get(sighting.key)
    if update is None:
        update = updates[sighting.key] = LiveUpdate(str(sighting.key), sighting.static_at.timestamp())
    update.static = {field: _as_json(value) for field, value in sighting.static.items()}


def _flag(updates: dict[int | str, LiveUpdate], identity: int | str, tracks: int) -> None:
    """Say of an identity's targets, as far as the batch tells of them, how many there are."""
    for key in (identity, *(f"{identity}/{number}" for number in range(1, MOST_TRACKS))):
        if (update := updates.get(key)) is not None:
            update.static = {**update.static, "tracks": tracks}


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
