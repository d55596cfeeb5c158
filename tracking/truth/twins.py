"""Twins: contradicting reports of one second, of which the key would keep only one.

(identity, second) is the key of a position. Where two ships share an MMSI, or a relay is minutes late, two places
compete for it, and the true one could be lost. So the loser moves to a millisecond of that second which its own place
gives: which rows there are depends on no order. Places less than APART from each other are one report, rounded twice.
"""

from __future__ import annotations

APART_LATITUDE = 0.0002  # some 22 m
APART_LONGITUDE = 0.0004
_UNITS = 600_000  # of AIS to a degree
_MOST_MS = 997  # a prime below a thousand


def twin_ms(latitude: float, longitude: float) -> int:
    """The millisecond of a place, 1 to 997."""
    return 1 + abs(round(latitude * _UNITS) * 31 + round(longitude * _UNITS)) % _MOST_MS


def are_apart(latitude: float, longitude: float, other_latitude: float, other_longitude: float) -> bool:
    """Whether two places contradict each other."""
    return abs(latitude - other_latitude) > APART_LATITUDE or abs(longitude - other_longitude) > APART_LONGITUDE
