"""AIS messages to reports.

A payload is 6-bit characters, most significant bit first. Position reports begin

    bits   0-5    6-7     8-37
           type   repeat  MMSI

and are decoded here by shifts, from as many bits as the position fields need: cut-off and over-long ones are on the
air. All other types go through pyais. "Not available" becomes None at the level of the raw integer. Times: see
`_event_time`. Source: ITU-R M.1371-5, annex 8; units as gpsd's AIVDM document gives them.
"""

from __future__ import annotations

import datetime as dt
from binascii import Error as Base64Error
from binascii import a2b_base64
from typing import Any

import pyais
from pyais.exceptions import AISBaseException

from ingest.decoders.context import Context, moment
from ingest.errors import Rejected
from ingest.reports import Decoded, Message, StationReport, VesselReport, VesselStatic
from ingest.validation import check_mmsi, check_position, check_time, imo_number

# The armour's characters in order of their values, as the alphabet that base64 decodes.
_ARMOUR = b"0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVW`abcdefghijklmnopqrstuvw"
_BASE64 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_VALUES = {character: value for value, character in enumerate(_ARMOUR)}
# What is no armour becomes a character that base64 refuses.
_TO_BASE64 = bytes(_BASE64[_VALUES[byte]] if byte in _VALUES else ord("-") for byte in range(256))

_SNAP_MS = 10_000
LONG_RANGE_QUALITY = 50  # per cent: type 27 resolves 185 m


class _Layout:
    """Where a 168-bit position report keeps its fields: bit offsets from the start, and bits needed."""

    def __init__(self, first: int, status: int | None, heading: bool, whole_knots: bool) -> None:
        # SOG 10, accuracy 1, longitude 28, latitude 27, COG 12, [heading 9], second 6, one after the other
        self.status = 168 - status - 4 if status is not None else None
        self.speed = 168 - first - 10
        self.longitude = self.speed - 29
        self.latitude = self.longitude - 27
        self.course = self.latitude - 12
        self.heading = self.course - 9 if heading else None
        self.second = (self.heading if self.heading is not None else self.course) - 6
        self.bits = 168 - self.second
        self.per_knot = 1 if whole_knots else 10


_CLASS_A = _Layout(50, 38, True, False)
_CLASS_B = _Layout(46, None, True, False)
_SAR = _Layout(50, None, False, True)
_LAYOUTS = {1: _CLASS_A, 2: _CLASS_A, 3: _CLASS_A, 9: _SAR, 18: _CLASS_B, 19: _CLASS_B}


def decode(message: Message, context: Context) -> Decoded:
    """What one AIS message says. Raises Rejected with `undecodable`, a validation code or `position_not_available`."""
    payload, fill = _payload(message.raw)
    kind = _VALUES.get(payload[0], 64) if payload else 64
    layout = _LAYOUTS.get(kind)
    if layout is not None:
        position = _position(layout, payload, fill, message.received_at, context)
        static = _static(message, kind, context) if kind == 19 else None
        return Decoded(position, static)
    if kind == 27:
        return Decoded(_long_range(payload, fill, message.received_at, context))
    if len(payload) * 6 - fill < 38:
        raise Rejected("undecodable")  # pyais would take what is left of the MMSI for another, shorter one
    return _other(message, kind, context)


def _payload(raw: bytes) -> tuple[bytes, int]:
    """The armoured payload of all sentences, and the fill bits of the last."""
    if b"\n" not in raw:
        fields = raw.split(b",")
        payload, fill = fields[5], fields[6][:-3]
    else:
        parts = [sentence.split(b",") for sentence in raw.split(b"\n")]
        payload, fill = b"".join(part[5] for part in parts), parts[-1][6][:-3]
    if len(fill) != 1 or fill not in b"012345":
        raise Rejected("undecodable")
    return payload, fill[0] - 48


def _bits(payload: bytes, characters: int) -> int:
    """The first `characters` of the payload as one number, missing ones as zeros."""
    padding = -characters % 4
    text = payload[:characters].translate(_TO_BASE64).ljust(characters + padding, b"A")
    try:
        return int.from_bytes(a2b_base64(text, strict_mode=True), "big") >> 6 * padding
    except Base64Error:
        raise Rejected("undecodable") from None


