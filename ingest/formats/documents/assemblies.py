"""aircraft.json, trace_full and OpenSky's states to messages; the documents are told apart by the format of the feed.

Enters whole documents; leaves their entries, each with when it was heard: `now` of aircraft.json, `time` of OpenSky,
and of a trace the moment of each point.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

from ingest.errors import Malformed
from ingest.formats.common.contract import Setup
from ingest.formats.common.documents import DocumentAssembly, Entry, epoch_ms, raw_of
from ingest.formats.common.json_values import BROKEN
from ingest.formats.documents.readsb_trace import TraceOf

JITTER_MS = 250
MOVES_KNOTS = 10.0  # at which nothing is at the same place, to 0.1 m, a second later
MAX_REMEMBERED = 50_000
MAX_AGE_SECONDS = 3600  # of what is remembered: decoders refuse older positions


class _AircraftDocument(msgspec.Struct, gc=False):
    now: float | None = None
    aircraft: list[msgspec.Raw] | None = None
    ac: list[msgspec.Raw] | None = None
    hex: str | None = None


class _ReceiverPlace(msgspec.Struct, gc=False):
    hex: str
    lat: float
    lon: float
    seen_pos: float
    gs: float | None = None


_read_aircraft_document = msgspec.json.Decoder(_AircraftDocument).decode
_read_place = msgspec.json.Decoder(_ReceiverPlace).decode
_read_list = msgspec.json.Decoder(list[msgspec.Raw]).decode
_AT_ARRIVAL = b'{"positions":"arrival"}'
_BARE_LIST = re.compile(rb'^\s*\[\s*\{\s*"hex"\s*:')
_ONE_AIRCRAFT = re.compile(rb'^\s*\{\s*"now"\s*:\s*[0-9.]+\s*,\s*"hex"\s*:')
_AIRCRAFT_LIST = re.compile(rb'^\s*\{.*"(?:aircraft|ac)"\s*:\s*\[', re.DOTALL)


class ReadsbAssembly(DocumentAssembly):
    """aircraft.json of readsb, dump1090-fa and dump1090-mutability, and ADSBx v2 with its `ac` and milliseconds.

    A document repeats positions that have not changed, with a greater `seen_pos`. Both times are rounded, so
    `now - seen_pos` of one position jitters by a tenth of a second or two. An entry is therefore dated such that a
    place that has not changed keeps its first time, where that is JITTER_MS away or less: else each poll would make a
    row. What readsb sends alone, for each message of an aircraft, tells a place again as if it were new: one that moves
    and is where it was has said nothing new of its place.
    """

    lists = True
    keys = (b"now", b"aircraft", b"ac", b"total", b"ctime", b"ptime", b"resultCount")

    def __init__(self, setup: Setup) -> None:
        super().__init__(setup)
        self._places: dict[str, tuple[float, float, int]] = {}

    @staticmethod
    def looks_like(head: bytes) -> bool:
        """An object with a list of aircraft, a list of them, or one."""
        return any(pattern.match(head) for pattern in (_AIRCRAFT_LIST, _BARE_LIST, _ONE_AIRCRAFT))

    def entries(self, document: bytes) -> Iterator[Entry] | None:
        """The aircraft, each heard at the document's `now`; those of a bare list when they arrived."""
        if document.startswith(b"["):
            return (Entry(raw_of(entry, b"{"), None, _AT_ARRIVAL) for entry in _read_list(document))
        said = _read_aircraft_document(document)
        listed = said.aircraft if said.aircraft is not None else said.ac
        now = epoch_ms(said.now)
        if listed is None and said.hex is not None:  # readsb --net-json-port
            return iter([Entry(document, now if now is None else self._steady(document, now, alone=True))])
        if listed is None:
            return None
        raws = (raw_of(entry, b"{") for entry in listed)
        return (Entry(raw, now if now is None else self._steady(raw, now)) for raw in raws)

    def _steady(self, raw: bytes, now: int, alone: bool = False) -> int:
        """`now`, moved by the jitter against the time that this place had first; of an aircraft that is sent `alone`,
        by more if it cannot be there again."""
        try:
            place = _read_place(raw)
        except BROKEN:
            return now  # without a position, or broken: the decoder says which
        if not 0 <= place.seen_pos <= MAX_AGE_SECONDS:
            return now
        age = round(place.seen_pos * 1000)
        known = self._places.get(place.hex)
        if known and known[:2] == (place.lat, place.lon):
            later = now - age - known[2]
            if abs(later) <= JITTER_MS or (alone and later > 0 and (place.gs or 0.0) >= MOVES_KNOTS):
                return known[2] + age
        if len(self._places) >= MAX_REMEMBERED:
            self._places.clear()
        self._places[place.hex] = (place.lat, place.lon, now - age)
        return now


