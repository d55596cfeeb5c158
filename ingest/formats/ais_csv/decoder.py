"""Rows of AIS CSV dumps to reports.

A row of the Danish Maritime Authority or MarineCadastre is a position joined with the static data known then, so it
says both; an exactEarth row is one AIS message. "Not available" (91, 181, 102.3, 360, 511, "Unknown", "None") becomes
None. The row's time is exact and never snapped. Raises Rejected with `undecodable`, a validation code, or
`position_not_available` where a row has neither position nor static data. Dialects:
`ingest/formats/ais_csv/dialects.py`.
"""

from __future__ import annotations

import datetime as dt
import math
import re
from functools import lru_cache

from ingest.clocks import moment
from ingest.errors import Rejected
from ingest.formats.ais.decoder import LONG_RANGE_QUALITY
from ingest.formats.ais.static import eta_of
from ingest.formats.ais_csv.dialects import AISHUB, DANISH, EXACTEARTH, CsvRow, layout_of
from ingest.formats.common import times
from ingest.formats.common.context import Context
from ingest.formats.common.ranges import check_mmsi, check_position, check_time, imo_number, place_of_station
from ingest.reports import Decoded, Message, StationReport, VesselReport, VesselStatic
from tracking.positions import bounds

STATION_NAME_CHARACTERS = 34  # of an aid to navigation, the extension included
_NOTHING = frozenset({"", "None", "Unknown", "Undefined"})
_NO_NUMBER = frozenset({"", "none", "unknown", "undefined", "null", "nan", "n/a", "na", "-", "inf", "-inf", "infinity"})
_MONTH_AND_DAY = re.compile(r"(\d\d)-(\d\d) (\d\d):(\d\d)")
UNREADABLE = "cell_unreadable"
STATION_KINDS = {"Base Station": "base", "AtoN": "aid", "4": "base", "21": "aid"}
_POSITION_TYPES = frozenset({"1", "2", "3", "9", "18", "19", "27"})
_STATIC_TYPES = frozenset({"5", "19", "24"})

# Words of the Danish dumps, and of MarineCadastre until 2017; codes of ITU-R M.1371-5, table 48.
_STATUSES = {
    "under way using engine": 0,
    "at anchor": 1,
    "not under command": 2,
    "restricted maneuverability": 3,
    "constrained by her draught": 4,
    "moored": 5,
    "aground": 6,
    "engaged in fishing": 7,
    "under way sailing": 8,
    "reserved for future amendment [hsc]": 9,
    "reserved for future amendment [wig]": 10,
    "power-driven vessel towing astern": 11,
    "power-driven vessel pushing ahead or towing alongside": 12,
    "reserved for future use": 13,
    "reserved for future use [11]": 11,
    "reserved for future use [12]": 12,
    "reserved for future use [13]": 13,
    "ais-sart": 14,
    "ais-sart (active)": 14,
    "ais-sart is active": 14,
}
# Danish words for types of ship; codes of table 53. Those in tens take a second digit from the cargo.
_SHIP_TYPES = {
    "Fishing": 30,
    "Towing": 31,
    "Towing long/wide": 32,
    "Dredging": 33,
    "Diving": 34,
    "Military": 35,
    "Sailing": 36,
    "Pleasure": 37,
    "Pilot": 50,
    "SAR": 51,
    "Tug": 52,
    "Port tender": 53,
    "Anti-pollution": 54,
    "Law enforcement": 55,
    "Medical": 58,
    "Not party to conflict": 59,
}
_SHIP_TENS = {"WIG": 20, "HSC": 40, "Passenger": 60, "Cargo": 70, "Tanker": 80, "Other": 90}
_CARGOES = {
    "": 0,
    "Category X": 1,
    "Category Y": 2,
    "Category Z": 3,
    "Category OS": 4,
    "No additional information": 9,
}


def decode(message: Message, context: Context) -> Decoded:
    """What one row says: a position and static data, either, a station, or nothing of concern."""
    try:
        layout = layout_of(message.added)
        row = layout.read(message.raw)
    except (ValueError, IndexError):
        raise Rejected("undecodable") from None
    mmsi = mmsi_of(row.mmsi)
    check_time(message.received_at, context.now, context.recorded)
    at = moment(message.received_at)
    if row.kind in STATION_KINDS:
        return Decoded(station=_station(row, mmsi, at))
    if layout.dialect == EXACTEARTH:
        return _exactearth(row, mmsi, at, context)
    if layout.dialect == AISHUB and row.time.isdecimal():
        row = _scaled(row)
    eta = _eta(row.eta, layout.dialect, at)
    static = joined_static(row, layout.dialect, mmsi, at, eta)
    try:
        position = _position(row, mmsi, at, context)
    except Rejected as refusal:
        if static is None or refusal.reason == UNREADABLE:
            raise
        return Decoded(static=static)
    return Decoded(position, static)


