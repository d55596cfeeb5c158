"""What a damaged receiver or a hostile sender makes of a line: bytes, fields and numbers changed, checksums made right.

A sound line and dice enter, a line that may be anything leaves. Half of the sentences and frames keep a right checksum,
so that their changes get past the framing.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable

from ingest.formats.ais.sentence import checksum
from ingest.formats.modes.assembly import parity
from ingest.models import Format

TOKENS = (
    *(
        b"",
        b"-1",
        b"0",
        b"1e400",
        b"-1e400",
        b"NaN",
        b"Infinity",
        b"nan",
        b"1_000",
        b"99999999999999999999",
        b"9" * 400,
    ),
    *(b"0001-01-01 00:00:00+23:59", b"9999-12-31T23:59:59.999999-23:59", b"2026-02-30 25:61:61", b"\xd9\xa1\xd9\xa2"),
    *(b"null", b"true", b"[]", b"{}", b'""', b"[[[[[[[[", b'{"a":', b"\x00", b"\xff\xfe", b"\xed\xa0\x80", b"\\ud800"),
    *(b"$PGHP,1,", b"!AIVDM,", b"MSG,3,", b"\\g:1-2-3,c:99999999999*00\\", b"\x1a", b"\x1a\x1a", b"*", b",", b'"'),
    *(b"360", b"359.999999999", b"180.0000001", b"91", b"181", b"-90.0000001", b"1022.5", b"102.35", b"150000.4"),
)
_NUMBER = re.compile(rb"-?\d+(?:\.\d+)?")
_SENTENCE = re.compile(rb"(![^!*]*)\*[0-9A-Fa-f]{2}")
_AVR = re.compile(rb"[0-9A-Fa-f]{14,28}")


def mutated(line: bytes, kind: str, dice: random.Random) -> bytes:
    """The line with one to four changes."""
    for _ in range(dice.choice((1, 1, 1, 2, 4))):
        line = dice.choice(_CHANGES)(line, dice)
    return _put_right(line, kind) if dice.random() < 0.5 else line


def _flip(line: bytes, dice: random.Random) -> bytes:
    place = dice.randrange(len(line) + 1)
    return line[:place] + bytes([dice.randrange(256)]) + line[place + 1 :]


def _cut(line: bytes, dice: random.Random) -> bytes:
    start = dice.randrange(len(line) + 1)
    return line[:start] + line[start + dice.randrange(8) :]


def _insert(line: bytes, dice: random.Random) -> bytes:
    place = dice.randrange(len(line) + 1)
    return line[:place] + dice.choice(TOKENS) + line[place:]


def _replace_number(line: bytes, dice: random.Random) -> bytes:
    numbers = list(_NUMBER.finditer(line))
    if not numbers:
        return line
    found = dice.choice(numbers)
    return line[: found.start()] + dice.choice(TOKENS) + line[found.end() :]


def _replace_field(line: bytes, dice: random.Random) -> bytes:
    fields = line.split(b",")
    fields[dice.randrange(len(fields))] = dice.choice(TOKENS)
    return b",".join(fields)


def _repeat(line: bytes, dice: random.Random) -> bytes:
    start = dice.randrange(len(line) + 1)
    return line[:start] + line[start : start + 12] * dice.randrange(1, 5) + line[start:]


_CHANGES: tuple[Callable[[bytes, random.Random], bytes], ...] = (
    *(_flip, _flip, _cut, _insert, _replace_number, _replace_number, _replace_field, _repeat),
)


def _put_right(line: bytes, kind: str) -> bytes:
    if kind == Format.NMEA:
        return _SENTENCE.sub(lambda found: b"%b*%02X" % (found[1], checksum(found[1][1:])), line)
    if kind == Format.AVR:
        return _AVR.sub(lambda found: _with_parity(bytes.fromhex(found[0][: len(found[0]) & ~1].decode())), line)
    return line


def _with_parity(frame: bytes) -> bytes:
    body = frame[:-3]
    return (body + parity(body + bytes(3)).to_bytes(3, "big")).hex().upper().encode()
