"""AIS CSV dumps to messages: the header line says how the rows after it are read.

A message is a row as it was received; the compact rendering of the header
(`ingest.formats.ais_csv.dialects.ColumnLayout`) is added, so that it can be decoded alone. Its time is the row's own,
exact. A run that begins behind the header asks the source for it. Files put one after another work: a header anywhere
holds for the rows that follow.
"""

from __future__ import annotations

import datetime as dt
import logging
import re
from collections.abc import Iterator
from functools import lru_cache

from ingest.clocks import possible
from ingest.errors import Malformed
from ingest.formats.ais_csv.dialects import (
    DANISH,
    EXACTEARTH,
    MARINECADASTRE,
    ColumnLayout,
    cells,
    column_names,
    layout_of_header,
)
from ingest.formats.common import times
from ingest.formats.common.contract import Setup
from ingest.formats.common.lines import LineAssembly
from ingest.reports import Message

logger = logging.getLogger(__name__)

_DIGITS = b"0123456789"
_SEPARATES = re.compile(rb"[,;\t|]")
_SEPARATOR = re.compile(
    rb"\xef?\xbb?\xbf?\"?sep=.\"?\s*$", re.IGNORECASE
)  # a line for spreadsheets, in front of the header
_AMERICAN = re.compile(r"(\d{1,2})/(\d{1,2})/(\d{4}) (\d{1,2}:\d\d(?::\d\d)?) ?([AaPp][Mm])?")
_SHOWN = 200  # characters of a header that is not known


class AisCsvAssembly(LineAssembly):
    """Rows of one dump. Reasons: `unknown_header`, `cell_count`, `quote_open`, `time_invalid`, `line_too_long`."""

    max_line_bytes = 8192  # exactEarth: 139 columns, a header of 1,900 bytes

    def __init__(self, setup: Setup) -> None:
        super().__init__(setup.clock, setup.offset, setup.index)
        self._layout: ColumnLayout | None = None
        self._columns = 0
        self._told = False
        self._given = setup.columns
        self._head = setup.head if setup.offset else None
        self._first: bytes | None = None  # key of the layout that the file begins with
        self._line_start = setup.offset
        self._restart: tuple[int, int] | None = None

    @staticmethod
    def looks_like(head: bytes) -> bool:
        """The first line is a header of a known dialect."""
        return layout_of_header(first_line(head)) is not None

    def resume_at(self) -> tuple[int, int]:
        """Behind the last row; where another header than the first holds, at that one, since it must be read again."""
        return self._restart or super().resume_at()

    def feed(self, data: bytes, arrival: int | None) -> Iterator[Message]:
        """The messages that these bytes complete. An ordinary row, which has no quote, is read here and now.

        Rows of one second stand together, so the cell of the row before is remembered.
        """
        clock, time = self._clock, 0
        before: bytes | None = None  # None: no cell was read yet, which an empty one would be taken for
        for line, size in self._framer.feed(data):
            layout = self._layout
            if layout is None or not layout.is_cut or not line or line[:1] not in _DIGITS or b'"' in line:
                self._line_start, before = self.offset, None  # a header may change how times are read
                yield from self._each([(line, size)], arrival)
                continue
            self.offset += size
            self.lines += 1
            if line.count(b",") != self._columns - 1:
                self.malformed["cell_count"] += 1
                continue
            # The time is cut out, all other cells are left unread.
            cell = line.split(b",", layout.time + 1)[layout.time]
            try:
                if cell != before:
                    time, before = _time_of(layout.dialect, cell), cell
                heard = possible(clock(self.index, time, arrival))
            except Malformed as error:
                self.malformed[error.reason] += 1
                continue
            self.index += 1
            self.sentences += 1
            yield Message(heard, line, layout.added)

    def take(self, line: bytes, arrival: int | None) -> Message | None:
        """One line: a header or blank (foreign), or a row."""
        start, self._line_start = self._line_start, self.offset
        if self._head is not None:
            self._recall()
        if line[:1] not in _DIGITS and line.lstrip(b'"')[:1] not in _DIGITS and self._is_header(line, start):
            self.count_foreign()
            return None
        if not line:
            self.count_foreign()
            return None
        return self._row(line, arrival)

    def _recall(self) -> None:
        """Learn the header of a recording that is read from within."""
        head, self._head = self._head, None
        known = layout_of_header(first_line(head()), self._given) if head else None
        if known is not None:
            self._layout, self._columns = known
            self._first = self._layout.key

    def _is_header(self, line: bytes, start: int) -> bool:
        """Whether the line names columns; then they hold from here on, also if nobody knows them."""
        known = layout_of_header(line, self._given)
        if known is None and not any("mmsi" in name for name in column_names(line)):
            return line.startswith(b"#") or _SEPARATOR.match(line) is not None
        self._layout, self._columns = known or (None, 0)
        key = self._layout.key if self._layout else None
        if start == 0:
            self._first = key
        self._restart = (start, self.index) if key != self._first else None
        self._told = False
        if known is None:
            self._tell(line)
        return True

    def _row(self, line: bytes, arrival: int | None) -> Message:
        layout = self._layout
        if layout is None:
            self._tell(line)
            raise Malformed("unknown_header")
        try:
            found = cells(line, layout.delimiter)
        except ValueError:
            raise Malformed("quote_open") from None
        if len(found) != self._columns:
            raise Malformed("cell_count")
        time = _time(layout.dialect, found[layout.time])
        if layout.millisecond >= 0:
            time += _milliseconds(found[layout.millisecond])
        self.count_part()
        return self.message(line, time, arrival, layout.added)

    def _tell(self, line: bytes) -> None:
        """Say once for each header why its rows are refused."""
        if not self._told:
            self._told = True
            seen = line[:_SHOWN].decode(errors="replace")
            logger.warning(
                "rows are refused, nobody knows the header %r: name its columns, as in "
                "--columns timestamp=t,mmsi=id,lat=y,lon=x, or in the feed's options",
                seen,
            )


