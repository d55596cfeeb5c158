"""Rows of OpenSky's states to messages: the header line says which columns there are.

    time,icao24,lat,lon,velocity,heading,vertrate,callsign,onground,alert,spi,squawk,baroaltitude,geoaltitude,
    lastposupdate,lastcontact

Enters bytes; a message is a row as it was received, heard at its `time`; the names of the columns are added, so that it
can be decoded alone. Columns may stand in any order and others between them (`hour`, `serials`). A header is foreign,
wherever it stands, and holds for the rows that follow; a run that begins behind it asks the source for it.
Reasons: `unknown_header`, `cell_count`, `quote_open`, `time_invalid`.
"""

from __future__ import annotations

from functools import lru_cache

import msgspec

from ingest.errors import Malformed
from ingest.formats.common.contract import Setup
from ingest.formats.common.documents import epoch_ms
from ingest.formats.common.lines import LineAssembly
from ingest.formats.opensky_csv.decoder import cells_of
from ingest.reports import Message

_NEEDED = frozenset({"time", "icao24", "lat", "lon", "lastcontact"})


class OpenSkyCsvAssembly(LineAssembly):
    """Rows of states."""

    max_line_bytes = 8192  # `serials` names every receiver

    def __init__(self, setup: Setup) -> None:
        super().__init__(setup.clock, setup.offset, setup.index)
        self._columns: tuple[str, ...] = ()
        self._added = b""
        self._head = setup.head if setup.offset else None

    @staticmethod
    def looks_like(head: bytes) -> bool:
        """The first line names the columns."""
        return columns_of(head.lstrip().split(b"\n")[0]) is not None

    def take(self, line: bytes, arrival: int | None) -> Message | None:
        """A header or blank (foreign), or a row. Raises Malformed."""
        if self._head is not None:
            head, self._head = self._head(), None
            self._learn(columns_of(head.split(b"\n")[0]))
        if not line.strip() or self._learn(columns_of(line)):
            self.count_foreign()
            return None
        if not self._columns:
            raise Malformed("unknown_header")
        found = cells_of(line)
        if found is None:
            raise Malformed("quote_open")
        if len(found) != len(self._columns):
            raise Malformed("cell_count")
        time = _ms(found[self._columns.index("time")])
        if time is None:
            raise Malformed("time_invalid")
        message = self.message(line, time, arrival, self._added)
        self.count_part()
        return message

    def _learn(self, columns: tuple[str, ...] | None) -> bool:
        """Whether these are the columns from here on."""
        if columns is None:
            return False
        self._columns, self._added = columns, msgspec.json.encode({"columns": ",".join(columns)})
        return True


def columns_of(line: bytes) -> tuple[str, ...] | None:
    """The names of the columns; None where the line is no header of states."""
    if b"icao24" not in line or b"lastcontact" not in line:
        return None
    names = tuple(name.strip().strip('"').lower() for name in line.decode(errors="replace").split(","))
    return names if set(names) >= _NEEDED else None


@lru_cache(maxsize=4096)
def _ms(text: str) -> int | None:
    try:
        return epoch_ms(float(text))
    except ValueError:
        return None
