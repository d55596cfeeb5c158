"""Codes of AIS as people read them: a word, and the code behind it.

Enter ship types and navigational statuses; leave texts such as "Cargo ship (70)", None where nothing is known. The
words are those of the map (`tracking/static/map/js/kinds.js`); a test compares them. Source: ITU-R M.1371-5, tables 48
and 53.
"""

from __future__ import annotations

_TYPES = {
    30: "Fishing",
    31: "Towing",
    32: "Towing, long",
    33: "Dredging",
    34: "Diving",
    35: "Military",
    36: "Sailing",
    37: "Pleasure craft",
    50: "Pilot vessel",
    51: "Search and rescue",
    52: "Tug",
    53: "Port tender",
    54: "Anti-pollution",
    55: "Law enforcement",
    58: "Medical transport",
}
_TENS = {
    2: "Wing in ground",
    4: "High-speed craft",
    6: "Passenger ship",
    7: "Cargo ship",
    8: "Tanker",
    9: "Other type",
}
_STATUSES = {
    0: "Under way, engine",
    1: "At anchor",
    2: "Not under command",
    3: "Restricted manoeuvrability",
    4: "Constrained by draught",
    5: "Moored",
    6: "Aground",
    7: "Fishing",
    8: "Under way, sailing",
    11: "Towing astern",
    12: "Pushing ahead",
    14: "AIS-SART active",
}
_RESERVED_STATUSES = (9, 10, 13)


def ship_type_text(code: int | None) -> str | None:
    """The type of a ship and her cargo, 1 to 255; None for 0 and None, which both mean that it is not known."""
    if not code:
        return None
    return f"{_TYPES.get(code) or _TENS.get(code // 10, 'Reserved type')} ({code})"


def status_text(code: int | None) -> str | None:
    """The navigational status, 0 to 14; None for 15 ("undefined") and None."""
    if code in _RESERVED_STATUSES:
        return f"Reserved ({code})"
    return f"{_STATUSES[code]} ({code})" if code in _STATUSES else None
