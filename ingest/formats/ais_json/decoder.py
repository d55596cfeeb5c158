"""One object of an AIS service to its reports.

    {"courseOverGround":143.4,"latitude":60.19,"longitude":5.2,"name":"…","shipType":70,"speedOverGround":7.6,
     "trueHeading":141,"mmsi":257099001,"msgtime":"2023-02-17T11:37:34+00:00"}                BarentsWatch
    {"mmsi":219598000,"type":"Feature","geometry":{"type":"Point","coordinates":[20.8,55.7]},
     "properties":{"sog":0.1,"cog":346.5,"navStat":1,"heading":79,"timestampExternal":1659212938646}}   Digitraffic
    {"MMSI":244750034,"TIME":"2021-07-09 08:06:58 GMT","LONGITUDE":-3.3,"LATITUDE":48.1,"SOG":0.1,…}    AISHub
    {"class":"AIS","type":1,"mmsi":371798000,"scaled":true,"speed":12.3,"lon":-123.4,"lat":48.4,…}      gpsd

Enters the object, and as `added` how its numbers are meant (`assembly.py`); leaves a position and static data, either,
or a station. Keys are those of all services together, in lower case: none of them means two things. "Not available"
(91, 181, 102.3, 360, 511) becomes None. Raises Rejected as `ingest/formats/ais/decoder.py` does.
"""

from __future__ import annotations

from typing import Any

import msgspec

from ingest.clocks import moment
from ingest.errors import Rejected
from ingest.formats.ais.decoder import LONG_RANGE_QUALITY
from ingest.formats.ais.static import eta_of
from ingest.formats.ais_json import tracks
from ingest.formats.ais_json.assembly import SCALED, TENTHS, flat
from ingest.formats.common import times
from ingest.formats.common.context import Context
from ingest.formats.common.json_values import read
from ingest.formats.common.ranges import check_mmsi, check_position, check_time, imo_number, place_of_station
from ingest.reports import Decoded, Message, StationReport, VesselReport, VesselStatic
from tracking.positions import bounds

PER_DEGREE = 600_000
_NO_SPEED = 102.25
_LONG_RANGE, _SAR = 27, 9
_STATIONS = {4: "base", 21: "aid"}
_WITHOUT_POSITION = frozenset({5, 24})

_read = msgspec.json.Decoder(dict[str, Any]).decode


def decode(message: Message, context: Context) -> Decoded:
    """A position, static data, both, or a station."""
    if message.raw.startswith(b"["):
        return tracks.decode(message, context)
    said = flat(read(_read, message.raw))
    if "aircraft_id" in said:
        return tracks.of_aircraft(said, message, context)
    return said_by(said, message, context)


def said_by(said: dict[str, Any], message: Message, context: Context) -> Decoded:
    """What the values of an object say, their keys in lower case. Raises Rejected."""
    mmsi = _whole(said.get("mmsi"), 10**12)
    if mmsi is None:
        raise Rejected("undecodable")
    check_mmsi(mmsi)
    check_time(message.received_at, context.now, context.recorded)
    kind = _kind(said)
    latitude, longitude = _place(said, message.added == SCALED)
    if kind in _STATIONS:
        place = place_of_station(latitude, longitude)
        name = _text(_first(said, "name", "shipname"), 34)
        return Decoded(station=StationReport(mmsi, moment(message.received_at), _STATIONS[kind], *place, name))
    static = _static(said, mmsi, message)
    try:
        position = _position(said, mmsi, kind, latitude, longitude, message, context)
    except Rejected:
        if static is None:
            raise
        position = None
    if position is None and static is None and kind is None:
        raise Rejected("position_not_available")
    return Decoded(position, static)


def _kind(said: dict[str, Any]) -> int | None:
    """The type of the AIS message, where it is told: `type` is that of the ship with others than gpsd."""
    told = said.get("type") if said.get("class") == "AIS" else _first(said, "messagetype", "msgtype", "messageid")
    return _whole(told, 27)


def _place(said: dict[str, Any], scaled: bool) -> tuple[float | None, float | None]:
    latitude, longitude = _number(_first(said, "latitude", "lat")), _number(_first(said, "longitude", "lon", "lng"))
    if scaled and latitude is not None and longitude is not None:
        return latitude / PER_DEGREE, longitude / PER_DEGREE
    return latitude, longitude