def _position(layout: _Layout, payload: bytes, fill: int, heard: int, context: Context) -> VesselReport:
    """Types 1, 2, 3 (class A), 9 (search and rescue aircraft), 18, 19 (class B): tables 48, 57, 64, 65.

    Speed in knots (1023 not available, 1022: 102.2 or more), course in tenths (3600), heading in degrees (511).
    """
    if len(payload) * 6 - fill < layout.bits:
        raise Rejected("undecodable")
    bits = _bits(payload, 28)
    mmsi = bits >> 130 & 0x3FFFFFFF
    check_mmsi(mmsi)
    latitude, longitude = _degrees(bits >> layout.latitude & 0x7FFFFFF, bits >> layout.longitude & 0xFFFFFFF)
    check_position(latitude, longitude)
    time = _event_time(heard, bits >> layout.second & 0x3F, context)
    timestamp = moment(time)
    speed = bits >> layout.speed & 0x3FF
    course = bits >> layout.course & 0xFFF
    heading = bits >> layout.heading & 0x1FF if layout.heading is not None else 511
    status = bits >> layout.status & 0xF if layout.status is not None else 15
    return VesselReport(
        mmsi,
        timestamp,
        latitude,
        longitude,
        speed / layout.per_knot if speed < 1023 else None,
        course / 10 if course < 3600 else None,
        heading if heading < 360 else None,
        status if status < 15 else None,
        timestamp if time == heard else moment(heard),
        context.source,
        context.trust,
    )


def _long_range(payload: bytes, fill: int, heard: int, context: Context) -> VesselReport:
    """Type 27 (table 74): 96 bits, tenths of minutes, whole knots (63 not available) and degrees (511)."""
    if len(payload) * 6 - fill < 94:
        raise Rejected("undecodable")
    bits = _bits(payload, 16)
    mmsi = bits >> 58 & 0x3FFFFFFF
    check_mmsi(mmsi)
    status, speed, course = bits >> 52 & 0xF, bits >> 11 & 0x3F, bits >> 2 & 0x1FF
    longitude, latitude = bits >> 34 & 0x3FFFF, bits >> 17 & 0x1FFFF
    if longitude == 108_600 or latitude == 54_600:
        raise Rejected("position_not_available")
    latitude_degrees, longitude_degrees = _signed(latitude, 17) / 600, _signed(longitude, 18) / 600
    check_position(latitude_degrees, longitude_degrees)
    check_time(heard, context.now, context.recorded)
    at = moment(heard)
    return VesselReport(
        mmsi,
        at,
        latitude_degrees,
        longitude_degrees,
        float(speed) if speed < 63 else None,
        float(course) if course < 360 else None,
        None,
        status if status < 15 else None,
        at,
        context.source,
        context.trust * LONG_RANGE_QUALITY // 100,
    )


def _signed(raw: int, bits: int) -> int:
    """Two's complement."""
    return raw - (1 << bits) if raw >> (bits - 1) else raw


def _degrees(latitude: int, longitude: int) -> tuple[float, float]:
    """Ten-thousandths of minutes to degrees; 91 and 181 degrees mean not available, either alone makes no position."""
    if latitude == 0x3412140 or longitude == 0x6791AC0:
        raise Rejected("position_not_available")
    if latitude > 0x3FFFFFF:
        latitude -= 0x8000000
    if longitude > 0x7FFFFFF:
        longitude -= 0x10000000
    return latitude / 600_000, longitude / 600_000


def _event_time(heard: int, second: int, context: Context) -> int:
    """The time of the report in ms: the message's UTC second next to when it was heard, if that is 10 s away or less.

    So the same report heard by three stations has one time. `second` is 0 to 59; 60 and above say no second. Invented
    times are left alone: nothing relates them to the ship's clock.
    """
    time = heard
    if second < 60 and context.snap:
        delta = second * 1000 - heard % 60_000
        if delta > 30_000:
            delta -= 60_000
        elif delta < -30_000:
            delta += 60_000
        if -_SNAP_MS <= delta <= _SNAP_MS:
            time = heard + delta
    check_time(time, context.now, context.recorded)
    return time


def _other(message: Message, kind: int, context: Context) -> Decoded:
    """Static data (5, 24), stations (4, 21), and everything else, which must at least be decodable."""
    if kind in (5, 24):
        return Decoded(static=_static(message, kind, context))
    if kind in (4, 21):
        return Decoded(station=_station(message, kind, context))
    if not 1 <= kind <= 27:
        raise Rejected("undecodable")
    check_mmsi(_pyais(message).mmsi)
    return Decoded()


