"""Many position reports of one layout at once: a column a field, in half the time of one report after the other.

Enters the armoured payloads of reports of 168 bits and when they were heard; leaves the reports that pass all checks.
The others are left to `ais.py`, which decodes one message and knows why it refuses it; both ways give equal reports.
Source: ITU-R M.1371-5, annex 8, tables 48 (types 1, 2, 3) and 70 (type 18).
"""

from __future__ import annotations

from binascii import Error as Base64Error
from binascii import a2b_base64
from collections.abc import Sequence
from itertools import repeat
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ingest.clocks import moments
from ingest.formats.ais.bits import DEGREES, HEADINGS, KNOTS, NULL_ISLAND_RAW, PER_DEGREE, SNAP_MS, STATUSES, TO_BASE64
from ingest.formats.common.context import Context
from ingest.formats.common.ranges import MMSI_MAX, time_window
from ingest.reports import VesselReport

CHARACTERS = 28
BYTES = 21

Column = npt.NDArray[np.int64]


class BitLayout(NamedTuple):
    """The first bits of the fields; `status` is None where there is none."""

    status: int | None
    speed: int
    longitude: int
    latitude: int
    course: int
    heading: int
    second: int


CLASS_A = BitLayout(status=38, speed=50, longitude=61, latitude=89, course=116, heading=128, second=137)
CLASS_B = BitLayout(status=None, speed=46, longitude=57, latitude=85, course=112, heading=124, second=133)
LAYOUTS = {1: CLASS_A, 2: CLASS_A, 3: CLASS_A, 18: CLASS_B}

# Values by their raw integers, to be taken by a column of these.
_KNOTS, _DEGREES, _HEADINGS, _STATUSES = (np.array(values, object) for values in (KNOTS, DEGREES, HEADINGS, STATUSES))


class _Table:
    """Payloads unpacked, a row of bytes each."""

    def __init__(self, unpacked: bytes) -> None:
        self._bytes = np.frombuffer(unpacked, np.uint8).reshape(-1, BYTES)

    def number(self, first: int, length: int) -> Column:
        """The unsigned field of `length` bits (57 at most) that begins at bit `first`."""
        start = min(first // 8, BYTES - 8)
        words = np.ascontiguousarray(self._bytes[:, start : start + 8]).view(">u8").ravel().astype(np.uint64)
        shift = 64 - (first - start * 8) - length
        return (words >> np.uint64(shift) & np.uint64((1 << length) - 1)).astype(np.int64)

    def signed(self, first: int, length: int) -> Column:
        """The same in two's complement."""
        number = self.number(first, length)
        return number - (number >> (length - 1) << length)


def reports(
    layout: BitLayout, payloads: Sequence[bytes], heard: Sequence[int], context: Context
) -> tuple[list[int], list[VesselReport]]:
    """The reports that pass all checks, in their order, and their places in `payloads`; `heard` in ms.

    None of them where one payload is no armour.
    """
    unpacked = _unpacked(payloads)
    if unpacked is None:
        return [], []
    table = _Table(unpacked)
    mmsi = table.number(8, 30)
    longitude, latitude = table.signed(layout.longitude, 28), table.signed(layout.latitude, 27)
    received = np.array(heard, np.int64)
    times = event_times(received, table.number(layout.second, 6), context)
    earliest, latest = time_window(context.now, context.recorded)
    good = (mmsi > 0) & (mmsi <= MMSI_MAX) & (times >= earliest) & (times <= latest)
    good &= (abs(latitude) <= 90 * PER_DEGREE) & (abs(longitude) <= 180 * PER_DEGREE)
    good &= (abs(latitude) > NULL_ISLAND_RAW) | (abs(longitude) > NULL_ISLAND_RAW)
    timestamps = moments(times[good])
    status = _taken(_STATUSES, table.number(layout.status, 4)[good]) if layout.status is not None else repeat(None)
    rows = map(
        VesselReport,
        mmsi[good].tolist(),
        timestamps,
        (latitude[good] / PER_DEGREE).tolist(),
        (longitude[good] / PER_DEGREE).tolist(),
        _taken(_KNOTS, table.number(layout.speed, 10)[good]),
        _taken(_DEGREES, table.number(layout.course, 12)[good]),
        _taken(_HEADINGS, table.number(layout.heading, 9)[good]),
        status,
        moments(received[good]) if context.snap else timestamps,
        repeat(context.source),
        repeat(context.trust),
    )
    return np.flatnonzero(good).tolist(), list(rows)


def _unpacked(payloads: Sequence[bytes]) -> bytes | None:
    """Six bits a character, one payload after the other; None where a character is no armour."""
    try:
        unpacked = a2b_base64(b"".join(payloads).translate(TO_BASE64))
    except Base64Error:
        return None
    return unpacked if len(unpacked) == len(payloads) * BYTES else None


def _taken(values: npt.NDArray[Any], raw: Column) -> list[Any]:
    """The value of each raw integer."""
    found: list[Any] = values.take(raw).tolist()
    return found


def event_times(heard: Column, seconds: Column, context: Context) -> Column:
    """What `event_time` in `ais.py` says of one report, for all."""
    if not context.snap:
        return heard
    deltas = seconds * 1000 - heard % 60_000
    deltas -= np.where(deltas > 30_000, 60_000, 0)
    deltas += np.where(deltas < -30_000, 60_000, 0)
    return np.where((seconds < 60) & (abs(deltas) <= SNAP_MS), heard + deltas, heard)
