"""Lines of SBS-1 (BaseStation) to reports of aircraft.

A line has 22 fields between commas, here with their indexes:

    0 MSG   1 type 1-8   2 session   3 aircraft id   4 ICAO address   5 flight id   6-9 dates and times
    10 callsign   11 altitude, ft (trailing H: geometric)   12 ground speed, kt   13 track, degrees true
    14 latitude   15 longitude   16 vertical rate, ft/min   17 squawk   18-20 alert, emergency, SPI   21 on the ground

Types: 1 identification, 2 surface position, 3 airborne position, 4 velocity, 5 and 7 altitude, 6 squawk, 8 all-call.
Each carries some of the fields, so a position has no speed. The assembly (`ingest/formats/sbs/assembly.py`) adds to it
what other lines said shortly before:

    MSG,3,1,1,400F99,…                 added {"values":{"ground_speed":["430",400],"heading":["338",400]},"known":true}

is 430 knots, heard 400 ms before the position; `known`: callsign and squawk were reported within the last minute. Flags
are true as -1 or 1. Not read: the times (they have no zone, and some senders delay them), alert, emergency and SPI
(readsb puts receivers and error of MLAT there). Positions found by MLAT cannot be told from others: give their port a
feed with a lower score. Source: Kinetic's socket data format as woodair.net describes it; readsb, net_io.c.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import msgspec

from ingest.clocks import moment
from ingest.errors import Rejected
from ingest.formats.common import aircraft
from ingest.formats.common.context import Context
from ingest.formats.common.json_values import read
from ingest.formats.common.ranges import check_position, check_time
from ingest.reports import AircraftReport, AircraftStatic, Decoded, Message

FIELDS = 22
MLAT = "MLAT"  # in place of MSG
TYPE, ADDRESS, CALLSIGN, SQUAWK = 1, 4, 10, 17
_LATITUDE, _LONGITUDE, _ON_GROUND = 14, 15, 21
_POSITIONS = ("2", "3")
_SURFACE = "2"
_TRUE = ("-1", "1")
TIS_B_QUALITY = 60  # per cent: an address that is not from ICAO comes by a ground station

_NUMBER = re.compile(r"[+-]?[0-9]{1,9}(?:\.[0-9]{0,12})?")

# The values that may be older than a position, by their names in AircraftReport: field, and what keeps their range.
VALUES: dict[str, tuple[int, Callable[[float | None], float | None]]] = {
    "altitude": (11, aircraft.altitude),
    "ground_speed": (12, aircraft.ground_speed),
    "heading": (13, aircraft.track),
    "vertical_rate": (16, aircraft.vertical_rate),
}


class SbsAdded(msgspec.Struct, omit_defaults=True, gc=False):
    """What is added to a line: values of others, each with its age in ms; whether its identity was reported already."""

    values: dict[str, tuple[str, int]] = {}
    known: bool = False


_read_added = msgspec.json.Decoder(SbsAdded).decode
_NOTHING = SbsAdded()


def decode(message: Message, context: Context) -> Decoded:
    """What one line says: a position, a callsign or squawk, or neither.

    Raises Rejected with `undecodable`, `icao_invalid`, or a code of validation.
    """
    fields = message.raw.decode("ascii", "replace").split(",")
    if not is_complete(fields[0], len(fields)):
        raise Rejected("undecodable")
    icao = aircraft.icao(fields[ADDRESS])
    check_time(message.received_at, context.now, context.recorded)
    added = read(_read_added, message.added) if message.added else _NOTHING
    static = None if added.known else _static(icao, fields, message.received_at)
    position = _position(icao, fields, added, message.received_at, context) if has_position(fields) else None
    return Decoded(position, static)


def is_complete(beginning: str, fields: int) -> bool:
    """Whether a line has as many fields as its kind: those of positions found by multilateration may have more."""
    return fields >= FIELDS if beginning == MLAT else fields == FIELDS


def has_position(fields: list[str]) -> bool:
    """Whether a line is a position: a type 2 or 3 that has latitude and longitude."""
    return fields[TYPE] in _POSITIONS and bool(fields[_LATITUDE].strip()) and bool(fields[_LONGITUDE].strip())


def value(name: str, text: str) -> float | None:
    """One of VALUES in its unit, None where it is empty, no number, or out of range."""
    return VALUES[name][1](_number(text.strip().removesuffix("H") if name == "altitude" else text.strip()))


def _number(text: str) -> float | None:
    """A decimal number; None for anything else, NaN, infinity and exponents among it."""
    return float(text) if _NUMBER.fullmatch(text) else None


def _position(icao: str, fields: list[str], added: SbsAdded, heard: int, context: Context) -> AircraftReport:
    """The position of this line with the values that are added to it. Raises Rejected."""
    latitude, longitude = _number(fields[_LATITUDE].strip()), _number(fields[_LONGITUDE].strip())
    if latitude is None or longitude is None:
        raise Rejected("undecodable")
    check_position(latitude, longitude)
    at = moment(heard)
    values = {name: value(name, fields[VALUES[name][0]]) for name in VALUES}
    ages: dict[str, float] = {}
    for name, (text, age) in added.values.items():
        values[name] = value(name, text)
        if age:
            ages[name] = (heard - age) / 1000
    on_ground = _on_ground(fields)
    if on_ground:
        values["altitude"] = None
        ages.pop("altitude", None)
    quality = TIS_B_QUALITY if icao.startswith("~") or fields[0] == MLAT else 100
    return AircraftReport(
        icao,
        at,
        latitude,
        longitude,
        aircraft.altitude(values["altitude"]),
        values["ground_speed"],
        values["heading"],
        aircraft.vertical_rate(values["vertical_rate"]),
        on_ground,
        at,
        context.source,
        context.trust * quality // 100,
        ages,
    )


def _on_ground(fields: list[str]) -> bool | None:
    """The flag; where it is empty a surface position says it, and an airborne one leaves it unknown."""
    flag = fields[_ON_GROUND].strip()
    if flag:
        return flag in _TRUE
    return True if fields[TYPE] == _SURFACE else None


def _static(icao: str, fields: list[str], heard: int) -> AircraftStatic | None:
    """Callsign and squawk of this line, None if it has neither."""
    callsign, squawk = aircraft.callsign(fields[CALLSIGN]), aircraft.squawk(fields[SQUAWK])
    if callsign is None and squawk is None:
        return None
    return AircraftStatic(icao, moment(heard), callsign=callsign, squawk=squawk)
