"""Live state as columns in this process, and what changed of it since a cursor, for pages that draw everything.

Redis is read at most once a second, however many ask: `write.lua` logs the keys of every chunk that it writes, and the
id of an entry is the cursor, so it is the same in every process and grows over restarts of all but the live Redis. A
process that begins reads all documents once and places them by the log. Deletions need no message: a target dies at its
time plus the TTL, by one rule in Redis, here and in the page.

An answer is made once for all who ask for the same box from the same cursor, and leaves gzipped.
"""

from __future__ import annotations

import threading
import time
import zlib
from collections import OrderedDict
from collections.abc import Iterable
from typing import Any, Final

import msgspec
import numpy as np
from django.conf import settings
from django_redis import get_redis_connection

from tracking.live.state import CHANGES, DOCUMENTS_PER_READ, Kind, LiveState

TICK_SECONDS = 1.0
SNAPSHOT_SECONDS = 10.0  # so old may be what a page begins with: it asks at once for the rest
ANSWERS = 256
UNKNOWN: Final = -32768
_SEQUENCE_BITS = 20
_FAR_AHEAD_MS = 10_000  # a cursor so much later than the log is of another server
_EVERYWHERE = 2**31 - 1

Box = tuple[float, float, float, float]


class _Document(msgspec.Struct):
    """What a page draws of a document."""

    ts: float
    lat: float | None = None
    lon: float | None = None
    ages: dict[str, float] = {}
    source: str | None = None
    name: str | None = None
    callsign: str | None = None
    speed: float | None = None
    course: float | None = None
    heading: float | None = None
    status: int | None = None
    ship_type: int | None = None
    to_bow: int | None = None
    to_stern: int | None = None
    to_port: int | None = None
    to_starboard: int | None = None
    altitude: float | None = None
    ground_speed: float | None = None
    vertical_rate: float | None = None
    on_ground: bool | None = None
    type_code: str | None = None
    squawk: str | None = None
    kind: str | None = None


_decode = msgspec.json.Decoder(list[_Document]).decode


class _Columns:
    """The targets of one kind; a freed row is used again.

    `ts`: the document's time; `heard`: the position's; `seq` and `static_seq`: the entry that changed the target, and
    its static data, last; `lat`, `lon` and where it was before, `was_lat`, `was_lon`: 1e-5 degrees. Numbers in `values`
    are UNKNOWN where the document has none.
    """

    FLOATS = ("ts", "heard")
    LONGS = ("seq", "static_seq", "lat", "lon", "was_lat", "was_lon")

    def __init__(self, values: tuple[str, ...]) -> None:
        self.values = values
        self.rows: dict[str, int] = {}
        self.keys: list[str] = []
        self.statics: list[tuple[Any, ...]] = []
        self._free: list[int] = []
        self.column: dict[str, Any] = {}
        self._grow(4096)

    def __len__(self) -> int:
        return len(self.keys)

    def row(self, key: str) -> int:
        """The row of a target, a new one if need be."""
        found = self.rows.get(key)
        if found is not None:
            return found
        if self._free:
            row = self._free.pop()
            self.keys[row], self.statics[row] = key, ()
        else:
            row = len(self.keys)
            if row == len(self.column["ts"]):
                self._grow(2 * row)
            self.keys.append(key)
            self.statics.append(())
        self.rows[key] = row
        self.column["was_lat"][row] = self.column["was_lon"][row] = _EVERYWHERE
        return row

    def drop_before(self, ts: float) -> None:
        """Forget those that died."""
        of = self.column["ts"][: len(self)]
        for row in np.nonzero((of > 0) & (of <= ts))[0].tolist():
            self.rows.pop(self.keys[row], None)
            self.column["ts"][row] = self.column["seq"][row] = 0
            self._free.append(row)

    def _grow(self, size: int) -> None:
        types = dict.fromkeys(self.FLOATS, "f8") | dict.fromkeys(self.LONGS, "i8") | dict.fromkeys(self.values, "i4")
        for name, kind in types.items():
            column = np.zeros(size, kind)
            if name in self.column:
                column[: len(self)] = self.column[name][: len(self)]
            self.column[name] = column


# What is drawn of each kind, besides the position and its age.
_VALUES = {
    Kind.VESSEL: ("speed", "course", "heading", "status"),
    Kind.AIRCRAFT: ("speed", "heading", "altitude", "climb", "ground", "squawk"),
    Kind.STATION: (),
}


