"""One track point, as the Python library traffic writes them with `to_json(orient="records", lines=True)`.

    {"timestamp":1533099600000,"altitude":38000.0,"callsign":"TOM2XE","groundspeed":438.08,"icao24":"4067f2",
     "latitude":46.6792323226,"longitude":10.2021789551,"track":292.41,"vertical_rate":0.0}

Enters the object, heard at its `timestamp` (ms or s since 1970); leaves a position and the callsign. Feet, knots,
degrees true, feet per minute; any value but `icao24` and `timestamp` may be null or absent, other keys are left unread.
Whether an aircraft is on the ground is not said.
"""

from __future__ import annotations

import msgspec

from ingest.clocks import moment
from ingest.formats.common import aircraft, json_values
from ingest.formats.common.context import Context
from ingest.formats.common.ranges import check_position, check_time
from ingest.formats.documents.readsb import identity
from ingest.reports import AircraftReport, Decoded, Message


class _TrackPoint(msgspec.Struct, gc=False):
    icao24: str
    callsign: str | None = None
    latitude: float | None = None
    longitude: float | None = None
    altitude: float | None = None
    groundspeed: float | None = None
    track: float | None = None
    vertical_rate: float | None = None


_decode = msgspec.json.Decoder(_TrackPoint).decode


def decode(message: Message, context: Context) -> Decoded:
    """A position, static data, both or neither. Raises Rejected."""
    said = json_values.read(_decode, message.raw)
    icao = aircraft.icao(said.icao24)
    check_time(message.received_at, context.now, context.recorded)
    return Decoded(
        position=_position(said, icao, message, context),
        static=identity(icao, message.received_at, callsign=aircraft.callsign(said.callsign)),
    )


def _position(said: _TrackPoint, icao: str, message: Message, context: Context) -> AircraftReport | None:
    """The position where there is one. Raises Rejected."""
    if said.latitude is None or said.longitude is None:
        return None
    check_position(said.latitude, said.longitude)
    heard = moment(message.received_at)
    return AircraftReport(
        aircraft_id=icao,
        timestamp=heard,
        latitude=said.latitude,
        longitude=said.longitude,
        altitude=aircraft.altitude(said.altitude),
        ground_speed=aircraft.ground_speed(said.groundspeed),
        heading=aircraft.track(said.track),
        vertical_rate=aircraft.vertical_rate(said.vertical_rate),
        on_ground=None,
        received_at=heard,
        source=context.source,
        score=context.trust,
    )