class _TraceDocument(msgspec.Struct, gc=False):
    icao: str | None = None
    timestamp: float | None = None
    trace: list[msgspec.Raw] | None = None
    r: str | None = None
    t: str | None = None


class _Offset(msgspec.Struct, array_like=True, gc=False):
    seconds: float


_read_trace_document = msgspec.json.Decoder(_TraceDocument).decode
_read_offset = msgspec.json.Decoder(_Offset).decode
_TRACE_HEAD = re.compile(rb'^\s*\{(?=.*"icao"\s*:)(?=.*"(?:trace|timestamp)"\s*:)', re.DOTALL)


class TraceAssembly(DocumentAssembly):
    """trace_full and trace_recent of readsb; registration and type go with the first point only."""

    keys = (b"icao", b"timestamp", b"trace", b"noRegData")

    @staticmethod
    def looks_like(head: bytes) -> bool:
        """An object with an address and a trace, or the time from which its points count."""
        return _TRACE_HEAD.match(head) is not None

    def entries(self, document: bytes) -> Iterator[Entry] | None:
        """The points, each heard at `timestamp` and its offset."""
        said = _read_trace_document(document)
        if said.trace is None or said.icao is None:
            return None
        start = epoch_ms(said.timestamp)
        if start is None:
            raise Malformed("document_time_missing")
        return self._points(said, said.icao, said.trace, start)

    @staticmethod
    def _points(said: _TraceDocument, icao: str, trace: list[msgspec.Raw], start: int) -> Iterator[Entry]:
        first, later = msgspec.json.encode(TraceOf(icao, said.r, said.t)), msgspec.json.encode(TraceOf(icao))
        for number, entry in enumerate(trace):
            raw = raw_of(entry, b"[")
            try:
                time = epoch_ms(start + _read_offset(raw).seconds * 1000)
            except BROKEN:
                time = None
            if time is None:
                yield Entry(b"", None)
                continue
            yield Entry(raw, time, first if number == 0 else later)


class _StatesHead(msgspec.Struct, gc=False):
    time: int | msgspec.UnsetType | None = msgspec.UNSET
    states: list[msgspec.Raw] | msgspec.UnsetType | None = msgspec.UNSET


_read_states_document = msgspec.json.Decoder(_StatesHead).decode
_STATES = re.compile(rb'^\s*\{.*"states"\s*:\s*(?:\[|null)', re.DOTALL)


class OpenSkyAssembly(DocumentAssembly):
    """/states/all of OpenSky; `states` is null where nobody flies."""

    keys = (b"time", b"states")

    @staticmethod
    def looks_like(head: bytes) -> bool:
        """An object with state vectors."""
        return _STATES.match(head) is not None

    def entries(self, document: bytes) -> Iterator[Entry] | None:
        """The states, each with the document's `time`, against which it tells ages."""
        said = _read_states_document(document)
        if said.states is msgspec.UNSET:
            return None
        now = epoch_ms(said.time if isinstance(said.time, int) else None)
        if now is None:
            raise Malformed("document_time_missing")
        added = b'{"time":%d}' % (now // 1000)
        return (Entry(raw_of(entry, b"["), now, added) for entry in said.states or [])


class _VirtualRadarDocument(msgspec.Struct, gc=False):
    listed: list[msgspec.Raw] | None = msgspec.field(default=None, name="acList")
    stm: float | None = None


class _PositionTime(msgspec.Struct, gc=False):
    ms: float | None = msgspec.field(default=None, name="PosTime")


_read_virtual_radar = msgspec.json.Decoder(_VirtualRadarDocument).decode
_read_position_time = msgspec.json.Decoder(_PositionTime).decode
_VIRTUAL_RADAR = re.compile(rb'^\s*\{.*"acList"\s*:\s*\[', re.DOTALL)


class VirtualRadarAssembly(DocumentAssembly):
    """AircraftList.json of Virtual Radar Server."""

    keys = (b"src", b"feeds", b"acList", b"totalAc", b"lastDv")

    @staticmethod
    def looks_like(head: bytes) -> bool:
        """An object with its list of aircraft."""
        return _VIRTUAL_RADAR.match(head) is not None

    def entries(self, document: bytes) -> Iterator[Entry] | None:
        """The aircraft, each heard when the list was made, else at the time of its position."""
        said = _read_virtual_radar(document)
        if said.listed is None:
            return None
        now = epoch_ms(said.stm)
        return (self._entry(raw_of(entry, b"{"), now) for entry in said.listed)

    @staticmethod
    def _entry(raw: bytes, now: int | None) -> Entry:
        try:
            return Entry(raw, now or epoch_ms(_read_position_time(raw).ms))
        except BROKEN:
            return Entry(b"", None)
