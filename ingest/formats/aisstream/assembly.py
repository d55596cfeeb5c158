"""Messages of aisstream.io, one JSON object a line, to messages of ours.

Enters bytes; each object with a MessageType becomes a message as it is, heard at its `MetaData.time_utc`. That is when
aisstream's receiver heard it, up to two minutes before it is delivered. Blank lines and what the server says of itself
(`{"error": …}`) are foreign. What the object says is read by `ingest/formats/aisstream/decoder.py`.
"""

from __future__ import annotations

import datetime as dt
import re

import msgspec

from ingest.errors import Malformed
from ingest.formats.common.contract import Setup
from ingest.formats.common.json_values import BROKEN
from ingest.formats.common.lines import LineAssembly
from ingest.reports import Message

_LOOKS = re.compile(rb'^\s*\{(?=[^\n]*"MessageType"\s*:)[^\n]*"(?:MetaData|Message)"\s*:')
# As Go writes times: nanoseconds, an offset, and the name of the zone after it.
_TIME = re.compile(r"(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d)(\.\d{1,9})? ?(Z|[+-]\d\d:?\d\d)?(?: .*)?", re.ASCII)


class _MetaData(msgspec.Struct, gc=False):
    time_utc: str = ""


class _MessageHead(msgspec.Struct, gc=False):
    type: str = msgspec.field(default="", name="MessageType")
    meta: _MetaData = msgspec.field(default_factory=_MetaData, name="MetaData")
    error: str = ""


_read = msgspec.json.Decoder(_MessageHead).decode


class AisStreamAssembly(LineAssembly):
    """Lines of JSON, each an envelope with MessageType, MetaData and Message."""

    max_line_bytes = 64 * 1024

    def __init__(self, setup: Setup) -> None:
        super().__init__(setup.clock, setup.offset, setup.index)

    @staticmethod
    def looks_like(head: bytes) -> bool:
        """The first line is an envelope."""
        return _LOOKS.match(head) is not None

    def take(self, line: bytes, arrival: int | None) -> Message | None:
        """An envelope to its message. Raises Malformed."""
        if not line.strip():
            self.count_foreign()
            return None
        try:
            envelope = _read(line)
        except BROKEN as error:
            raise Malformed("json_broken") from error
        if not envelope.type:
            if not envelope.error:
                raise Malformed("message_type_missing")
            self.count_foreign()
            return None
        time = heard_at(envelope.meta.time_utc)
        if time is None:
            self.remarks["time_missing"] += 1
        message = self.message(line, time, arrival)
        self.count_part()
        return message


def heard_at(text: str) -> int | None:
    """`2024-07-30 06:17:43.375540658 +0000 UTC` in ms since 1970, what is finer cut off; None where it is no time.

    UTC where no offset is given.
    """
    found = _TIME.fullmatch(text)
    if found is None:
        return None
    date, clock, fraction, zone = found.groups()
    try:
        moment = dt.datetime.fromisoformat(f"{date}T{clock}{zone or '+00:00'}")
    except ValueError:
        return None
    return round(moment.timestamp()) * 1000 + int((fraction or ".0")[1:].ljust(3, "0")[:3])
