"""What AIS-catcher posts over HTTP: one JSON document with messages, each with the sentences it was heard as.

    {"protocol": "jsonaiscatcher", "encodetime": "20221102171325", "stationid": "Pier", …,
     "msgs": [{"class": "AIS", "rxtime": "20221102171324", "nmea": ["!AIVDM,1,1,,A,…"], "mmsi": …}, …]}

A whole document enters, never a part of one; Messages with its sentences leave, so everything behind is that of any
NMEA feed, and what AIS-catcher decoded is not read. A message is heard at its `rxuxtime` (seconds since 1970), else its
`rxtime` (UTC), else when the document arrived. An entry that is no object counts as `entry_broken`, one without
sentences as `nmea_missing`. Bodies that are objects a line (PROTOCOL LIST), or documents of another kind with sentences
in them (AIRFRAMES), are read as such a line of a file is. Source: AIS-catcher's documentation, "HTTP"
output; option PROTOCOL.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator

import msgspec

from ingest.formats.ais import json_lines
from ingest.formats.ais.assembly import NmeaAssembly
from ingest.formats.ais.json_lines import JsonSentences
from ingest.formats.common.json_values import BROKEN
from ingest.reports import Message

PROTOCOL = "jsonaiscatcher"
_RXTIME = re.compile(r"[0-9]{14}")
_LATEST_SECONDS = 253_402_300_799.0  # the end of the year 9999


class NotAisCatcher(ValueError):
    """The body is no such document; the text says why."""


class _CatcherDocument(msgspec.Struct, gc=False):
    protocol: str
    msgs: list[msgspec.Raw]


class _DecodedMessage(msgspec.Struct, gc=False):
    nmea: list[str] = []
    rxtime: str = ""
    rxuxtime: float | None = None


_read_document = msgspec.json.Decoder(_CatcherDocument).decode
_read_entry = msgspec.json.Decoder(_DecodedMessage).decode


class AisCatcherAssembly(NmeaAssembly):
    """One body that begins with a JSON object; `feed` is called once."""

    def feed(self, data: bytes, arrival: int | None) -> Iterator[Message]:
        """The messages of the document, or of the lines of JSON. Raises NotAisCatcher before the first of them."""
        try:
            document = _read_document(data)
        except BROKEN as error:
            return self._lines(data, arrival, error)
        if document.protocol == PROTOCOL:
            return (message for entry in document.msgs for message in self._entry_taken(entry, arrival))
        if not json_lines.read(data):
            raise NotAisCatcher(f"The protocol is {document.protocol[:40]!r}, expected {PROTOCOL!r}.")
        return iter(self.push(data, len(data), arrival))

    def _lines(self, data: bytes, arrival: int | None, error: Exception) -> Iterator[Message]:
        """Objects a line, or a document of another kind with sentences in it."""
        if json_lines.read(data):
            return iter(self.push(b" ".join(data.split()), len(data), arrival))
        if json_lines.read(data.lstrip().partition(b"\n")[0]) is None:
            raise NotAisCatcher(f"The body is no JSON document of AIS-catcher: {error}.") from error
        return super().feed(data, arrival)

    def _entry_taken(self, entry: msgspec.Raw, arrival: int | None) -> list[Message]:
        """The messages of one entry; none where our code fails on it."""
        before = self.foreign, self.sentences
        try:
            return list(self._entry(bytes(entry), arrival))
        except Exception as error:
            self.unexpected(error, bytes(entry), before)
            return []

    def _entry(self, raw: bytes, arrival: int | None) -> Iterator[Message]:
        """An entry is a whole message: none of its sentences waits for those of another entry."""
        if raw.startswith(b'"'):  # a sentence without anything around it
            raw = b'{"nmea":[%b]}' % raw
        try:
            entry = _read_entry(raw)
        except BROKEN:
            self._count_malformed("entry_broken")
            return
        if not entry.nmea:
            self._count_malformed("nmea_missing")
            return
        heard = _heard(entry)
        if heard is None:
            self.remarks["rxtime_missing"] += 1
            heard = arrival
        lines = "\n".join(entry.nmea).splitlines()
        yield from self.push_entry(JsonSentences(lines, heard), self.offset, arrival)

    def _count_malformed(self, reason: str) -> None:
        """An entry without sentences counts as one line."""
        self.lines += 1
        self.malformed[reason] += 1


def _heard(entry: _DecodedMessage) -> int | None:
    """Milliseconds since 1970, None where the entry gives no time or one that cannot be."""
    if entry.rxuxtime is not None and 0 < entry.rxuxtime <= _LATEST_SECONDS:
        return round(entry.rxuxtime * 1000)
    if not _RXTIME.fullmatch(entry.rxtime):
        return None
    try:
        moment = dt.datetime.strptime(entry.rxtime, "%Y%m%d%H%M%S").replace(tzinfo=dt.UTC)
    except ValueError:
        return None
    return round(moment.timestamp() * 1000)
