"""Objects of AIS services to messages: objects a line, lists, collections of GeoJSON, server-sent events.

Enters documents; leaves their objects, each with when it was heard: by its own time, else by that of the document, else
when it arrived; of a line of GeoJSON its points (`tracks.py`). What an object is called by its service decides how its
numbers are meant; that is `added`:

    {"unit":"ais"}      AISHub with format=0, gpsd without scaling: 600,000ths of degrees, tenths of knots and degrees
    {"unit":"tenths"}   draught in tenths of metres: BarentsWatch, Digitraffic

Source: the services' API descriptions; gpsd's gpsd_json document; "JSON AIS" of aprs.fi.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import msgspec

from ingest.errors import Malformed
from ingest.formats.ais_json import tracks
from ingest.formats.common import times
from ingest.formats.common.contract import Setup
from ingest.formats.common.documents import DocumentAssembly, Entry, epoch_ms
from ingest.reports import Message

TIME_KEYS = (
    "msgtime",
    "timestampexternal",
    "time",
    "timestamp",
    "rxuxtime",
    "rxtime",
    "dtposutc",
    "receivedat",
    "tstamp",
)
SCALED, TENTHS = b'{"unit":"ais"}', b'{"unit":"tenths"}'
_LISTS = ("features", "groups", "msgs", "vessels", "messages", "data")
_EVENT = re.compile(rb"^(?:data:|(?:event|id|retry|):[^\n]*(?:\n|\Z))", re.MULTILINE)
_BEGUN_FIELD = re.compile(rb"d|da|dat|data|[eir][a-z]{0,4}|(?:event|id|retry|):.*", re.DOTALL)
_LONGEST_FIELD = 1024
_NAMES = {"vessel_id": "mmsi"}  # as this project exports it
_MMSI = rb'"(?:mmsi|MMSI)"\s*:'
_LOOKS = re.compile(
    rb"^(?:(?:event|id|retry)?:[^\n]*\n|\s)*(?:data:\s*)?(?:\[\s*)*\{(?:.{0,3000}?)"
    rb'(?:"msgtime"|"courseOverGround"|"timestampExternal"|"NAVSTAT"|"navStat"|"class"\s*:\s*"AIS"|"USERNAME"'
    rb'|"msgtype"|"referencePointA"|"posType"|"refA"|"FeatureCollection"|"Feature")',
    re.DOTALL,
)

_read = msgspec.json.Decoder().decode
_read_list = msgspec.json.Decoder(list[msgspec.Raw]).decode
_read_object = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


class AisJsonAssembly(DocumentAssembly):
    """Documents of AIS services."""

    keys = (b"mmsi", b"MMSI", b"type", b"class", b"courseOverGround", b"protocol", b"name", b"geometry", b"timestamp")
    lists = nested = True

    def __init__(self, setup: Setup) -> None:
        super().__init__(setup)
        self._begun = b""  # of a line of server-sent events
        self._line_begins = True

    def feed(self, data: bytes, arrival: int | None) -> Iterator[Message]:
        """The messages of the documents that these bytes complete."""
        return super().feed(self._without_events(data), arrival)

    def flush(self, arrival: int | None) -> Iterator[Message]:
        """The source ended."""
        begun, self._begun = self._begun, b""
        yield from super().feed(begun, arrival)
        yield from super().flush(arrival)

    def _without_events(self, data: bytes) -> bytes:
        """Blanks for what server-sent events have around their data, so that places stay as they are."""
        data = self._begun + data
        start = data.rfind(b"\n") + 1
        last = data[start:]
        held = (start or self._line_begins) and len(last) < _LONGEST_FIELD and _BEGUN_FIELD.fullmatch(last)
        self._begun, data = (last, data[:start]) if held else (b"", data)
        if not data:
            return b""
        body = data if self._line_begins else b"x" + data
        blank = _EVENT.sub(lambda found: b" " * len(found[0].rstrip(b"\n")) + b"\n" * found[0].endswith(b"\n"), body)
        begins, self._line_begins = self._line_begins, data.endswith(b"\n")
        return blank if begins else blank[1:]

    @staticmethod
    def looks_like(head: bytes) -> bool:
        """Objects of one of the services."""
        return b"VDM," not in head and b"MessageType" not in head and _LOOKS.match(head) is not None

    def entries(self, document: bytes) -> Iterator[Entry] | None:
        """The objects that name a vessel, at whatever depth they stand."""
        found = list(_entries(document, b"", None, 0))
        return iter(found) if found else None


def _entries(document: bytes, added: bytes, time: int | None, depth: int) -> Iterator[Entry]:
    if depth > 4:
        return
    if document.startswith(b"["):
        for item in _read_list(document):
            raw = bytes(item)
            if b'"FORMAT"' in raw[:200]:  # AISHub says first how it writes numbers
                added = SCALED if b'"AIS"' in raw[:400] else added
            yield from _entries(raw, added, time, depth + 1)
        return
    if not document.startswith(b"{"):
        return
    said = _read_object(document)
    known = {name.lower(): value for name, value in said.items()}
    nested = next(
        (bytes(said[name]) for name in _LISTS if name in said and bytes(said[name])[:1] in (b"[", b"{")), None
    )
    if nested is not None and "mmsi" not in known:
        yield from _entries(nested, added, _time(said) or time, depth + 1)
    elif (points := tracks.points(said)) is not None:
        yield from points
    elif is_report(known):
        yield Entry(document, _time_of(document) or time, _added(known, added))


def is_report(known: dict[str, Any]) -> bool:
    """Whether an object, by its keys in lower case, is about a vessel."""
    return "mmsi" in known or (bytes(known.get("type", b"")) == b'"Feature"' and "properties" in known)


def _added(known: dict[str, Any], added: bytes) -> bytes:
    if "class" in known and bytes(known.get("scaled", b"")) == b"false":
        return SCALED
    if "msgtime" in known or "referencepointa" in known or "refa" in known or "courseoverground" in known:
        return TENTHS
    return added


def _time(said: dict[str, msgspec.Raw]) -> int | None:
    stamp = said.get("dataUpdatedTime") or said.get("encodetime")
    return as_time(_read(stamp)) if stamp is not None else None


def _time_of(document: bytes) -> int | None:
    """The time of an object, or of its properties. Raises Malformed where it has one that cannot be read."""
    said = flat(_read(document))
    given = [said[key] for key in TIME_KEYS if said.get(key) not in (None, "")]
    for value in given:
        if isinstance(value, int | float) and value <= 63:
            continue  # the second of AIS
        time = as_time(value)
        if time is None:
            raise Malformed("time_unreadable")
        return time
    return None


def as_time(value: Any) -> int | None:
    """An epoch in seconds or milliseconds, ISO 8601, or `20231114221650`, in ms."""
    if isinstance(value, str):
        return times.iso(value) or times.epoch(value.encode())
    return epoch_ms(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def flat(said: Any) -> dict[str, Any]:
    """The values of an object, its `data`, `properties` and point, by keys in lower case."""
    if not isinstance(said, dict):
        return {}
    found: dict[str, Any] = {}
    for name, value in said.items():
        if name.lower() in ("properties", "data") and isinstance(value, dict):
            found |= flat(value)
        elif name.lower() == "geometry" and isinstance(value, dict):
            place = value.get("coordinates")
            if isinstance(place, list) and len(place) >= 2 and value.get("type") == "Point":
                found |= {"longitude": place[0], "latitude": place[1]}
        else:
            found.setdefault(_NAMES.get(name.lower(), name.lower()), value)
    return found