def _scaled(row: CsvRow) -> CsvRow:
    """A row with the numbers of AIS, in degrees, knots and metres."""
    divisors = {"latitude": 600_000, "longitude": 600_000, "course": 10, "speed": 10, "draught": 10}
    numbers = {name: readable(getattr(row, name)) for name in divisors}
    scaled = {name: str(number / divisors[name]) for name, number in numbers.items() if number is not None}
    return row._replace(**scaled)


def _eta(text: str, dialect: str, at: dt.datetime) -> dt.datetime | None:
    """The estimated arrival: with its year, or as AIS sends it, `04-09 20:00`."""
    if dialect == DANISH:
        return danish_eta(text, at)
    found = _MONTH_AND_DAY.fullmatch(text)
    if found is None:
        return times.iso_moment(text)
    return eta_of(at, *(whole_of(part, 99) for part in found.groups()))


def joined_static(
    row: CsvRow, dialect: str, mmsi: int, at: dt.datetime, eta: dt.datetime | None
) -> VesselStatic | None:
    """The static data joined to a row of a dialect other than exactEarth, None where there are none."""
    danish = dialect == DANISH
    ship_type = ship_type_of(row.ship_type, row.cargo) if danish else whole_of(row.ship_type, 255) or None
    return static_of(row, mmsi, at, ship_type, 1, eta)


def _exactearth(row: CsvRow, mmsi: int, at: dt.datetime, context: Context) -> Decoded:
    """One AIS message of any type, its fields in columns; the draught is in tenths of a metre."""
    position = static = None
    if row.kind in _STATIC_TYPES:
        eta = eta_of(at, *(whole_of(part, 99) for part in (row.month, row.day, row.hour, row.minute)))
        static = static_of(row, mmsi, at, whole_of(row.ship_type, 255) or None, 10, eta)
    if row.kind in _POSITION_TYPES:
        position = _position(row, mmsi, at, context)
    elif not whole_of(row.kind, 27):
        raise Rejected("undecodable")
    return Decoded(position, static)


def _position(row: CsvRow, mmsi: int, at: dt.datetime, context: Context) -> VesselReport:
    latitude, longitude = readable(row.latitude), readable(row.longitude)
    if latitude is None or longitude is None or latitude == 91.0 or longitude == 181.0:
        raise Rejected("position_not_available")
    check_position(latitude, longitude)
    long_range = row.kind == "27"
    course = readable(row.course)
    return VesselReport(
        mmsi,
        at,
        latitude,
        longitude,
        _speed(row, mmsi),
        course if course is not None and bounds.COURSE.holds(course) else None,
        whole_of(row.heading, 359),
        status_of(row.status),
        at,
        context.source,
        context.trust * LONG_RANGE_QUALITY // 100 if long_range else context.trust,
        long_range if row.kind.isdecimal() else None,
    )


def _speed(row: CsvRow, mmsi: int) -> float | None:
    """Knots: to 102.2; to 1,022 from search and rescue aircraft; type 27 has six bits, of which 63 says nothing."""
    speed = readable(row.speed)
    if speed is None or 0 <= speed <= 62:
        return speed
    aircraft = row.kind in ("SAR Airborne", "9") or mmsi // 1_000_000 == 111
    fastest = 1022.0 if aircraft else 62.0 if row.kind == "27" else 102.2
    return speed if 0 <= speed <= fastest and speed != 102.3 else None


def static_of(
    row: CsvRow, mmsi: int, at: dt.datetime, ship_type: int | None, per_metre: int, eta: dt.datetime | None
) -> VesselStatic | None:
    """Static and voyage data, None where the row has none; `per_metre` is the draught's unit."""
    auxiliary = row.kind == "24" and mmsi // 10_000_000 == 98
    draught = number_of(row.draught)
    values = (
        _text(row.name, 20),
        _text(row.callsign, 7),
        _imo(row.imo),
        ship_type,
        *((None,) * 4 if auxiliary else _dimensions(row)),
        _text(row.destination, 20),
        draught / per_metre if draught and bounds.DRAUGHT.holds(draught / per_metre) else None,
        eta,
        (whole_of(row.mothership, 999_999_999) or None) if auxiliary else None,
    )
    return VesselStatic(mmsi, at, *values) if any(value is not None for value in values) else None


