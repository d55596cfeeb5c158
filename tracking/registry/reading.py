"""Files of registers to entries: OpenSky's aircraft database, tar1090-db, Mictronics, and any CSV with named columns.

    icao24,registration,manufacturericao,…,typecode,…,operator,…        OpenSky; newer files in single quotes
    004002;Z-WPA;B732;00;BOEING 737-200;1986;Air Zimbabwe;              tar1090-db, without a header
    {"004002":{"r":"Z-WPA","t":"B732","f":"00","d":"BOEING 737 200"},…} Mictronics; or ["Z-WPA","B732","00",…]

Enters a file, plain or packed with gzip; leaves entries, and for each row that is none a reason, so that all are
counted. Memory is bounded. Of the flags of tar1090-db and Mictronics the first says whether an aircraft is military.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, NamedTuple

from resilience.pages.readable import one_line

MAX_LINE = 64 * 1024
_BLOCK = 1024 * 1024
_FIELDS = ("icao", "registration", "type_code", "operator", "military")
# Names of columns, in lower case and of letters and digits only, by what is in them. The first that is there counts.
_NAMES = {
    "icao": ("icao24", "icao", "hex", "icaoaddress", "modes", "modescode", "modescodehex", "icaohex"),
    "registration": ("registration", "reg", "r", "tail", "tailnumber", "nnumber"),
    "type_code": ("typecode", "icaotype", "icaotypecode", "t", "aircrafttype", "type"),
    "operator": ("operator", "operatorname", "registeredowners", "ownop", "owner", "ownername"),
    "military": ("military", "mil", "ismilitary"),
}
_TAR1090 = ("icao", "registration", "type_code", "flags", "description", "year", "operator")
_ICAO = re.compile(r"[0-9a-f]{6}")
_REGISTRATION = re.compile(r"[A-Z0-9][A-Z0-9 .+-]{0,11}")
_TYPE = re.compile(r"[A-Z0-9]{2,4}")
_TRUE = frozenset({"1", "true", "t", "yes", "y", "mil", "military"})
_OBJECT = re.compile(rb'"([^"\\]{1,8})"\s*:\s*(\{[^{}]*\}|\[[^\[\]]*\])')


class RegisterUnreadable(Exception):
    """The file cannot be a register; the text says what to do."""


class RegisterEntry(NamedTuple):
    """What a register says of one aircraft; empty where it says nothing."""

    icao: str
    registration: str
    type_code: str
    operator: str
    military: bool


class Row(NamedTuple):
    """A row of a file: its entry, or the reason why it has none; `size`: its bytes, about."""

    entry: RegisterEntry | None
    reason: str = ""
    size: int = 0


def parse_columns(text: str) -> dict[str, str]:
    """`icao=hex,registration=tail` as names of fields to names of columns. Raises Unreadable."""
    given: dict[str, str] = {}
    for part in text.split(","):
        ours, separator, theirs = (piece.strip() for piece in part.partition("="))
        ours = "type_code" if ours == "type" else ours
        if not separator or not theirs or ours not in _FIELDS:
            raise RegisterUnreadable(f"{part.strip()!r} is not FIELD=COLUMN with one of {', '.join(_FIELDS)}")
        given[ours] = theirs
    if "icao" not in given or len(given) < 2:
        raise RegisterUnreadable("icao and one more must be named, as in icao=hex,registration=tail")
    return given


def rows(path: Path, columns: Mapping[str, str] | None = None) -> Iterator[Row]:
    """The rows of a file. Raises Unreadable where its first line tells nothing, and OSError."""
    with path.open("rb") as raw:
        packed = raw.peek(2)[:2] == b"\x1f\x8b"
        file: IO[bytes] = gzip.open(raw) if packed else raw  # noqa: SIM115  it is closed with `raw`
        try:
            yield from _rows(io.BufferedReader(file, _BLOCK), columns)  # type: ignore[type-var]
        except (EOFError, gzip.BadGzipFile) as error:
            raise RegisterUnreadable(f"it is damaged: {error}") from error


def _rows(file: io.BufferedReader, columns: Mapping[str, str] | None) -> Iterator[Row]:
    head = file.peek(4096).lstrip(b"\xef\xbb\xbf \r\n\t")
    if head[:1] == b"{" and columns is None:
        yield from _objects(file)
        return
    text = io.TextIOWrapper(file, encoding="utf-8-sig", errors="replace", newline="")
    first = head.split(b"\n")[0].decode(errors="replace").strip()
    delimiter = max(",;\t|", key=first.count)
    quote = "'" if first.startswith("'") else '"'
    lines = _lines(text)
    if columns is None and delimiter == ";" and _ICAO.fullmatch(first.split(";")[0].lower()):
        places = {name: place for place, name in enumerate(_TAR1090)}
    else:
        names = next(csv.reader([next(lines, "")], delimiter=delimiter, quotechar=quote), [])
        places = _places(names, columns)
    yield from _cells(lines, delimiter, quote, places)


def _lines(text: Iterable[str]) -> Iterator[str]:
    """Lines, of which none takes more than MAX_LINE."""
    for line in text:
        yield line if len(line) <= MAX_LINE else ""


def _places(names: list[str], columns: Mapping[str, str] | None) -> dict[str, int]:
    plain = ["".join(filter(str.isalnum, name)).lower() for name in names]
    known = {
        ours: ("".join(filter(str.isalnum, theirs)).lower(),) for ours, theirs in (columns or {}).items()
    } or _NAMES
    found = {
        field: plain.index(name) for field, all_names in known.items() for name in all_names[::-1] if name in plain
    }
    missing = known.keys() - found.keys() if columns else {"icao"} - found.keys()
    if missing or len(found) < 2:
        shown = one_line(",".join(names))[:200]
        raise RegisterUnreadable(
            f"its first line, {shown!r}, names no column for {', '.join(sorted(missing)) or 'anything but addresses'}: "
            "say them with --columns icao=hex,registration=tail,type=t,operator=owner"
        )
    return found


def _cells(lines: Iterable[str], delimiter: str, quote: str, places: Mapping[str, int]) -> Iterator[Row]:
    last = max(place for name, place in places.items() if name in ("icao", "registration"))
    for line in lines:
        if not line.strip():
            continue
        try:
            found = next(csv.reader([line], delimiter=delimiter, quotechar=quote, strict=True))
        except csv.Error:
            yield Row(None, "quote_open", len(line))
            continue
        if len(found) <= last:
            yield Row(None, "cell_count", len(line))
            continue
        said = {name: found[place] for name, place in places.items() if place < len(found)}
        yield _row(said, len(line))


def _objects(file: io.BufferedReader) -> Iterator[Row]:
    """The members of one object, found by themselves, so that it need not fit into memory."""
    rest = b""
    while block := file.read(_BLOCK):
        rest += block
        end = 0
        for found in _OBJECT.finditer(rest):
            end = found.end()
            yield _member(found[1], found[2])
        rest = rest[end:][-MAX_LINE:]


def _member(name: bytes, value: bytes) -> Row:
    size = len(name) + len(value)
    try:
        said = json.loads(value)
    except ValueError:
        return Row(None, "json_broken", size)
    if isinstance(said, list):
        said = dict(zip(("r", "t", "f"), said, strict=False))
    texts = {key: text for key, text in said.items() if isinstance(text, str)}
    fields = {
        "icao": name.decode(errors="replace"),
        "registration": texts.get("r", ""),
        "type_code": texts.get("t", ""),
    }
    return _row(fields | {"operator": texts.get("ownOp", ""), "flags": texts.get("f", "")}, size)


def _row(said: Mapping[str, str], size: int) -> Row:
    icao = said["icao"].strip().lower()
    if not _ICAO.fullmatch(icao) or icao in ("000000", "ffffff"):
        return Row(None, "icao_invalid", size)
    military = said.get("military", "").strip().lower() in _TRUE or said.get("flags", "")[:1] == "1"
    registration = _matching(_REGISTRATION, said.get("registration", ""))
    type_code = _matching(_TYPE, said.get("type_code", ""))
    operator = one_line("".join(filter(str.isprintable, said.get("operator", "")))).strip()[:64]
    if not (registration or type_code or operator or military):
        return Row(None, "nothing_known", size)
    return Row(RegisterEntry(icao, registration, type_code, operator, military), "", size)


def _matching(pattern: re.Pattern[str], text: str) -> str:
    code = text.strip().upper()
    return code if pattern.fullmatch(code) else ""
