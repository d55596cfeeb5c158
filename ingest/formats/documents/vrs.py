"""One aircraft of Virtual Radar Server's AircraftList.json to its report.

    {"Icao":"ABD031","Reg":"G-ABCD","Alt":36000,"Call":"TST031","Lat":51.2,"Long":4.2,"PosTime":1700020200000,
     "Mlat":false,"Tisb":false,"Spd":450.1,"Trak":90.5,"TrkH":false,"Type":"A320","Sqk":"1000","Vsi":0,"Gnd":false}

Enters the object, heard when the list was made (`stm`), else at its position's time; leaves a position dated by
`PosTime` (ms) and the identity. Feet, knots, degrees true, feet per minute; `TrkH`: the track is a heading, on the
ground only. `PosStale`, or a position without a time, is none. Source: Virtual Radar Server, "Aircraft list" of its
JSON API.
"""

from __future__ import annotations

import msgspec

from ingest.clocks import moment
from ingest.formats.common import aircraft, json_values
from ingest.formats.common.context import Context
from ingest.formats.common.ranges import check_position, check_time
from ingest.formats.documents.readsb import Untimed, identity
from ingest.reports import AircraftReport, Decoded, Message

QUALITY_OF_OTHERS = 60  # per cent: multilateration and TIS-B are computed by others


class _VrsAircraft(msgspec.Struct, rename="pascal", gc=False):
    icao: str
    reg: str | None = None
    call: str | None = None
    type: str | None = None
    sqk: str | None = None
    lat: float | None = None
    long: float | None = None
    pos_time: float | None = None
    pos_stale: bool = False
    alt: float | None = None
    g_alt: float | None = None
    spd: float | None = None
    trak: float | None = None
    trk_h: bool = False
    vsi: float | None = None
    gnd: bool | None = None
    mlat: bool = False
    tisb: bool = False


_decode = msgspec.json.Decoder(_VrsAircraft).decode


def decode(message: Message, context: Context) -> Decoded:
    """A position, static data, both or neither. Raises Rejected."""
    said = json_values.read(_decode, message.raw)
    icao = aircraft.icao(said.icao)
    check_time(message.received_at, context.now, context.recorded)
    static = identity(
        icao,
        message.received_at,
        callsign=aircraft.callsign(said.call),
        registration=json_values.registration(said.reg),
        type_code=json_values.type_code(said.type),
        squawk=aircraft.squawk(said.sqk),
    )
    try:
        position = _position(said, icao, message, context)
    except Untimed:
        if static is None:
            raise
        position = None
    return Decoded(position, static)


def _position(said: _VrsAircraft, icao: str, message: Message, context: Context) -> AircraftReport | None:
    """The position where there is one. Raises Rejected."""
    if said.lat is None or said.long is None or said.pos_stale:
        return None
    check_position(said.lat, said.long)
    if said.pos_time is None or not 0 < said.pos_time < 1e15:
        raise Untimed
    time = round(said.pos_time)
    check_time(time, context.now, context.recorded)
    altitude = aircraft.altitude(said.alt)
    quality = QUALITY_OF_OTHERS if said.mlat or said.tisb else 100
    return AircraftReport(
        aircraft_id=icao,
        timestamp=moment(time),
        latitude=said.lat,
        longitude=said.long,
        altitude=None if said.gnd else altitude if altitude is not None else aircraft.altitude(said.g_alt),
        ground_speed=aircraft.ground_speed(said.spd),
        heading=aircraft.track(said.trak) if not said.trk_h or said.gnd else None,
        vertical_rate=aircraft.vertical_rate(said.vsi),
        on_ground=said.gnd,
        received_at=moment(message.received_at),
        source=context.source,
        score=context.trust * quality // 100,
    )