def _dimensions(row: CsvRow) -> tuple[int | None, int | None, int | None, int | None]:
    """Metres from the antenna to bow, stern, port, starboard. Where only length and width are given, the antenna's
    place is unknown: then bow and port are 0 (ITU-R M.1371-5, figure 41)."""
    bow, stern = whole_of(row.bow, 511) or 0, whole_of(row.stern, 511) or 0
    port, starboard = whole_of(row.port, 63) or 0, whole_of(row.starboard, 63) or 0
    if not (bow or stern):
        stern = whole_of(row.length, 1022) or 0
    if not (port or starboard):
        starboard = whole_of(row.width, 126) or 0
    along = (bow, stern) if bow or stern else (None, None)
    across = (port, starboard) if port or starboard else (None, None)
    return *along, *across


def _station(row: CsvRow, mmsi: int, at: dt.datetime) -> StationReport:
    """A base station or an aid to navigation. Its position may be unknown."""
    kind = STATION_KINDS[row.kind]
    latitude, longitude = place_of_station(number_of(row.latitude), number_of(row.longitude))
    if kind == "base":
        return StationReport(mmsi, at, kind, latitude, longitude)
    extension = _text(row.name_extension, 14) or ""
    name = f"{_text(row.aid_name, 20) or _text(row.name, 34) or ''}{extension}"
    name = name[:STATION_NAME_CHARACTERS]  # a whole name beside an extension is longer than any aid's
    return StationReport(mmsi, at, kind, latitude, longitude, name or None, whole_of(row.aid_type, 31) or None)


def mmsi_of(text: str) -> int:
    """Raises Rejected: it must be digits, and name somebody."""
    if not (text.isascii() and text.isdecimal() and len(text) <= 18):
        raise Rejected("undecodable")
    mmsi = int(text)
    check_mmsi(mmsi)
    return mmsi


def number_of(text: str) -> float | None:
    """A number as it is written, None where there is none."""
    if not text:
        return None
    try:
        number = float(text.replace(",", ".") if text.count(",") == 1 and "." not in text else text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def readable(text: str) -> float | None:
    """A number, None where the cell says that there is none. Raises Rejected where it is something else."""
    number = number_of(text)
    if number is None and text.strip().lower() not in _NO_NUMBER:
        raise Rejected(UNREADABLE)
    return number


def whole_of(text: str, greatest: int) -> int | None:
    """A whole number from 0 to `greatest`, also written `12.0`; None otherwise."""
    number = number_of(text)
    return int(number) if number is not None and 0 <= number < greatest + 1 else None


def _text(text: str, longest: int) -> str | None:
    """What follows the first @ is padding; AIS has no characters but those of ASCII. None where nothing is said."""
    if text in _NOTHING:
        return None
    text = text.partition("@")[0].strip()
    if not (text.isascii() and text.isprintable()):
        text = "".join(character for character in text if character.isascii() and character.isprintable())
    return text[:longest] or None


def _imo(text: str) -> int | None:
    """An IMO number whose check digit is right, also written `IMO9307839`."""
    digits = text.removeprefix("IMO").strip()
    return imo_number(int(digits)) if digits.isascii() and digits.isdecimal() and len(digits) == 7 else None


@lru_cache(maxsize=256)
def status_of(text: str) -> int | None:
    """A code or its words; 15 and what is unknown are None."""
    return _STATUSES.get(text.lower(), whole_of(text, 14))


@lru_cache(maxsize=256)
def ship_type_of(words: str, cargo: str) -> int | None:
    """The code that Danish words stand for; None where they stand for several ("Reserved for future use")."""
    tens, digit = _SHIP_TENS.get(words), _CARGOES.get(cargo)
    if tens is not None:
        return tens + digit if digit is not None else None
    return _SHIP_TYPES.get(words)


def danish_eta(text: str, at: dt.datetime) -> dt.datetime | None:
    """`28/02/2027 12:00:00`. AIS sends no year, the publisher added it: it is chosen here as for every other source."""
    if not text:
        return None
    return eta_of(at, *(whole_of(part, 99) for part in (text[3:5], text[:2], text[11:13], text[14:16])))
