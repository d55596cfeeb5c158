"""Beast bytes to frames: a pure function of the bytes, however they are cut into chunks.

A frame on the wire, every 0x1a behind the first doubled:

    0x1a  type  counter (6 bytes)  signal (1 byte)  data (2, 7 or 14 bytes for types "1", "2" and "3")

Types "4" (Radarcape status) and "5" (its position) are as long as type "3"; 0xe3 is the number of a receiver, 8 bytes.
The counter runs at 12 MHz from an arbitrary start, or, with a GPS receiver, is 18 bits of seconds of the day and 30 of
nanoseconds; the stream does not say which, so it is no time here.

Enters any chunk; leaves frames without their escapes, each with the bytes it took. What is *incomplete* waits for the
next chunk, at most 44 bytes; what is *corrupt*, a frame cut short by the next 0x1a, leaves as BROKEN; bytes between
frames leave as one JUNK once a frame follows. What the data mean is not known here.
Source: the Mode-S Beast's data format; dump1090's and readsb's `net_io.c` for types "4", "5" and 0xe3.
"""

from __future__ import annotations

import re

import msgspec

BROKEN = "broken"  # the frame ended too early
JUNK = "junk"  # what stands between frames

# The counter of frames that were computed by multilateration, as dump1090 and readsb write them: FF 00 "MLAT".
MLAT_COUNTER = 0xFF004D4C4154

_HEAD_BYTES = 7
_BYTE = rb"(?:[^\x1a]|\x1a\x1a)"
# An 0x1a that begins a frame; a doubled one outside of frames does not.
_TOKEN = re.compile(
    rb"(?P<frame>\x1a(?:1B{9}|2B{14}|[345]B{21}|\xe3B{8}))"
    rb"|(?P<begun>\x1a(?:[1-5\xe3]B{0,20}\x1a?)?\Z)"
    rb"|(?P<broken>\x1a[1-5\xe3]B*)"
    rb"|(?P<junk>.[^\x1a]*)".replace(b"B", _BYTE),
    re.DOTALL,
)


class BeastFrame(msgspec.Struct, gc=False):
    """One frame, or the remains of one: `kind` is "1" to "5", "\\xe3", BROKEN or JUNK; `size` the bytes it took.

    `counter` is as the receiver gives it, `signal` 0 to 255; both 0 and `data` empty for remains.
    """

    kind: str
    size: int
    counter: int = 0
    signal: int = 0
    data: bytes = b""


class BeastFramer:
    """Cuts a byte stream into frames."""

    def __init__(self) -> None:
        self._rest = b""
        self._junk = 0  # bytes since the last frame

    @property
    def pending(self) -> int:
        """Bytes of the frame that is begun."""
        return len(self._rest)

    def feed(self, chunk: bytes) -> list[BeastFrame]:
        """The frames that `chunk` completes, and what was found in front of them."""
        bytes_ = self._rest + chunk
        self._rest = b""
        frames: list[BeastFrame] = []
        for token in _TOKEN.finditer(bytes_):
            match token.lastgroup:
                case "begun":
                    self._rest = token.group()
                case "junk":
                    self._junk += len(token.group())
                case "frame":
                    frames += [*self._end_of_junk(), _frame(token.group())]
                case _:
                    frames += [*self._end_of_junk(), BeastFrame(BROKEN, len(token.group()))]
        return frames

    def flush(self) -> list[BeastFrame]:
        """The stream ended or was cut: what is begun is broken."""
        frames = self._end_of_junk()
        if self._rest:
            frames.append(BeastFrame(BROKEN, len(self._rest)))
            self._rest = b""
        return frames

    def _end_of_junk(self) -> list[BeastFrame]:
        if not self._junk:
            return []
        size, self._junk = self._junk, 0
        return [BeastFrame(JUNK, size)]


class Frames:
    """The stream of one sender in whole frames; see `ingest/formats/common/splitting.py`."""

    header = b""

    def __init__(self) -> None:
        self._framer = BeastFramer()
        self._rest = b""

    def feed(self, data: bytes) -> bytes:
        """The bytes up to the end of the last whole frame."""
        data = self._rest + data
        self._framer.feed(data[len(self._rest) :])
        end = len(data) - self._framer.pending
        self._rest = data[end:]
        return data[:end]

    def flush(self) -> bytes:
        """The frame that was begun; the next one breaks it off."""
        rest, self._rest = self._rest, b""
        self._framer.flush()
        return rest


def _frame(wire: bytes) -> BeastFrame:
    """Take the escapes out of a whole frame and the fields apart; a receiver's number has none."""
    plain = wire[1:].replace(b"\x1a\x1a", b"\x1a")
    if plain[0] == 0xE3:
        return BeastFrame(chr(0xE3), len(wire), data=plain[1:])
    counter = int.from_bytes(plain[1:_HEAD_BYTES], "big")
    return BeastFrame(chr(plain[0]), len(wire), counter, plain[_HEAD_BYTES], plain[_HEAD_BYTES + 1 :])
