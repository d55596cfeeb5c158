"""Many lines at once: which are one AIS sentence each and nothing else, as nearly all lines of a feed are.

    !AIVDM,1,1,,A,15MwkT1P05G?fre@@0000000000,0*5C

Enters lines without their ends; leaves for each whether it is a whole message, a sentence of several, or not
recognised. The lines are the rows of a table of bytes, so form and checksum are judged column by column, in C. A line
that is not recognised, because it has a time, is damaged or has few neighbours, is read by `nmea.parse_all`, which says
the same of recognised ones.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

# Fewer than these are left to `nmea.parse`: a table has its price.
FEW = 24
SHORTEST, LONGEST = 16, 128
UNKNOWN, MESSAGE, PART = 0, 1, 2  # what a line is

# What stands at fixed places; the rest is any talker, M or O (VDM, VDO).
_FORM = ((0, b"!"), (3, b"V"), (4, b"D"), (6, b","), (8, b","), (10, b","))
_TOTAL, _NUMBER = 7, 9  # digits: of how many sentences, and which
_NO_DIGIT = 1 << 8
_DIGITS = np.full(256, _NO_DIGIT, np.uint16)
for _value, _character in enumerate(b"0123456789ABCDEF"):
    _DIGITS[[_character, ord(chr(_character).lower())]] = _value


def kinds_of(lines: Sequence[bytes]) -> list[int]:
    """UNKNOWN, or what each line is recognised as: one right sentence that is a whole message, or one of several."""
    if len(lines) < FEW:
        return [UNKNOWN] * len(lines)
    lengths = np.fromiter(map(len, lines), np.intp, len(lines))
    if lengths.max() > LONGEST:
        return kinds_of([line if len(line) <= LONGEST else b"" for line in lines])
    width = -(-max(SHORTEST, int(lengths.max())) // 8) * 8
    table = np.frombuffer(b"".join([line.ljust(width, b"\0") for line in lines]), np.uint8).reshape(-1, width)
    right = (lengths >= SHORTEST) & _formed(table) & _ended(table, np.maximum(lengths, 3))
    found: list[int] = (right * np.where(table[:, _TOTAL] == ord("1"), MESSAGE, PART)).tolist()
    return found


def _formed(table: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
    """Whether the rows begin as they must, with seven fields between commas, and one * behind them."""
    formed: npt.NDArray[np.bool_] = np.logical_and.reduce(
        [table[:, place] == character[0] for place, character in _FORM]
    )
    formed &= (table[:, 5] == ord("M")) | (table[:, 5] == ord("O"))
    total, number = table[:, _TOTAL], table[:, _NUMBER]
    formed &= (number >= ord("1")) & (number <= total) & (total <= ord("9"))
    for place, other in ((1, "!"), (2, "!"), (1, "$"), (2, "$")):
        formed &= table[:, place] != ord(other)
    formed &= (_count(table, b",") == 6) & (_count(table, b"*") == 1)
    return formed


def _count(table: npt.NDArray[np.uint8], character: bytes) -> npt.NDArray[np.uint8]:
    """How often the character stands in each row, that is LONGEST times at most."""
    found: npt.NDArray[np.uint8] = np.add.reduce((table == character[0]).view(np.uint8), axis=1, dtype=np.uint8)
    return found


def _ended(table: npt.NDArray[np.uint8], lengths: npt.NDArray[np.intp]) -> npt.NDArray[np.bool_]:
    """Whether the rows end in * and their checksum: the exclusive or of what stands between ! and *."""
    rows = np.arange(len(table))
    star, high, low = (table[rows, lengths - back] for back in (3, 2, 1))
    words = np.bitwise_xor.reduce(table.view(np.uint64), axis=1)
    sums = np.bitwise_xor.reduce(words.view(np.uint8).reshape(-1, 8), axis=1)
    expected = (_DIGITS[high] << 4) + _DIGITS[low]
    right: npt.NDArray[np.bool_] = sums ^ (ord("!") ^ ord("*")) ^ high ^ low == expected
    right &= star == ord("*")
    return right
