"""One point of a trace_full of readsb to its report.

    [26.89,16.833336,-88.059981,32000,483.3,340.7,0,0,{…},"adsb_icao",…]    added {"icao":"ac671b","r":"N899DN"}

Enters the point, to which the address of its trace is added, heard at the trace's `timestamp` and the point's offset;
leaves a position and, where the point carries details, the identity. The columns:

    0 offset (s)  1 latitude  2 longitude  3 altitude (ft or "ground")  4 ground speed (kt)  5 track  6 flags
    7 vertical rate (ft/min)  8 details (an object as in aircraft.json, or null)  9 type  10 geometric altitude (ft) …

Older traces end at column 8. Flags: 1 stale, 2 a new leg, 4 vertical rate geometric, 8 altitude geometric. Stale means
that none was heard in the 20 s before: the point itself is a position as good as others. On the ground, column 5 is
the true heading. Source: README-json.md of readsb.
"""

from __future__ import annotations

import msgspec

from ingest.clocks import moment
from ingest.formats.common import aircraft, json_values
from ingest.formats.common.context import Context
from ingest.formats.common.ranges import check_position, check_time
from ingest.formats.documents.readsb import altitude, identity, quality
from ingest.reports import AircraftReport, AircraftStatic, Decoded, Message


class _Details(msgspec.Struct, gc=False):
    flight: str | None = None
    category: str | None = None
    squawk: str | None = None


class _TraceColumns(msgspec.Struct, array_like=True, gc=False):
    """The columns up to `alt_geom`, more are left unread; None where the point ends before."""

    offset: float
    lat: float
    lon: float
    altitude: float | str | None = None
    gs: float | None = None
    track: float | None = None
    flags: int | None = None
    vertical_rate: float | None = None
    details: _Details | None = None
    type: str | None = None
    alt_geom: float | None = None


class TraceOf(msgspec.Struct, gc=False, omit_defaults=True):
    """What is added to a point: whose trace it is, and to the first one, registration and type."""

    icao: str
    r: str | None = None
    t: str | None = None


_read_point = msgspec.json.Decoder(_TraceColumns).decode
_read_trace = msgspec.json.Decoder(TraceOf).decode


def decode(message: Message, context: Context) -> Decoded:
    """A position, with static data where the point has them. Raises Rejected."""
    point, trace = json_values.read(_read_point, message.raw), json_values.read(_read_trace, message.added)
    icao = aircraft.icao(trace.icao)
    check_position(point.lat, point.lon)
    check_time(message.received_at, context.now, context.recorded)
    feet, on_ground = altitude(point.altitude, point.alt_geom)
    heard = moment(message.received_at)
    position = AircraftReport(
        aircraft_id=icao,
        timestamp=heard,
        latitude=point.lat,
        longitude=point.lon,
        altitude=feet,
        ground_speed=aircraft.ground_speed(point.gs),
        heading=aircraft.track(point.track),
        vertical_rate=aircraft.vertical_rate(point.vertical_rate),
        on_ground=on_ground,
        received_at=heard,
        source=context.source,
        score=context.trust * quality(point.type or "adsb_icao") // 100,
    )
    return Decoded(position=position, static=_identity(point, trace, icao, message.received_at))


def _identity(point: _TraceColumns, trace: TraceOf, icao: str, at: int) -> AircraftStatic | None:
    details = point.details or _Details()
    return identity(
        icao,
        at,
        callsign=aircraft.callsign(details.flight),
        registration=json_values.registration(trace.r),
        type_code=json_values.type_code(trace.t),
        category=json_values.category(details.category),
        squawk=aircraft.squawk(details.squawk),
    )
