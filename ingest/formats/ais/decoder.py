"""AIS messages to reports.

Position reports begin

    bits   0-5    6-7     8-37
           type   repeat  MMSI

and are decoded here by shifts, from as many bits as the position fields need: cut-off and over-long ones are on the
air. Static data, stations and all other types are left to `ais_static.py`. "Not available" becomes None at the level of
the raw integer. Times: see `event_time`. Source: ITU-R M.1371-5, annex 8; units as gpsd's AIVDM document gives them.
"""

from __future__ import annotations

from collections.abc import Sequence

from ingest.clocks import moment
from ingest.errors import Rejected
from ingest.formats.ais import static as ais_static
from ingest.formats.ais.bits import (
    DEGREES,
    HEADINGS,
    KINDS,
    KNOTS,
    NULL_ISLAND_RAW,
    PER_DEGREE,
    SNAP_MS,
    STATUSES,
    bits_of,
    payload_of,
)
from ingest.formats.ais.columns import position_reports
from ingest.formats.common.context import Context
from ingest.formats.common.ranges import check_mmsi, check_position, check_time
from ingest.reports import Decoded, Message, VesselReport

LONG_RANGE_QUALITY = 50  # per cent: type 27 resolves 185 m

SAR_AIRCRAFT = 9
LONG_RANGE = 27
EXTENDED_CLASS_B = 19
# Bits that a report needs: up to the heading, and for type 27 up to the course; the second behind it may be cut off.
_NEEDED = {1: 137, 2: 137, 3: 137, SAR_AIRCRAFT: 128, 18: 133, EXTENDED_CLASS_B: 133, LONG_RANGE: 94}
_SECOND_BITS = 6
_NO_SECOND = 60
_WHOLE_KNOTS = (*(float(raw) for raw in range(1023)), None)
_NO_LATITUDE, _NO_LONGITUDE = 91 * PER_DEGREE, 181 * PER_DEGREE


def decode_all(messages: Sequence[Message], context: Context) -> list[Decoded | str]:
    """What `decode` says of each message, in their order, or the reason why it refuses it."""
    said: list[Decoded | str | None] = [None] * len(messages)
    for number, report in position_reports(messages, context):
        said[number] = Decoded(report)
    return [one or _decoded(message, context) for one, message in zip(said, messages, strict=True)]


def _decoded(message: Message, context: Context) -> Decoded | str:
    try:
        return decode(message, context)
    except Rejected as refusal:
        return refusal.reason


def decode(message: Message, context: Context) -> Decoded:
    """What one AIS message says. Raises Rejected with `undecodable`, a validation code or `position_not_available`."""
    payload, fill = payload_of(message.raw)
    kind = KINDS[payload[0]] if payload else 64
    needed = _NEEDED.get(kind)
    if needed is None:
        return ais_static.decode(message, kind, payload, fill, context)
    if len(payload) * 6 - fill < needed:
        raise Rejected("undecodable")
    if kind == LONG_RANGE:
        return Decoded(_long_range(bits_of(payload, 16), message.received_at, context))
    whole = len(payload) * 6 - fill >= needed + _SECOND_BITS
    if kind == EXTENDED_CLASS_B:
        return _extended(message, payload, fill, whole, context)
    return Decoded(_position(kind, bits_of(payload, 28), whole, message.received_at, context))


def _extended(message: Message, payload: bytes, fill: int, whole: bool, context: Context) -> Decoded:
    """Type 19: a position, static data, or both. Raises Rejected where it has neither."""
    static = ais_static.static_of_class_b(message, payload, fill, context)
    try:
        position = _position(EXTENDED_CLASS_B, bits_of(payload, 28), whole, message.received_at, context)
    except Rejected:
        if static is None:
            raise
        return Decoded(static=static)
    return Decoded(position, static)


