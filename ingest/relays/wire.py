"""A message as it goes out: its bytes in the format of a relay, and by what its repetition is known.

Enters a message of any format that is taken in; leaves a Wire, or the reason why there is none. What came in as the
relay's own format leaves as it was received: sentences without their tag blocks, a frame, a line. Everything else is
decoded again and encoded (`encoding.py`). Frames are written without time and signal, which nobody kept; those that
were found by multilateration carry the mark by which dump1090 and readsb know them.
"""

from __future__ import annotations

import logging
from typing import NamedTuple

from ingest.errors import Rejected
from ingest.formats.ais.bits import payload_of
from ingest.formats.common.context import Context
from ingest.formats.modes.beast import MLAT_COUNTER
from ingest.formats.registry import FORMATS
from ingest.models import Format, RelayFormat
from ingest.relays import encoding
from ingest.reports import AircraftReport, AircraftStatic, Decoded, Message, MessageBatch, VesselReport, VesselStatic

logger = logging.getLogger(__name__)

FOREIGN = "foreign"  # the relay's format has no message for it
UNDECODABLE = "undecodable"

# By format: for how long (ms) the same content is the same message, heard by others or sent again. A ship repeats no
# report within half a minute, since it names the second; an aircraft says the same within seconds.
SAME_MS = {
    RelayFormat.NMEA: 30_000,
    RelayFormat.SIGNAL_K: 30_000,
    RelayFormat.BEAST: 3_000,
    RelayFormat.SBS: 3_000,
}

_FRAMES = (Format.BEAST, Format.AVR)
_SHORT_DIGITS = 14
_SBS_ADDRESS, _SBS_VALUES = 4, 10


class Wire(NamedTuple):
    """`data` is sent, `key` tells a repetition."""

    data: bytes
    key: bytes


def wire_of(message: Message, batch: MessageBatch, kind: str) -> Wire | str:
    """The message in a relay's format, or why it cannot be sent."""
    try:
        match kind:
            case RelayFormat.NMEA:
                return _nmea(message, batch)
            case RelayFormat.BEAST:
                return _frame(message) if batch.format in _FRAMES else FOREIGN
            case RelayFormat.SIGNAL_K:
                return _signal_k(message, batch)
            case _:
                return _sbs(message, batch)
    except Rejected:
        return UNDECODABLE
    except Exception:
        # One that was accepted and that we cannot write must not hold up those behind it.
        logger.exception("a message of %s cannot be sent as %s: %r", batch.source, kind, message.raw[:200])
        return UNDECODABLE


def _nmea(message: Message, batch: MessageBatch) -> Wire | str:
    if batch.format == Format.NMEA:
        payload, _ = payload_of(message.raw)
        return Wire(message.raw.replace(b"\n", b"\r\n") + b"\r\n", payload)
    sentences = _encoded(_decoded(message, batch))
    if not sentences:
        return FOREIGN
    return Wire(b"".join(sentence + b"\r\n" for sentence in sentences), b"".join(_payload(one) for one in sentences))


def _payload(sentence: bytes) -> bytes:
    return sentence.rsplit(b",", 2)[1]


def _encoded(decoded: Decoded) -> list[bytes]:
    """All that the message says of ships and stations."""
    found = encoding.position_sentences(decoded.position) if isinstance(decoded.position, VesselReport) else []
    if isinstance(decoded.static, VesselStatic):
        found += encoding.static_sentences(decoded.static)
    return found + (encoding.station_sentences(decoded.station) if decoded.station is not None else [])


def _frame(message: Message) -> Wire:
    r"""0x1a, the type, counter, signal and data, in which every 0x1a is doubled."""
    data = bytes.fromhex(message.raw.decode("ascii"))
    counter = MLAT_COUNTER if b'"kind":"mlat"' in message.added else 0
    kind = b"2" if len(message.raw) == _SHORT_DIGITS else b"3"
    plain = counter.to_bytes(6, "big") + b"\0" + data
    return Wire(b"\x1a" + kind + plain.replace(b"\x1a", b"\x1a\x1a"), data)


def _sbs(message: Message, batch: MessageBatch) -> Wire | str:
    if batch.format == Format.SBS:
        fields = message.raw.split(b",")
        return Wire(message.raw + b"\r\n", b",".join((fields[1], fields[_SBS_ADDRESS], *fields[_SBS_VALUES:])))
    decoded = _decoded(message, batch)
    lines = [encoding.position_line(decoded.position)] if isinstance(decoded.position, AircraftReport) else []
    if isinstance(decoded.static, AircraftStatic):
        lines += encoding.static_lines(decoded.static)
    if not lines:
        return FOREIGN
    return Wire(b"".join(line + b"\r\n" for line in lines), message.raw)


def _signal_k(message: Message, batch: MessageBatch) -> Wire | str:
    """A delta; two stations that heard a message differ in the label alone."""
    decoded = _decoded(message, batch)
    delta = encoding.signal_k_delta(decoded, batch.source)
    return FOREIGN if delta is None else Wire(delta + b"\n", encoding.signal_k_delta(decoded, "") or b"")


def _decoded(message: Message, batch: MessageBatch) -> Decoded:
    return FORMATS[batch.format].decode(message, Context(batch, now=batch.accepted_at))
