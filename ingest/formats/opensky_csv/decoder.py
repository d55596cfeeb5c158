"""One row of OpenSky's states to its report.

    1534291200,4b1812,47.45,8.56,117.6,236.3,-3.25,SWR252  ,False,False,False,3020,1127.8,1140.0,1534291199.2,1534291199

Enters the row, to which the names of its columns are added, heard at its `time`; leaves a position dated
`lastposupdate` and the identity dated `lastcontact` (seconds). Metres become feet, metres a second knots and feet per
minute, as in `ingest/formats/documents/opensky.py`, which says what is left out. What is missing is empty, `NaN` or
`None`. Source: OpenSky's "State vectors" data sets, their README.
"""

from __future__ import annotations

import csv
import math
from functools import lru_cache

import msgspec

from ingest.errors import Rejected
from ingest.formats.common import json_values
from ingest.formats.common.context import Context
from ingest.formats.documents import opensky
from ingest.reports import Decoded, Message

_NOTHING = frozenset({"", "nan", "none", "null"})
_TRUTHS = {"true": True, "t": True, "1": True, "false": False, "f": False, "0": False}


class _Added(msgspec.Struct, gc=False):
    columns: str


_read_added = msgspec.json.Decoder(_Added).decode


def cells_of(line: bytes) -> list[str] | None:
    """The cells of a row, None where a quoted one does not end."""
    text = line.decode(errors="replace")
    if '"' not in text:
        return text.split(",")
    try:
        return next(csv.reader([text], strict=True))
    except csv.Error:
        return None


def decode(message: Message, context: Context) -> Decoded:
    """A position, static data, both or neither. Raises Rejected."""
    columns, found = _columns(message.added), cells_of(message.raw)
    if found is None or len(found) != len(columns):
        raise Rejected("undecodable")
    said = {
        name: cell.strip() for name, cell in zip(columns, found, strict=True) if cell.strip().lower() not in _NOTHING
    }
    state = opensky.StateVector(
        icao24=said.get("icao24", ""),
        callsign=said.get("callsign"),
        country=None,
        time_position=_number(said.get("lastposupdate")),
        last_contact=_number(said.get("lastcontact")),
        longitude=_number(said.get("lon")),
        latitude=_number(said.get("lat")),
        baro_altitude=_number(said.get("baroaltitude")),
        on_ground=_TRUTHS.get(said.get("onground", "").lower()),
        velocity=_number(said.get("velocity")),
        true_track=_number(said.get("heading")),
        vertical_rate=_number(said.get("vertrate")),
        sensors=None,
        geo_altitude=_number(said.get("geoaltitude")),
        squawk=_squawk(said.get("squawk")),
        spi=None,
        position_source=None,
    )
    return opensky.said_by(state, message.received_at / 1000, message, context)


@lru_cache(maxsize=64)
def _columns(added: bytes) -> tuple[str, ...]:
    return tuple(json_values.read(_read_added, added).columns.split(","))


def _number(text: str | None) -> float | None:
    """Raises Rejected where the cell is no number."""
    if text is None:
        return None
    try:
        number = float(text)
    except ValueError:
        raise Rejected("cell_unreadable") from None
    return number if math.isfinite(number) else None


def _squawk(text: str | None) -> str | None:
    """Four digits again: tables of numbers lose leading zeros and write 1000 as `1000.0`."""
    digits = (text or "").removesuffix(".0")
    return digits.zfill(4) if digits.isdecimal() else None
