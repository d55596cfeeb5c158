"""What AIS-catcher posts over HTTP: one JSON document with messages, each with the sentences it was heard as.

    {"protocol": "jsonaiscatcher", "encodetime": "20221102171325", "stationid": "Pier", …,
     "msgs": [{"class": "AIS", "rxtime": "20221102171324", "nmea": ["!AIVDM,1,1,,A,…"], "mmsi": …}, …]}

A whole document enters, never a part of one; Messages with its sentences leave, so everything behind is that of any
NMEA feed, and what AIS-catcher decoded is not read. A message is heard at its `rxuxtime` (seconds since 1970), else its
`rxtime` (UTC), else when the document arrived. An entry that is no object counts as `entry_broken`, one without
sentences as `nmea_missing`. Source: AIS-catcher's documentation, "HTTP" output; option PROTOCOL AISCATCHER or MINIMAL.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator

import msgspec

from ingest.formats.ais.assembler import Assembler
from ingest.formats.ais.assembly import NmeaAssembly
from ingest.formats.common.framing import MAX_LINE_BYTES, TOO_LONG
from ingest.formats.common.json_values import BROKEN
from ingest.reports import Message

PROTOCOL = "jsonaiscatcher"
_RXTIME = re.compile(r"[0-9]{14}")
_LATEST_SECONDS = 253_402_300_799.0  # the end of the year 9999


class NotAisCatcher(ValueError):
    """The body is no such document; the text says why."""


class _Document(msgspec.Struct, gc=False):
    protocol: str
    msgs: list[msgspec.Raw]


class _Entry(msgspec.Struct, gc=False):
    nmea: list[str] = []
    rxtime: str = ""
    rxuxtime: float | None = None


_read_document = msgspec.json.Decoder(_Document).decode
_read_entry = msgspec.json.Decoder(_Entry).decode


class AisCatcherAssembly(NmeaAssembly):
    """One document; `feed` is called once."""

    def feed(self, data: bytes, arrival: int | None) -> Iterator[Message]:
        """The messages of the document. Raises NotAisCatcher before the first of them."""
        try:
            document = _read_document(data)
        except BROKEN as error:
            raise NotAisCatcher(f"The body is no JSON document of AIS-catcher: {error}.") from error
        if document.protocol != PROTOCOL:
            raise NotAisCatcher(f"The protocol is {document.protocol[:40]!r}, expected {PROTOCOL!r}.")
        for entry in document.msgs:
            yield from self._taken(entry, arrival)

    def _taken(self, entry: msgspec.Raw, arrival: int | None) -> list[Message]:
        """The messages of one entry; none where our code fails on it."""
        before = self.foreign, self.sentences
        try:
            return list(self._take(entry, arrival))
        except Exception as error:
            self.unexpected(error, bytes(entry), before)
            return []

    def _take(self, raw: msgspec.Raw, arrival: int | None) -> Iterator[Message]:
        """An entry is a whole message: none of its sentences waits for those of another entry."""
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
        for line in "\n".join(entry.nmea).encode("utf-8", "replace").splitlines():
            message = self.push(line if len(line) <= MAX_LINE_BYTES else TOO_LONG, len(line), heard)
            if message is not None:
                yield message
        Assembler.flush(self)

    def _count_malformed(self, reason: str) -> None:
        """An entry without sentences counts as one line."""
        self.lines += 1
        self.malformed[reason] += 1


def _heard(entry: _Entry) -> int | None:
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
