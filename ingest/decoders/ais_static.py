"""AIS messages that pyais decodes: static data, stations, and those that are only counted.

Enters a message whose type is known (`ais.py` reads it); leaves static data, a station report, or nothing. pyais gives
numbers where a value is not available; they become None here.
Source: ITU-R M.1371-5, annex 8.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

import pyais
from pyais.exceptions import AISBaseException

from ingest.decoders.context import Context, moment
from ingest.errors import Rejected
from ingest.reports import Decoded, Message, StationReport, VesselStatic
from ingest.validation import check_mmsi, check_time, imo_number


def decode(message: Message, kind: int, context: Context) -> Decoded:
    """Static data (types 5, 24), stations (4, 21); everything else must at least be decodable. Raises Rejected."""
    if kind in (5, 24):
        return Decoded(static=static(message, kind, context))
    if kind in (4, 21):
        return Decoded(station=station(message, kind, context))
    check_mmsi(_pyais(message).mmsi)
    return Decoded()


def _pyais(message: Message) -> Any:
    """The message as pyais decodes it; whatever it refuses is undecodable."""
    try:
        return pyais.decode(*message.raw.split(b"\n"))
    except (AISBaseException, ValueError, IndexError, KeyError, TypeError, OverflowError) as error:
        raise Rejected("undecodable") from error


def static(message: Message, kind: int, context: Context) -> VesselStatic:
    """Static and voyage data of types 5, 19 and 24 (tables 51, 65, 68); type 24 comes in two parts."""
    said = _pyais(message)
    mmsi = int(said.mmsi)
    check_mmsi(mmsi)
    check_time(message.received_at, context.now, context.recorded)
    at = moment(message.received_at)
    report = VesselStatic(mmsi, at, name=_text(said, "shipname"), callsign=_text(said, "callsign"))
    report.ship_type = _positive(said, "ship_type")
    if mmsi // 10_000_000 == 98 and kind == 24:
        _add_mothership(report, said)
    else:
        _add_dimensions(report, said)
    if kind == 5:
        report.imo = imo_number(_number(said, "imo"))
        report.destination = _text(said, "destination")
        report.draught = float(getattr(said, "draught", None) or 0) or None
        report.eta = eta_of(at, *(getattr(said, part, None) for part in ("month", "day", "hour", "minute")))
    return report


def _text(said: Any, field: str) -> str | None:
    """A 6-bit string: what follows the first @ is padding. None where absent or blank."""
    text = str(getattr(said, field, "") or "").partition("@")[0].strip()
    return text or None


def _number(said: Any, field: str) -> int:
    """A number, 0 where a cut-off message or the other part of a message does not carry it."""
    return int(getattr(said, field, None) or 0)


def _positive(said: Any, field: str) -> int | None:
    """A number of which 0 means not available."""
    return _number(said, field) or None


def _add_dimensions(static: VesselStatic, said: Any) -> None:
    """Metres from the antenna. All zero: unknown; a zero beside other numbers is the antenna's place."""
    bow, stern, port, starboard = (_number(said, f"to_{side}") for side in ("bow", "stern", "port", "starboard"))
    if bow or stern:
        static.to_bow, static.to_stern = bow, stern
    if port or starboard:
        static.to_port, static.to_starboard = port, starboard


def _add_mothership(static: VesselStatic, said: Any) -> None:
    """Part B of an auxiliary craft (98MIDxxxx) has the mother ship's MMSI in place of the dimensions (30 bits)."""
    number = _number(said, "mothership_mmsi")
    static.mothership = number if 0 < number <= 999_999_999 else None


def eta_of(at: dt.datetime, *parts: int | None) -> dt.datetime | None:
    """The arrival nearest to the report, since the message names no year; None where any of month, day,
    hour and minute is not available."""
    if None in parts:
        return None
    month, day, hour, minute = (int(part or 0) for part in parts)
    candidates = []
    for year in (at.year - 1, at.year, at.year + 1):
        try:
            candidates.append(dt.datetime(year, month, day, hour, minute, tzinfo=dt.UTC))
        except ValueError:  # month or day 0, hour 24, minute 60, 29 February
            continue
    return min(candidates, key=lambda eta: abs(eta - at), default=None)


def station(message: Message, kind: int, context: Context) -> StationReport:
    """Base station report (type 4) or aid to navigation (type 21): tables 52 and 70. Its position may be unknown.

    A base station's own clock is not trusted: it may be decades wrong.
    """
    said = _pyais(message)
    mmsi = int(said.mmsi)
    check_mmsi(mmsi)
    check_time(message.received_at, context.now, context.recorded)
    return StationReport(
        mmsi,
        moment(message.received_at),
        "base" if kind == 4 else "aid",
        *_whereabouts(said),
        _aid_name(said) if kind == 21 else None,
        _positive(said, "aid_type") if kind == 21 else None,
    )


def _whereabouts(said: Any) -> tuple[float | None, float | None]:
    """Latitude and longitude in degrees, both or neither."""
    latitude, longitude = getattr(said, "lat", None), getattr(said, "lon", None)
    if latitude is None or longitude is None or not (-90 <= latitude <= 90 and -180 <= longitude <= 180):
        return None, None
    return float(latitude), float(longitude)


def _aid_name(said: Any) -> str | None:
    """Twenty characters, and up to fourteen more in the extension."""
    name = _text(said, "name")
    extension = _text(said, "name_ext")
    return f"{name or ''}{extension or ''}"[:34] or None
