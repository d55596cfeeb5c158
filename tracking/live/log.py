"""The log of changes of live state: ids of its entries as numbers, which are cursors."""

from __future__ import annotations

SEQUENCE_BITS = 20


def number(entry: bytes | str) -> int:
    """The id of an entry as one number that orders them. Raises ValueError."""
    words = entry.decode() if isinstance(entry, bytes) else entry
    milliseconds, _, sequence = words.partition("-")
    if not (milliseconds.isdecimal() and (sequence or "0").isdecimal() and len(words) < 40):
        raise ValueError(f"no cursor: {words[:40]!r}")
    return int(milliseconds) << SEQUENCE_BITS | min(int(sequence or 0), (1 << SEQUENCE_BITS) - 1)


def text(entry: int) -> str:
    """The number again as Redis writes it."""
    return f"{entry >> SEQUENCE_BITS}-{entry & (1 << SEQUENCE_BITS) - 1}"
