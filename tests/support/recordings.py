"""What the tests of AIS read: recorded traffic, and sentences made on the spot.

The recordings are not part of the project (their licences differ). They are looked for in `../shared/data`, or where
TRACKING_RECORDINGS says; a test that needs one is skipped by the name of the file where it is absent.
"""

from __future__ import annotations

import os
from functools import reduce
from operator import xor
from pathlib import Path

import pytest

from ingest.formats.ais.assembler import Assembler
from ingest.reports import Message

DIRECTORY = Path(
    os.environ.get("TRACKING_RECORDINGS") or Path(__file__).resolve().parents[3] / "shared" / "data"
).resolve()

ARMOUR = b"0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVW`abcdefghijklmnopqrstuvw"


def recording(name: str) -> Path:
    """The file of this name below the directory; skips the running test where it is absent."""
    path = DIRECTORY / name
    if not path.is_file():
        pytest.skip(f"recording {name} is not in {DIRECTORY}")
    return path


def recordings(folder: str) -> list[Path]:
    """All files of a folder in the order of their names; none where it is absent."""
    return sorted(path for path in (DIRECTORY / folder).glob("*") if path.is_file())


def xor_of(body: bytes) -> int:
    """The checksum as the standard words it: exclusive or, byte by byte."""
    return reduce(xor, body, 0)


def checked(body: bytes) -> bytes:
    """A sentence from what stands between `!` and `*`."""
    return b"!%b*%02X" % (body, xor_of(body))


def sentence(
    payload: bytes = b"15MwkT1P05G?fre@@0000000000",
    total: int = 1,
    number: int = 1,
    sequence: bytes = b"",
    channel: bytes = b"A",
    fill: int = 0,
    formatter: bytes = b"AIVDM",
) -> bytes:
    """A sentence with a right checksum."""
    return checked(b"%b,%d,%d,%b,%b,%b,%d" % (formatter, total, number, sequence, channel, payload, fill))


def armoured(*fields: tuple[int, int]) -> tuple[bytes, int]:
    """(value, bits) after one another as a payload and its fill bits; a negative value is its two's complement."""
    bits = "".join(format(value & (1 << width) - 1, f"0{width}b") for value, width in fields)
    fill = -len(bits) % 6
    bits += "0" * fill
    return bytes(ARMOUR[int(bits[at : at + 6], 2)] for at in range(0, len(bits), 6)), fill


def push_one(assembler: Assembler, line: bytes, size: int, arrival: int | None) -> Message | None:
    """The message that a line completes, of which it may complete one at most."""
    messages = assembler.push(line, size, arrival)
    assert len(messages) <= 1, messages
    return messages[0] if messages else None
