"""Rows of AIS CSV dumps to reports, several times faster than `ais_csv.decode` one by one.

Enters the messages of batches; leaves what each says, or the reason why it is refused: what `ais_csv.decode` gives, but
for static data that repeat. A dump repeats a ship's static cells in every row, so they are read once and remembered
(bounded), and leave once, apart from the positions, with the latest time at which they held: to the identities that is
the same, because the newest static data win. Numbers that come again and again (speeds, courses, headings) are
remembered too. Every row that is not quite ordinary goes to `ais_csv.decode`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Hashable, Sequence
from copy import copy
from functools import lru_cache
from typing import Any

from ingest.clocks import moment
from ingest.errors import Rejected
from ingest.formats.ais.static import HALF_A_YEAR
from ingest.formats.ais_csv import decoder as ais_csv
from ingest.formats.ais_csv.dialects import DANISH, MARINECADASTRE, ColumnLayout, layout_of
from ingest.formats.common.context import Context
from ingest.formats.common.ranges import NULL_ISLAND, time_window
from ingest.reports import Decoded, Message, VesselReport, VesselStatic
from tracking.positions import bounds

_SHIPS = 65_536  # whose lasting cells are remembered, some 500 bytes each
_NUMBERS = 20_000
_LAYOUTS = 4


class _Remembered(dict[Any, Any]):
    """What a function makes of a cell. Bounded: begins anew when full."""

    def __init__(self, function: Callable[[Any], Any], limit: int) -> None:
        super().__init__()
        self._function, self._limit = function, limit

    def __missing__(self, cell: Any) -> Any:
        value = self._function(cell)
        if len(self) >= self._limit:
            self.clear()
        self[cell] = value
        return value


class _ShipRows:
    """What the lasting cells of a row say: the MMSI, static data without time (None: none), the ETA as written, and the
    status unless it stands elsewhere."""

    __slots__ = ("eta", "mmsi", "static", "status")

    def __init__(self, mmsi: int, static: VesselStatic | None, eta: str, status: int | None) -> None:
        self.mmsi, self.static, self.eta, self.status = mmsi, static, eta, status


class SeenRow:
    """A ship as its ordinary rows showed it: the time of the first, and the static data of all, with the last one's
    time. `speaks`: whether there are any static data."""

    __slots__ = ("first", "speaks", "static")

    def __init__(self, static: VesselStatic, speaks: bool) -> None:
        self.first, self.static, self.speaks = static.at, static, speaks


_UNKNOWN = _ShipRows(0, None, "", None)


def _speed(cell: bytes) -> float | None:
    """Knots, of a vessel."""
    speed = ais_csv.readable(_text(cell))
    return speed if speed is not None and 0 <= speed <= 102.2 else None


def _course(cell: bytes) -> float | None:
    course = ais_csv.readable(_text(cell))
    return course if course is not None and bounds.COURSE.holds(course) else None


def _text(cell: bytes) -> str:
    return cell.decode(errors="replace")


_speeds = _Remembered(_speed, _NUMBERS)
_courses = _Remembered(_course, _NUMBERS)
_headings = _Remembered(lambda cell: ais_csv.whole_of(_text(cell), 359), _NUMBERS)
_statuses = _Remembered(lambda cell: ais_csv.status_of(_text(cell)), _NUMBERS)


@lru_cache(maxsize=_LAYOUTS)
def _ships_of(layout: ColumnLayout) -> dict[Hashable, _ShipRows | None]:
    """Ships by their lasting cells; None for those whose rows are not ordinary."""
    return {}


def decode_all(messages: Sequence[Message], context: Context, rows: Rows | None = None) -> list[Decoded | str]:
    """What each message of one batch says, or the reason why it is refused, in their order.

    `rows`, given for many batches, names the static data of a ship once for all of them; it has their latest times. So
    a backfill is 1.3 times as fast.
    """
    rows = Rows() if rows is None else rows
    said = [Decoded(one) if isinstance(one, VesselReport) else one for one in rows.read(messages, context)]
    for ordinal, seen in rows.begun:
        if seen.speaks:
            said[ordinal].static = seen.static  # type: ignore[union-attr]
    return said


class Rows:
    """Reads the rows of one or more batches of one feed, and remembers which ships they showed.

    `begun`: (ordinal of the message, ship) of those that the latest batch showed for the first time.
    """

    def __init__(self) -> None:
        self.begun: list[tuple[int, SeenRow]] = []
        self._seen: dict[_ShipRows, SeenRow] = {}
        self._parted: list[SeenRow] = []
        self._added: bytes | None = None  # to the row before
        self._layout: ColumnLayout | None = None
        self._ships: dict[Hashable, _ShipRows | None] = {}
        self._heard, self._at = 0, moment(0)

    def seen(self) -> list[SeenRow]:
        """What the ordinary rows showed so far; a ship once for each different static data."""
        return [*self._parted, *self._seen.values()]

    def __len__(self) -> int:
        """How many `seen` gives."""
        return len(self._parted) + len(self._seen)

    def read(self, messages: Sequence[Message], context: Context) -> list[VesselReport | Decoded | str]:
        """What each message says, in their order: the position of an ordinary row, whose ship `seen` tells; all that
        any other row says; or the reason why it is refused."""
        self._source, self._trust, self.begun = context.source, context.trust, []
        self._earliest, self._latest = time_window(context.now, context.recorded)
        said: list[VesselReport | Decoded | str] = []
        for ordinal, message in enumerate(messages):
            try:
                said.append(self._position(ordinal, message) or ais_csv.decode(message, context))
            except Rejected as refusal:
                said.append(refusal.reason)
        return said

    def _position(self, ordinal: int, message: Message) -> VesselReport | None:
        """The position that a row says; None where the row is not an ordinary one."""
        line = message.raw
        if b'"' in line:
            return None
        try:
            layout = self._layout
            if layout is None or message.added != self._added:
                layout = self._layout = layout_of(message.added)
                self._added, self._ships = message.added, _ships_of(layout)
            (north, east, speed, course, heading), status, lasting = layout.parts(line)
            latitude, longitude = float(north), float(east)
        except (ValueError, IndexError):
            return None
        ship = self._ships.get(lasting, _UNKNOWN)
        if ship is _UNKNOWN:
            ship = self._learn(layout, lasting, line)
        if (
            ship is None
            or not -90.0 <= latitude <= 90.0
            or not -180.0 <= longitude <= 180.0
            or (-NULL_ISLAND <= latitude <= NULL_ISLAND and -NULL_ISLAND <= longitude <= NULL_ISLAND)
            or not self._earliest <= message.received_at <= self._latest
        ):
            return None
        if message.received_at != self._heard:  # of the row before, which is mostly of the same second
            self._heard, self._at = message.received_at, moment(message.received_at)
        at = self._at
        # A value that refuses the row does so before the ship is noted as seen by it.
        position = VesselReport(
            ship.mmsi,
            at,
            latitude,
            longitude,
            _speeds[speed],
            _courses[course],
            _headings[heading],
            _statuses[status] if status else ship.status,
            at,
            self._source,
            self._trust,
            None,
        )
        seen = self._seen.get(ship)
        if seen is None or (seen.static.eta is not None and abs(seen.static.eta - at) > HALF_A_YEAR):
            self._begin(ordinal, ship, at, seen)
        elif at > seen.static.at:
            seen.static.at = at
        elif at < seen.first:
            seen.first = at
        return position

    def _learn(self, layout: ColumnLayout, lasting: Hashable, line: bytes) -> _ShipRows | None:
        """Read the lasting cells of a row."""
        if len(self._ships) >= _SHIPS:
            self._ships.clear()
        try:
            ship = self._ships[lasting] = _ship(layout, line)
        except IndexError:  # cut off
            return None
        return ship

    def _begin(self, ordinal: int, ship: _ShipRows, at: dt.datetime, before: SeenRow | None) -> None:
        """The ship is seen for the first time, or from now on with the ETA of another year."""
        if before is not None:
            self._parted.append(before)
        static = copy(ship.static) if ship.static else VesselStatic(ship.mmsi, at)
        static.at, static.eta = at, ais_csv.danish_eta(ship.eta, at)
        self._seen[ship] = seen = SeenRow(static, speaks=ship.static is not None or static.eta is not None)
        self.begun.append((ordinal, seen))


def _ship(layout: ColumnLayout, line: bytes) -> _ShipRows | None:
    """What a row's lasting cells say; None where `ais_csv.decode` must look at each row."""
    row = layout.read(line)
    if layout.dialect not in (DANISH, MARINECADASTRE) or row.kind in (*ais_csv.STATION_KINDS, "SAR Airborne", "9"):
        return None
    try:
        mmsi = ais_csv.mmsi_of(row.mmsi)
    except Rejected:
        return None
    if mmsi // 1_000_000 == 111:  # aircraft of search and rescue
        return None
    static = ais_csv.joined_static(row, layout.dialect, mmsi, moment(0), None)
    status = ais_csv.status_of(row.status) if layout.status < 0 else None
    return _ShipRows(mmsi, static, row.eta if layout.dialect == DANISH else "", status)
