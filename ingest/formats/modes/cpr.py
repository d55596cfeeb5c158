"""Positions of Mode S frames: rs1090's decoder, asked so that it needs no memory of its own.

Enters checked frames; leaves what rs1090 says of them. A position comes as 17 bits of latitude and of longitude within
a zone (CPR, compact position reporting). In the air an even and an odd frame give it, if the aircraft has not crossed
into another zone between them. Next to a known position one frame is enough: within 180 nm in the air, within 45 nm on
the ground. Who pairs which frames, and what a known position is, is decided in `modes_state.py`.
Source: RTCA DO-260B, A.1.7.
"""

from __future__ import annotations

import math
from typing import Any

import msgspec
import rs1090

# Half a kilometre a second is 970 kt; the rest is for frames that a network delivered late.
_METRES_PER_MS = 0.5
_SLACK_METRES = 3_000
_EARTH_METRES = 6_371_000


class ResolvedPosition(msgspec.Struct, gc=False):
    """A resolved position in WGS 84 degrees and when it was heard (ms)."""

    at: int
    latitude: float
    longitude: float


def parity(frame: bytes) -> int:
    """0 for an even position frame, 1 for an odd one: bit 22 of the message."""
    return frame[6] >> 2 & 1


def decode(frame: bytes, near: tuple[float, float] | None = None) -> dict[str, Any] | None:
    """One frame, its position next to `near` (latitude, longitude); None for formats that rs1090 does not know."""
    said: Any = rs1090.decode(frame.hex(), reference=near)
    return said if isinstance(said, dict) else None


def decode_pair(other: bytes, frame: bytes) -> dict[str, Any] | None:
    """`frame` with the position that it gives together with `other`, of the other parity; None if they give none."""
    said: Any = rs1090.decode([other.hex(), frame.hex()], [0.0, 1.0])
    return said[1] if len(said) == 2 and "latitude" in said[1] else None


def fix(decoded: dict[str, Any], at: int) -> ResolvedPosition | None:
    """The position to a tenth of a metre, None without one; rs1090 counts past 180 degrees next to them."""
    latitude, longitude = decoded.get("latitude"), decoded.get("longitude")
    if latitude is None or longitude is None:
        return None
    return ResolvedPosition(at, round(latitude, 6), round((longitude + 180) % 360 - 180, 6))


def metres(one: tuple[float, float], other: tuple[float, float]) -> float:
    """The distance between two places (haversine on a sphere)."""
    north, east = math.radians(other[0] - one[0]), math.radians(other[1] - one[1])
    cosines = math.cos(math.radians(one[0])) * math.cos(math.radians(other[0]))
    half = math.sin(north / 2) ** 2 + cosines * math.sin(east / 2) ** 2
    return 2 * _EARTH_METRES * math.asin(min(1.0, math.sqrt(half)))


def is_reachable(before: ResolvedPosition, after: ResolvedPosition) -> bool:
    """Whether an aircraft can fly from one to the other in the time between."""
    between = metres((before.latitude, before.longitude), (after.latitude, after.longitude))
    return between <= _SLACK_METRES + _METRES_PER_MS * abs(after.at - before.at)
