"""AIS lines to position rows, by this project's framing, assembly and decoder, and by pyais from the same lines.

Both sides check checksums, put sentences together, decode every message (also those without a position), leave out what
names nobody or has no position, and make the same VesselReport. Ours cuts the lines itself; pyais is given them. Static
data and stations go on to reports on our side only. Verified: both give the same rows, in the same order.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Sequence
from functools import partial
from typing import Any

import pyais
from pyais.exceptions import AISBaseException

from ingest.assemblies.sentences import Assembler
from ingest.clocks import invented_clock
from ingest.decoders import ais
from ingest.decoders.context import Context
from ingest.errors import Rejected
from ingest.framing import LineFramer
from ingest.reports import MessageBatch, VesselReport
from ingest.sources.file import CHUNK_BYTES
from tests.benchmarks.frame import Figure, Measured, Run, Unverified, benchmark
from tests.benchmarks.measuring import Sample, Variant, interleave, ratios
from tests.benchmarks.recording import BEGAN, ais_recording

RATE = 100.0  # messages a second, invented
SCORE = 80
SOURCE = "benchmark"
START_MS = round(BEGAN.timestamp() * 1000)
POSITION_TYPES = frozenset({1, 2, 3, 9, 18, 19, 27})
POSITION_CHARACTERS = frozenset(b"%c" % (kind + 48) for kind in POSITION_TYPES)
# pyais rounds degrees to six decimals; we keep what was sent.
DEGREES = 1e-6


@benchmark("decode", "AIS lines to position rows, against pyais")
def measure(run: Run) -> Measured:
    """Rows a second of both, interleaved, and their ratio; for all lines, and for those that are position reports."""
    recording = ais_recording(run.quick)
    lines = recording.path.read_bytes().splitlines()
    reports = [line for line in lines if _is_position_report(line)]
    sides: dict[str, Variant] = {}
    rows = {"all lines": _add_sides(sides, "all lines", lines), "reports": _add_sides(sides, "reports", reports)}
    samples = interleave(sides, run.rounds)
    return Measured(
        f"{recording.name}: {len(lines):,} lines, {rows['all lines']:,} rows; {len(reports):,} position reports",
        [
            *_comparison("all lines", samples, rows["all lines"], target=3.5),
            *_comparison("reports", samples, rows["reports"]),
        ],
    )


def _add_sides(sides: dict[str, Variant], what: str, lines: Sequence[bytes]) -> int:
    """Add both sides for these lines, once they have made the same rows; how many."""
    data = b"\n".join(lines) + b"\n"
    rows = verified(data, lines)
    # Every round does the same; nothing has to be made ready.
    sides[f"{what}, ours"] = lambda number: partial(by_ingest, data)
    sides[f"{what}, pyais"] = lambda number: partial(by_pyais, lines)
    return len(rows)


def _comparison(
    what: str, samples: dict[str, list[Sample]], rows: int, target: float | None = None
) -> Sequence[Figure]:
    ours, theirs = samples[f"{what}, ours"], samples[f"{what}, pyais"]
    ratio = ratios([one.wall for one in theirs], [one.wall for one in ours])
    return [
        Figure(f"{what}: our rate / that of pyais", ratio, "x", target),
        Figure(f"{what}: CPU of pyais / ours", ratios([one.cpu for one in theirs], [one.cpu for one in ours]), "x"),
        *(
            Figure(f"{what}: rows, {who}", [rows / one.wall for one in side], "/s")
            for who, side in _sides(ours, theirs)
        ),
        *(
            Figure(f"{what}: CPU a row, {who}", [one.cpu / rows * 1e6 for one in side], "µs")
            for who, side in _sides(ours, theirs)
        ),
    ]


def _sides(ours: list[Sample], theirs: list[Sample]) -> list[tuple[str, list[Sample]]]:
    return [("ours", ours), ("pyais", theirs)]


def _is_position_report(line: bytes) -> bool:
    """Whether this is a whole message of one of POSITION_TYPES, by the first character of its payload."""
    fields = line.split(b",")
    return len(fields) == 7 and fields[1] == b"1" and fields[5][:1] in POSITION_CHARACTERS


def by_ingest(data: bytes) -> list[VesselReport]:
    """As the collector and the pipeline do it, chunk by chunk."""
    framer, assembler = LineFramer(), Assembler(invented_clock(START_MS, RATE))
    batch = MessageBatch(uuid.UUID(int=0), uuid.UUID(int=0), SOURCE, "nmea", SCORE, 0, recorded=True, invented=True)
    context = Context(batch, now=_far_future())
    rows: list[VesselReport] = []
    for start in range(0, len(data), CHUNK_BYTES):
        for line, size in framer.feed(data[start : start + CHUNK_BYTES]):
            message = assembler.push(line, size, None)
            if message is None:
                continue
            try:
                said = ais.decode(message, context)
            except Rejected:
                continue
            if isinstance(said.position, VesselReport):
                rows.append(said.position)
    return rows


def by_pyais(lines: Sequence[bytes]) -> list[VesselReport]:
    """As a program on pyais does it: its assembly, its decoder, then the numbers that mean "not available" to None."""
    rows: list[VesselReport] = []
    for number, message in enumerate(pyais.IterMessages(lines)):
        if not message.is_valid:
            continue
        try:
            said = message.decode()
        except AISBaseException:
            continue
        if said.msg_type in POSITION_TYPES and 0 < said.mmsi <= 999_999_999:
            row = _row(said, START_MS + round(number * 1000 / RATE))
            if row is not None:
                rows.append(row)
    return rows


def _row(said: Any, heard: int) -> VesselReport | None:
    """The row of a position report, None where its position is not available or nowhere on earth."""
    latitude, longitude = said.lat, said.lon
    if latitude is None or longitude is None or not (-90 <= latitude <= 90 and -180 <= longitude <= 180):
        return None
    at = dt.datetime.fromtimestamp(heard / 1000, dt.UTC)
    long_range, speed, course = said.msg_type == 27, said.speed, said.course
    heading, status = getattr(said, "heading", None), getattr(said, "status", None)
    known_speed = speed < (63 if long_range else 1023 if said.msg_type == 9 else 102.3)
    return VesselReport(
        int(said.mmsi),
        at,
        latitude,
        longitude,
        float(speed) if known_speed else None,
        float(course) if course < 360 else None,
        heading if heading is not None and heading < 360 else None,
        int(status) if status is not None and status < 15 else None,
        at,
        SOURCE,
        SCORE * ais.LONG_RANGE_QUALITY // 100 if long_range else SCORE,
    )


def verified(data: bytes, lines: Sequence[bytes]) -> list[VesselReport]:
    """The rows of `data`, once pyais agrees on each of them. Raises Unverified."""
    ours, theirs = by_ingest(data), by_pyais(lines)
    if not ours or len(ours) != len(theirs):
        raise Unverified(f"{len(ours)} rows are ours, {len(theirs)} are of pyais")
    for mine, other in zip(ours, theirs, strict=True):
        if not _same(mine, other):
            raise Unverified(f"{mine} is ours, {other} is of pyais")
    return ours


def _same(mine: VesselReport, other: VesselReport) -> bool:
    """Whether two rows say the same; the number of a message, and so its invented time, may differ after bad ones."""
    return (
        mine.vessel_id == other.vessel_id
        and abs(mine.latitude - other.latitude) <= DEGREES
        and abs(mine.longitude - other.longitude) <= DEGREES
        and (mine.speed, mine.course, mine.heading, mine.status, mine.score)
        == (other.speed, other.course, other.heading, other.status, other.score)
    )


def _far_future() -> int:
    """A clock (ms) that finds no recording too new: how long ago the traffic was does not matter here."""
    return round((BEGAN + dt.timedelta(days=365_000)).timestamp() * 1000)
