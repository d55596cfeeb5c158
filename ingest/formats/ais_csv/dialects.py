"""The dialects of AIS CSV dumps: which columns a header names, and a row read by them.

Enters the header line or a row; leaves a Layout or the cells of a Row. Columns are found by their names, whatever their
order, case and punctuation: files of one publisher differ in all three. What the cells mean is told by
`ingest/formats/ais_csv/decoder.py`, when a row was heard by `ingest/formats/ais_csv/assembly.py`.

    D  Danish Maritime Authority   # Timestamp,Type of mobile,MMSI,Latitude,...    26/04/2026 00:00:00
    M  NOAA MarineCadastre         MMSI,BaseDateTime,LAT,LON,... (to 2024)         2023-01-11T00:00:00
                                   mmsi,base_date_time,longitude,latitude,...      2025-01-01 00:00:00
    E  exactEarth                  MMSI,Message_ID,Repeat_indicator,Time,...       20210701_185151
"""

from __future__ import annotations

import csv
from collections.abc import Hashable, Iterable
from functools import lru_cache
from operator import itemgetter
from typing import NamedTuple

import msgspec

from ingest.formats.common.json_values import BROKEN

DANISH, MARINECADASTRE, EXACTEARTH = "D", "M", "E"
MOVING = ("latitude", "longitude", "speed", "course", "heading")  # cells that differ from row to row


class Row(NamedTuple):
    """The cells of a row that say something, as they are written; empty where the dialect has no such column.

    `kind` is the type of mobile (Danish) or of the message (exactEarth); `eta` a whole date, or its parts.
    """

    time: str
    millisecond: str
    kind: str
    mmsi: str
    latitude: str
    longitude: str
    status: str
    speed: str
    course: str
    heading: str
    imo: str
    callsign: str
    name: str
    ship_type: str
    cargo: str
    length: str
    width: str
    bow: str
    stern: str
    port: str
    starboard: str
    draught: str
    destination: str
    eta: str
    month: str
    day: str
    hour: str
    minute: str
    aid_name: str
    name_extension: str
    aid_type: str
    mothership: str


_SAME = ("mmsi", "imo", "callsign", "length", "width", "draught", "destination", "latitude", "longitude", "heading")
_COMMON = {name: name for name in _SAME} | {"sog": "speed", "cog": "course"}
# By dialect: names of columns, in lower case and without punctuation, to fields of Row.
_COLUMNS = {
    DANISH: _COMMON
    | {"timestamp": "time", "typeofmobile": "kind", "navigationalstatus": "status", "name": "name"}
    | {"shiptype": "ship_type", "cargotype": "cargo", "eta": "eta"}
    | {"a": "bow", "b": "stern", "c": "port", "d": "starboard"}
    | {"sizea": "bow", "sizeb": "stern", "sizec": "port", "sized": "starboard"},
    MARINECADASTRE: _COMMON
    | {"basedatetime": "time", "lat": "latitude", "lon": "longitude", "vesselname": "name", "vesseltype": "ship_type"}
    | {"status": "status", "draft": "draught"},
    EXACTEARTH: _COMMON
    | {"time": "time", "millisecond": "millisecond", "messageid": "kind", "navigationalstatus": "status"}
    | {"vesselname": "name", "shiptype": "ship_type", "dimensiontobow": "bow", "dimensiontostern": "stern"}
    | {"dimensiontoport": "port", "dimensiontostarboard": "starboard", "etamonth": "month", "etaday": "day"}
    | {"etahour": "hour", "etaminute": "minute", "atonname": "aid_name", "nameextension": "name_extension"}
    | {"atontype": "aid_type", "mothershipmmsi": "mothership"},
}
_NEEDED = {"time", "mmsi", "latitude", "longitude"}
_LETTERS = dict(zip(Row._fields, "abcdefghijklmnopqrstuvwxyzABCDEF", strict=True))


class Layout:
    """Where the columns of one header are. `key` is its compact rendering: the dialect, then a letter a column.

    Columns that say nothing are dots. `added` is the key as it goes with a row, which can be read without its header.
    """

    def __init__(self, key: bytes) -> None:
        self.key = key
        self.added = b'{"layout":"%b"}' % key  # to each row
        self.dialect, letters = key.decode()[:1], key.decode()[1:]
        # A field without a column is read from the empty cell that `read` appends.
        places = dict(zip(_LETTERS, (letters.find(letter) for letter in _LETTERS.values()), strict=True))
        self._pick = itemgetter(*places.values())
        self.time, self.millisecond = places["time"], places["millisecond"]
        self._head = max(places[name] for name in (*MOVING, "mmsi", "time"))
        self._moving = itemgetter(*(places[name] for name in MOVING))
        self.status = places["status"] if places["status"] <= self._head else -1
        passing = {self.status, self.time, *(places[name] for name in MOVING)}
        lasting = [place for place in places.values() if 0 <= place <= self._head and place not in passing]
        self._lasting = itemgetter(*lasting, self._head + 1)

    def read(self, line: bytes) -> Row:
        """A row as it was received. Raises ValueError where it cannot be split, IndexError where cells are missing."""
        found = cells(line)
        found.append("")
        return Row._make(self._pick(found))

    def parts(self, line: bytes) -> tuple[tuple[bytes, ...], bytes, Hashable]:
        """The cells of MOVING and of the status, and what a ship repeats from row to row: all others but the time.

        For lines without quotes and all columns. The status is empty where it is among what is repeated, as it is where
        it stands behind all that moves. Raises IndexError.
        """
        found = line.split(b",", self._head + 1)  # what stands behind the head, if anything, is one cell
        found.append(b"")
        return self._moving(found), found[self.status] if self.status >= 0 else b"", self._lasting(found)


layout_of_key = lru_cache(maxsize=64)(Layout)


class _Added(msgspec.Struct, gc=False):
    layout: str


_read_added = msgspec.json.Decoder(_Added).decode


@lru_cache(maxsize=64)
def layout_of(added: bytes) -> Layout:
    """The layout that was added to a row. Raises ValueError where there is none."""
    try:
        return layout_of_key(_read_added(added).layout.encode())
    except BROKEN as error:
        raise ValueError(str(error)) from error


def layout_of_header(line: bytes) -> tuple[Layout, int] | None:
    """The layout and the number of columns that a header line announces; None where it is none of a known dialect."""
    names = column_names(line)
    for dialect, columns in _COLUMNS.items():
        fields = _once(columns.get(name, "") for name in names)
        if set(fields) >= _NEEDED and (dialect == MARINECADASTRE or "kind" in fields):
            letters = "".join(_LETTERS[field] if field else "." for field in fields).rstrip(".")
            return layout_of_key(f"{dialect}{letters}".encode()), len(names)
    return None


def column_names(line: bytes) -> list[str]:
    """The cells of a line as names of columns are compared: letters and digits, in lower case."""
    try:
        return ["".join(filter(str.isalnum, cell)).lower() for cell in cells(line)]
    except ValueError:
        return []


def cells(line: bytes) -> list[str]:
    """The cells of one line. Raises ValueError where a quoted cell does not end in it."""
    text = line.decode(errors="replace")
    if '"' not in text:
        return text.split(",")
    try:
        return next(csv.reader([text], strict=True))
    except csv.Error as error:
        raise ValueError(str(error)) from error


def _once(fields: Iterable[str]) -> list[str]:
    """The first column of a name counts, later ones say nothing."""
    seen: set[str] = {""}
    return [field if field not in seen and not seen.add(field) else "" for field in fields]  # type: ignore[func-returns-value]
