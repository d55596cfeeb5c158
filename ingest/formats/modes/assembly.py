"""Mode S frames, as Beast binary or AVR text, to self-contained messages.

How lines hold frames is told by `avr.py`. The receiver's counter is no time: it begins anywhere; so frames were heard
when they arrived, or when the clock of the recording says. Every frame of the right length and parity becomes a
message; what it says is found out here (`airspace.py`), because that takes the frames before it. Mode A/C replies are
foreign.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator

from django.conf import settings

from ingest.clocks import UnknownTime, possible
from ingest.errors import Malformed
from ingest.formats.common.contract import Setup
from ingest.formats.common.lines import LineAssembly
from ingest.formats.modes import avr
from ingest.formats.modes.airspace import MEMORY_MS, Airspace
from ingest.formats.modes.beast import BROKEN, JUNK, MLAT_COUNTER, BeastFrame, BeastFramer
from ingest.formats.modes.decoder import message_of, unresolved
from ingest.reports import Message

SHORT_BYTES, LONG_BYTES = 7, 14
_MARK_MS = 5_000
_MAX_MARKS = 64
_TICKS_PER_MS = 12_000  # of the receiver's counter, 12 MHz
_LONGEST_BODY_MS = 600_000  # that is believed of a body which was pushed
_SEEN_LINES = 20
_MAX_HELD = 256  # messages of one aircraft
METRES = 1852.0  # in a nautical mile

_SEEN = re.compile(
    rb"^(?:\d{9,10}(?:\.\d+)?(?:[ \t]+|,(?:[0-9A-F]{6},)?))?(?:(?:\*|@[0-9A-F]{12}|<[0-9A-F]{14})(?:[0-9A-F]{14}){1,2};"
    rb"|[0-9A-F]{14}(?:[0-9A-F]{14})?;?\r?$)",
    re.IGNORECASE | re.MULTILINE,
)


def _table() -> list[int]:
    """The remainders of all bytes by the generator 0x1FFF409 of Mode S."""
    table = []
    for byte in range(256):
        remainder = byte << 16
        for _ in range(8):
            remainder = remainder << 1 ^ (0x1FFF409 if remainder & 0x800000 else 0)
        table.append(remainder)
    return table


_REMAINDERS = _table()


def parity(frame: bytes) -> int:
    """What is left of the parity field, 24 bits: 0, the interrogator's code or the address, by the format.

    Source: ICAO Annex 10, volume IV, 3.1.2.3.3.
    """
    remainder = 0
    for byte in frame[:-3]:
        remainder = (remainder << 8 & 0xFFFFFF) ^ _REMAINDERS[remainder >> 16 ^ byte]
    return remainder ^ int.from_bytes(frame[-3:], "big")


def check(frame: bytes) -> None:
    """Length by the first bit, parity where the format has one of its own. Raises Malformed.

    All-call replies (11) carry the interrogator's code in the last seven bits of the parity.
    """
    if len(frame) != (LONG_BYTES if frame and frame[0] > 127 else SHORT_BYTES):
        raise Malformed("frame_length")
    kind = frame[0] >> 3
    if (kind in (17, 18) and parity(frame)) or (kind == 11 and parity(frame) > 0x7F):
        raise Malformed("crc")


class _ModeSAssembly(LineAssembly):
    """What both encodings share: frames to messages, and where to resume."""

    def __init__(self, setup: Setup) -> None:
        super().__init__(setup.clock, setup.offset, setup.index)
        self._airspace = Airspace(setup.receiver, settings.RECEIVER_RANGE_NM * METRES)
        self._held: dict[str, list[Message]] = {}  # of doubtful positions by address, the oldest first
        self._ready: list[Message] = []
        self._last_counter = 0  # of a body that was pushed
        self._resume = (setup.offset, setup.index)
        self._marks: deque[tuple[int, int, int]] = deque(maxlen=_MAX_MARKS)  # (time, offset, index) behind a frame

    def resume_at(self) -> tuple[int, int]:
        """About a minute back: positions need the frames before. What is read twice makes the same rows again."""
        return self._resume

    def flush(self, arrival: int | None) -> Iterator[Message]:
        """The last frame; then the source is read to its end, and nothing of it is needed again.

        Positions that nothing contradicted are used.
        """
        yield from super().flush(arrival)
        for address in list(self._held):
            self._release(address, right=True)
        yield from self._released()
        self._marks.clear()
        self._resume = (self.offset, self.index)

    def heard(self, frame: bytes, time: int | None, arrival: int | None, counter: int = 0) -> Message | None:
        """The message of one frame, None where it is held back. Raises Malformed and UnknownTime."""
        check(frame)
        if time is None and self._last_counter and arrival is not None:
            time = arrival - self._before_the_last(counter)
        at = possible(self._clock(self.index, time, arrival))
        self.count_part()
        self.index += 1
        self._mark(at)
        said = self._airspace.hear(frame, at, counter == MLAT_COUNTER)
        message = message_of(frame, said, at)
        for address, right in self._airspace.settled:
            self._release(address, right)
        self._release_old(at)
        if said is None or said.latitude is None or not self._airspace.is_doubtful(said.icao):
            return message
        self._held.setdefault(said.icao, []).append(message)
        return None

    def _before_the_last(self, counter: int) -> int:
        """How long before the last frame of a body one was heard (ms); 0 where the counter does not tell."""
        ticks = self._last_counter - counter
        return round(ticks / _TICKS_PER_MS) if counter and 0 <= ticks <= _LONGEST_BODY_MS * _TICKS_PER_MS else 0

    def _release(self, address: str, right: bool) -> None:
        """Let go of the messages that were held back; wrong ones say that they are unresolved."""
        for message in self._held.pop(address, ()):
            self._ready.append(message if right else unresolved(message))

    def _release_old(self, at: int) -> None:
        """What nobody contradicted for a minute, and what is too much."""
        while self._held:
            address, messages = next(iter(self._held.items()))
            if abs(at - messages[0].received_at) <= MEMORY_MS and len(messages) < _MAX_HELD:
                return
            self._airspace.trust(address)
            self._release(address, right=True)

    def _released(self) -> Iterator[Message]:
        """The messages that were held back until now."""
        ready, self._ready = self._ready, []
        yield from ready

    def _each(self, lines: list[tuple[bytes, int]], arrival: int | None) -> Iterator[Message]:
        for message in super()._each(lines, arrival):
            yield from self._released()
            yield message
        yield from self._released()

    def _mark(self, at: int) -> None:
        """Remember every few seconds where the stream was, and resume at the place of a minute ago."""
        if not self._marks or abs(at - self._marks[-1][0]) >= _MARK_MS:
            self._marks.append((at, self.offset, self.index))
        while abs(at - self._marks[0][0]) >= MEMORY_MS:
            _, *place = self._marks.popleft()
            self._resume = (place[0], place[1])


class AvrAssembly(_ModeSAssembly):
    """Lines of AVR text, and frames in lines of other tools."""

    max_line_bytes = 8192

    @staticmethod
    def looks_like(head: bytes) -> bool:
        """Any whole frame on a line of its own, or one whose parity is right in a line of another tool."""
        return bool(_SEEN.search(head)) or any(map(_is_sure, head.splitlines()[:_SEEN_LINES]))

    def parts(self, line: bytes) -> list[bytes]:
        """A frame each."""
        return avr.parts(line)

    def take(self, line: bytes, arrival: int | None) -> Message | None:
        """One line, or a part of it. Raises Malformed with `hex`, `frame_length`, `crc` and `json_broken`."""
        found = avr.read(line)
        if found is None or len(found.frame) == 4:
            self.count_foreign()  # Mode A/C, or anything
            return None
        return self.heard(bytes.fromhex(found.frame), found.time, arrival, found.counter)

    def prepare(self, body: bytes) -> None:
        """The counter of the last frame is that of the arrival."""
        for line in reversed(body.splitlines()):
            counter = _counter_of(avr.parts(line)[-1])
            if counter:
                self._last_counter = counter
                return


def _is_sure(line: bytes) -> bool:
    """Whether a line holds an extended squitter whose parity is right."""
    try:
        found = avr.read(line)
    except Malformed:
        return False
    frame = bytes.fromhex(found.frame) if found and len(found.frame) == 2 * LONG_BYTES else b""
    return bool(frame) and frame[0] >> 3 in (17, 18) and not parity(frame)


def _counter_of(line: bytes) -> int:
    try:
        found = avr.read(line)
    except Malformed:
        return 0
    return found.counter if found else 0


class BeastAssembly(_ModeSAssembly):
    """Frames of the Beast's binary format; they are counted as lines."""

    def __init__(self, setup: Setup) -> None:
        super().__init__(setup)
        self._frames = BeastFramer()

    @staticmethod
    def looks_like(head: bytes) -> bool:
        """Most of the bytes are frames."""
        whole = sum(frame.size for frame in BeastFramer().feed(head) if frame.kind not in (BROKEN, JUNK))
        return whole * 2 > len(head)

    def feed(self, data: bytes, arrival: int | None) -> Iterator[Message]:
        """The messages of the frames that these bytes complete."""
        return self._messages(self._frames.feed(data), arrival)

    def cut(self, arrival: int | None) -> Iterator[Message]:
        """The frame in hand is broken."""
        return self._messages(self._frames.flush(), arrival)

    def flush(self, arrival: int | None) -> Iterator[Message]:
        """The frame in hand is broken, and no more come."""
        yield from self.cut(arrival)
        yield from super().flush(arrival)

    def prepare(self, body: bytes) -> None:
        """The counter of the last frame is that of the arrival."""
        counters = [frame.counter for frame in BeastFramer().feed(body) if frame.counter not in (0, MLAT_COUNTER)]
        self._last_counter = counters[-1] if counters else 0

    def take(self, line: bytes, arrival: int | None) -> Message | None:
        """The data of one frame, without the counter."""
        return self.heard(line, None, arrival)

    def _messages(self, frames: list[BeastFrame], arrival: int | None) -> Iterator[Message]:
        for frame in frames:
            self.offset += frame.size
            self.lines += 1
            before = self.foreign, self.sentences
            try:
                message = self._message(frame, arrival)
            except Malformed as error:
                self.refuse(error.reason, before)
                continue
            except UnknownTime:
                raise
            except Exception as error:
                self.unexpected(error, frame.data, before)
                continue
            yield from self._released()
            if message is not None:
                yield message

    def _message(self, frame: BeastFrame, arrival: int | None) -> Message | None:
        """The message of a Mode S frame; Mode A/C, status and receivers' numbers are foreign. Raises Malformed."""
        match frame.kind:
            case "2" | "3":
                return self.heard(frame.data, None, arrival, frame.counter)
            case kind if kind in (BROKEN, JUNK):
                raise Malformed(f"frame_{kind}")
        self.count_foreign()
        return None
