"""Lines of text that hold Mode S frames, AVR's own and those of other tools: which frame, and when it was heard.

Enters a line; leaves its parts, where several frames stand in it one behind the other, and of one part the frame in
hexadecimal digits, its time and the receiver's counter. Whether the frame is sound is not known here.

    *8D4CA2165813A10F54560F3E2582;                      the frame
    @00000A1B2C3D8D4CA2165813A10F54560F3E2582;          after the receiver's counter (6 bytes)
    <00000A1B2C3D408D4CA2165813A10F54560F3E2582;        after counter and signal (1 byte)
    1717664319.147975 *8D4CA2165813A10F54560F3E2582;    after the time, an epoch or as loggers write it
    8D4CA2165813A10F54560F3E2582                        bare
    1717664319.147975,4CA216,8D4CA2165813A10F54560F3E2582   pyModeS and others: cells, one of them a frame
    {"timestamp":1717664319.14,"frame":"8d4ca2…",…}     jet1090 and others: what they decoded is not read

What follows the semicolon is ignored.
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import NamedTuple

import msgspec

from ingest.errors import Malformed
from ingest.formats.common import times
from ingest.formats.common.documents import epoch_ms
from ingest.formats.common.json_values import BROKEN

_TIMED = rb"(?:(?P<time>\d{9,10}(?:\.\d{1,9})?)(?:[ \t]+|,(?:[0-9A-Fa-f]{6},)?))?"
_LINE = re.compile(
    _TIMED + rb"(?:(?P<plain>\*?)|@(?P<counter>[0-9A-Fa-f]{12})|<(?P<counter2>[0-9A-Fa-f]{12})[0-9A-Fa-f]{2})"
    rb"(?P<frame>(?:[0-9A-Fa-f]{2})+)(?:;.*|\s*)"
)
_MARKED = re.compile(_TIMED + rb"[*@<]")
_PREFIXED = re.compile(rb"(?P<before>[^*@<]{10,80}[\s\],;>|])(?=[*@<][0-9A-Fa-f]{14})")
_NEXT = re.compile(rb";[ \t]*(?=(?:\d{9,10}(?:\.\d{1,9})?[ \t]+)?[*@<][0-9A-Fa-f]{14})")
_CELL = re.compile(rb"[^,;\t|]+")
_FRAME = re.compile(rb"[0-9A-Fa-f]{14}(?:[0-9A-Fa-f]{14})?")
_DATE = re.compile(rb"(?:19|20)\d{12}")  # 14 digits that are no frame
_FRAME_KEYS = ("frame", "rawmessage", "rawmsg", "raw", "msg", "message", "hex")
_TIME_KEYS = ("timestamp", "time", "ts", "mintime", "rx_time", "t")


class AvrLine(NamedTuple):
    """A frame in hexadecimal digits, of any length; `time` in ms, None where the line has none; `counter` of the
    receiver, 0 where it gives none."""

    frame: str
    time: int | None = None
    counter: int = 0


_read_object = msgspec.json.Decoder(dict[str, object]).decode


def parts(line: bytes) -> list[bytes]:
    """The line cut in front of each further frame; all bytes of it, in their order."""
    if line.count(b";") < 2:
        return [line]
    cuts = [0, *(found.end() for found in _NEXT.finditer(line)), len(line)]
    return [line[start:end] for start, end in pairwise(cuts)]


def read(line: bytes) -> AvrLine | None:
    """The frame of a part, None where there is none. Raises Malformed with `hex` or `json_broken`."""
    if line[:1] == b"{":
        return _of_json(line)
    found = _LINE.fullmatch(line)
    if found is not None:
        time = round(float(found["time"]) * 1000) if found["time"] else None
        return AvrLine(found["frame"].decode(), time, int(found["counter"] or found["counter2"] or b"0", 16))
    if _MARKED.match(line):
        raise Malformed("hex")
    return _of_log(line) or _of_cells(line)


def _of_log(line: bytes) -> AvrLine | None:
    """A marked frame behind a logger's time."""
    prefix = _PREFIXED.match(line)
    found = _LINE.fullmatch(line, prefix.end()) if prefix else None
    if prefix is None or found is None:
        return None
    counter = int(found["counter"] or found["counter2"] or b"0", 16)
    return AvrLine(found["frame"].decode(), _time_in(prefix["before"]), counter)


def _of_cells(line: bytes) -> AvrLine | None:
    """A frame in one cell of several, another of which is its time: else any long number would be one."""
    cells = [cell.strip(b" \"'\r") for cell in _CELL.findall(line)]
    frames = [cell for cell in cells if _FRAME.fullmatch(cell) and not _DATE.fullmatch(cell)]
    if len(frames) != 1:
        return None
    time = next((time for cell in cells if cell != frames[0] and (time := _time_in(cell)) is not None), None)
    return AvrLine(frames[0].decode(), time) if time is not None else None


def _time_in(text: bytes) -> int | None:
    """A time that stands in a text. Raises Malformed where one is there that cannot be read."""
    try:
        return times.last_in(text)
    except times.Unreadable as error:
        raise Malformed(error.reason) from error


def _of_json(line: bytes) -> AvrLine | None:
    try:
        said = {name.lower(): value for name, value in _read_object(line).items()}
    except BROKEN as error:
        raise Malformed("json_broken") from error
    frame = next((said[key] for key in _FRAME_KEYS if said.get(key)), None)
    if not isinstance(frame, str):
        return None
    digits = frame.strip(" *;\r\n")
    if not digits.isalnum() or re.fullmatch(r"(?:[0-9A-Fa-f]{2})+", digits) is None:
        raise Malformed("json_broken")
    time = next((said[key] for key in _TIME_KEYS if said.get(key) is not None), None)
    return AvrLine(digits, _epoch(time))


def _epoch(value: object) -> int | None:
    if isinstance(value, str):
        return times.epoch(value.encode()) or times.iso(value)
    return epoch_ms(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
