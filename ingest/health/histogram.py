"""Distributions of time spans in buckets of fixed bounds: those of minutes and processes merge by adding.

A span enters; the number of its bucket leaves. Counts by bucket enter; a quantile leaves, within 5 % of the true one.
Bounds grow by a tenth from 50 ms to 22 hours; bucket 0 is everything nearer to zero, negative spans have the
negative numbers. Nothing is stored here.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping

NEAREST_MS = 50.0
GROWTH = 1.1
BOUNDS_MS = tuple(NEAREST_MS * GROWTH**step for step in range(151))


def bucket(span_ms: float) -> int:
    """The bucket of a span, -151 to 151."""
    return bisect_right(BOUNDS_MS, span_ms) if span_ms >= 0 else -bisect_right(BOUNDS_MS, -span_ms)


def quantile(counts: Mapping[int, int], share: float) -> float | None:
    """The span (ms) that `share` (0 to 1) of the counted ones do not exceed; None where nothing was counted."""
    rank = sum(counts.values()) * share
    passed = 0
    for number in sorted(counts):
        count = counts[number]
        if count and passed + count >= rank:
            low, high = _edges(number)
            return low + (high - low) * (rank - passed) / count
        passed += count
    return None


def _edges(number: int) -> tuple[float, float]:
    """Where a bucket begins and ends; the outermost is open and taken for one as wide as its neighbours."""
    if number == 0:
        return -NEAREST_MS, NEAREST_MS
    if number < 0:
        low, high = _edges(-number)
        return -high, -low
    low = BOUNDS_MS[number - 1]
    return low, low * GROWTH
