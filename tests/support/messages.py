"""Sentences and batches for tests, made by pyais as the encoder: an implementation other than the one under test."""

import datetime as dt
import time
import uuid
from typing import Any

from pyais.encode import encode_dict

from ingest.reports import LineCounts, Message, MessageBatch

NOON = dt.datetime(2026, 1, 1, 12, tzinfo=dt.UTC)
NOON_MS = round(NOON.timestamp() * 1000)


def sentences(**fields: Any) -> list[bytes]:
    """The sentences of one AIS message."""
    return [line.encode() for line in encode_dict({"radio_channel": "A", "talker_id": "AIVDM"} | fields)]


def position(mmsi: int = 244660123, **fields: Any) -> bytes:
    """A class A position report, off the Hook of Holland unless said otherwise."""
    values = {"lat": 52.0, "lon": 4.0, "speed": 12.3, "course": 45.6, "heading": 47, "status": 0, "second": 60}
    return sentences(type=1, mmsi=mmsi, **values | fields)[0]


def static(mmsi: int = 244660123, **fields: Any) -> bytes:
    """A static and voyage report (type 5), its two sentences joined as a message holds them."""
    values = {"shipname": "NOORDZEE", "callsign": "PABC", "ship_type": 70, "destination": "ROTTERDAM", "draught": 7.5}
    return b"\n".join(sentences(type=5, mmsi=mmsi, seq_id=3, **values | fields))


def batch(raws: list[bytes], received_at: int = NOON_MS, step: int = 1000, **fields: Any) -> MessageBatch:
    """A batch of a recording, its messages `step` ms apart."""
    values: dict[str, Any] = {"source": "test", "format": "nmea", "trust": 80, "recorded": True, "live": False}
    values |= {"accepted_at": round(time.time() * 1000), "counts": LineCounts(len(raws), 0, len(raws), {}, {})}
    messages = [Message(received_at + number * step, raw) for number, raw in enumerate(raws)]
    return MessageBatch(**{"id": uuid.uuid4(), "run": uuid.uuid4(), "messages": messages} | values | fields)
