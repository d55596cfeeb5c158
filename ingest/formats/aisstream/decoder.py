"""Messages of aisstream.io to reports.

An envelope enters: `{"MessageType": T, "MetaData": {…}, "Message": {T: {…}}}`, where T names a type of ITU-R M.1371-5
and the innermost object has its fields, decoded to degrees, knots and metres but with the numbers that mean "not
available" left in. They become None here. The vessel is `UserID`; the MMSI and the position in MetaData are another
service's opinion and not read. Times are those of AIS: the moment it was heard, snapped to the message's UTC second.
Types that say neither where nor what somebody is are only counted, as are those that aisstream adds. Raises Rejected as
`ingest/formats/ais/decoder.py` does.
Source: aisstream/ais-message-models, type-definition.yaml.
"""

from __future__ import annotations

import msgspec

from ingest.clocks import moment
from ingest.errors import Rejected
from ingest.formats.ais.decoder import LONG_RANGE_QUALITY, event_time
from ingest.formats.ais.static import eta_of
from ingest.formats.common.context import Context
from ingest.formats.common.json_values import read
from ingest.formats.common.ranges import check_mmsi, check_position, check_time, imo_number, place_of_station
from ingest.reports import Decoded, Message, StationReport, VesselReport, VesselStatic
from tracking.positions import bounds

_LONG_RANGE = "LongRangeAisBroadcastMessage"
_SAR = "StandardSearchAndRescueAircraftReport"
_EXTENDED = "ExtendedClassBPositionReport"
_POSITIONS = frozenset({"PositionReport", "StandardClassBPositionReport", _EXTENDED, _SAR, _LONG_RANGE})
_STATICS = frozenset({"ShipStaticData", "StaticDataReport", _EXTENDED})
_STATIONS = {"BaseStationReport": "base", "AidsToNavigationReport": "aid"}
# By MessageID, which decides where it is there: 11, the answer of a ship, comes as a BaseStationReport.
_KINDS = {
    **dict.fromkeys((1, 2, 3), "PositionReport"),
    **{4: "BaseStationReport", 5: "ShipStaticData", 9: _SAR, 18: "StandardClassBPositionReport", 19: _EXTENDED},
    **{21: "AidsToNavigationReport", 24: "StaticDataReport", 27: _LONG_RANGE},
}
_NO_SECOND = 60
_NO_SPEEDS = {_LONG_RANGE: 63, _SAR: 1023}  # whole knots
_NO_SPEED = 102.25  # between the last speed, 102.2, and "not available", 102.3: no float is exactly either


class _Dimension(msgspec.Struct, rename="upper", gc=False):
    """Metres from the antenna to bow, stern, port and starboard; 0: unknown."""

    a: int = 0
    b: int = 0
    c: int = 0
    d: int = 0


class _Eta(msgspec.Struct, rename="pascal", gc=False):
    month: int = 0
    day: int = 0
    hour: int = 24
    minute: int = 60


class _PartA(msgspec.Struct, rename="pascal", gc=False):
    valid: bool = False
    name: str = ""


class _PartB(msgspec.Struct, rename="pascal", gc=False):
    valid: bool = False
    ship_type: int = 0
    call_sign: str = ""
    dimension: _Dimension = msgspec.field(default_factory=_Dimension)


class _MessageFields(msgspec.Struct, rename="pascal", gc=False):
    """The fields of all types that are read; what a type does not have is as if not available."""

    user_id: int = msgspec.field(default=0, name="UserID")
    message_id: int = msgspec.field(default=0, name="MessageID")
    valid: bool = True
    latitude: float = 91.0
    longitude: float = 181.0
    sog: float = 1023.0
    cog: float = 360.0
    true_heading: int = 511
    navigational_status: int = 15
    timestamp: int = _NO_SECOND
    name: str = ""
    name_extension: str = ""
    call_sign: str = ""
    imo_number: int = 0
    type: int = 0
    dimension: _Dimension = msgspec.field(default_factory=_Dimension)
    eta: _Eta = msgspec.field(default_factory=_Eta)
    maximum_static_draught: float = 0.0
    destination: str = ""
    report_a: _PartA = msgspec.field(default_factory=_PartA)
    report_b: _PartB = msgspec.field(default_factory=_PartB)


class _Sender(msgspec.Struct, gc=False):
    """All that is read of the types that are only counted; None where a type does not name the sender."""

    user_id: int | None = msgspec.field(default=None, name="UserID")


class _MessageDocument(msgspec.Struct, gc=False):
    type: str = msgspec.field(name="MessageType")
    said: dict[str, msgspec.Raw] = msgspec.field(name="Message")


_read = msgspec.json.Decoder(_MessageDocument).decode
_read_said = msgspec.json.Decoder(_MessageFields).decode
_read_sender = msgspec.json.Decoder(_Sender).decode


