"""The formats there are: for each, how its bytes become messages and its messages reports, and how it is recognised.

    bytes --Assembly--> self-contained Messages --decode--> Decoded

An Assembly (`ingest/formats/common/contract.py`) is made for one feed and lives in the collector; it holds all that
needs memory over messages. `decode` is stateless and runs in workers. Adding a format is a folder beside this module
and a line in FORMATS.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from ingest.formats.ais import decoder as ais
from ingest.formats.ais.assembly import NmeaAssembly
from ingest.formats.ais_csv import decoder as ais_csv
from ingest.formats.ais_csv import rows as ais_csv_rows
from ingest.formats.ais_csv.assembly import AisCsvAssembly
from ingest.formats.aisstream import decoder as aisstream
from ingest.formats.aisstream.assembly import AisStreamAssembly
from ingest.formats.common.context import Context
from ingest.formats.common.contract import Assembly, Setup
from ingest.formats.documents import opensky, readsb, readsb_trace
from ingest.formats.documents.assemblies import OpenSkyAssembly, ReadsbAssembly, TraceAssembly
from ingest.formats.modes import decoder as modes
from ingest.formats.modes.assembly import AvrAssembly, BeastAssembly
from ingest.formats.sbs import decoder as sbs
from ingest.formats.sbs.assembly import SbsAssembly
from ingest.formats.tracks import decoder as tracks
from ingest.formats.tracks.assembly import TracksAssembly
from ingest.models import Format
from ingest.reports import Decoded, Message

SNIFFED_BYTES = 4096


DecodeAll = Callable[[Sequence[Message], Context], Sequence[Decoded | str]]


class FormatSpec(NamedTuple):
    """One format. `looks_like` judges the first bytes of a source, at most SNIFFED_BYTES.

    `decode_all`, where there is one, is faster for many messages and says of each what `decode` says, or the reason why
    it is refused. `editable`: what is added to a message holds for an edited one as well.
    """

    assembly: Callable[[Setup], Assembly]
    decode: Callable[[Message, Context], Decoded]
    looks_like: Callable[[bytes], bool]
    decode_all: DecodeAll | None = None
    editable: bool = True


FORMATS: dict[str, FormatSpec] = {
    Format.NMEA: FormatSpec(NmeaAssembly, ais.decode, NmeaAssembly.looks_like, ais.decode_all),
    Format.AIS_CSV: FormatSpec(AisCsvAssembly, ais_csv.decode, AisCsvAssembly.looks_like, ais_csv_rows.decode_all),
    Format.READSB_TRACE: FormatSpec(TraceAssembly, readsb_trace.decode, TraceAssembly.looks_like),
    Format.READSB: FormatSpec(ReadsbAssembly, readsb.decode, ReadsbAssembly.looks_like),
    Format.OPENSKY: FormatSpec(OpenSkyAssembly, opensky.decode, OpenSkyAssembly.looks_like),
    Format.TRACKS: FormatSpec(TracksAssembly, tracks.decode, TracksAssembly.looks_like),
    Format.AISSTREAM: FormatSpec(AisStreamAssembly, aisstream.decode, AisStreamAssembly.looks_like),
    Format.BEAST: FormatSpec(BeastAssembly, modes.decode, BeastAssembly.looks_like, editable=False),
    Format.AVR: FormatSpec(AvrAssembly, modes.decode, AvrAssembly.looks_like, editable=False),
    Format.SBS: FormatSpec(SbsAssembly, sbs.decode, SbsAssembly.looks_like),
}


def guess(head: bytes) -> str | None:
    """The format of a source that begins with `head`, None when none fits. Formats are asked in their order."""
    return next((name for name, spec in FORMATS.items() if spec.looks_like(head)), None)
