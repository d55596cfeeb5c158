"""Payloads of AIS messages as numbers, and the fields in them.

A payload is 6-bit characters, most significant bit first, in an alphabet of its own (the armour). Translated into the
alphabet of base64 it is unpacked by C code, and so is text, the other way round. Enters what stands between the commas
of sentences; leaves bits in one integer. What the fields mean is known by `ais.py` and `ais_static.py`.
Source: ITU-R M.1371-5, annex 8, tables 44 and 47 (characters); IEC 61162-1 (armour).
"""

from __future__ import annotations

from binascii import Error as Base64Error
from binascii import a2b_base64, b2a_base64

from ingest.errors import Rejected
from ingest.formats.common.ranges import NULL_ISLAND

_BASE64 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
# The armour's characters in order of their values, as the alphabet that base64 decodes.
_ARMOUR = b"0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVW`abcdefghijklmnopqrstuvw"
_VALUES = {character: value for value, character in enumerate(_ARMOUR)}
# What is no armour becomes a character that base64 leaves out, so that bytes are missing at the end.
TO_BASE64 = bytes(_BASE64[_VALUES[byte]] if byte in _VALUES else ord("-") for byte in range(256))
# 6-bit ASCII: @ to _, then blank to ?
_TO_TEXT = bytes.maketrans(_BASE64, bytes((*range(64, 96), *range(32, 64))))

PER_DEGREE = 600_000  # of latitude and longitude: ten-thousandths of minutes
SNAP_MS = 10_000
NULL_ISLAND_RAW = round(NULL_ISLAND * PER_DEGREE)

# Values of position reports by their raw integers: tenths of knots, tenths of degrees, degrees, navigational status.
KNOTS = (*(raw / 10 for raw in range(1023)), None)  # 1022: 102.2 or more
DEGREES = (*(raw / 10 for raw in range(3600)), *(None,) * (4096 - 3600))
HEADINGS = (*range(360), *(None,) * (512 - 360))
STATUSES = (*range(15), None)

# The type of a message by the first character of its payload; 64 for what is no armour.
KINDS = tuple(_VALUES.get(character, 64) for character in range(256))


def payload_of(raw: bytes) -> tuple[bytes, int]:
    """The armoured payload of all sentences of a message, and how many bits of its last character are filling.

    Raises Rejected unless these are 0 to 5.
    """
    if b"\n" in raw:
        payload, last = _joined(raw)
    else:
        _, payload, last = raw.rsplit(b",", 2)
    fill = last[0] - 48
    if not 0 <= fill <= 5 or last[1] != 42:  # one digit before the *
        raise Rejected("undecodable")
    return payload, fill


def _joined(raw: bytes) -> tuple[bytes, bytes]:
    """The payloads of several sentences, and what follows the last."""
    parts = [sentence.rsplit(b",", 2) for sentence in raw.split(b"\n")]
    return b"".join([part[1] for part in parts]), parts[-1][2]


def bits_of(payload: bytes, characters: int) -> int:
    """The first `characters` (a multiple of 4) of the payload as one number, missing ones as zeros. Raises Rejected."""
    if len(payload) != characters:
        payload = payload[:characters].ljust(characters, b"0")
    try:
        unpacked = a2b_base64(payload.translate(TO_BASE64))
    except Base64Error:
        raise Rejected("undecodable") from None
    if len(unpacked) * 4 != characters * 3:
        raise Rejected("undecodable")
    return int.from_bytes(unpacked, "big")


class Fields:
    """All bits of a message; a field is asked for by its first bit and its length, as the tables of the source do."""

    __slots__ = ("_bits", "_room", "length")

    def __init__(self, payload: bytes, fill: int) -> None:
        """Raises Rejected when the payload is no armour."""
        characters = -(-len(payload) // 4) * 4
        self._bits = bits_of(payload, characters)
        self._room = characters * 6
        self.length = len(payload) * 6 - fill

    def number(self, first: int, length: int) -> int | None:
        """An unsigned number, None where the message ends before it does."""
        if first + length > self.length:
            return None
        return self._bits >> (self._room - first - length) & (1 << length) - 1

    def positive(self, first: int, length: int) -> int | None:
        """A number of which 0 means not available."""
        return self.number(first, length) or None

    def signed(self, first: int, length: int) -> int | None:
        """A number in two's complement, None where the message ends before it does."""
        number = self.number(first, length)
        if number is None:
            return None
        return number - (1 << length) if number >> (length - 1) else number

    def text(self, first: int, characters: int, partly: bool = False) -> str | None:
        """6-bit characters; what follows the first @ is padding. None where blank, or where some are cut off.

        `partly`: as many as the message holds.
        """
        if first + characters * 6 > self.length:
            if not partly:
                return None
            characters = (self.length - first) // 6
            if characters <= 0:
                return None
        bits = self._bits >> (self._room - first - characters * 6) & (1 << characters * 6) - 1
        size = -(-characters // 4) * 3
        packed = (bits << size * 8 - characters * 6).to_bytes(size, "big")
        letters = b2a_base64(packed, newline=False).translate(_TO_TEXT)
        return letters[:characters].partition(b"@")[0].strip().decode("ascii") or None
