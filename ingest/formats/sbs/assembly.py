"""Lines of SBS-1 to messages: each line of type MSG is one, and a position carries what other lines said before it.

A line carries some of an aircraft's values (`ingest/formats/sbs/decoder.py`): this is where they are put together,
value by value with the age of each, so that workers need no memory. Added to a position are altitude, ground speed,
track and vertical rate, where the line itself lacks them and they were heard at most FRESH_MS before; and to any
line that its callsign and squawk were reported already. At most MAX_AIRCRAFT are remembered, each for FORGET_MS after
its last line. A recording that is resumed goes on where it was read to, without the memory: the first positions lack
what was said before them. SEL, ID, AIR, STA and CLK lines are foreign, and so is what is no line of SBS-1 at all.

Live, a line was heard when it arrived, for senders delay times or write them in a zone of their own. A recording, which
has no arrival, goes by the time in front of a line, else by the line's own.
"""

from __future__ import annotations

import datetime as dt
import re
from zoneinfo import ZoneInfo

import msgspec

from ingest.errors import Malformed, Rejected
from ingest.formats.common import aircraft, times
from ingest.formats.common.contract import Setup
from ingest.formats.common.lines import LineAssembly
from ingest.formats.sbs import decoder as sbs
from ingest.reports import Message

FRESH_MS = 60_000  # the age up to which a value belongs to a position, and after which an identity is said again
FORGET_MS = 300_000
_ZONE_STEP_MS = 15 * 60_000
MAX_AIRCRAFT = 20_000

_BEGINNING = re.compile(rb"(?:MSG|MLAT),[1-8],")
_LOOKS_LIKE = re.compile(
    rb"^(?:(?:\d{4}-\d\d-\d\d[T ][\d:.]+(?:Z|[+-]\d\d:?\d\d)?|\d{10}(?:\.\d{1,9})?|\d{13})[ ,;\t]+)?"
    rb"(?:(?:MSG|MLAT),[1-8]|(?:SEL|ID|AIR|STA|CLK),),\d*,",
    re.MULTILINE,
)
_IDENTITY = ((sbs.CALLSIGN, aircraft.callsign), (sbs.SQUAWK, aircraft.squawk))
_write = msgspec.json.Encoder().encode
_GEOMETRIC = "geometric"  # altitudes of both kinds are remembered, and one of them is noted


class _Heard(msgspec.Struct, gc=False):
    """What was heard of one aircraft: texts with their times (ms), `said` by field of the identity."""

    at: int
    values: dict[str, tuple[str, int]] = {}
    said: dict[int, tuple[str, int]] = {}


class SbsAssembly(LineAssembly):
    """SBS-1 (BaseStation) lines, a receiver's ISO time in front of them or not."""

    def __init__(self, setup: Setup) -> None:
        super().__init__(setup.clock, setup.offset, setup.index)
        self._aircraft: dict[str, _Heard] = {}  # the one that was silent longest comes first
        self._recorded = setup.recorded
        self._zone = dt.UTC if setup.zone == "UTC" else ZoneInfo(setup.zone)  # which takes twice as long
        self._pushed = False
        self._shift: int | None = None  # of the times in a pushed body, ms

    @staticmethod
    def looks_like(head: bytes) -> bool:
        """Any line of SBS-1."""
        return bool(_LOOKS_LIKE.search(head))

    def parts(self, line: bytes) -> list[bytes]:
        """A line cut in front of each message that follows a whole one."""
        if line.count(b",") < 2 * sbs.FIELDS - 2:
            return [line]
        return _parts(line)

    def take(self, line: bytes, arrival: int | None) -> Message | None:
        """One line; None for other types than MSG. Raises Malformed."""
        start = _start_of_message(line)
        if start is None:
            self.count_foreign()
            return None
        self.count_part()
        raw = line[start:].rstrip()
        fields = raw.decode("ascii", "replace").split(",")
        time = _time_in_front(line[:start])
        if time is None and (self._recorded or self._pushed):
            time = self._own_time(fields, arrival)
        message = self.message(raw, time, arrival)
        try:
            address = aircraft.icao(fields[sbs.ADDRESS])
        except Rejected:
            return message  # the decoder refuses and counts it; here it only must not be remembered
        added = self._added(self._heard(address, message.received_at), fields, message.received_at)
        if added.values or added.known:
            message.added = _write(added)
        return message

    def prepare(self, body: bytes) -> None:
        """A body that was pushed: its lines were heard one after the other, not all when it arrived."""
        self._pushed = True

    def _own_time(self, fields: list[str], arrival: int | None) -> int | None:
        """When the line says that it was generated, else logged (ms).

        Of a pushed body the zone is found out: nobody waits for a quarter of an hour, and zones differ by no less.
        """
        time = _date_and_time(fields[6], fields[7], self._zone) or _date_and_time(fields[8], fields[9], self._zone)
        if time is None or arrival is None:
            return time
        if self._shift is None:
            self._shift = round((arrival - time) / _ZONE_STEP_MS) * _ZONE_STEP_MS
        return min(time + self._shift, arrival)

    def _heard(self, address: str, now: int) -> _Heard:
        """The memory of an aircraft, which becomes the youngest; those that were silent too long are forgotten."""
        heard = self._aircraft.pop(address, None) or _Heard(now)
        heard.at = now
        self._aircraft[address] = heard
        while len(self._aircraft) > MAX_AIRCRAFT or self._oldest().at < now - FORGET_MS:
            del self._aircraft[next(iter(self._aircraft))]
        return heard

    def _oldest(self) -> _Heard:
        return next(iter(self._aircraft.values()))

    def _added(self, heard: _Heard, fields: list[str], now: int) -> sbs.SbsAdded:
        """What the decoder must know besides the line; then the line's own values are remembered."""
        own = _values_of(fields)
        added = sbs.SbsAdded()
        if sbs.has_position(fields):
            fresh = {name: (text, now - at) for name, (text, at) in heard.values.items() if 0 <= now - at <= FRESH_MS}
            added.values = _missing(own, fresh)
        for name, text in own.items():
            heard.values[name] = (text, now)
        added.known = _is_said(heard, fields, now)
        return added


