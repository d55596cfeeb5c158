"""Reports as messages of the air: what came in as documents leaves as AIS sentences or as SBS-1 lines.

A report loses what the message has no room for: an AIS position has a resolution of 0.18 m, speed and course of a
tenth, and time only its second. Positions become type 1, static data type 5, or type 24 where nothing says class A,
base stations type 4 and aids to navigation type 21 (ITU-R M.1371-5, annex 8). An aircraft's position becomes MSG,3
with all that is known of the flight, in the air or on the ground, its callsign MSG,1 and its squawk MSG,6. What ships
say can leave as deltas of Signal K, too (`tracking/clients/signalk.py`).
"""

from __future__ import annotations

import datetime as dt
import re
from typing import Any

import msgspec

from ingest.reports import AircraftReport, AircraftStatic, Decoded, StationReport, VesselReport, VesselStatic
from tracking.clients import signalk

_UNKNOWN_SPEED, _UNKNOWN_COURSE, _UNKNOWN_HEADING, _UNKNOWN_STATUS = 102.3, 360.0, 511, 15
_NO_TURN_SENSOR = -128
_FASTEST = 102.2  # knots; so much or more
_LONGEST_NAME = 20
_OF_A_POSITION = ("latitude", "longitude", "speed", "course", "heading", "status")
_CLASS_A = ("imo", "destination", "draught", "eta")
_UNSPEAKABLE = re.compile(r"[^ -_]")  # what six bits cannot say

AisFields = dict[str, Any]


def position_sentences(report: VesselReport) -> list[bytes]:
    """Type 1."""
    return _sentences(
        {
            "type": 1,
            "mmsi": report.vessel_id,
            "status": _UNKNOWN_STATUS if report.status is None else report.status,
            "turn": _NO_TURN_SENSOR,
            "speed": _UNKNOWN_SPEED if report.speed is None else min(report.speed, _FASTEST),
            "accuracy": False,
            "lat": report.latitude,
            "lon": report.longitude,
            "course": _UNKNOWN_COURSE if report.course is None else round(report.course, 1) % 360.0,
            "heading": _UNKNOWN_HEADING if report.heading is None else report.heading % 360,
            "second": report.timestamp.second,
        }
    )


def static_sentences(static: VesselStatic) -> list[bytes]:
    """Type 5, or both parts of type 24."""
    common = {"mmsi": static.mmsi, "callsign": _text(static.callsign), "ship_type": static.ship_type or 0}
    common |= {name: getattr(static, name) or 0 for name in ("to_bow", "to_stern", "to_port", "to_starboard")}
    if all(getattr(static, name) is None for name in _CLASS_A):
        name = {"type": 24, "partno": 0, "mmsi": static.mmsi, "shipname": _text(static.name)}
        return [*_sentences(name), *_sentences(common | {"type": 24, "partno": 1})]
    eta = {"month": 0, "day": 0, "hour": 24, "minute": 60}
    if static.eta is not None:
        eta = {name: getattr(static.eta, name) for name in eta}
    voyage = {"imo": static.imo or 0, "destination": _text(static.destination), "draught": static.draught or 0.0}
    return _sentences(common | eta | voyage | {"type": 5, "shipname": _text(static.name), "epfd": 0})


def station_sentences(station: StationReport) -> list[bytes]:
    """Type 4 or 21; none for a station whose place is not known."""
    if station.latitude is None or station.longitude is None:
        return []
    place = {"mmsi": station.mmsi, "lat": station.latitude, "lon": station.longitude}
    if station.kind == "base":
        time = {name: getattr(station.at, name) for name in ("year", "month", "day", "hour", "minute", "second")}
        return _sentences(place | time | {"type": 4})
    name = _text(station.name)[:_LONGEST_NAME]
    return _sentences(place | {"type": 21, "aid_type": station.aid_type or 0, "name": name, "second": 60})


def position_line(report: AircraftReport) -> bytes:
    """MSG,3, on the ground too: MSG,2 has no room for a vertical rate, and readers go by the flag."""
    values = (
        *("", _number(report.altitude), _number(report.ground_speed), _number(report.heading, 1)),
        *(f"{report.latitude:.5f}", f"{report.longitude:.5f}", _number(report.vertical_rate)),
        *("", "", "", "", _flag(report.on_ground)),
    )
    return _line(3, report.aircraft_id, report.timestamp, values)


def static_lines(static: AircraftStatic) -> list[bytes]:
    """MSG,1 and MSG,6, as far as there is something to say."""
    lines = []
    if static.callsign:
        lines.append(_line(1, static.icao, static.at, (static.callsign, *[""] * 11)))
    if static.squawk:
        lines.append(_line(6, static.icao, static.at, (*[""] * 7, static.squawk, *[""] * 4)))
    return lines


def signal_k_delta(decoded: Decoded, label: str) -> bytes | None:
    """What a message says of a ship, None where it says nothing of one."""
    position, static = decoded.position, decoded.static
    if isinstance(position, VesselReport):
        paths = signalk.position_paths({name: getattr(position, name) for name in _OF_A_POSITION})
        mmsi, at, names = position.vessel_id, position.timestamp, signalk.names(position.vessel_id, {})
    elif isinstance(static, VesselStatic):
        paths, mmsi, at, names = {}, static.mmsi, static.at, {}
    else:
        return None
    if isinstance(static, VesselStatic):
        said = msgspec.structs.asdict(static)
        paths, names = paths | signalk.static_paths(said), signalk.names(mmsi, said)
    return signalk.delta(mmsi, at, label, paths, names)


def _sentences(fields: AisFields) -> list[bytes]:
    from pyais.encode import encode_dict  # when first needed: pyais builds all its messages

    return [line.encode("ascii") for line in encode_dict(fields, talker_id="AI", sentence_type="VDM")]


def _text(text: str | None) -> str:
    return _UNSPEAKABLE.sub(" ", (text or "").upper())


def _number(value: float | None, digits: int = 0) -> str:
    return "" if value is None else f"{value:.{digits}f}"


def _flag(value: bool | None) -> str:
    return "" if value is None else "-1" if value else "0"


def _line(kind: int, icao: str, at: dt.datetime, values: tuple[str, ...]) -> bytes:
    time = at.astimezone(dt.UTC).strftime("%Y/%m/%d,%H:%M:%S.") + f"{at.microsecond // 1000:03}"
    return f"MSG,{kind},1,1,{icao.upper()},1,{time},{time},{','.join(values)}".encode("ascii", "replace")
