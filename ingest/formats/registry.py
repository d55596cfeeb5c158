"""The formats there are: for each, how its bytes become messages and its messages reports, and how it is recognised.

    bytes --Assembly--> self-contained Messages --decode--> Decoded

An Assembly (`ingest/formats/common/contract.py`) is made for one feed and lives in the collector; it holds all that
needs memory over messages. `decode` is stateless and runs in workers. Adding a format is a folder beside this module
and a line in FORMATS.
"""

from __future__ import annotations

import re
from codecs import BOM_UTF8
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

from ingest.formats.ais import decoder as ais
from ingest.formats.ais.assembly import NmeaAssembly
from ingest.formats.ais_csv import decoder as ais_csv
from ingest.formats.ais_csv import rows as ais_csv_rows
from ingest.formats.ais_csv.assembly import AisCsvAssembly
from ingest.formats.ais_json import decoder as ais_json
from ingest.formats.ais_json.assembly import AisJsonAssembly
from ingest.formats.ais_xml import decoder as ais_xml
from ingest.formats.ais_xml.assembly import AisXmlAssembly, Elements
from ingest.formats.aisstream import decoder as aisstream
from ingest.formats.aisstream.assembly import AisStreamAssembly
from ingest.formats.common.context import Context
from ingest.formats.common.contract import Assembly, Setup
from ingest.formats.common.documents import DocumentAssembly
from ingest.formats.common.splitting import Datagrams, Documents, Lines, Splitter
from ingest.formats.documents import opensky, readsb, readsb_trace, vrs
from ingest.formats.documents.assemblies import OpenSkyAssembly, ReadsbAssembly, TraceAssembly, VirtualRadarAssembly
from ingest.formats.gpx import decoder as gpx
from ingest.formats.gpx.assembly import GpxAssembly
from ingest.formats.modes import decoder as modes
from ingest.formats.modes.assembly import AvrAssembly, BeastAssembly
from ingest.formats.modes.beast import Frames
from ingest.formats.opensky_csv import decoder as opensky_csv
from ingest.formats.opensky_csv.assembly import OpenSkyCsvAssembly
from ingest.formats.sbs import decoder as sbs
from ingest.formats.sbs.assembly import SbsAssembly
from ingest.formats.tracks import decoder as tracks
from ingest.formats.tracks.assembly import TracksAssembly
from ingest.formats.uat import decoder as uat
from ingest.formats.uat.assembly import UatAssembly
from ingest.models import Format
from ingest.reports import Decoded, Message

SNIFFED_BYTES = 4096


Decode = Callable[[Message, Context], Decoded]
DecodeAll = Callable[[Sequence[Message], Context], Sequence[Decoded | str]]


class FormatSpec(NamedTuple):
    """One format. `looks_like` judges the first bytes of a source, at most SNIFFED_BYTES.

    `decode_all`, where there is one, is faster for many messages and says of each what `decode` says, or the reason why
    it is refused. `editable`: what is added to a message holds for an edited one as well. `split`: how the
    stream of one of several senders is cut; `begins`: how a line begins, where a datagram may end within one.
    """

    assembly: Callable[[Setup], Assembly]
    decode: Callable[[Message, Context], Decoded]
    looks_like: Callable[[bytes], bool]
    decode_all: DecodeAll | None = None
    editable: bool = True
    split: Callable[[], Splitter] = Lines
    begins: re.Pattern[bytes] | None = None


def _of_documents(kind: type[DocumentAssembly], decode: Decode) -> FormatSpec:
    """A format whose bytes are JSON documents."""
    return FormatSpec(kind, decode, kind.looks_like, split=partial(Documents, kind.keys, kind.lists, kind.nested))  # type: ignore[attr-defined]


def _of_lines(kind: Any, decode: Decode, begins: bytes, editable: bool = True) -> FormatSpec:
    """A format whose bytes are lines, each of which begins so."""
    split = partial(Lines, kind.max_line_bytes)
    return FormatSpec(kind, decode, kind.looks_like, editable=editable, split=split, begins=re.compile(begins))


