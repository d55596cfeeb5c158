"""What decoders of JSON share: reading an entry into a struct, and codes of identities.

Enters raw entries and texts; leaves structs and what can be stored. Whatever is wrong with an entry, a type, a number
that is none, nesting without end, bytes that are no UTF-8, raises Rejected("undecodable").
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeVar

import msgspec

from ingest.errors import Rejected

# All that msgspec raises for bytes of another's making.
BROKEN = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)

_REGISTRATION = re.compile(r"[A-Z0-9][A-Z0-9 .+-]{0,11}")
_TYPE_CODE = re.compile(r"[A-Z0-9]{2,4}")
_CATEGORY = re.compile(r"[A-D][0-7]")

T = TypeVar("T")


def read(decode: Callable[[bytes], T], raw: bytes) -> T:
    """The entry as a struct. Raises Rejected("undecodable")."""
    try:
        return decode(raw)
    except BROKEN as error:
        raise Rejected("undecodable") from error


def registration(text: str | None) -> str | None:
    """The tail number in upper case, at most 12 characters; None where it is none."""
    return _matching(_REGISTRATION, text)


def type_code(text: str | None) -> str | None:
    """The ICAO type designator (Doc 8643), two to four characters, such as A320; None where it is none."""
    return _matching(_TYPE_CODE, text)


def category(text: str | None) -> str | None:
    """The emitter category of ADS-B, A0 to D7; None where it is none."""
    return _matching(_CATEGORY, text)


def _matching(pattern: re.Pattern[str], text: str | None) -> str | None:
    code = (text or "").strip().upper()
    return code if pattern.fullmatch(code) else None
