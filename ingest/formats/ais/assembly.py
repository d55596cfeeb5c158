"""AIS sentences: the framer and the assembler of `assembler.py` behind the contract of all formats.

A line of JSON is read by `json_lines.py`; the sentences of one of its objects are a whole message, none of which waits
for those of another line.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from ingest.formats.ais import json_lines
from ingest.formats.ais.assembler import Assembler
from ingest.formats.common.contract import Setup
from ingest.formats.common.framing import LineFramer
from ingest.reports import Message

MAX_LINE_BYTES = 64 * 1024  # a datagram of many sentences, or a JSON object with all that a receiver decoded

_SENTENCE = re.compile(rb"[!$][A-Z-]{2}VD[MO],\d,\d,|(?:^|[\s,])[A-Z]{2}VD[MO],\d,\d,|^\$[A-Z]{2,6},", re.MULTILINE)
_JSON = (b"{", b"[")


class NmeaAssembly(Assembler):
    """Lines of NMEA 0183, AIS sentences among others."""

    max_line_bytes = MAX_LINE_BYTES

    def __init__(self, setup: Setup) -> None:
        super().__init__(setup.clock, setup.offset, setup.index, setup.mend_clocks)
        self._framer = LineFramer(MAX_LINE_BYTES)

    @staticmethod
    def looks_like(head: bytes) -> bool:
        """Any AIS sentence, or a line of another talker."""
        return bool(_SENTENCE.search(head))

    def feed(self, data: bytes, arrival: int | None) -> Iterator[Message]:
        """The messages that these bytes complete."""
        return self.push_all(self._framer.feed(data), arrival)

    def cut(self, arrival: int | None) -> Iterator[Message]:
        """The line in hand ends here; sentences of unfinished messages may still be completed."""
        return self.push_all(self._framer.flush(), arrival)

    def flush(self, arrival: int | None) -> Iterator[Message]:  # type: ignore[override]
        """The last line; then what is pending is counted as incomplete."""
        yield from self.push_all(self._framer.flush(), arrival)
        super().flush()

    def push(self, line: bytes, size: int, arrival: int | None) -> list[Message]:
        """The messages that a line completes, which may be JSON."""
        if line[:1] == b"!" or line.lstrip(b" \t,")[:1] not in _JSON:
            return super().push(line, size, arrival)
        entries = json_lines.read(line)
        if entries is None:
            return super().push(line, size, arrival)
        start = self.offset
        self.offset += size
        if not entries:
            self._without_sentences(line)
        return [message for entry in entries for message in self.push_entry(entry, start, arrival)]

    def push_entry(self, entry: json_lines.JsonSentences, start: int, arrival: int | None) -> list[Message]:
        """The messages of one object of a document that began at `start`: all it has is here."""
        messages = []
        for text in entry.sentences:
            line = text.encode("utf-8", "replace")
            messages += self.push_apart(line, start, arrival, entry.time)
        self.end_apart()
        return messages

    def _without_sentences(self, line: bytes) -> None:
        self.lines += 1
        if json_lines.lacks_sentences(line):
            self.malformed["nmea_missing"] += 1
        else:
            self.foreign += 1
