"""Live state as columns in this process, and what changed of it since a cursor, for pages that draw everything.

Redis is read at most once a second, however many ask: `write.lua` logs the keys of every chunk that it writes, and the
id of an entry is the cursor, so it is the same in every process and grows over restarts of all but the live Redis. A
process that begins reads all documents once and places them by the log. Deletions need no message: a target dies at its
time plus the TTL, by one rule in Redis, here and in the page.

An answer is made once for all who ask for the same box from the same cursor, and leaves gzipped; to streams, which ask
at every turn, it leaves as it is, with how many reports of its targets it replaces (`told`).
"""

from __future__ import annotations

import threading
import time
import zlib
from collections import OrderedDict, deque
from collections.abc import Iterable
from typing import Any, NamedTuple

import msgspec
import numpy as np
from django.conf import settings
from django_redis import get_redis_connection

from tracking.live.columns import EVERYWHERE, STATICS, VALUES, Columns, Drawn, drawn, static_of, values_of
from tracking.live.log import SEQUENCE_BITS, number, text
from tracking.live.state import CHANGES, DOCUMENTS_PER_READ, LiveKind, LiveState
from tracking.registry.lookup import UNKNOWN as UNKNOWN_AIRCRAFT
from tracking.registry.lookup import Registered, address_of, register

TICK_SECONDS = 1.0
ANSWER_SECONDS = 60.0  # what changed between two entries stays so
SNAPSHOT_SECONDS = 10.0  # so old may be what a page begins with: it asks at once for the rest
ANSWERS = 256
REMEMBERED_ENTRIES = 10_000  # of the log, for counting what was missed: two minutes, which is what the log itself holds
_FAR_AHEAD_MS = 10_000  # a cursor so much later than the log is of another server

Box = tuple[float, float, float, float]


class Told(NamedTuple):
    """What a stream is told: JSON, None where there is nothing to tell, and the cursor after it."""

    next: str
    body: bytes | None


