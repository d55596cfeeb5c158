"""AIS sentences: the framer and the assembler of `sentences.py` behind the contract of all formats."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ingest.formats.ais.assembler import Assembler
from ingest.formats.common.contract import Setup
from ingest.formats.common.framing import LineFramer
from ingest.reports import Message

_SENTENCE = re.compile(rb"![A-Z-]{2}VD[MO],\d,\d,|^\$[A-Z]{2,6},", re.MULTILINE)


class NmeaAssembly(Assembler):
    """Lines of NMEA 0183, AIS sentences among others."""

    def __init__(self, setup: Setup) -> None:
        super().__init__(setup.clock, setup.offset, setup.index, setup.mend_clocks)
        self._framer = LineFramer()

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