def _pyais(message: Message) -> Any:
    """The message as pyais decodes it; whatever it refuses is undecodable."""
    try:
        return pyais.decode(*message.raw.split(b"\n"))
    except (AISBaseException, Base64Error, ValueError, IndexError, KeyError, TypeError, OverflowError) as error:
        raise Rejected("undecodable") from error


def _static(message: Message, kind: int, context: Context) -> VesselStatic:
    """Static and voyage data of types 5, 19 and 24 (tables 51, 65, 68); type 24 comes in two parts."""
    said = _pyais(message)
    mmsi = int(said.mmsi)
    check_mmsi(mmsi)
    check_time(message.received_at, context.now, context.recorded)
    at = moment(message.received_at)
    static = VesselStatic(mmsi, at, name=_text(said, "shipname"), callsign=_text(said, "callsign"))
    static.ship_type = _positive(said, "ship_type")
    if mmsi // 10_000_000 == 98 and kind == 24:
        _add_mothership(static, said)
    else:
        _add_dimensions(static, said)
    if kind == 5:
        static.imo = imo_number(_number(said, "imo"))
        static.destination = _text(said, "destination")
        static.draught = float(getattr(said, "draught", None) or 0) or None
        static.eta = _eta(at, *(getattr(said, part, None) for part in ("month", "day", "hour", "minute")))
    return static


def _text(said: Any, field: str) -> str | None:
    """A 6-bit string: what follows the first @ is padding. None where absent or blank."""
    text = str(getattr(said, field, "") or "").partition("@")[0].strip()
    return text or None


def _number(said: Any, field: str) -> int:
    """A number, 0 where a cut-off message or the other part of a message does not carry it."""
    return int(getattr(said, field, None) or 0)


def _positive(said: Any, field: str) -> int | None:
    """A number of which 0 means not available."""
    return _number(said, field) or None


def _add_dimensions(static: VesselStatic, said: Any) -> None:
    """Metres from the antenna. All zero: unknown; a zero beside other numbers is the antenna's place."""
    bow, stern, port, starboard = (_number(said, f"to_{side}") for side in ("bow", "stern", "port", "starboard"))
    if bow or stern:
        static.to_bow, static.to_stern = bow, stern
    if port or starboard:
        static.to_port, static.to_starboard = port, starboard


def _add_mothership(static: VesselStatic, said: Any) -> None:
    """Part B of an auxiliary craft (98MIDxxxx) has the mother ship's MMSI in place of the dimensions (30 bits)."""
    number = _number(said, "mothership_mmsi")
    static.mothership = number if 0 < number <= 999_999_999 else None


def _eta(at: dt.datetime, *parts: int | None) -> dt.datetime | None:
    """The arrival nearest to the report, since the message names no year; None where any of month, day,
    hour and minute is not available."""
    if None in parts:
        return None
    month, day, hour, minute = (int(part or 0) for part in parts)
    candidates = []
    for year in (at.year - 1, at.year, at.year + 1):
        try:
            candidates.append(dt.datetime(year, month, day, hour, minute, tzinfo=dt.UTC))
        except ValueError:  # month or day 0, hour 24, minute 60, 29 February
            continue
    return min(candidates, key=lambda eta: abs(eta - at), default=None)


def _station(message: Message, kind: int, context: Context) -> StationReport:
    """Base station report (type 4) or aid to navigation (type 21): tables 52 and 70. Its position may be unknown.

    A base station's own clock is not trusted: it may be decades wrong.
    """
    said = _pyais(message)
    mmsi = int(said.mmsi)
    check_mmsi(mmsi)
    check_time(message.received_at, context.now, context.recorded)
    return StationReport(
        mmsi,
        moment(message.received_at),
        "base" if kind == 4 else "aid",
        *_whereabouts(said),
        _aid_name(said) if kind == 21 else None,
        _positive(said, "aid_type") if kind == 21 else None,
    )


def _whereabouts(said: Any) -> tuple[float | None, float | None]:
    """Latitude and longitude in degrees, both or neither."""
    latitude, longitude = getattr(said, "lat", None), getattr(said, "lon", None)
    if latitude is None or longitude is None or not (-90 <= latitude <= 90 and -180 <= longitude <= 180):
        return None, None
    return float(latitude), float(longitude)


def _aid_name(said: Any) -> str | None:
    """Twenty characters, and up to fourteen more in the extension."""
    name = _text(said, "name")
    extension = _text(said, "name_ext")
    return f"{name or ''}{extension or ''}"[:34] or None
