"""The reports that pyais' decoder gives: an independent reading of the same messages, as a program on pyais makes them.

Enters a decoded message of pyais; leaves our structs. pyais gives numbers where a value is not available; they become
None here. Where it differs on purpose (it rounds degrees to six decimals and folds reserved ship types together),
`same` looks through its eyes.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

from msgspec.structs import asdict
from pyais.constants import ShipType

from ingest.formats.ais.decoder import LONG_RANGE_QUALITY
from ingest.formats.ais.static import eta_of
from ingest.formats.common.ranges import imo_number
from ingest.reports import StationReport, VesselReport, VesselStatic

Report = VesselReport | VesselStatic | StationReport

POSITION_TYPES = frozenset({1, 2, 3, 9, 18, 19, 27})
DEGREES = 1e-6
NOWHERE = 0.01  # degrees around 0,0, which stations send that do not know where they are
TIMES = frozenset({"timestamp", "received_at", "at"})


def reports_of(said: Any, at: dt.datetime, source: str, score: int) -> list[Report]:
    """What this message of pyais, heard at `at`, says: nothing when its MMSI names nobody."""
    kind = said.msg_type
    if not 0 < said.mmsi <= 999_999_999:
        return []
    if kind in POSITION_TYPES:
        position = _position(said, at, source, score)
        found = [position] if position is not None else []
        return [*found, _static(said, at)] if kind == 19 else [*found]
    if kind in (5, 24):
        return [_static(said, at)]
    if kind in (4, 21):
        return [_station(said, at)]
    return []


def _position(said: Any, at: dt.datetime, source: str, score: int) -> VesselReport | None:
    """None where the position is not available or nowhere on earth."""
    latitude, longitude = said.lat, said.lon
    if latitude is None or longitude is None or not (-90 <= latitude <= 90 and -180 <= longitude <= 180):
        return None
    long_range, speed, course = said.msg_type == 27, said.speed, said.course
    heading, status = getattr(said, "heading", None), getattr(said, "status", None)
    known_speed = speed < (63 if long_range else 1023 if said.msg_type == 9 else 102.3)
    return VesselReport(
        int(said.mmsi),
        at,
        latitude,
        longitude,
        float(speed) if known_speed else None,
        float(course) if course < 360 else None,
        heading if heading is not None and heading < 360 else None,
        int(status) if status is not None and status < 15 else None,
        at,
        source,
        score * LONG_RANGE_QUALITY // 100 if long_range else score,
        long_range,
    )


def _static(said: Any, at: dt.datetime) -> VesselStatic:
    static = VesselStatic(int(said.mmsi), at, name=_text(said, "shipname"), callsign=_text(said, "callsign"))
    static.ship_type = _number(said, "ship_type") or None
    bow, stern, port, starboard = (_number(said, f"to_{side}") for side in ("bow", "stern", "port", "starboard"))
    if bow or stern:
        static.to_bow, static.to_stern = bow, stern
    if port or starboard:
        static.to_port, static.to_starboard = port, starboard
    mothership = _number(said, "mothership_mmsi")
    static.mothership = mothership if 0 < mothership <= 999_999_999 else None
    if said.msg_type == 5:
        static.imo = imo_number(_number(said, "imo"))
        static.destination = _text(said, "destination")
        static.draught = float(said.draught or 0) or None
        static.eta = eta_of(at, said.month, said.day, said.hour, said.minute)
    return static


def _station(said: Any, at: dt.datetime) -> StationReport:
    latitude, longitude = said.lat, said.lon
    if latitude is None or longitude is None or _is_nowhere(latitude, longitude):
        latitude = longitude = None
    if said.msg_type == 4:
        return StationReport(int(said.mmsi), at, "base", latitude, longitude)
    name = f"{_text(said, 'name') or ''}{_text(said, 'name_ext') or ''}"[:34] or None
    return StationReport(int(said.mmsi), at, "aid", latitude, longitude, name, _number(said, "aid_type") or None)


def _is_nowhere(latitude: float, longitude: float) -> bool:
    is_null_island = abs(latitude) <= NOWHERE and abs(longitude) <= NOWHERE
    return is_null_island or not (-90 <= latitude <= 90 and -180 <= longitude <= 180)


def _text(said: Any, field: str) -> str | None:
    """What stands in front of the first @."""
    return str(getattr(said, field, None) or "").partition("@")[0].strip() or None


def _number(said: Any, field: str) -> int:
    return int(getattr(said, field, None) or 0)


def same(ours: Report, theirs: Report) -> bool:
    """Whether two reports say the same, but for their times and for what pyais rounds."""
    if type(ours) is not type(theirs):
        return False
    mine, other = asdict(ours), asdict(theirs)
    return all(_same(field, value, other[field]) for field, value in mine.items() if field not in TIMES)


def _same(field: str, mine: Any, other: Any) -> bool:
    if mine == other:
        return True
    if field == "ship_type":
        return int(ShipType.from_value(mine or 0) or 0) == (other or 0)
    return field in ("latitude", "longitude") and None not in (mine, other) and bool(abs(mine - other) <= DEGREES)
