"""AIS messages to reports.

A payload is 6-bit characters, most significant bit first. Position reports begin

    bits   0-5    6-7     8-37
           type   repeat  MMSI

and are decoded here by shifts, from as many bits as the position fields need: cut-off and over-long ones are on the
air. All other types go through pyais (`ais_static.py`). "Not available" becomes None at the level of the raw integer.
Times: see `event_time`. Source: ITU-R M.1371-5, annex 8; units as gpsd's AIVDM document gives them.
"""

from __future__ import annotations

from binascii import Error as Base64Error
from binascii import a2b_base64

from ingest.decoders import ais_static
from ingest.decoders.context import Context, moment
from ingest.errors import Rejected
from ingest.reports import Decoded, Message, VesselReport
from ingest.validation import check_mmsi, check_position, check_time

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
        static = ais_static.static(message, kind, context) if kind == 19 else None
        return Decoded(position, static)
    if kind == 27:
        return Decoded(_long_range(payload, fill, message.received_at, context))
    if len(payload) * 6 - fill < 38 or not 1 <= kind <= 27:
        raise Rejected("undecodable")  # pyais would take what is left of the MMSI for another, shorter one
    return ais_static.decode(message, kind, context)


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
    time = event_time(heard, bits >> layout.second & 0x3F, context)
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


def event_time(heard: int, second: int, context: Context) -> int:
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