def decode(message: Message, context: Context) -> Decoded:
    """What one envelope says. Raises Rejected with `undecodable`, a validation code or `position_not_available`."""
    envelope = read(_read, message.raw)
    kind, raw = envelope.type, envelope.said.get(envelope.type)
    if raw is None:
        raise Rejected("undecodable")
    if kind not in _POSITIONS | _STATICS | _STATIONS.keys():
        _check_sender(read(_read_sender, raw).user_id)
        return Decoded()
    said, heard = read(_read_said, raw), message.received_at
    if not said.valid:
        raise Rejected("undecodable")
    _check_sender(said.user_id)
    if said.message_id and _KINDS.get(said.message_id) != kind:
        return Decoded()
    if kind in _STATIONS:
        return Decoded(station=_station(said, _STATIONS[kind], heard, context))
    static = _static(said, kind, heard, context) if kind in _STATICS else None
    try:
        position = _position(said, kind, heard, context) if kind in _POSITIONS else None
    except Rejected:
        if static is None:
            raise
        position = None
    return Decoded(position, static)


def _check_sender(mmsi: int | None) -> None:
    if mmsi is None:
        return
    if mmsi < 0:
        raise Rejected("undecodable")
    check_mmsi(mmsi)


def _position(said: _MessageFields, kind: str, heard: int, context: Context) -> VesselReport:
    if said.latitude == 91.0 or said.longitude == 181.0:
        raise Rejected("position_not_available")
    check_position(said.latitude, said.longitude)
    second = said.timestamp if kind != _LONG_RANGE and 0 <= said.timestamp < 60 else _NO_SECOND
    time = event_time(heard, second, context)
    return VesselReport(
        said.user_id,
        moment(time),
        said.latitude,
        said.longitude,
        _speed(said.sog, kind),
        said.cog if bounds.COURSE.holds(said.cog) else None,
        said.true_heading if bounds.VESSEL_HEADING.holds(said.true_heading) else None,
        said.navigational_status if bounds.STATUS.holds(said.navigational_status) else None,
        moment(heard),
        context.source,
        context.trust * LONG_RANGE_QUALITY // 100 if kind == _LONG_RANGE else context.trust,
        coarse=kind == _LONG_RANGE,
    )


def _is_draught(metres: float) -> bool:
    """0 says that it is not available."""
    return metres > 0 and bounds.DRAUGHT.holds(metres)


def _speed(knots: float, kind: str) -> float | None:
    """Knots; None for the number that the type has for "not available", and for what it cannot say."""
    return knots if bounds.VESSEL_SPEED.holds(knots) and knots < _NO_SPEEDS.get(kind, _NO_SPEED) else None


def _static(said: _MessageFields, kind: str, heard: int, context: Context) -> VesselStatic:
    """Static data; of a StaticDataReport the part that it brings, A (name) or B."""
    check_time(heard, context.now, context.recorded)
    at = moment(heard)
    if kind == "StaticDataReport":
        return _parts(said, VesselStatic(said.user_id, at))
    report = VesselStatic(said.user_id, at, name=_text(said.name, 20), ship_type=_positive(said.type, 255))
    _add_dimensions(report, said.dimension)
    if kind == "ShipStaticData":
        report.callsign, report.imo = _text(said.call_sign, 7), imo_number(said.imo_number)
        report.destination = _text(said.destination, 20)
        report.draught = said.maximum_static_draught if _is_draught(said.maximum_static_draught) else None
        eta = said.eta
        report.eta = eta_of(at, eta.month, eta.day, eta.hour, eta.minute)
    return report


def _parts(said: _MessageFields, report: VesselStatic) -> VesselStatic:
    if said.report_a.valid:
        report.name = _text(said.report_a.name, 20)
    part = said.report_b
    if part.valid:
        report.callsign, report.ship_type = _text(part.call_sign, 7), _positive(part.ship_type, 255)
        if said.user_id // 10_000_000 == 98:
            _add_mothership(report, part.dimension)
        else:
            _add_dimensions(report, part.dimension)
    return report


def _add_dimensions(report: VesselStatic, size: _Dimension) -> None:
    """Metres from the antenna. All zero: unknown; a zero beside other numbers is the antenna's place."""
    if (size.a or size.b) and 0 <= size.a <= 511 and 0 <= size.b <= 511:
        report.to_bow, report.to_stern = size.a, size.b
    if (size.c or size.d) and 0 <= size.c <= 63 and 0 <= size.d <= 63:
        report.to_port, report.to_starboard = size.c, size.d


def _add_mothership(report: VesselStatic, size: _Dimension) -> None:
    """An auxiliary craft (98MIDxxxx) has the mother ship's MMSI in the 30 bits of the dimensions (9, 9, 6, 6)."""
    number = size.a << 21 | size.b << 12 | size.c << 6 | size.d
    report.mothership = number if 0 < number <= 999_999_999 else None


def _station(said: _MessageFields, kind: str, heard: int, context: Context) -> StationReport:
    """A base station or an aid to navigation. Its position may be unknown; its own clock is not trusted."""
    check_time(heard, context.now, context.recorded)
    latitude, longitude = place_of_station(said.latitude, said.longitude)
    report = StationReport(said.user_id, moment(heard), kind, latitude, longitude)
    if kind == "aid":
        report.name = f"{_text(said.name, 20) or ''}{_text(said.name_extension, 14) or ''}" or None
        report.aid_type = _positive(said.type, 31)
    return report


def _text(text: str, longest: int) -> str | None:
    """What follows the first @ is padding; AIS has no characters but those of ASCII. None where blank."""
    said = text.partition("@")[0]
    return "".join(char for char in said if char.isascii() and char.isprintable()).strip()[:longest] or None


def _positive(number: int, most: int) -> int | None:
    """A number of which 0 means not available."""
    return number if 0 < number <= most else None
