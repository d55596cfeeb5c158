"""Many position reports at once: a column a field, in half the time of one report after the other.

Enters messages; leaves the reports among them that have 168 bits in one sentence, as most have, and pass all checks.
The others are left to `decoder.py`, which decodes one message and knows why it refuses it; both ways give equal
reports. Source: ITU-R M.1371-5, annex 8, tables 48 (types 1, 2, 3) and 70 (type 18).
"""

from __future__ import annotations

from binascii import Error as Base64Error
from binascii import a2b_base64
from collections.abc import Iterator, Sequence
from itertools import repeat
from operator import attrgetter
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ingest.clocks import moments
from ingest.formats.ais.bits import (
    DEGREES,
    HEADINGS,
    KINDS,
    KNOTS,
    NULL_ISLAND_RAW,
    PER_DEGREE,
    SNAP_MS,
    STATUSES,
    TO_BASE64,
)
from ingest.formats.common.context import Context
from ingest.formats.common.ranges import MMSI_MAX, time_window
from ingest.reports import Message, VesselReport

FEW = 40  # fewer reports of one layout are decoded one after the other: a column has its price

CHARACTERS, BYTES = 28, 21  # of a payload, armoured and unpacked
# Where the payload begins and ends in !AIVDM,1,1,,A,payload,0*5C if it has so many characters and no filling.
_FIRST, _LAST = 14, 14 + CHARACTERS
_SENTENCE = _LAST + len(",0*5C")
_FORM = ((7, b"1"), (_FIRST - 1, b","), (_LAST, b","), (_LAST + 1, b"0"), (_LAST + 2, b"*"))

Column = npt.NDArray[np.int64]
Characters = npt.NDArray[np.uint8]  # a row a payload


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
_LAYOUTS = {CLASS_A: (1, 2, 3), CLASS_B: (18,)}
# The place of its layout among them by the first character of a payload.
_NO_LAYOUT = len(_LAYOUTS)
_LAYOUT_OF = np.array(
    [next((n for n, kinds in enumerate(_LAYOUTS.values()) if kind in kinds), _NO_LAYOUT) for kind in KINDS], np.uint8
)

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


def position_reports(messages: Sequence[Message], context: Context) -> Iterator[tuple[int, VesselReport]]:
    """(number of the message, report) of those that pass all checks, where there are FEW of a layout or more."""
    numbers, payloads = _payloads([message.raw for message in messages])
    if len(numbers) < FEW:
        return
    heard = np.fromiter(map(attrgetter("received_at"), messages), np.int64, len(messages))[numbers]
    layouts = _LAYOUT_OF[payloads[:, 0]]
    for place, layout in enumerate(_LAYOUTS):
        mine = np.flatnonzero(layouts == place)
        if len(mine) >= FEW:
            good, rows = _reports(layout, payloads[mine], heard[mine], context)
            yield from zip(numbers[mine][good].tolist(), rows, strict=True)


def _payloads(sentences: Sequence[bytes]) -> tuple[npt.NDArray[np.intp], Characters]:
    """The places of the sentences that are a message of CHARACTERS without filling, and the payloads of these."""
    lengths = np.fromiter(map(len, sentences), np.intp, len(sentences))
    numbers = np.flatnonzero(lengths == _SENTENCE)
    joined = b"".join([sentences[number] for number in numbers.tolist()])
    table = np.frombuffer(joined, np.uint8).reshape(-1, _SENTENCE)
    formed = np.logical_and.reduce([table[:, place] == character[0] for place, character in _FORM])
    return numbers[formed], table[formed, _FIRST:_LAST]


def _reports(
    layout: BitLayout, payloads: Characters, received: Column, context: Context
) -> tuple[npt.NDArray[np.bool_], list[VesselReport]]:
    """(which pass all checks, the reports of these); `received` in ms. None where one payload is no armour."""
    unpacked = _unpacked(payloads)
    if unpacked is None:
        return np.zeros(len(payloads), bool), []
    table = _Table(unpacked)
    mmsi = table.number(8, 30)
    longitude, latitude = table.signed(layout.longitude, 28), table.signed(layout.latitude, 27)
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
    return good, list(rows)


def _unpacked(payloads: Characters) -> bytes | None:
    """Six bits a character, one payload after the other; None where a character is no armour."""
    try:
        unpacked = a2b_base64(payloads.tobytes().translate(TO_BASE64))
    except Base64Error:
        return None
    return unpacked if len(unpacked) == len(payloads) * BYTES else None


def _taken(values: npt.NDArray[Any], raw: Column) -> list[Any]:
    """The value of each raw integer."""
    found: list[Any] = values.take(raw).tolist()
    return found


def event_times(heard: Column, seconds: Column, context: Context) -> Column:
    """What `event_time` in `decoder.py` says of one report, for all."""
    if not context.snap:
        return heard
    deltas = seconds * 1000 - heard % 60_000
    deltas -= np.where(deltas > 30_000, 60_000, 0)
    deltas += np.where(deltas < -30_000, 60_000, 0)
    return np.where((seconds < 60) & (abs(deltas) <= SNAP_MS), heard + deltas, heard)
