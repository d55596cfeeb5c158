"""Mode S messages to reports: stateless, since assembly has resolved what needs memory.

A message is the frame in hexadecimal digits, to which, where it says something that is kept, `Said` is added:

    8d4ca2165813a10f54560f3e2582             added {"icao":"4ca216","latitude":43.6,"longitude":1.3,"altitude":2850,…}

so that it can be read, stored and replayed on its own. What is added holds for this frame and for no other. Enters such
a message; leaves a position, static data, or nothing for frames that say neither. Decodes no bits:
`ingest/formats/modes/airspace.py` does.
"""

from __future__ import annotations

import msgspec

from ingest.clocks import moment
from ingest.errors import Rejected
from ingest.formats.common import aircraft
from ingest.formats.common.context import Context
from ingest.formats.common.ranges import check_position, check_time
from ingest.reports import AircraftReport, AircraftStatic, Decoded, Message

# Per cent: ADS-B is the aircraft's own fix; TIS-B and multilateration are computed by others.
QUALITY = {"adsb": 100, "tisb": 60, "mlat": 60}


class FrameContent(msgspec.Struct, omit_defaults=True, gc=False):
    """What a frame says together with those before it: WGS 84 degrees, feet, knots, degrees true, feet per minute.

    `ages` has the milliseconds by which a value is older than the frame. `kind` is "adsb", "tisb" or "mlat".
    `unresolved`: the frame carries a position, but too little is known to tell which.
    """

    icao: str
    kind: str = "adsb"
    unresolved: bool = False
    latitude: float | None = None
    longitude: float | None = None
    on_ground: bool | None = None
    altitude: int | None = None
    ground_speed: float | None = None
    track: float | None = None
    vertical_rate: int | None = None
    ages: dict[str, int] = {}
    callsign: str | None = None
    squawk: str | None = None
    category: str | None = None


_read = msgspec.json.Decoder(FrameContent).decode
_write = msgspec.json.Encoder().encode


def message_of(frame: bytes, said: FrameContent | None, heard: int) -> Message:
    """The message of a frame heard at `heard` (ms), and what assembly knows of it."""
    return Message(heard, frame.hex().encode(), b"" if said is None else _write(said))


def unresolved(message: Message) -> Message:
    """The same message, whose position turned out to be wrong."""
    said = _read(message.added)
    return Message(message.received_at, message.raw, _write(FrameContent(said.icao, said.kind, unresolved=True)))


def decode(message: Message, context: Context) -> Decoded:
    """What one frame says. Raises Rejected with `undecodable`, `position_unresolved` or a validation code."""
    if not message.added:
        return Decoded()
    try:
        said = _read(message.added)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Rejected("undecodable") from error
    address = aircraft.icao(said.icao)
    check_time(message.received_at, context.now, context.recorded)
    if said.unresolved:
        raise Rejected("position_unresolved")
    position = _position(said, address, message.received_at, context) if said.latitude is not None else None
    return Decoded(position, _static(said, address, message.received_at))


def _position(said: FrameContent, address: str, heard: int, context: Context) -> AircraftReport:
    """The position with what is known of the flight; a value out of its range is left out, with its age."""
    if said.latitude is None or said.longitude is None or said.kind not in QUALITY:
        raise Rejected("undecodable")
    check_position(said.latitude, said.longitude)
    at = moment(heard)
    report = AircraftReport(
        aircraft_id=address,
        timestamp=at,
        latitude=said.latitude,
        longitude=said.longitude,
        altitude=None if said.on_ground else aircraft.altitude(said.altitude),
        ground_speed=aircraft.ground_speed(said.ground_speed),
        heading=aircraft.track(said.track),
        vertical_rate=aircraft.vertical_rate(said.vertical_rate),
        on_ground=said.on_ground,
        received_at=at,
        source=context.source,
        score=context.trust * QUALITY[said.kind] // 100,
    )
    ages = ((_column(name), age) for name, age in said.ages.items())
    report.ages = {name: (heard - age) / 1000 for name, age in ages if getattr(report, name, None) is not None}
    return report


def _column(name: str) -> str:
    """The heading of aircraft is their track."""
    return "heading" if name == "track" else name


def _static(said: FrameContent, address: str, heard: int) -> AircraftStatic | None:
    """Static data if the frame has any that is valid."""
    callsign, squawk = aircraft.callsign(said.callsign), aircraft.squawk(said.squawk)
    if callsign is None and squawk is None and said.category is None:
        return None
    return AircraftStatic(address, moment(heard), callsign=callsign, category=said.category, squawk=squawk)