class Mirror:
    """The live state of all kinds. Safe for threads: one reads Redis, whoever asks meanwhile waits for it.

    `tick_seconds`: Redis is read no more often.
    """

    def __init__(self, tick_seconds: float = TICK_SECONDS) -> None:
        self._reading = threading.Lock()
        self._tick_seconds = tick_seconds
        self._read_at = -tick_seconds
        self._last = self._oldest = 0
        self._columns = {kind: Columns(VALUES[kind]) for kind in LiveKind}
        self._states = {kind: LiveState(kind) for kind in LiveKind}
        self._answers: OrderedDict[tuple[Any, ...], _MirrorAnswer] = OrderedDict()
        self._answering = threading.Lock()
        self._told: dict[tuple[Any, ...], Told] = {}  # since Redis was read last
        self._entries: deque[tuple[int, str, list[str]]] = deque(maxlen=REMEMBERED_ENTRIES)

    def changes(self, kinds: tuple[LiveKind, ...], box: Box, since: str | None) -> bytes:
        """Gzipped JSON of the targets in the box, or of those that changed in it, or left it, after the cursor `since`.

        Raises redis.RedisError, and ValueError for a cursor that is none.
        """
        self.refresh()
        after = self._after(since)
        key = (kinds, box, after, None if after is None else self._last)
        answer = self._answer(key, SNAPSHOT_SECONDS if after is None else ANSWER_SECONDS)
        with answer.making:
            if answer.body is None:
                with self._reading:  # columns must not move while they are cut
                    told = self._body(kinds, box, after)
                answer.body = zlib.compress(msgspec.json.encode(told), 3, wbits=31)
        return answer.body

    def told(self, kinds: tuple[LiveKind, ...], box: Box, since: str | None) -> Told:
        """The same as it is, of what was read last, with `missed`: how many reports of its targets it replaces.

        Made once for all who ask for the same. Raises ValueError for a cursor that is none.
        """
        with self._reading:
            after = self._after(since)
            key = (kinds, box, after)
            if key not in self._told:
                body = self._body(kinds, box, after)
                ids = {kind: body[str(kind)]["id"] for kind in kinds}
                body["missed"] = 0 if after is None else sum(self._missed(kind, ids[kind], after) for kind in kinds)
                news = after is None or any(ids.values())
                self._told[key] = Told(body["next"], msgspec.json.encode(body) if news else None)
            return self._told[key]

    def _missed(self, kind: LiveKind, ids: list[str], after: int) -> int:
        """How many reports of these targets came after the entry, but for the last of each."""
        targets, prefix, reports = set(ids), self._states[kind].prefix, 0
        for entry, of, keys in reversed(self._entries):
            if entry <= after:
                break
            if of == prefix:
                reports += len(targets.intersection(keys))
        return max(0, reports - len(targets))

    def _after(self, since: str | None) -> int | None:
        """The entry of a cursor; None, which means everything, for one too old for the log or of another server."""
        after = None if since is None else number(since)
        if after is not None and not self._oldest - 1 <= after <= self._last + (_FAR_AHEAD_MS << SEQUENCE_BITS):
            return None
        return after

    def cells(self, size: float, since: float) -> dict[str, dict[tuple[int, int], int]]:
        """By feed, of the targets whose position was heard after `since` (epoch seconds) from it: how many in each cell
        of `size` degrees, which is named by its south west corner in such units, longitude first.

        Raises redis.RedisError.
        """
        self.refresh()
        found: dict[str, dict[tuple[int, int], int]] = {}
        with self._reading:
            for kind, columns in self._columns.items():
                source = STATICS[kind].index("source")
                of = {name: column[: len(columns)] for name, column in columns.column.items()}
                rows = np.nonzero((of["heard"] > since) & (of["ts"] > 0) & (of["lat"] != EVERYWHERE))[0]
                east = np.floor(of["lon"][rows] / 1e5 / size).astype(int).tolist()
                north = np.floor(of["lat"][rows] / 1e5 / size).astype(int).tolist()
                for row, cell in zip(rows.tolist(), zip(east, north, strict=True), strict=True):
                    counts = found.setdefault(columns.statics[row][source], {})
                    counts[cell] = counts.get(cell, 0) + 1
        return found

    def _answer(self, key: tuple[Any, ...], seconds: float) -> _MirrorAnswer:
        with self._answering:
            answer = self._answers.get(key)
            if answer is None or time.monotonic() - answer.at > seconds:
                answer = self._answers[key] = _MirrorAnswer()
            self._answers.move_to_end(key)
            while len(self._answers) > ANSWERS:
                self._answers.popitem(last=False)
        return answer

    # --- from Redis ---------------------------------------------------------------------------------------------------
    def refresh(self) -> int:
        """Read what Redis has, unless that was done just now; the latest entry. Raises redis.RedisError."""
        if time.monotonic() - self._read_at < self._tick_seconds:
            return self._last
        with self._reading:
            if time.monotonic() - self._read_at < self._tick_seconds:
                return self._last
            self._told.clear()
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
            return self._last

    def _load(self, client: Any, begins: int) -> None:
        """Everything; what the log still tells of gets its place in the sequence, the rest none."""
        self._columns = {kind: Columns(VALUES[kind]) for kind in LiveKind}
        self._entries.clear()
        with self._answering:
            self._answers.clear()
        self._oldest = begins or time.time_ns() // 1_000_000 << SEQUENCE_BITS
        newest = client.xrevrange(CHANGES, count=1)
        end = number(newest[0][0]) if newest else self._oldest
        for kind in LiveKind:
            keys = [key.decode() for key in client.zrange(self._states[kind].active, 0, -1)]
            self._fetch(client, kind, dict.fromkeys(keys, 0))
        self._follow(client, "-", text(end), fetch=False)
        self._last = end

    def _follow(self, client: Any, start: str, end: str, fetch: bool) -> None:
        changed: dict[str, dict[str, int]] = {self._states[kind].prefix: {} for kind in LiveKind}
        for entry, fields in client.xrange(CHANGES, start, end):
            self._last = max(self._last, number(entry))
            for prefix, joined in fields.items():
                keys = joined.decode().split(" ")
                changed[prefix.decode()].update(dict.fromkeys(keys, number(entry)))
                self._entries.append((number(entry), prefix.decode(), keys))
        for kind in LiveKind:
            touched = changed[self._states[kind].prefix]
            if fetch:
                self._fetch(client, kind, touched)
            else:
                columns = self._columns[kind]
                for key, entry in touched.items():
                    if (row := columns.rows.get(key)) is not None:
                        columns.column["seq"][row] = columns.column["static_seq"][row] = entry

    def _fetch(self, client: Any, kind: LiveKind, entries: dict[str, int]) -> None:
        keys, prefix = list(entries), self._states[kind].prefix
        for start in range(0, len(keys), DOCUMENTS_PER_READ):
            some = keys[start : start + DOCUMENTS_PER_READ]
            replies = client.execute_command("JSON.MGET", *(prefix + key for key in some), "$")
            registered = register.remembered({address_of(key) for key in some}) if kind is LiveKind.AIRCRAFT else {}
            for key, reply in zip(some, replies, strict=True):
                if reply is not None:
                    self._take(kind, key, entries[key], drawn(reply), registered.get(address_of(key), UNKNOWN_AIRCRAFT))

    def _take(self, kind: LiveKind, key: str, entry: int, document: Drawn, registered: Registered) -> None:
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
        for name, value in zip(columns.values, values_of(kind, document), strict=True):
            column[name][row] = value
        static = static_of(kind, document, registered)
        if static != columns.statics[row]:
            columns.statics[row] = static
            column["static_seq"][row] = entry

    # --- to a page ----------------------------------------------------------------------------------------------------
    def _body(self, kinds: tuple[LiveKind, ...], box: Box, after: int | None) -> dict[str, Any]:
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

    def _cut(self, kind: LiveKind, box: Box, after: int | None, now: float) -> dict[str, Any]:
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


class _MirrorAnswer:
    """A body that one thread makes while the others wait for it."""

    def __init__(self) -> None:
        self.at = time.monotonic()
        self.making = threading.Lock()
        self.body: bytes | None = None


def _inside(lat: Any, lon: Any, box: Box) -> Any:
    west, south, east, north = (round(edge * 1e5) for edge in box)
    spans = (lon >= west) & (lon <= east) if west <= east else (lon >= west) | (lon <= east)
    return (lat >= south) & (lat <= north) & (lat != EVERYWHERE) & spans


def _differences(values: Iterable[int]) -> list[int]:
    found: list[int] = np.diff(np.asarray(values, "i8"), prepend=0).tolist()
    return found


mirror = Mirror()
