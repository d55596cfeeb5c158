"""Live documents as columns of numbers: what a page draws of each target, a row a target.

Documents enter as JSON; arrays of numpy and a list of static data leave. `tracking/live/mirror.py` keeps them in step
with Redis and cuts answers out of them.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
import numpy as np

from tracking.live.state import LiveKind, expired_of, members_of
from tracking.registry.lookup import UNKNOWN as UNREGISTERED
from tracking.registry.lookup import Registered
from tracking.registry.silhouettes import silhouette_of

UNKNOWN: Final = -32768
EVERYWHERE: Final = 2**31 - 1  # no degree: where a new target was before


class Drawn(msgspec.Struct):
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
    category: str | None = None
    kind: str | None = None


_decode = msgspec.json.Decoder(list[Drawn]).decode


def drawn(reply: bytes) -> Drawn:
    """A document of RedisJSON, without what has expired."""
    document = _decode(reply)[0]
    for name in expired_of(document.ts, document.ages):
        for member in members_of(name):
            if member in Drawn.__struct_fields__:
                setattr(document, member, None)
    return document


class Columns:
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
        self.column["was_lat"][row] = self.column["was_lon"][row] = EVERYWHERE
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
VALUES = {
    LiveKind.VESSEL: ("speed", "course", "heading", "status"),
    LiveKind.AIRCRAFT: ("speed", "heading", "altitude", "climb", "ground", "squawk"),
    LiveKind.STATION: (),
}

STATICS = {
    LiveKind.VESSEL: ("name", "type", "length", "beam", "source"),
    LiveKind.AIRCRAFT: ("name", "type", "source", "shape"),
    LiveKind.STATION: ("name", "type", "source"),
}


def values_of(kind: LiveKind, document: Drawn) -> tuple[int, ...]:
    """Numbers of a row in the order of VALUES: speed in 0.1 knots, altitude in 25 ft, climb in 64 ft a minute."""
    if kind is LiveKind.VESSEL:
        return (
            _scaled(document.speed, 10),
            _scaled(document.course),
            _scaled(document.heading),
            _scaled(document.status),
        )
    if kind is LiveKind.AIRCRAFT:
        return (
            _scaled(document.ground_speed, 10),
            _scaled(document.heading),
            _scaled(document.altitude, 1 / 25),
            _scaled(document.vertical_rate, 1 / 64),
            UNKNOWN if document.on_ground is None else int(document.on_ground),
            int(document.squawk) if document.squawk and document.squawk.isdecimal() else UNKNOWN,
        )
    return ()


def static_of(kind: LiveKind, document: Drawn, registered: Registered = UNREGISTERED) -> tuple[Any, ...]:
    """What seldom changes, in the order of STATICS; lengths in metres, 0 where unknown. What is heard goes before what
    is registered."""
    source = document.source or ""
    if kind is LiveKind.VESSEL:
        length = (document.to_bow or 0) + (document.to_stern or 0)
        beam = (document.to_port or 0) + (document.to_starboard or 0)
        return document.name or "", _scaled(document.ship_type), length, beam, source
    if kind is LiveKind.AIRCRAFT:
        type_code = document.type_code or registered.type_code
        name = document.callsign or registered.registration
        return name, type_code, source, silhouette_of(type_code, document.category or "")
    return document.name or "", document.kind or "", source


def _scaled(value: float | None, scale: float = 1) -> int:
    return UNKNOWN if value is None else round(value * scale)
