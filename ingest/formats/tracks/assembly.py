"""Track points, one JSON object a line, to messages.

Enters bytes; each line that is an object with a time becomes a message as it is, heard at that time. A blank line is
foreign. What the object says is read by `ingest/formats/tracks/decoder.py`.
"""

from __future__ import annotations

import re

import msgspec

from ingest.errors import Malformed
from ingest.formats.common.contract import Setup
from ingest.formats.common.documents import epoch_ms
from ingest.formats.common.json_values import BROKEN
from ingest.formats.common.lines import LineAssembly
from ingest.reports import Message

_POINT = re.compile(rb'^\s*\{(?![^\n]*"frame"\s*:)(?=[^\n]*"icao24"\s*:)(?=[^\n]*"timestamp"\s*:)[^\n]*"latitude"\s*:')


class _When(msgspec.Struct, gc=False):
    timestamp: float | None = None


_read_when = msgspec.json.Decoder(_When).decode


class TracksAssembly(LineAssembly):
    """Lines of JSON, each an object with `icao24`, `timestamp` and a position."""

    max_line_bytes = 4096

    def __init__(self, setup: Setup) -> None:
        super().__init__(setup.clock, setup.offset, setup.index)

    @staticmethod
    def looks_like(head: bytes) -> bool:
        """The first line is a track point."""
        return _POINT.match(head) is not None

    def take(self, line: bytes, arrival: int | None) -> Message | None:
        """A point to its message. Raises Malformed."""
        if not line.strip():
            self.count_foreign()
            return None
        try:
            time = epoch_ms(_read_when(line).timestamp)
        except BROKEN as error:
            raise Malformed("json_broken") from error
        if time is None:
            raise Malformed("time_missing")
        self.count_part()
        return self.message(line, time, arrival)
