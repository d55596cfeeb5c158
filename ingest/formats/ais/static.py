"""AIS messages other than position reports: static data, stations, and those that are only counted.

Enters a message whose type is known (`ais.py` reads it); leaves static data, a station report, or nothing. A field that
a cut-off message does not hold whole is None, as is one that says "not available". Types that carry nothing for us must
at least be armour and name a sender.
Source: ITU-R M.1371-5, annex 8, by the tables named below; units as gpsd's AIVDM document gives them.
"""

from __future__ import annotations

import datetime as dt

from ingest.clocks import moment
from ingest.errors import Rejected
from ingest.formats.ais.bits import NULL_ISLAND_RAW, Fields
from ingest.formats.common.context import Context
from ingest.formats.common.ranges import check_mmsi, check_time, imo_number
from ingest.reports import Decoded, Message, StationReport, VesselStatic

HEADER_BITS = 38  # type, repeat indicator, MMSI
VOYAGE_BITS = 422  # of type 5, up to the destination
EXTENDED_BITS = 301  # of type 19, up to the dimensions
HALF_A_YEAR = dt.timedelta(days=182)


def decode(message: Message, kind: int, payload: bytes, fill: int, context: Context) -> Decoded:
    """Static data (types 5, 24) or a station (4, 21); of another type only whether it can be decoded. Raises Rejected.

    `payload` is armoured, the last `fill` bits of it are none.
    """
    if len(payload) * 6 - fill < HEADER_BITS or not 1 <= kind <= 27:
        raise Rejected("undecodable")
    fields = Fields(payload, fill)
    if kind in _STATIC:
        return Decoded(static=_STATIC[kind](fields, message.received_at, context))
    if kind in _STATIONS:
        return Decoded(station=_STATIONS[kind](fields, message.received_at, context))
    check_mmsi(fields.number(8, 30) or 0)
    return Decoded()


def _header(fields: Fields, heard: int, context: Context) -> tuple[int, dt.datetime]:
    """MMSI and time of a message heard at `heard` (ms). Raises Rejected."""
    mmsi = fields.number(8, 30) or 0
    check_mmsi(mmsi)
    check_time(heard, context.now, context.recorded)
    return mmsi, moment(heard)


def voyage(fields: Fields, heard: int, context: Context) -> VesselStatic:
    """Static and voyage related data, type 5 (table 52). One that ends before its fields do is not used."""
    if fields.length < VOYAGE_BITS:
        raise Rejected("undecodable")
    mmsi, at = _header(fields, heard, context)
    static = VesselStatic(mmsi, at, name=fields.text(112, 20), callsign=fields.text(70, 7))
    static.imo = imo_number(fields.number(40, 30) or 0)
    static.ship_type = fields.positive(232, 8)
    _add_dimensions(static, fields, 240)
    eta = fields.number(274, 20)
    if eta:
        static.eta = eta_of(at, eta >> 16, eta >> 11 & 0x1F, eta >> 6 & 0x1F, eta & 0x3F)
    decimetres = fields.positive(294, 8)
    static.draught = decimetres / 10 if decimetres else None
    static.destination = fields.text(302, 20)
    return static


def static_of_class_b(message: Message, payload: bytes, fill: int, context: Context) -> VesselStatic | None:
    """What an extended position report of class B, type 19, says of the vessel (table 71); None where it is cut off."""
    fields = Fields(payload, fill)
    if fields.length < EXTENDED_BITS:
        return None
    mmsi, at = _header(fields, message.received_at, context)
    static = VesselStatic(mmsi, at, name=fields.text(143, 20), ship_type=fields.positive(263, 8))
    _add_dimensions(static, fields, 271)
    return static


def static_part(fields: Fields, heard: int, context: Context) -> VesselStatic:
    """Static data of class B, type 24, in two parts: 0 is the name (table 78), 1 all else (table 79)."""
    part = fields.number(38, 2)
    if part not in (0, 1):
        raise Rejected("undecodable")
    mmsi, at = _header(fields, heard, context)
    if part == 0:
        return VesselStatic(mmsi, at, name=fields.text(40, 20))
    static = VesselStatic(mmsi, at, callsign=fields.text(90, 7), ship_type=fields.positive(40, 8))
    if mmsi // 10_000_000 == 98:
        # An auxiliary craft (98MIDxxxx) names its mother ship in place of the dimensions.
        mothership = fields.number(132, 30) or 0
        static.mothership = mothership if 0 < mothership <= 999_999_999 else None
    else:
        _add_dimensions(static, fields, 132)
    return static


def _add_dimensions(static: VesselStatic, fields: Fields, first: int) -> None:
    """Metres from the antenna, along and across each for itself: a message may end between them. Both zero: unknown; a
    zero beside another number is the antenna's place."""
    along, across = fields.number(first, 18), fields.number(first + 18, 12)
    if along:
        static.to_bow, static.to_stern = along >> 9, along & 0x1FF
    if across:
        static.to_port, static.to_starboard = across >> 6, across & 0x3F


def eta_of(at: dt.datetime, *parts: int | None) -> dt.datetime | None:
    """The arrival nearest to the report, since the message names no year; None where any of month, day,
    hour and minute is not available."""
    if None in parts:
        return None
    month, day, hour, minute = (int(part or 0) for part in parts)
    if not (month and day and hour < 24 and minute < 60):
        return None
    etas = []
    for year in (at.year, at.year - 1, at.year + 1):
        try:
            eta = dt.datetime(year, month, day, hour, minute, tzinfo=dt.UTC)
        except (ValueError, OverflowError):  # month 13, 30 February, 29 February of most years, day 2**31
            continue
        if abs(eta - at) <= HALF_A_YEAR:
            return eta  # that of any other year is farther away
        etas.append(eta)
    return min(etas, key=lambda eta: abs(eta - at), default=None)


def base_station(fields: Fields, heard: int, context: Context) -> StationReport:
    """Base station report, type 4 (table 51). Its own clock is not trusted: it may be decades wrong."""
    mmsi, at = _header(fields, heard, context)
    return StationReport(mmsi, at, "base", *_whereabouts(fields, 79))


def aid_to_navigation(fields: Fields, heard: int, context: Context) -> StationReport:
    """Aid to navigation, type 21 (table 73): a name of twenty characters, and up to fourteen more in the extension."""
    mmsi, at = _header(fields, heard, context)
    name = f"{fields.text(43, 20) or ''}{fields.text(272, 14, partly=True) or ''}" or None
    return StationReport(mmsi, at, "aid", *_whereabouts(fields, 164), name, fields.positive(38, 5))


def _whereabouts(fields: Fields, first: int) -> tuple[float | None, float | None]:
    """Latitude and longitude in degrees, both or neither; 91 and 181 mean not available."""
    longitude, latitude = fields.signed(first, 28), fields.signed(first + 28, 27)
    if longitude is None or latitude is None:
        return None, None
    if not (-54_000_000 <= latitude <= 54_000_000 and -108_000_000 <= longitude <= 108_000_000):
        return None, None
    if abs(latitude) <= NULL_ISLAND_RAW and abs(longitude) <= NULL_ISLAND_RAW:
        return None, None
    return latitude / 600_000, longitude / 600_000


_STATIC = {5: voyage, 24: static_part}
_STATIONS = {4: base_station, 21: aid_to_navigation}
