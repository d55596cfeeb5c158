"""A point of a recorded track to its report: what GPX and GeoJSON have in common.

The name of a track says whose it is: nine digits are a vessel's MMSI, six hex digits an aircraft's ICAO address.
"""

from __future__ import annotations

import re
from typing import NamedTuple

import msgspec

from ingest.clocks import moment
from ingest.formats.common import aircraft
from ingest.formats.common.context import Context
from ingest.formats.common.ranges import check_mmsi, check_position, check_time
from ingest.reports import AircraftReport, Message, VesselReport
from tracking.positions import bounds

METRES_PER_FOOT = 0.3048
KNOTS = 3600 / 1852  # of a metre a second
_NAME = re.compile(r"[0-9]{9}|~?[0-9a-fA-F]{6}")


class TrackOf(msgspec.Struct, gc=False):
    """What is added to a point: the name of its track."""

    name: str


class TrackPoint(NamedTuple):
    """WGS 84 degrees, knots, degrees true, metres above the sea; None where unknown."""

    latitude: float
    longitude: float
    speed: float | None = None
    course: float | None = None
    height: float | None = None


def is_name(name: str) -> bool:
    """Whether the name of a track says whose it is."""
    return _NAME.fullmatch(name) is not None


def reported(name: str, point: TrackPoint, message: Message, context: Context) -> VesselReport | AircraftReport:
    """The report of a point, heard at the message's time. Raises Rejected."""
    check_position(point.latitude, point.longitude)
    check_time(message.received_at, context.now, context.recorded)
    if len(name) == 9:
        return _of_vessel(int(name), point, message, context)
    return _of_aircraft(aircraft.icao(name), point, message, context)


def _of_vessel(mmsi: int, point: TrackPoint, message: Message, context: Context) -> VesselReport:
    check_mmsi(mmsi)
    heard, speed = moment(message.received_at), point.speed
    return VesselReport(
        vessel_id=mmsi,
        timestamp=heard,
        latitude=point.latitude,
        longitude=point.longitude,
        speed=speed if speed is not None and bounds.VESSEL_SPEED.holds(speed) else None,
        course=aircraft.track(point.course),
        heading=None,
        status=None,
        received_at=heard,
        source=context.source,
        score=context.trust,
    )


def _of_aircraft(icao: str, point: TrackPoint, message: Message, context: Context) -> AircraftReport:
    heard, height = moment(message.received_at), point.height
    return AircraftReport(
        aircraft_id=icao,
        timestamp=heard,
        latitude=point.latitude,
        longitude=point.longitude,
        altitude=None if height is None else aircraft.altitude(height / METRES_PER_FOOT),
        ground_speed=aircraft.ground_speed(point.speed),
        heading=aircraft.track(point.course),
        vertical_rate=None,
        on_ground=None,
        received_at=heard,
        source=context.source,
        score=context.trust,
    )
