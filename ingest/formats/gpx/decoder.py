"""One track point of GPX to its report.

    <trkpt lat="54.5" lon="10.2"><ele>3048</ele><time>…</time><speed>5.1</speed><course>90</course></trkpt>

Enters the point, heard at its `time`, to which the name of its track is added: nine digits are a vessel's MMSI, six hex
digits an aircraft's ICAO address. Leaves a position. `ele` is metres above the sea and counts for aircraft; `speed` is
metres a second and `course` degrees true, as GPX 1.0 and extensions of 1.1 have them. Source: GPX 1.1.
"""

from __future__ import annotations

import math
import re

import msgspec

from ingest.clocks import moment
from ingest.errors import Rejected
from ingest.formats.common import aircraft, json_values
from ingest.formats.common.context import Context
from ingest.formats.common.ranges import check_mmsi, check_position, check_time
from ingest.formats.gpx.assembly import TrackOf
from ingest.reports import AircraftReport, Decoded, Message, VesselReport
from tracking.positions import bounds

METRES_PER_FOOT = 0.3048
KNOTS = 3600 / 1852  # of a metre a second
_NUMBER = rb"\s*([-+]?[0-9]{1,20}(?:\.[0-9]{0,30})?)\s*"
_LATITUDE = re.compile(rb"\slat\s*=\s*[\"']%b[\"']" % _NUMBER)
_LONGITUDE = re.compile(rb"\slon\s*=\s*[\"']%b[\"']" % _NUMBER)
_HEIGHT, _SPEED, _COURSE = (
    re.compile(rb"<(?:\w+:)?%b>%b</" % (name, _NUMBER)) for name in (b"ele", b"speed", b"course")
)
_read_track = msgspec.json.Decoder(TrackOf).decode


def decode(message: Message, context: Context) -> Decoded:
    """A position. Raises Rejected."""
    name = json_values.read(_read_track, message.added).name
    latitude, longitude = _number(_LATITUDE, message.raw), _number(_LONGITUDE, message.raw)
    if latitude is None or longitude is None:
        raise Rejected("undecodable")
    check_position(latitude, longitude)
    check_time(message.received_at, context.now, context.recorded)
    speed, course = _number(_SPEED, message.raw), _number(_COURSE, message.raw)
    knots = None if speed is None else speed * KNOTS
    of = _vessel if len(name) == 9 and name.isascii() and name.isdecimal() else _aircraft
    return Decoded(position=of(name, message, context, (latitude, longitude), knots, course))


def _vessel(
    name: str, message: Message, context: Context, place: tuple[float, float], knots: float | None, course: float | None
) -> VesselReport:
    check_mmsi(int(name))
    heard = moment(message.received_at)
    return VesselReport(
        vessel_id=int(name),
        timestamp=heard,
        latitude=place[0],
        longitude=place[1],
        speed=knots if knots is not None and bounds.VESSEL_SPEED.holds(knots) else None,
        course=aircraft.track(course),
        heading=None,
        status=None,
        received_at=heard,
        source=context.source,
        score=context.trust,
    )


def _aircraft(
    name: str, message: Message, context: Context, place: tuple[float, float], knots: float | None, course: float | None
) -> AircraftReport:
    height = _number(_HEIGHT, message.raw)
    heard = moment(message.received_at)
    return AircraftReport(
        aircraft_id=aircraft.icao(name),
        timestamp=heard,
        latitude=place[0],
        longitude=place[1],
        altitude=None if height is None else aircraft.altitude(height / METRES_PER_FOOT),
        ground_speed=aircraft.ground_speed(knots),
        heading=aircraft.track(course),
        vertical_rate=None,
        on_ground=None,
        received_at=heard,
        source=context.source,
        score=context.trust,
    )


def _number(pattern: re.Pattern[bytes], raw: bytes) -> float | None:
    found = pattern.search(raw)
    value = float(found[1]) if found else math.nan
    return value if math.isfinite(value) else None