def _position(kind: int, bits: int, whole: bool, heard: int, context: Context) -> VesselReport:
    """Types 1, 2, 3 (class A), 9 (search and rescue aircraft), 18, 19 (class B), of which `bits` are the first 168.

    `whole`: the second is not cut off.

    Class A and type 9 have the same fields at the same bits, but type 9 an altitude in place of status and turn, speed
    in knots instead of tenths, and no heading. Class B has those of class A four bits earlier, and no status.
    Speed 1023, course 3600 and heading 511 are not available.
    """
    mmsi = bits >> 130 & 0x3FFFFFFF  # 8-37
    if not 0 < mmsi <= 999_999_999:
        check_mmsi(mmsi)
    status, knots, heading = None, KNOTS, None
    if kind <= 3:
        status = STATUSES[bits >> 126 & 0xF]  # 38-41
    elif kind == SAR_AIRCRAFT:
        knots = _WHOLE_KNOTS
    else:
        bits >>= 4  # to where class A has them
    longitude = bits >> 79 & 0xFFFFFFF  # 61-88
    latitude = bits >> 52 & 0x7FFFFFF  # 89-115
    if longitude > 0x7FFFFFF:
        longitude -= 0x10000000
    if latitude > 0x3FFFFFF:
        latitude -= 0x8000000
    if not (-54_000_000 <= latitude <= 54_000_000 and -108_000_000 <= longitude <= 108_000_000):
        _refuse_position(latitude, longitude)
    if -NULL_ISLAND_RAW <= latitude <= NULL_ISLAND_RAW and -NULL_ISLAND_RAW <= longitude <= NULL_ISLAND_RAW:
        raise Rejected("null_island")
    if kind == SAR_AIRCRAFT:
        second = bits >> 34 & 0x3F  # 128-133
    else:
        heading = HEADINGS[bits >> 31 & 0x1FF]  # 128-136
        second = bits >> 25 & 0x3F  # 137-142
    time = event_time(heard, second if whole else _NO_SECOND, context)
    timestamp = moment(time)
    return VesselReport(
        mmsi,
        timestamp,
        latitude / PER_DEGREE,
        longitude / PER_DEGREE,
        knots[bits >> 108 & 0x3FF],  # 50-59
        DEGREES[bits >> 40 & 0xFFF],  # 116-127
        heading,
        status,
        timestamp if time == heard else moment(heard),
        context.source,
        context.trust,
    )


def _refuse_position(latitude: int, longitude: int) -> None:
    """91 and 181 degrees mean not available, either alone makes no position; what else is off the globe is wrong."""
    if latitude == _NO_LATITUDE or longitude == _NO_LONGITUDE:
        raise Rejected("position_not_available")
    check_position(latitude / PER_DEGREE, longitude / PER_DEGREE)


def _long_range(bits: int, heard: int, context: Context) -> VesselReport:
    """Type 27, of which `bits` are the 96: tenths of minutes, whole knots (63 not available) and degrees (511)."""
    mmsi = bits >> 58 & 0x3FFFFFFF  # 8-37
    check_mmsi(mmsi)
    longitude, latitude = bits >> 34 & 0x3FFFF, bits >> 17 & 0x1FFFF  # 44-61, 62-78
    if longitude == 181 * 600 or latitude == 91 * 600:
        raise Rejected("position_not_available")
    latitude_degrees, longitude_degrees = _signed(latitude, 17) / 600, _signed(longitude, 18) / 600
    check_position(latitude_degrees, longitude_degrees)
    check_time(heard, context.now, context.recorded)
    at = moment(heard)
    speed, course = bits >> 11 & 0x3F, bits >> 2 & 0x1FF  # 79-84, 85-93
    return VesselReport(
        mmsi,
        at,
        latitude_degrees,
        longitude_degrees,
        float(speed) if speed < 63 else None,
        float(course) if course < 360 else None,
        None,
        STATUSES[bits >> 52 & 0xF],  # 40-43
        at,
        context.source,
        context.trust * LONG_RANGE_QUALITY // 100,
        coarse=True,
    )


def _signed(raw: int, bits: int) -> int:
    """Two's complement."""
    return raw - (1 << bits) if raw >> (bits - 1) else raw


def event_time(heard: int, second: int, context: Context) -> int:
    """The time of the report in ms: the message's UTC second next to when it was heard, if that is 10 s away or less.

    So the same report heard by three stations has one time. `second` is 0 to 59; 60 and above say no second. Invented
    times are left alone: nothing relates them to the ship's clock.
    """
    time = heard
    if context.snap and second < 60:
        delta = second * 1000 - heard % 60_000
        if delta > 30_000:
            delta -= 60_000
        elif delta < -30_000:
            delta += 60_000
        if -SNAP_MS <= delta <= SNAP_MS:
            time = heard + delta
    check_time(time, context.now, context.recorded)
    return time
