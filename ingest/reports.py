"""What travels through the pipeline: raw messages in batches, and the reports they decode to.

Structs, not model instances: they cost a fifth. Attributes of positions have the names of the model's columns, so a
report goes into `bulk_create` as it is. Times inside a batch are integers, milliseconds since 1970 UTC; times of a
report are aware datetimes in UTC.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from uuid import UUID

import msgspec

BATCH_BYTES = 256 * 1024  # after which a batch is accepted, however few its messages


class Message(msgspec.Struct, array_like=True, gc=False):
    """One self-contained message and when the receiver heard it (ms).

    `raw` is what was received: sentences joined by newlines, a line, an entry of a document, a frame in hexadecimal.
    `added` is what the assembly knows of it from what came before, such as the header of a file or values of other
    lines: one JSON object, whose keys are those of the format, and empty where there is nothing.
    """

    received_at: int
    raw: bytes
    added: bytes = b""

    @property
    def size(self) -> int:
        """Bytes of the message with what was added."""
        return len(self.raw) + len(self.added)


class StationTime(msgspec.Struct, array_like=True):
    """How the clock of a station is used.

    `use`: "own", believed after `offset_ms` (how far it is ahead) is taken off; "arrival", not believed; "unknown", not
    judged yet. `reports`: how many it was judged by. `station` is empty where lines name none.
    """

    station: str
    use: str
    offset_ms: int
    reports: int


class LineCounts(msgspec.Struct):
    """What became of the lines read: `lines == foreign + sum(malformed) + sentences`.

    Each is counted where it happens, none is derived. `remarks` are oddities that cost no line, such as a tag block
    whose checksum is wrong.
    """

    lines: int = 0
    foreign: int = 0
    sentences: int = 0
    malformed: dict[str, int] = {}
    remarks: dict[str, int] = {}

    def __add__(self, other: LineCounts) -> LineCounts:
        """Two accounts of lines together."""
        return LineCounts(
            self.lines + other.lines,
            self.foreign + other.foreign,
            self.sentences + other.sentences,
            dict(Counter(self.malformed) + Counter(other.malformed)),
            dict(Counter(self.remarks) + Counter(other.remarks)),
        )

    def __sub__(self, earlier: LineCounts) -> LineCounts:
        """What was counted since an earlier moment of the same account."""
        return LineCounts(
            self.lines - earlier.lines,
            self.foreign - earlier.foreign,
            self.sentences - earlier.sentences,
            dict(Counter(self.malformed) - Counter(earlier.malformed)),
            dict(Counter(self.remarks) - Counter(earlier.remarks)),
        )


class MessageBatch(msgspec.Struct):
    """Messages of one feed that are accepted, queued, stored and booked together.

    `trust` is the feed's score, 1 to 100; `origin` where the bytes came from, without credentials. `recorded`: the
    times are of the past, not of the clock. `invented`: the times were made up from a start and a rate, so nothing may
    be inferred from them. `live`: whether live state is written. `offset` and `index`: where a recording goes on after
    this batch (bytes, number of the message there).
    """

    id: UUID
    run: UUID
    source: str
    format: str
    trust: int
    accepted_at: int
    origin: str = ""
    recorded: bool = False
    invented: bool = False
    live: bool = True
    messages: list[Message] = []
    counts: LineCounts = msgspec.field(default_factory=LineCounts)
    offset: int | None = None
    index: int | None = None


class VesselReport(msgspec.Struct, gc=False):
    """A position of a vessel: WGS 84 degrees, knots, degrees true; None where the message says "not available".

    `coarse`: to a tenth of a minute only, as satellites hear it (type 27); None where the type is not told.
    """

    vessel_id: int
    timestamp: dt.datetime
    latitude: float
    longitude: float
    speed: float | None
    course: float | None
    heading: int | None
    status: int | None
    received_at: dt.datetime
    source: str
    score: int
    coarse: bool | None = False


class VesselStatic(msgspec.Struct, gc=False):
    """Static and voyage data of a vessel; None where the message does not carry a value or says it is unknown."""

    mmsi: int
    at: dt.datetime
    name: str | None = None
    callsign: str | None = None
    imo: int | None = None
    ship_type: int | None = None
    to_bow: int | None = None
    to_stern: int | None = None
    to_port: int | None = None
    to_starboard: int | None = None
    destination: str | None = None
    draught: float | None = None
    eta: dt.datetime | None = None
    mothership: int | None = None


class StationReport(msgspec.Struct, gc=False):
    """A base station or an aid to navigation; None where a value is unknown."""

    mmsi: int
    at: dt.datetime
    kind: str
    latitude: float | None
    longitude: float | None
    name: str | None = None
    aid_type: int | None = None


class AircraftReport(msgspec.Struct, gc=False):
    """A position of an aircraft: WGS 84 degrees, feet, knots, degrees true, feet per minute; None where unknown.

    `altitude` is barometric, geometric only where no other is known, None on the ground. `ages` is the event time
    (epoch seconds) of those values that are older than the position, for live state.
    """

    aircraft_id: str
    timestamp: dt.datetime
    latitude: float
    longitude: float
    altitude: int | None
    ground_speed: float | None
    heading: float | None
    vertical_rate: int | None
    on_ground: bool | None
    received_at: dt.datetime
    source: str
    score: int
    ages: dict[str, float] = {}


class AircraftStatic(msgspec.Struct, gc=False):
    """What an aircraft or a source says of its identity; None where unknown."""

    icao: str
    at: dt.datetime
    callsign: str | None = None
    registration: str | None = None
    type_code: str | None = None
    category: str | None = None
    squawk: str | None = None


class Decoded(msgspec.Struct, gc=False):
    """What one message says: any of a position, static data and a station report; all None for other messages."""

    position: VesselReport | AircraftReport | None = None
    static: VesselStatic | AircraftStatic | None = None
    station: StationReport | None = None
