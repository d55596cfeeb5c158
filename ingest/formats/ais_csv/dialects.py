"""The dialects of AIS CSV dumps: which columns a header names, and a row read by them.

Enters the header line or a row; leaves a Layout or the cells of a Row. Columns are found by their names, whatever their
order, case and punctuation: files of one publisher differ in all three. What the cells mean is told by
`ingest/formats/ais_csv/decoder.py`, when a row was heard by `ingest/formats/ais_csv/assembly.py`.

    D  Danish Maritime Authority   # Timestamp,Type of mobile,MMSI,Latitude,...    26/04/2026 00:00:00
    M  NOAA MarineCadastre         MMSI,BaseDateTime,LAT,LON,... (to 2024)         2023-01-11T00:00:00
                                   mmsi,base_date_time,longitude,latitude,...      2025-01-01 00:00:00
    E  exactEarth                  MMSI,Message_ID,Repeat_indicator,Time,...       20210701_185151
    S  Spire                       created_at,timestamp,mmsi,msg_type,latitude,... 2021-01-01T00:00:05+00:00
    N  NARI, Brest                 sourcemmsi,navigationalstatus,...,lon,lat,t     1443650402
    H  AISHub                      MMSI,TIME,LONGITUDE,LATITUDE,...,NAVSTAT,...    2021-07-09 08:06:58 GMT, or an epoch:
                                   then the numbers are those of AIS (600,000ths of degrees, tenths)
    O  NOAA MarineCadastre         X,Y,SOG,COG,...,BaseDateTime,...,MMSI           2014/01/01 00:00:00
       (2009 to 2014, exported)                                                    1/1/2014 12:00:00 AM
    G  any other                   as the option `columns` says: timestamp=t,mmsi=vessel,latitude=y,longitude=x

Cells are separated by commas, semicolons, tabs or bars, whichever the header has most of.
"""

from __future__ import annotations

import csv
from collections.abc import Hashable, Iterable, Mapping
from functools import lru_cache
from operator import itemgetter
from typing import NamedTuple

import msgspec

from ingest.formats.common.json_values import BROKEN

DANISH, MARINECADASTRE, EXACTEARTH = "D", "M", "E"
SPIRE, NARI, AISHUB, EARLY_NOAA, GIVEN = "S", "N", "H", "O", "G"
MOVING = ("latitude", "longitude", "speed", "course", "heading")  # cells that differ from row to row


class CsvRow(NamedTuple):
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
    SPIRE: _COMMON
    | {"timestamp": "time", "msgtype": "kind", "status": "status", "speed": "speed", "course": "course"}
    | {"name": "name", "shipandcargotype": "ship_type", "shiptype": "ship_type", "eta": "eta"}
    | {"tobow": "bow", "tostern": "stern", "toport": "port", "tostarboard": "starboard"},
    NARI: {"sourcemmsi": "mmsi", "t": "time", "lat": "latitude", "lon": "longitude", "navigationalstatus": "status"}
    | {"speedoverground": "speed", "courseoverground": "course", "trueheading": "heading", "imonumber": "imo"}
    | {"callsign": "callsign", "shipname": "name", "shiptype": "ship_type", "eta": "eta", "draught": "draught"}
    | {"tobow": "bow", "tostern": "stern", "toport": "port", "tostarboard": "starboard"}
    | {"destination": "destination", "mothershipmmsi": "mothership"},
    AISHUB: _COMMON
    | {"time": "time", "navstat": "status", "name": "name", "type": "ship_type", "dest": "destination", "eta": "eta"}
    | {"a": "bow", "b": "stern", "c": "port", "d": "starboard"},
    EARLY_NOAA: _COMMON | {"basedatetime": "time", "x": "longitude", "y": "latitude", "status": "status"},
}
_NEEDED = {"time", "mmsi", "latitude", "longitude"}
# What a dialect has and no other does; of NARI's, the files of static data have no position.
_MARKS = {
    DANISH: {"typeofmobile"},
    EXACTEARTH: {"messageid"},
    SPIRE: {"msgtype"},
    NARI: {"sourcemmsi"},
    AISHUB: {"navstat"},
    EARLY_NOAA: {"x", "y"},
    MARINECADASTRE: {"basedatetime"},
}
_STATIC_NAMES = {"shipname", "callsign"}
_DELIMITERS = (",", ";", "\t", "|")
# What users call the columns of Row in the option `columns`.
_ALIASES = {"timestamp": "time", "lat": "latitude", "lon": "longitude", "sog": "speed", "cog": "course"}
_LETTERS = dict(zip(CsvRow._fields, "abcdefghijklmnopqrstuvwxyzABCDEF", strict=True))


