"""Tracks of GeoJSON: a line whose points have times, each point a message.

    {"type":"Feature","geometry":{"type":"LineString","coordinates":[[10.2,54.5],…]},
     "properties":{"mmsi":211000001,"coordTimes":["2026-05-01T12:00:00Z",…]}}

Enters the members of a feature; leaves its points as they were received, `[longitude,latitude]` or with a height, each
heard at its time, to which is added whose they are. Times stand beside the points in `coordTimes`, `times` or
`timestamps`, or below `coordinateProperties`: GeoJSON itself has none, and these are what converters write. Reasons:
`identity_missing`, `time_missing` (none, or another number of them than of points), `time_unreadable`, `point_broken`.
Source: RFC 7946; togeojson and GDAL for the times.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from ingest.errors import Rejected
from ingest.formats.common import aircraft, json_values, times
from ingest.formats.common.context import Context
from ingest.formats.common.documents import Entry, epoch_ms
from ingest.formats.common.ranges import MMSI_MAX
from ingest.formats.common.track_points import TrackOf, TrackPoint, is_name, reported
from ingest.reports import AircraftReport, Decoded, Message

NAMES = ("mmsi", "icao", "icao24", "hex", "name", "id")
TIMES = ("coordTimes", "times", "timestamps")
MAX_POINT_BYTES = 512
GREATEST = 1e15  # of any number that is meant
_NUMBERS = ("latitude", "longitude", "altitude", "ground_speed", "heading", "vertical_rate")


class _Geometry(msgspec.Struct):
    type: str
    coordinates: msgspec.Raw


_read_geometry = msgspec.json.Decoder(_Geometry).decode
_read_line = msgspec.json.Decoder(list[msgspec.Raw]).decode
_read_lines = msgspec.json.Decoder(list[list[msgspec.Raw]]).decode
_read_properties = msgspec.json.Decoder(dict[str, Any] | None).decode
_read_point = msgspec.json.Decoder(list[float]).decode
_read_track = msgspec.json.Decoder(TrackOf).decode


def points(feature: Mapping[str, Any]) -> Iterator[Entry] | None:
    """The points of a feature's line; None where its geometry is none. One that cannot be read costs itself alone."""
    raw = bytes(feature.get("geometry", b""))
    if b"LineString" not in raw[:200] + raw[-200:]:
        return None
    try:
        geometry = _read_geometry(raw)
        if geometry.type not in ("LineString", "MultiLineString"):
            return None
        said = _read_properties(bytes(feature.get("properties", b"null"))) or {}
        times_of, coordinates = _times(said), bytes(geometry.coordinates)
        name = _name(feature, said)
        if geometry.type == "LineString":
            return _entries([_read_line(coordinates)], [times_of], name)
        return _entries(_read_lines(coordinates), times_of, name)
    except json_values.BROKEN:
        return iter([Entry(b"", None)])


def _entries(lines: Sequence[Sequence[msgspec.Raw]], given: Sequence[Any], name: str) -> Iterator[Entry]:
    if not name:
        yield from (Entry(b"", None, reason="identity_missing") for line in lines for _ in line)
        return
    added = msgspec.json.encode(TrackOf(name))
    for number, line in enumerate(lines):
        said = given[number] if number < len(given) else None
        if not isinstance(said, list) or len(said) != len(line):
            yield from (Entry(b"", None, reason="time_missing") for _ in line)
            continue
        for point, value in zip(line, said, strict=True):
            raw, time = bytes(point), _time(value)
            reason = "time_unreadable" if time is None else "" if len(raw) <= MAX_POINT_BYTES else "point_broken"
            yield Entry(raw, time, added, reason)


def _times(said: Mapping[str, Any]) -> Any:
    beside = said.get("coordinateProperties")
    for where in (said, beside if isinstance(beside, dict) else {}):
        for name in TIMES:
            if isinstance(where.get(name), list):
                return where[name]
    return []


def _time(value: Any) -> int | None:
    if isinstance(value, str):
        return times.iso(value)
    return epoch_ms(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _name(feature: Mapping[str, Any], said: Mapping[str, Any]) -> str:
    """Whose track it is, empty where nothing says that."""
    values = {name: msgspec.json.decode(bytes(value)) for name, value in feature.items() if name in NAMES}
    values |= {name.lower(): value for name, value in said.items()}
    return next(filter(is_name, map(_as_name, map(values.get, NAMES))), "")


def _as_name(value: Any) -> str:
    """An MMSI as a number has no leading zeros. Bounded first: a number of JSON may have thousands of digits."""
    if type(value) is int and 0 < value <= MMSI_MAX:
        return f"{value:09}"
    return value if isinstance(value, str) else ""


def of_aircraft(said: Mapping[str, Any], message: Message, context: Context) -> Decoded:
    """A position of an aircraft as this project exports it, its keys in lower case. Raises Rejected."""
    values: dict[str, Any] = {name: said.get(name) for name in _NUMBERS}
    if not all(value is None or _is_number(value) for value in values.values()):
        raise Rejected("undecodable")
    latitude, longitude = values["latitude"], values["longitude"]
    if latitude is None or longitude is None:
        raise Rejected("position_not_available")
    point = TrackPoint(latitude, longitude, values["ground_speed"], values["heading"])
    report = reported(aircraft.icao(str(said["aircraft_id"])), point, message, context)
    assert isinstance(report, AircraftReport), "an address has six digits"
    report.altitude = aircraft.altitude(values["altitude"])
    report.vertical_rate = aircraft.vertical_rate(values["vertical_rate"])
    report.on_ground = said.get("on_ground") if isinstance(said.get("on_ground"), bool) else None
    return Decoded(report)


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and abs(value) < GREATEST


def decode(message: Message, context: Context) -> Decoded:
    """A point to its position. Raises Rejected."""
    name = json_values.read(_read_track, message.added).name
    place = json_values.read(_read_point, message.raw)
    if len(place) < 2 or not all(map(_is_number, place)):
        raise Rejected("undecodable")
    height = place[2] if len(place) > 2 else None
    return Decoded(reported(name, TrackPoint(place[1], place[0], height=height), message, context))
