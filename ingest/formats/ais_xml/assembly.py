"""XML of AISHub to messages: each `vessel` element is one.

    <VESSELS><vessel MMSI="244750034" TIME="2021-07-09 08:06:58 GMT" LONGITUDE="-3.3" LATITUDE="48.1" … /></VESSELS>

Enters bytes; leaves the elements as they were received, each heard at its TIME, else when it arrived. Where TIME is an
epoch, AISHub writes the numbers of AIS; that is `added`, as in `ingest/formats/ais_json/assembly.py`. No document is
parsed: elements are found by themselves, so entities that grow and other files can do nothing here. What stands
between them is no line; a document without any is one, foreign. Reasons: `element_broken`, `element_too_long`,
`time_unreadable`. Source: AISHub, "AISHub API".
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator

from ingest.clocks import possible
from ingest.errors import Malformed
from ingest.formats.ais_json.assembly import SCALED, TIME_KEYS, as_time
from ingest.formats.common.contract import Setup
from ingest.formats.common.counting import Counting
from ingest.reports import Message

MAX_ELEMENT_BYTES = 16 * 1024
_BEGINNING = b"<vessel"
_BEGINS = re.compile(rb"<vessel(?=[\s/>])", re.IGNORECASE)
_ELEMENT = re.compile(rb"<vessel(?:[^<>\"']|\"[^\"<]*\"|'[^'<]*')*+>", re.IGNORECASE)
_ATTRIBUTE = re.compile(r"([A-Za-z_][\w.-]*)\s*=\s*(?:\"([^\"]*)\"|'([^']*)')")
_LOOKS = re.compile(rb"^\s*<.{0,3000}?<vessel\s[^<>]*\bMMSI\s*=", re.IGNORECASE | re.DOTALL)


class AisXmlAssembly(Counting):
    """Elements of AISHub's XML."""

    def __init__(self, setup: Setup) -> None:
        super().__init__()
        self.offset = setup.offset
        self.index = setup.index
        self._clock = setup.clock
        self._rest = b""
        self._is_empty = True  # no element since the document began
        self._has_text = False

    @staticmethod
    def looks_like(head: bytes) -> bool:
        """Markup with a vessel in it."""
        return _LOOKS.match(head) is not None

    def resume_at(self) -> tuple[int, int]:
        """Behind the last element."""
        return self.offset, self.index

    def feed(self, data: bytes, arrival: int | None) -> Iterator[Message]:
        """The messages of the elements that these bytes complete."""
        self._has_text = self._has_text or not data.isspace()
        self._rest += data
        if b">" not in data and len(self._rest) <= MAX_ELEMENT_BYTES:
            return
        at = 0
        while (begins := _BEGINS.search(self._rest, at)) is not None:
            start = begins.start()
            del begins
            element = _ELEMENT.match(self._rest, start)
            if element is None and self._may_end(start):
                break
            end = element.end() if element else start + len(_BEGINNING)
            at, before = end, at
            self.offset += end - before
            yield from self._take(element.group() if element else b"", arrival)
        else:
            start = max(at, len(self._rest) - len(_BEGINNING))
        self.offset += start - at
        self._rest = self._rest[start:]

    def cut(self, arrival: int | None) -> Iterator[Message]:
        """The document ends here."""
        return self.flush(arrival)

    def flush(self, arrival: int | None) -> Iterator[Message]:
        """The source ended: an element that is begun is broken, a document without one is foreign."""
        if _BEGINS.match(self._rest):
            self._refuse("element_broken")
        elif self._is_empty and self._has_text:
            self.lines += 1
            self.foreign += 1
        self.offset += len(self._rest)
        self._rest, self._is_empty, self._has_text = b"", True, False
        return iter(())

    def _may_end(self, start: int) -> bool:
        """Whether the element that begins here may still be completed: it is short, and no other one begins in it."""
        return len(self._rest) - start <= MAX_ELEMENT_BYTES and b"<" not in self._rest[start + 1 :]

    def _take(self, element: bytes, arrival: int | None) -> Iterator[Message]:
        """An element; empty where it is broken."""
        self._is_empty = False
        if not element or len(element) > MAX_ELEMENT_BYTES:
            self._refuse("element_too_long" if element else "element_broken")
            return
        try:
            time, is_scaled = _time_of(element)
            heard = possible(self._clock(self.index, time, arrival))
        except Malformed as error:
            self._refuse(error.reason)
            return
        self.lines += 1
        self.sentences += 1
        self.index += 1
        yield Message(heard, element, SCALED if is_scaled else b"")

    def _refuse(self, reason: str) -> None:
        self._is_empty = False
        self.lines += 1
        self.malformed[reason] += 1


def attributes(element: bytes) -> dict[str, str]:
    """The attributes that say something, by their names in lower case; the first of a name counts."""
    found: dict[str, str] = {}
    for name, double, single in _ATTRIBUTE.findall(element.decode(errors="replace")):
        value = html.unescape(double or single).strip()
        if value:
            found.setdefault(name.lower(), value)
    return found


def _time_of(element: bytes) -> tuple[int | None, bool]:
    """When it was heard (ms), None where it does not say; and whether that is an epoch. Raises Malformed."""
    said = attributes(element)
    text = next((said[key] for key in TIME_KEYS if key in said), None)
    if text is None:
        return None, False
    time = as_time(text)
    if time is None:
        raise Malformed("time_unreadable")
    return time, text.isdecimal()


class Elements:
    """The stream of one sender up to the end of its last whole tag; see `ingest/formats/common/splitting.py`."""

    header = b""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> bytes:
        """The bytes up to the last `>`; what has none within the longest element is given on as it is."""
        data = self._rest + data
        end = data.rfind(b">") + 1
        if not end and len(data) > MAX_ELEMENT_BYTES:
            end = len(data)
        self._rest = data[end:]
        return data[:end]

    def flush(self) -> bytes:
        """What is begun is no element."""
        rest, self._rest = self._rest, b""
        return rest
