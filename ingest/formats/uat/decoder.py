"""One downlink message of UAT to its report, as dump978-fa writes it.

    {"address":"a66ef4","address_qualifier":"adsb_icao","airground_state":"airborne","callsign":"N512RT",
     "emitter_category":"A1","flightplan_id":"1200","geometric_altitude":3375,"ground_speed":96,
     "position":{"lat":42.50123,"lon":-71.04321},"pressure_altitude":3100,"true_track":243.4,
     "vertical_velocity_barometric":-64,"metadata":{"errors":0,"received_at":1700000000.123,"rssi":-22.6}}

Enters the object, heard at its `received_at`; leaves a position and the identity. Feet, knots, degrees true, feet per
minute; `flightplan_id` is the transponder code. Addresses that are not from ICAO get `~`, as everywhere. Beacons that
stand still are none of ours. Source: dump978-fa, `AdsbMessage::ToJson`; RTCA DO-282B, 2.2.4.5.
"""

from __future__ import annotations

import msgspec

from ingest.clocks import moment
from ingest.formats.common import aircraft, json_values
from ingest.formats.common.context import Context
from ingest.formats.common.ranges import check_position, check_time
from ingest.formats.documents.readsb import altitude, identity, quality
from ingest.reports import AircraftReport, Decoded, Message

_FROM_ICAO = frozenset({"adsb_icao", "tisb_icao", "vehicle"})
_BEACON = "fixed_beacon"
_AIRBORNE, _GROUND = frozenset({"airborne", "supersonic"}), "ground"


class _UatPosition(msgspec.Struct, gc=False):
    lat: float
    lon: float


class _Downlink(msgspec.Struct, gc=False):
    address: str
    address_qualifier: str = "adsb_icao"
    position: _UatPosition | None = None
    pressure_altitude: float | None = None
    geometric_altitude: float | None = None
    airground_state: str | None = None
    ground_speed: float | None = None
    true_track: float | None = None
    true_heading: float | None = None
    vertical_velocity_barometric: float | None = None
    vertical_velocity_geometric: float | None = None
    callsign: str | None = None
    flightplan_id: str | None = None
    emitter_category: str | None = None


_decode = msgspec.json.Decoder(_Downlink).decode


def decode(message: Message, context: Context) -> Decoded:
    """A position, static data, both or neither. Raises Rejected."""
    said = json_values.read(_decode, message.raw)
    address = said.address.strip().removeprefix("~")
    icao = aircraft.icao(address if said.address_qualifier in _FROM_ICAO else f"~{address}")
    check_time(message.received_at, context.now, context.recorded)
    if said.address_qualifier == _BEACON:
        return Decoded()
    static = identity(
        icao,
        message.received_at,
        callsign=aircraft.callsign(said.callsign),
        category=json_values.category(said.emitter_category),
        squawk=aircraft.squawk(said.flightplan_id),
    )
    return Decoded(_position(said, icao, message, context), static)


def _position(said: _Downlink, icao: str, message: Message, context: Context) -> AircraftReport | None:
    """The position where there is one. Raises Rejected."""
    if said.position is None:
        return None
    check_position(said.position.lat, said.position.lon)
    on_ground = True if said.airground_state == _GROUND else False if said.airground_state in _AIRBORNE else None
    feet, _ = altitude(said.pressure_altitude, said.geometric_altitude)
    heard = moment(message.received_at)
    kind = "adsb_icao" if said.address_qualifier == "vehicle" else said.address_qualifier
    return AircraftReport(
        aircraft_id=icao,
        timestamp=heard,
        latitude=said.position.lat,
        longitude=said.position.lon,
        altitude=None if on_ground else feet,
        ground_speed=aircraft.ground_speed(said.ground_speed),
        heading=aircraft.track(said.true_heading if said.true_track is None and on_ground else said.true_track),
        vertical_rate=_vertical_rate(said),
        on_ground=on_ground,
        received_at=heard,
        source=context.source,
        score=context.trust * quality(kind) // 100,
    )


def _vertical_rate(said: _Downlink) -> int | None:
    """Barometric, geometric where no other is known."""
    barometric = aircraft.vertical_rate(said.vertical_velocity_barometric)
    return barometric if barometric is not None else aircraft.vertical_rate(said.vertical_velocity_geometric)