def _position(
    said: dict[str, Any],
    mmsi: int,
    kind: int | None,
    latitude: float | None,
    longitude: float | None,
    message: Message,
    context: Context,
) -> VesselReport | None:
    """The position where there is one. Raises Rejected."""
    if kind in _WITHOUT_POSITION or (latitude is None and longitude is None):
        return None
    if latitude is None or longitude is None or latitude == 91.0 or longitude == 181.0:
        raise Rejected("position_not_available")
    check_position(latitude, longitude)
    scale = 10 if message.added == SCALED else 1
    course = _number(_first(said, "courseoverground", "cog", "course"))
    course = course / scale if course is not None else None
    speed = _number(_first(said, "speedoverground", "sog", "speed"))
    at = moment(message.received_at)
    return VesselReport(
        mmsi,
        at,
        latitude,
        longitude,
        _speed(speed / (1 if kind == _SAR else scale) if speed is not None else None, kind),
        course if course is not None and bounds.COURSE.holds(course) else None,
        _whole(_first(said, "trueheading", "heading", "hdg"), 359),
        _whole(_first(said, "navigationalstatus", "navstat", "status", "nav_status"), 14),
        at,
        context.source,
        context.trust * LONG_RANGE_QUALITY // 100 if kind == _LONG_RANGE else context.trust,
        None if kind is None else kind == _LONG_RANGE,
    )


def _speed(knots: float | None, kind: int | None) -> float | None:
    fastest = 1022.0 if kind == _SAR else 62.0 if kind == _LONG_RANGE else _NO_SPEED
    return knots if knots is not None and 0 <= knots <= fastest else None


def _static(said: dict[str, Any], mmsi: int, message: Message) -> VesselStatic | None:
    """What the object says of the vessel, None where that is nothing."""
    at = moment(message.received_at)
    ship_type = _first(said, "shiptype", "ship_type") or (said.get("type") if said.get("class") != "AIS" else None)
    static = VesselStatic(
        mmsi,
        at,
        _text(_first(said, "name", "shipname"), 20),
        _text(said.get("callsign"), 7),
        imo_number(_whole(_first(said, "imonumber", "imo"), 10**7) or 0),
        _whole(ship_type, 255) or None,
        destination=_text(_first(said, "destination", "dest"), 20),
    )
    sides = (
        ("to_bow", "dimensiona", "referencepointa", "refa", "a"),
        ("to_stern", "dimensionb", "referencepointb", "refb", "b"),
    )
    across = (
        ("to_port", "dimensionc", "referencepointc", "refc", "c"),
        ("to_starboard", "dimensiond", "referencepointd", "refd", "d"),
    )
    for pair, most in ((sides, 511), (across, 63)):
        metres = [_whole(_first(said, *names), most) or 0 for names in pair]
        if any(metres):
            for names, value in zip(pair, metres, strict=True):
                setattr(static, names[0], value)
    draught = _number(said.get("draught"))
    draught = draught / 10 if draught and message.added in (SCALED, TENTHS) else draught
    static.draught = draught if draught and bounds.DRAUGHT.holds(draught) else None
    static.eta = _eta(said.get("eta"), static)
    values = msgspec.structs.asdict(static)
    return static if any(values[name] is not None for name in values if name not in ("mmsi", "at")) else None


def _eta(value: Any, static: VesselStatic) -> Any:
    """As a moment, `05-14T20:10Z`, `04-09 20:00`, `10161800`, or the 20 bits of AIS."""
    if isinstance(value, str) and value.isdecimal() and len(value) < 8:  # the bits of AIS as XML writes them
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return (
            eta_of(static.at, value >> 16, value >> 11 & 0x1F, value >> 6 & 0x1F, value & 0x3F) if value > 0 else None
        )
    if not isinstance(value, str) or not value.strip():
        return None
    digits = "".join(filter(str.isdigit, value))
    if len(digits) == 8:
        return eta_of(static.at, *(int(digits[start : start + 2]) for start in (0, 2, 4, 6)))
    return times.iso_moment(value)


def _first(said: dict[str, Any], *names: str) -> Any:
    """The first value that is there: 0 is."""
    return next((said[name] for name in names if said.get(name) is not None), None)


def _number(value: Any) -> float | None:
    """A number, also written as text."""
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return None
    return float(value) if isinstance(value, int | float) and abs(value) < 1e15 else None


def _whole(value: Any, greatest: int) -> int | None:
    number = _number(value)
    return int(number) if number is not None and 0 <= number < greatest + 1 else None


def _text(value: Any, longest: int) -> str | None:
    """What follows the first @ is padding; AIS has no characters but those of ASCII."""
    if not isinstance(value, str):
        return None
    said = value.partition("@")[0]
    return "".join(char for char in said if char.isascii() and char.isprintable()).strip()[:longest] or None