class ColumnLayout:
    """Where the columns of one header are. `key` is its compact rendering: the dialect, then a letter a column.

    Columns that say nothing are dots. `added` is the key as it goes with a row, which can be read without its header.
    `is_cut`: rows without quotes can be cut at their commas, and the time stands in one cell.
    """

    def __init__(self, key: bytes) -> None:
        self.key = key
        self.added = msgspec.json.encode({"layout": key.decode()})  # to each row
        self.dialect, letters = key.decode()[:1], key.decode()[1:]
        self.delimiter = ","
        if letters[:1] in _DELIMITERS:
            self.delimiter, letters = letters[0], letters[1:]
        self._delimiter = self.delimiter.encode()
        # A field without a column is read from the empty cell that `read` appends.
        places = dict(zip(_LETTERS, (letters.find(letter) for letter in _LETTERS.values()), strict=True))
        self._pick = itemgetter(*places.values())
        self.time, self.millisecond = places["time"], places["millisecond"]
        self.is_cut = self.delimiter == "," and self.millisecond < 0
        self._head = max(places[name] for name in (*MOVING, "mmsi", "time"))
        self._moving = itemgetter(*(places[name] for name in MOVING))
        self.status = places["status"] if places["status"] <= self._head else -1
        passing = {self.status, self.time, *(places[name] for name in MOVING)}
        lasting = [place for place in places.values() if 0 <= place <= self._head and place not in passing]
        self._lasting = itemgetter(*lasting, self._head + 1)

    def read(self, line: bytes) -> CsvRow:
        """A row as it was received. Raises ValueError where it cannot be split, IndexError where cells are missing."""
        found = cells(line, self.delimiter)
        found.append("")
        return CsvRow._make(self._pick(found))

    def parts(self, line: bytes) -> tuple[tuple[bytes, ...], bytes, Hashable]:
        """The cells of MOVING and of the status, and what a ship repeats from row to row: all others but the time.

        For lines without quotes and all columns. The status is empty where it is among what is repeated, as it is where
        it stands behind all that moves. Raises IndexError.
        """
        found = line.split(self._delimiter, self._head + 1)  # what stands behind the head, if anything, is one cell
        found.append(b"")
        return self._moving(found), found[self.status] if self.status >= 0 else b"", self._lasting(found)


layout_of_key = lru_cache(maxsize=64)(ColumnLayout)


class _CsvAdded(msgspec.Struct, gc=False):
    layout: str


_read_added = msgspec.json.Decoder(_CsvAdded).decode


@lru_cache(maxsize=64)
def layout_of(added: bytes) -> ColumnLayout:
    """The layout that was added to a row. Raises ValueError where there is none."""
    try:
        return layout_of_key(_read_added(added).layout.encode())
    except BROKEN as error:
        raise ValueError(str(error)) from error


def layout_of_header(line: bytes, given: Mapping[str, str] | None = None) -> tuple[ColumnLayout, int] | None:
    """The layout and the number of columns that a header line announces; None where it is none of a known dialect.

    `given`: names of columns by what is in them, for headers that nobody knows; see `parse_columns`.
    """
    names = column_names(line)
    if given:
        return _layout(GIVEN, {_plain(theirs): ours for ours, theirs in given.items()}, names, line)
    present = set(names)
    for dialect, marks in _MARKS.items():
        if marks <= present and (found := _layout(dialect, _COLUMNS[dialect], names, line)) is not None:
            return found
    return None


def _layout(dialect: str, columns: Mapping[str, str], names: list[str], line: bytes) -> tuple[ColumnLayout, int] | None:
    fields = _once(columns.get(name, "") for name in names)
    static = dialect == NARI and set(names) >= _STATIC_NAMES and {"time", "mmsi"} <= set(fields)
    if not (static or set(fields) >= _NEEDED):
        return None
    letters = "".join(_LETTERS[field] if field else "." for field in fields).rstrip(".")
    delimiter = delimiter_of(line)
    return layout_of_key(f"{dialect}{'' if delimiter == ',' else delimiter}{letters}".encode()), len(names)


def parse_columns(text: str) -> dict[str, str]:
    """`timestamp=t,mmsi=sourcemmsi,latitude=y,longitude=x` as names of fields to names of columns.

    Raises ValueError with what is wrong, for people.
    """
    given: dict[str, str] = {}
    for part in text.split(","):
        ours, separator, theirs = (piece.strip() for piece in part.partition("="))
        field = _ALIASES.get(ours, ours)
        if not separator or not theirs or field not in CsvRow._fields:
            known = ", ".join(sorted({*_ALIASES, *CsvRow._fields}))
            raise ValueError(f"columns: {part.strip()!r} is not FIELD=COLUMN with one of {known}")
        given[field] = theirs
    if missing := _NEEDED - given.keys():
        raise ValueError(f"columns: {', '.join(sorted(missing))} must be named, as in timestamp=t,mmsi=id,lat=y,lon=x")
    return given


def delimiter_of(header: bytes) -> str:
    """What separates the cells of a header."""
    return max(_DELIMITERS, key=lambda delimiter: header.count(delimiter.encode()))


def column_names(line: bytes) -> list[str]:
    """The cells of a line as names of columns are compared: letters and digits, in lower case."""
    try:
        return [_plain(cell) for cell in cells(line, delimiter_of(line))]
    except ValueError:
        return []


def _plain(name: str) -> str:
    return "".join(filter(str.isalnum, name)).lower()


def cells(line: bytes, delimiter: str = ",") -> list[str]:
    """The cells of one line. Raises ValueError where a quoted cell does not end in it."""
    text = line.decode(errors="replace")
    if '"' not in text:
        return text.split(delimiter)
    try:
        return next(csv.reader([text], delimiter=delimiter, strict=True))
    except csv.Error as error:
        raise ValueError(str(error)) from error


def _once(fields: Iterable[str]) -> list[str]:
    """The first column of a name counts, later ones say nothing."""
    seen: set[str] = {""}
    return [field if field not in seen and not seen.add(field) else "" for field in fields]  # type: ignore[func-returns-value]
