"""Values of aircraft as all their formats give them: addresses, codes and ranges, for every decoder of aircraft.

Enters a number in the unit of AircraftReport, or a text; leaves what can be stored, None where the value is missing,
no number (NaN, infinity), or out of range: a wrong altitude is not worth a position. Only an address that names nobody
is refused, because without it there is no report. The database's check constraints repeat these ranges. Units are
converted by those who call.
"""

from __future__ import annotations

import re

from ingest.errors import Rejected
from tracking.positions import bounds

_ICAO = re.compile(r"~?[0-9a-f]{6}")
_SQUAWK = re.compile(r"[0-7]{4}")
# The character set of aircraft identification (ICAO Annex 10, volume IV, table 3-9): what else comes is a bit error.
_CALLSIGN = re.compile(r"[A-Z0-9][A-Z0-9 ]{0,7}")
# ICAO Annex 10, volume III: neither all zeros nor all ones is assigned to an aircraft.
_NOBODY = ("000000", "ffffff")


def icao(text: str) -> str:
    """The 24-bit address in lower case, `~` in front where it is not from ICAO. Raises Rejected("icao_invalid")."""
    address = text.strip().lower()
    if not _ICAO.fullmatch(address) or address.endswith(_NOBODY):
        raise Rejected("icao_invalid")
    return address


def altitude(feet: float | None) -> int | None:
    """Whole feet, -2,000 to 150,000."""
    return round(feet) if feet is not None and bounds.ALTITUDE.holds(feet) else None


def ground_speed(knots: float | None) -> float | None:
    """Knots, 0 to 4,000."""
    return float(knots) if knots is not None and bounds.GROUND_SPEED.holds(knots) else None


def track(degrees: float | None) -> float | None:
    """Degrees true, 0 to below 360. 360 is north: decoders that round to whole degrees write it for 359.6."""
    if degrees == bounds.COURSE.high:
        return 0.0
    return float(degrees) if degrees is not None and bounds.COURSE.holds(degrees) else None


def vertical_rate(feet_per_minute: float | None) -> int | None:
    """Whole feet per minute, climbing positive, -40,000 to 40,000."""
    known = feet_per_minute is not None and bounds.VERTICAL_RATE.holds(feet_per_minute)
    return round(feet_per_minute) if known and feet_per_minute is not None else None


def squawk(text: str | None) -> str | None:
    """The transponder code as four octal digits, leading zeros kept."""
    code = (text or "").strip()
    return code if _SQUAWK.fullmatch(code) else None


def callsign(text: str | None) -> str | None:
    """The flight identification in upper case without its padding, at most 8 characters."""
    name = (text or "").strip().upper()
    return name if _CALLSIGN.fullmatch(name) else None
