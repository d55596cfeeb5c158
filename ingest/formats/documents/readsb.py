"""One aircraft of an aircraft.json to its report.

    {"hex":"407689","flight":"EZY16EG ","alt_baro":23950,"gs":419.0,"track":10.5,"baro_rate":-1920,"squawk":"4155",
     "category":"A3","lat":50.517563,"lon":-0.840743,"seen_pos":11.1,"mlat":[],"tisb":[],"messages":119,"seen":0.2}

Enters the object, heard at the document's `now`; leaves a position dated `now - seen_pos` and, dated `now - seen`, the
identity: `flight`, `r` (registration), `t` (type), `category`, `squawk`. Feet (or "ground"), knots, degrees true, feet
per minute. Old names of dump1090-mutability: `altitude`, `speed`, `vert_rate`. Lists of aircraft without a document
around them (dump1090 of malcolmrobb) tell no ages: their positions are of the moment when the list arrived, as `added`
says, if `validposition` is not 0. `rr_lat` and `rr_lon` are guesses and
`lastPosition` is old: none of them is a position. Source: README-json.md of readsb.
"""

from __future__ import annotations

from typing import TypeVar

import msgspec

from ingest.clocks import moment
from ingest.errors import Rejected
from ingest.formats.common import aircraft, json_values
from ingest.formats.common.context import Context
from ingest.formats.common.ranges import check_position, check_time
from ingest.reports import AircraftReport, AircraftStatic, Decoded, Message

# Writers drop a position when it is 60 s old, but look for such ones only now and then: 61.1 s is seen.
MAX_AGE_SECONDS = 65
MAX_ADSC_AGE_SECONDS = 33 * 60  # by satellite, one report in a quarter of an hour is usual

_QUALITY = {
    "adsb_icao": 100,
    "adsb_icao_nt": 100,
    "adsb_other": 100,
    "adsr_icao": 90,
    "adsr_other": 90,
    "mlat": 60,
    "tisb_icao": 60,
    "tisb_other": 60,
    "tisb_trackfile": 60,
    "adsc": 60,
}
_OTHER_QUALITY = 50
_HEARD_ONCE = 2  # fewer messages than that are mostly bit errors in the address
_LONG_AGO = 1e10  # seconds: more than any clock says

T = TypeVar("T")


class _AircraftEntry(msgspec.Struct, gc=False):
    hex: str
    type: str | None = None
    flight: str | None = None
    r: str | None = None
    t: str | None = None
    category: str | None = None
    squawk: str | None = None
    lat: float | None = None
    lon: float | None = None
    seen_pos: float | None = None
    alt_baro: float | str | None = None
    altitude: float | str | None = None
    alt_geom: float | None = None
    gs: float | None = None
    speed: float | None = None
    track: float | None = None
    true_heading: float | None = None
    baro_rate: float | None = None
    geom_rate: float | None = None
    vert_rate: float | None = None
    validposition: float | None = None
    validtrack: float | None = None
    mlat: object = None
    tisb: object = None
    messages: float | None = None
    seen: float | None = None


_decode = msgspec.json.Decoder(_AircraftEntry).decode


class Untimed(Rejected):
    """Nobody knows how old the position is; who it is of is known all the same."""

    def __init__(self) -> None:
        super().__init__("position_time_missing")


def decode(message: Message, context: Context) -> Decoded:
    """A position, static data, both or neither.

    Raises Rejected: `undecodable`, `icao_invalid`, `position_stale`, `position_time_missing`, or out of range.
    """
    said = json_values.read(_decode, message.raw)
    icao = aircraft.icao(said.hex)
    check_time(message.received_at, context.now, context.recorded)
    try:
        position, untimed = _position(said, icao, message, context), False
    except Untimed:
        position, untimed = None, True
    heard = message.received_at - round(min(max(0.0, said.seen or 0.0), _LONG_AGO) * 1000)
    check_time(heard, context.now, context.recorded)
    if position is None and said.messages is not None and said.messages < _HEARD_ONCE:
        return Decoded()
    static = identity(
        icao,
        heard,
        callsign=aircraft.callsign(said.flight),
        registration=json_values.registration(said.r),
        type_code=json_values.type_code(said.t),
        category=json_values.category(said.category),
        squawk=aircraft.squawk(said.squawk),
    )
    if untimed and static is None:
        raise Untimed
    return Decoded(position, static)