_JSON_LINE = rb"\s*[{\[]"

FORMATS: dict[str, FormatSpec] = {
    Format.NMEA: _of_lines(NmeaAssembly, ais.decode, rb"\s*[!$\\{\[]")._replace(decode_all=ais.decode_all),
    Format.AIS_CSV: FormatSpec(
        AisCsvAssembly,
        ais_csv.decode,
        AisCsvAssembly.looks_like,
        ais_csv_rows.decode_all,
        split=partial(Lines, AisCsvAssembly.max_line_bytes, headed=True),
    ),
    Format.READSB_TRACE: _of_documents(TraceAssembly, readsb_trace.decode),
    Format.VIRTUAL_RADAR: _of_documents(VirtualRadarAssembly, vrs.decode),
    Format.READSB: _of_documents(ReadsbAssembly, readsb.decode),
    Format.OPENSKY: _of_documents(OpenSkyAssembly, opensky.decode),
    Format.OPENSKY_CSV: FormatSpec(
        OpenSkyCsvAssembly,
        opensky_csv.decode,
        OpenSkyCsvAssembly.looks_like,
        split=partial(Lines, OpenSkyCsvAssembly.max_line_bytes, headed=True),
    ),
    Format.UAT: _of_lines(UatAssembly, uat.decode, _JSON_LINE),
    Format.TRACKS: _of_lines(TracksAssembly, tracks.decode, _JSON_LINE),
    Format.AISSTREAM: _of_lines(AisStreamAssembly, aisstream.decode, _JSON_LINE),
    Format.AIS_JSON: _of_documents(AisJsonAssembly, ais_json.decode),
    Format.GPX: FormatSpec(GpxAssembly, gpx.decode, GpxAssembly.looks_like, split=Elements),
    Format.AIS_XML: FormatSpec(AisXmlAssembly, ais_xml.decode, AisXmlAssembly.looks_like, split=Elements),
    Format.BEAST: FormatSpec(BeastAssembly, modes.decode, BeastAssembly.looks_like, editable=False, split=Frames),
    Format.AVR: _of_lines(AvrAssembly, modes.decode, rb"\s*[*@<{]", editable=False),
    Format.SBS: _of_lines(SbsAssembly, sbs.decode, rb"\s*(?:MSG|MLAT|SEL|ID|AIR|STA|CLK),"),
}


def refusal(kind: str, scheme: str) -> str | None:
    """Why a format cannot travel by a source of this scheme, for people; None where it can."""
    if scheme == "udp" and kind in (Format.AIS_CSV, Format.OPENSKY_CSV):
        return "The header of a CSV stands once, and a datagram may be lost: send it as a file, by tcp or by push."
    if scheme == "aisstream" and kind != Format.AISSTREAM:
        return "aisstream:// brings the format aisstream."
    return None


def splitter(kind: str | None, datagrams: bool) -> Splitter:
    """For the stream of one of several senders; `kind` is None where nobody knows the format yet."""
    spec = FORMATS.get(kind or "")
    if spec is None:
        return Undecided(datagrams)
    if not datagrams:
        return spec.split()
    return Datagrams(None if spec.begins is not None else spec.split(), spec.begins)


class Undecided:
    """Splits by what the first bytes look like: frames of Beast, else lines."""

    def __init__(self, datagrams: bool) -> None:
        self.header = b""
        self._datagrams = datagrams
        self._chosen: Splitter | None = None

    def feed(self, data: bytes) -> bytes:
        """The pieces that this chunk completes."""
        if self._chosen is None:
            kind = Format.BEAST if BeastAssembly.looks_like(data) else Format.NMEA
            self._chosen = splitter(kind, self._datagrams)
        return self._chosen.feed(data)

    def flush(self) -> bytes:
        """What is begun."""
        return self._chosen.flush() if self._chosen is not None else b""


def guess(head: bytes) -> str | None:
    """The format of a source that begins with `head`, None when none fits. Formats are asked in their order."""
    head = head.removeprefix(BOM_UTF8)
    return next((name for name, spec in FORMATS.items() if spec.looks_like(head)), None)
