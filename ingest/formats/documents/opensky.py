"""One OpenSky state vector to its report.

    ["4b1812","SWR252  ","Switzerland",1634471389,1634471390,16.6419,45.505,11285.22,false,236.32,117.62,0,null,
     11475.72,"3020",false,0]                                                           added {"time":1634471390}

Enters a state, to which the document's `time` is added, heard then; leaves a position, dated by item 3, and the
identity, dated by item 4. The items:

    0 icao24  1 callsign  2 country  3 time of the position (s, null: none in 15 s)  4 last contact  5 LONGITUDE
    6 LATITUDE  7 barometric altitude (m)  8 on the ground  9 speed (m/s)  10 track  11 vertical rate (m/s)  12 sensors
    13 geometric altitude (m)  14 squawk  15 spi  16 source of the position  17 category, only with `extended`

States of 2017 have an `alert` before `spi`: there item 16 is a boolean and 17 the source. Metres become feet, metres
a second knots and feet per minute. Source: OpenSky REST API; forum threads 97 and 1118.
"""

from __future__ import annotations

from typing import Any

import msgspec

from ingest.clocks import moment
from ingest.formats.common import aircraft, json_values
from ingest.formats.common.context import Context
from ingest.formats.common.ranges import check_position, check_time
from ingest.formats.documents.readsb import Untimed, identity
from ingest.reports import AircraftReport, Decoded, Message

FEET = 1 / 0.3048  # in a metre
KNOTS = 3600 / 1852  # in a metre a second
_LONGEST_AGE = 1e10  # seconds: more than any clock says

# By item 16: ADS-B, ASTERIX (radar), MLAT, FLARM.
_QUALITY = {0: 100, 1: 80, 2: 60, 3: 80}
_OTHER_QUALITY = 50
# By item 17, from 2 on; 0 and 1 say nothing. The order of DO-260B: sets A, B, C.
_CATEGORIES = [*(f"A{n}" for n in range(1, 8)), *(f"B{n}" for n in range(1, 8)), *(f"C{n}" for n in range(1, 6))]


class StateVector(msgspec.Struct, array_like=True, gc=False):
    """The items in their order, as `/states/all` lists them."""

    icao24: str
    callsign: str | None
    country: Any
    time_position: float | None
    last_contact: float | None
    longitude: float | None
    latitude: float | None
    baro_altitude: float | None
    on_ground: bool | None
    velocity: float | None
    true_track: float | None
    vertical_rate: float | None
    sensors: Any
    geo_altitude: float | None
    squawk: str | None
    spi: Any
    position_source: int | bool | None
    extra: int | None = None


class _StatesDocument(msgspec.Struct, gc=False):
    time: int


_read_state = msgspec.json.Decoder(StateVector).decode
_read_document = msgspec.json.Decoder(_StatesDocument).decode


def decode(message: Message, context: Context) -> Decoded:
    """A position, static data, both or neither. Raises Rejected; `undecodable` with fewer than 17 items."""
    state, now = json_values.read(_read_state, message.raw), json_values.read(_read_document, message.added).time
    return said_by(state, now, message, context)


def said_by(state: StateVector, now: float, message: Message, context: Context) -> Decoded:
    """What a state says that was heard `now` (seconds by the source's clock). Raises Rejected."""
    icao = aircraft.icao(state.icao24)
    heard = message.received_at - _ms(now - (state.last_contact or now))
    check_time(heard, context.now, context.recorded)
    source, category = _source_and_category(state)
    static = identity(
        icao,
        heard,
        callsign=aircraft.callsign(state.callsign),
        category=category,
        squawk=aircraft.squawk(state.squawk),
    )
    try:
        position = _position(state, now, icao, source, message, context)
    except Untimed:
        if static is None:
            raise
        position = None
    return Decoded(position, static)


def _position(
    state: StateVector, now: float, icao: str, source: int | None, message: Message, context: Context
) -> AircraftReport | None:
    """The position where there is one; `now`: the document's time (s). Raises Rejected."""
    if state.latitude is None or state.longitude is None:
        return None
    check_position(state.latitude, state.longitude)
    if state.time_position is None:
        raise Untimed
    time = message.received_at - _ms(now - state.time_position)
    check_time(time, context.now, context.recorded)
    return AircraftReport(
        aircraft_id=icao,
        timestamp=moment(time),
        latitude=state.latitude,
        longitude=state.longitude,
        altitude=None if state.on_ground else _altitude(state),
        ground_speed=aircraft.ground_speed(_scaled(state.velocity, KNOTS)),
        heading=aircraft.track(state.true_track),
        vertical_rate=aircraft.vertical_rate(_scaled(state.vertical_rate, FEET * 60)),
        on_ground=state.on_ground,
        received_at=moment(message.received_at),
        source=context.source,
        score=context.trust * _QUALITY.get(0 if source is None else source, _OTHER_QUALITY) // 100,
    )


def _ms(seconds: float) -> int:
    """Whole milliseconds, of at most as many seconds as there are since 1970."""
    return round(max(-_LONGEST_AGE, min(_LONGEST_AGE, seconds)) * 1000)


def _source_and_category(state: StateVector) -> tuple[int | None, str | None]:
    """The source of the position, and the category where there is one."""
    if isinstance(state.position_source, bool):
        return state.extra, None
    number = state.extra if state.extra is not None else 0
    return state.position_source, _CATEGORIES[number - 2] if 2 <= number < len(_CATEGORIES) + 2 else None


def _altitude(state: StateVector) -> int | None:
    """Feet: barometric, geometric where no other is known."""
    barometric = aircraft.altitude(_scaled(state.baro_altitude, FEET))
    return barometric if barometric is not None else aircraft.altitude(_scaled(state.geo_altitude, FEET))


def _scaled(value: float | None, factor: float) -> float | None:
    """In another unit, to a hundredth: the source has no more digits than that."""
    return None if value is None else round(value * factor, 2)