def identity(icao: str, at: int, **known: str | None) -> AircraftStatic | None:
    """Static data heard at `at` (ms), None where nothing is known. `known` are fields of AircraftStatic."""
    return AircraftStatic(icao, moment(at), **known) if any(known.values()) else None


def quality(kind: str) -> int:
    """How far a type of position is to be trusted, percent; see `type` in README-json.md."""
    return _QUALITY.get(kind, _OTHER_QUALITY)


def altitude(barometric: float | str | None, geometric: float | None) -> tuple[int | None, bool | None]:
    """Feet, geometric only where no other is known, None on the ground; and whether it is on the ground.

    `barometric` is a number or the string "ground"; 0 ft is an altitude. None: not known.
    """
    if barometric == "ground":
        return None, True
    if barometric is None or isinstance(barometric, str):
        return aircraft.altitude(geometric), None
    return _first(aircraft.altitude(barometric), aircraft.altitude(geometric)), False


def _position(said: _AircraftEntry, icao: str, message: Message, context: Context) -> AircraftReport | None:
    """The position where there is one. Raises Rejected."""
    if said.lat is None or said.lon is None or said.validposition == 0:
        return None
    check_position(said.lat, said.lon)
    kind = _kind(said)
    time = message.received_at - _age_ms(said, kind, bool(message.added))
    check_time(time, context.now, context.recorded)
    feet, on_ground = altitude(said.alt_baro if said.alt_baro is not None else said.altitude, said.alt_geom)
    return AircraftReport(
        aircraft_id=icao,
        timestamp=moment(time),
        latitude=said.lat,
        longitude=said.lon,
        altitude=feet,
        ground_speed=_first(aircraft.ground_speed(said.gs), aircraft.ground_speed(said.speed)),
        heading=_heading(said, on_ground),
        vertical_rate=_first(*(aircraft.vertical_rate(v) for v in (said.baro_rate, said.geom_rate, said.vert_rate))),
        on_ground=on_ground,
        received_at=moment(message.received_at),
        source=context.source,
        score=context.trust * quality(kind) // 100,
    )


def _age_ms(said: _AircraftEntry, kind: str, at_arrival: bool) -> int:
    """How old the position was. Raises Rejected where that is not said, or too much."""
    if said.seen_pos is None and at_arrival:
        return 0
    if said.seen_pos is None:
        raise Untimed  # `seen` is of any message: it would make an old position fresh
    if said.seen_pos > (MAX_ADSC_AGE_SECONDS if kind == "adsc" else MAX_AGE_SECONDS):
        raise Rejected("position_stale")
    return round(max(0.0, said.seen_pos) * 1000)


def _kind(said: _AircraftEntry) -> str:
    """`type`; before there was one, lists named the fields that came by multilateration or TIS-B."""
    if said.type is not None:
        return said.type
    if isinstance(said.mlat, list) and "lat" in said.mlat:
        return "mlat"
    return "tisb_other" if isinstance(said.tisb, list) and "lat" in said.tisb else "adsb_icao"


def _heading(said: _AircraftEntry, on_ground: bool | None) -> float | None:
    """The track; on the ground, where aircraft send where their nose points instead, the true heading."""
    if said.validtrack == 0:
        return None
    if said.track is None and on_ground:
        return aircraft.track(said.true_heading)
    return aircraft.track(said.track)


def _first(*values: T | None) -> T | None:
    """The first that is known: 0 is."""
    return next((value for value in values if value is not None), None)
