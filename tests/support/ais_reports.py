"""AIS messages of given values by pyais' encoder, and what our decoder makes of them."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Any

import pyais

from ingest.formats.ais import decoder as ais
from ingest.formats.common.context import Context
from ingest.reports import Decoded, Message, MessageBatch

HEARD = dt.datetime(2026, 3, 1, 12, 0, 20, 250_000, tzinfo=dt.UTC)
MMSI = 244_660_123


def ms(moment: dt.datetime) -> int:
    return round(moment.timestamp() * 1000)


def context(invented: bool = False, recorded: bool = True, trust: int = 80, now: dt.datetime = HEARD) -> Context:
    batch = MessageBatch(
        uuid.uuid4(), uuid.uuid4(), "mast", "nmea", trust, ms(now), recorded=recorded, invented=invented
    )
    return Context(batch, ms(now))


def decoded(raw: bytes, heard: dt.datetime = HEARD, **options: Any) -> Decoded:
    return ais.decode(Message(ms(heard), raw), context(**options))


def encoded(kind: int, **fields: Any) -> bytes:
    """What pyais sends for these values."""
    return "\n".join(pyais.encode_dict({"type": kind, "mmsi": MMSI, **fields}, seq_id=1)).encode()