def _parts(line: bytes) -> list[bytes]:
    cut, cuts = 0, [0]
    for found in _BEGINNING.finditer(line):
        before = _BEGINNING.search(line, cut, found.start())
        if before is not None and _is_whole(line, before.start(), found.start()):
            cut = found.start()
            cuts.append(cut)
    return [line[start:end] for start, end in zip(cuts, [*cuts[1:], len(line)], strict=True)]


def _is_whole(line: bytes, start: int, end: int) -> bool:
    """Whether a message begins at `start` that has as many fields as its kind by `end`."""
    return sbs.is_complete(line[start : start + 4].decode("ascii", "replace"), line.count(b",", start, end) + 1)


def _start_of_message(line: bytes) -> int | None:
    """Where the message begins, None for a line of another kind. Raises Malformed.

    A cut-off message in front of a whole one is garbage like any other.
    """
    starts = [found.start() for found in _BEGINNING.finditer(line)]
    for start in reversed(starts):
        if _is_whole(line, start, len(line)):
            return start
    if starts:
        raise Malformed("field_count")
    if line.startswith((b"MSG,", b"MLAT,")):
        raise Malformed("message_type")
    return None


def _time_in_front(prefix: bytes) -> int | None:
    """An epoch or an ISO 8601 time, UTC where it names no zone, in ms; None where there is none."""
    if not prefix:
        return None
    text = prefix.strip(b" ,;\t")
    if (time := times.epoch(text)) is not None:
        return time
    try:
        moment = dt.datetime.fromisoformat(text.decode("ascii", "replace"))
    except ValueError:
        return None  # garbage in front costs only the time
    moment = moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)
    return round(moment.timestamp() * 1000)


def _date_and_time(date: str, time: str, zone: dt.tzinfo) -> int | None:
    """`2015/11/27` and `21:31:03.354` of a zone in ms since 1970; None where they are none."""
    try:
        moment = dt.datetime.fromisoformat(f"{date.strip().replace('/', '-')}T{time.strip()}")
    except ValueError:
        return None
    return round(moment.replace(tzinfo=zone).timestamp() * 1000)


def _values_of(fields: list[str]) -> dict[str, str]:
    """The texts of the usable values on this line; a geometric altitude under a name of its own."""
    values = {}
    for name, (index, _) in sbs.VALUES.items():
        text = fields[index].strip()
        if text and sbs.value(name, text) is not None:
            values[_GEOMETRIC if text.endswith("H") else name] = text
    return values


def _missing(own: dict[str, str], fresh: dict[str, tuple[str, int]]) -> dict[str, tuple[str, int]]:
    """What was heard of the values that the line lacks; a geometric altitude only where no barometric one is known."""
    missing = {name: fresh[name] for name in sbs.VALUES if name not in own and name in fresh}
    known = own.keys() | missing.keys()
    if "altitude" not in known and _GEOMETRIC not in known and _GEOMETRIC in fresh:
        missing["altitude"] = fresh[_GEOMETRIC]
    return missing


def _is_said(heard: _Heard, fields: list[str], now: int) -> bool:
    """Whether the line's callsign and squawk are those that were reported last, within FRESH_MS; else they are now."""
    given = {index: text for index, clean in _IDENTITY if (text := clean(fields[index])) is not None}
    if not given:
        return False
    latest = {index: heard.said.get(index, ("", now)) for index in given}
    if all(text == latest[index][0] and 0 <= now - latest[index][1] < FRESH_MS for index, text in given.items()):
        return True
    heard.said.update({index: (text, now) for index, text in given.items()})
    return False