class Mirror:
    """The live state of all kinds. Safe for threads: one reads Redis, whoever asks meanwhile waits for it."""

    def __init__(self) -> None:
        self._reading = threading.Lock()
        self._read_at = -TICK_SECONDS
        self._last = self._oldest = 0
        self._columns = {kind: _Columns(_VALUES[kind]) for kind in Kind}
        self._states = {kind: LiveState(kind) for kind in Kind}
        self._answers: OrderedDict[tuple[Any, ...], _Answer] = OrderedDict()
        self._answering = threading.Lock()

    def changes(self, kinds: tuple[Kind, ...], box: Box, since: str | None) -> bytes:
        """Gzipped JSON of the targets in the box, or of those that changed in it, or left it, after the cursor `since`.

        Raises redis.RedisError, and ValueError for a cursor that is none.
        """
        after = None if since is None else number(since)
        self._refresh()
        # Too old for the log, or of another server: everything again.
        if after is not None and not self._oldest - 1 <= after <= self._last + (_FAR_AHEAD_MS << _SEQUENCE_BITS):
            after = None
        key = (kinds, box, after, None if after is None else self._last)
        answer = self._answer(key, SNAPSHOT_SECONDS if after is None else 60.0)
        with answer.making:
            if answer.body is None:
                answer.body = zlib.compress(msgspec.json.encode(self._body(kinds, box, after)), 3, wbits=31)
        return answer.body

    def _answer(self, key: tuple[Any, ...], seconds: float) -> _Answer:
        with self._answering:
            answer = self._answers.get(key)
            if answer is None or time.monotonic() - answer.at > seconds:
                answer = self._answers[key] = _Answer()
            self._answers.move_to_end(key)
            while len(self._answers) > ANSWERS:
                self._answers.popitem(last=False)
        return answer

    # --- from Redis ---------------------------------------------------------------------------------------------------
    def _refresh(self) -> None:
        if time.monotonic() - self._read_at < TICK_SECONDS:
            return
        with self._reading:
            if time.monotonic() - self._read_at < TICK_SECONDS:
                return
            client = get_redis_connection("live")
            first = client.xrange(CHANGES, count=1)
            begins = number(first[0][0]) if first else 0
            if not self._last or not first or begins > self._last:
                self._load(client, begins)
            else:
                self._oldest = begins
                self._follow(client, f"({text(self._last)}", "+", fetch=True)
            for columns in self._columns.values():
                columns.drop_before(time.time() - settings.LIVE_TTL_SECONDS)
            self._read_at = time.monotonic()

    def _load(self, client: Any, begins: int) -> None:
        """Everything; what the log still tells of gets its place in the sequence, the rest none."""
        self._columns = {kind: _Columns(_VALUES[kind]) for kind in Kind}
        with self._answering:
            self._answers.clear()
        self._oldest = begins or time.time_ns() // 1_000_000 << _SEQUENCE_BITS
        newest = client.xrevrange(CHANGES, count=1)
        end = number(newest[0][0]) if newest else self._oldest
        for kind in Kind:
            keys = [key.decode() for key in client.zrange(self._states[kind].active, 0, -1)]
            self._fetch(client, kind, dict.fromkeys(keys, 0))
        self._follow(client, "-", text(end), fetch=False)
        self._last = end

    def _follow(self, client: Any, start: str, end: str, fetch: bool) -> None:
        changed: dict[str, dict[str, int]] = {self._states[kind].prefix: {} for kind in Kind}
        for entry, fields in client.xrange(CHANGES, start, end):
            self._last = max(self._last, number(entry))
            for prefix, keys in fields.items():
                changed[prefix.decode()].update(dict.fromkeys(keys.decode().split(" "), number(entry)))
        for kind in Kind:
            keys = changed[self._states[kind].prefix]
            if fetch:
                self._fetch(client, kind, keys)
            else:
                columns = self._columns[kind]
                for key, entry in keys.items():
                    if (row := columns.rows.get(key)) is not None:
                        columns.column["seq"][row] = columns.column["static_seq"][row] = entry

    def _fetch(self, client: Any, kind: Kind, entries: dict[str, int]) -> None:
        keys, prefix = list(entries), self._states[kind].prefix
        for start in range(0, len(keys), DOCUMENTS_PER_READ):
            some = keys[start : start + DOCUMENTS_PER_READ]
            replies = client.execute_command("JSON.MGET", *(prefix + key for key in some), "$")
            for key, reply in zip(some, replies, strict=True):
                if reply is not None:
                    self._take(kind, key, entries[key], _decode(reply)[0])

    def _take(self, kind: Kind, key: str, entry: int, document: _Document) -> None:
        if document.lat is None or document.lon is None:
            return
        columns = self._columns[kind]
        row = columns.row(key)
        column = columns.column
        if column["ts"][row]:
            column["was_lat"][row], column["was_lon"][row] = column["lat"][row], column["lon"][row]
        column["ts"][row], column["seq"][row] = document.ts, entry
        column["heard"][row] = document.ages.get("position", document.ts)
        column["lat"][row], column["lon"][row] = round(document.lat * 1e5), round(document.lon * 1e5)
        for name, value in zip(columns.values, _values(kind, document), strict=True):
            column[name][row] = value
        static = _static(kind, document)
        if static != columns.statics[row]:
            columns.statics[row] = static
            column["static_seq"][row] = entry

    # --- to a page ----------------------------------------------------------------------------------------------------
    def _body(self, kinds: tuple[Kind, ...], box: Box, after: int | None) -> dict[str, Any]:
        now = time.time()
        body: dict[str, Any] = {
            "next": text(max(self._last, after or 0)),
            "now": round(now, 2),
            "ttl": settings.LIVE_TTL_SECONDS,
            "reset": after is None,
            "total": {str(kind): len(columns.rows) for kind, columns in self._columns.items()},
        }
        for kind in kinds:
            body[str(kind)] = self._cut(kind, box, after, now)
        return body

    def _cut(self, kind: Kind, box: Box, after: int | None, now: float) -> dict[str, Any]:
        """The columns of those to be told of, neighbours together: small differences deflate best."""
        columns = self._columns[kind]
        column, size = columns.column, len(columns)
        of = {name: column[name][:size] for name in column}
        told = of["ts"] > now - settings.LIVE_TTL_SECONDS
        inside = _inside(of["lat"], of["lon"], box)
        if after is None:
            told &= inside
        else:
            told &= (of["seq"] > after) & (inside | _inside(of["was_lat"], of["was_lon"], box))
        rows = np.nonzero(told)[0]
        rows = rows[np.lexsort((of["lon"][rows], of["lat"][rows] // 20_000))]
        fresh = np.nonzero(of["static_seq"][rows] > (-1 if after is None else after))[0]
        statics = [columns.statics[row] for row in rows[fresh].tolist()]
        return {
            "id": [columns.keys[row] for row in rows.tolist()],
            "lat": _differences(of["lat"][rows]),
            "lon": _differences(of["lon"][rows]),
            "age": np.rint((now - of["heard"][rows]) * 10).astype("i8").tolist(),
            **{name: of[name][rows].tolist() for name in columns.values},
            "static": {
                "at": _differences(fresh),
                **{name: [static[place] for static in statics] for place, name in enumerate(STATICS[kind])},
            },
        }


class _Answer:
    """A body that one thread makes while the others wait for it."""

    def __init__(self) -> None:
        self.at = time.monotonic()
        self.making = threading.Lock()
        self.body: bytes | None = None


STATICS = {
    Kind.VESSEL: ("name", "type", "length", "beam", "source"),
    Kind.AIRCRAFT: ("name", "type", "source"),
    Kind.STATION: ("name", "type", "source"),
}


def number(entry: bytes | str) -> int:
    """The id of an entry as one number that orders them. Raises ValueError."""
    words = entry.decode() if isinstance(entry, bytes) else entry
    milliseconds, _, sequence = words.partition("-")
    if not (milliseconds.isdecimal() and (sequence or "0").isdecimal() and len(words) < 40):
        raise ValueError(f"no cursor: {words[:40]!r}")
    return int(milliseconds) << _SEQUENCE_BITS | min(int(sequence or 0), (1 << _SEQUENCE_BITS) - 1)


def text(entry: int) -> str:
    """The number again as Redis writes it."""
    return f"{entry >> _SEQUENCE_BITS}-{entry & (1 << _SEQUENCE_BITS) - 1}"


def _values(kind: Kind, document: _Document) -> tuple[int, ...]:
    """Numbers of a row in the order of _VALUES: speed in 0.1 knots, altitude in 25 ft, climb in 64 ft a minute."""
    if kind is Kind.VESSEL:
        return (
            _scaled(document.speed, 10),
            _scaled(document.course),
            _scaled(document.heading),
            _scaled(document.status),
        )
    if kind is Kind.AIRCRAFT:
        return (
            _scaled(document.ground_speed, 10),
            _scaled(document.heading),
            _scaled(document.altitude, 1 / 25),
            _scaled(document.vertical_rate, 1 / 64),
            UNKNOWN if document.on_ground is None else int(document.on_ground),
            int(document.squawk) if document.squawk and document.squawk.isdecimal() else UNKNOWN,
        )
    return ()


def _static(kind: Kind, document: _Document) -> tuple[Any, ...]:
    """What seldom changes, in the order of STATICS; lengths in metres, 0 where unknown."""
    source = document.source or ""
    if kind is Kind.VESSEL:
        length = (document.to_bow or 0) + (document.to_stern or 0)
        beam = (document.to_port or 0) + (document.to_starboard or 0)
        return document.name or "", _scaled(document.ship_type), length, beam, source
    if kind is Kind.AIRCRAFT:
        return document.callsign or "", document.type_code or "", source
    return document.name or "", document.kind or "", source


def _scaled(value: float | None, scale: float = 1) -> int:
    return UNKNOWN if value is None else round(value * scale)


def _inside(lat: Any, lon: Any, box: Box) -> Any:
    west, south, east, north = (round(edge * 1e5) for edge in box)
    spans = (lon >= west) & (lon <= east) if west <= east else (lon >= west) | (lon <= east)
    return (lat >= south) & (lat <= north) & (lat != _EVERYWHERE) & spans


def _differences(values: Iterable[int]) -> list[int]:
    found: list[int] = np.diff(np.asarray(values, "i8"), prepend=0).tolist()
    return found


mirror = Mirror()