def first_line(head: bytes) -> bytes:
    """The header of a file that begins with `head`; comments may stand before it."""
    lines = re.split(rb"\r*\n|\r", head)
    return next((line for line in lines if not _SEPARATOR.match(line) and _SEPARATES.search(line)), b"")


@lru_cache(maxsize=4096)
def _time(dialect: str, text: str) -> int:
    """The row's time in ms since 1970; UTC unless it says another zone. Raises Malformed."""
    if dialect not in (DANISH, MARINECADASTRE, EXACTEARTH):
        return _any_time(text.strip())
    iso = text
    if dialect == DANISH:
        iso = f"{text[6:10]}-{text[3:5]}-{text[:2]}T{text[11:]}"
    elif dialect == EXACTEARTH:
        iso = f"{text[:8]}T{text[9:]}"
    try:
        at = dt.datetime.fromisoformat(iso)
        if len(text) < len("20210701_185151"):
            raise ValueError("a date without a time")
        return round((at if at.tzinfo else at.replace(tzinfo=dt.UTC)).timestamp() * 1000)
    except (ValueError, OverflowError):
        raise Malformed("time_invalid") from None


def _any_time(text: str) -> int:
    """A time in one of the forms that the other dialects have: an epoch, ISO 8601, or that of Americans."""
    time = times.epoch(text.encode()) or times.iso(text)
    if time is None and (found := _AMERICAN.fullmatch(text)):
        month, day, year, clock, half = found.groups()
        hour, _, rest = clock.partition(":")
        hour = str(int(hour) % 12 + (12 if half.upper() == "PM" else 0)) if half else hour
        time = times.iso(f"{year}-{month:0>2}-{day:0>2} {hour:0>2}:{rest if rest.count(':') else rest + ':00'}")
    if time is None:
        raise Malformed("time_invalid")
    return time


@lru_cache(maxsize=4096)
def _time_of(dialect: str, cell: bytes) -> int:
    """The time in a cell as it was received."""
    return _time(dialect, cell.decode(errors="replace"))


def _milliseconds(text: str) -> int:
    """What exactEarth has beside the second; 1,002 has been seen, and is added like any other."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= 4 else 0
