"""AIS lines to rows, by this project's framing, assembly and decoder, and by pyais from the same lines.

A row is what goes on to be stored: the position of a vessel, static data, a station. Both sides check checksums, put
sentences together, decode every message, leave out what names nobody or has no position, and make the same structs.
Ours cuts the lines itself; pyais is given them. The target is judged by all lines of the recording; the position
reports among them are shown beside. Verified: both give the same rows, field by field, in the same order.
"""

from __future__ import annotations

import datetime as dt
import gc
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial

import pyais
from pyais.exceptions import AISBaseException

from ingest.clocks import invented_clock
from ingest.formats.ais import decoder as ais
from ingest.formats.ais.assembly import NmeaAssembly
from ingest.formats.common.context import Context
from ingest.formats.common.contract import Setup
from ingest.reports import Decoded, Message, MessageBatch
from ingest.sources.file import CHUNK_BYTES
from tests.benchmarks.frame import Figure, Measured, Run, Unverified, benchmark
from tests.benchmarks.measuring import Sample, Variant, interleave, ratios
from tests.benchmarks.recording import BEGAN, ais_recording
from tests.support.pyais_reports import POSITION_TYPES, Report, reports_of, same

RATE = 100.0  # messages a second, invented
SCORE = 80
SOURCE = "benchmark"
START_MS = round(BEGAN.timestamp() * 1000)
POSITION_CHARACTERS = frozenset(b"%c" % (kind + 48) for kind in POSITION_TYPES)
BATCH = 1000


@benchmark("decode", "AIS lines to rows, against pyais")
def measure(run: Run) -> Measured:
    """Rows a second of both, interleaved, and their ratio; for all lines, and for those that are position reports."""
    recording = ais_recording(run.quick)
    lines = recording.path.read_bytes().splitlines()
    reports = [line for line in lines if _is_position_report(line)]
    sides: dict[str, Variant] = {}
    rows = {"all lines": _add_sides(sides, "all lines", lines), "reports": _add_sides(sides, "reports", reports)}
    with _rare_collections():
        samples = interleave(sides, run.rounds)
    return Measured(
        f"{recording.name}: {len(lines):,} lines, {rows['all lines']:,} rows; {len(reports):,} position reports",
        [
            *_comparison("all lines", samples, rows["all lines"], target=3.5),
            *_comparison("reports", samples, rows["reports"]),
        ],
    )


@contextmanager
def _rare_collections() -> Iterator[None]:
    """Garbage collection as `manage.py ingest` sets it, for both sides."""
    thresholds = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(50_000)
    try:
        yield
    finally:
        gc.set_threshold(*thresholds)
        gc.unfreeze()


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


def by_ingest(data: bytes) -> list[Report]:
    """As the collector and the pipeline do it, chunk by chunk and batch by batch."""
    assembly = NmeaAssembly(Setup(invented_clock(START_MS, RATE)))
    batch = MessageBatch(uuid.UUID(int=0), uuid.UUID(int=0), SOURCE, "nmea", SCORE, 0, recorded=True, invented=True)
    context = Context(batch, now=_far_future())
    rows: list[Report] = []
    messages: list[Message] = []
    for start in range(0, len(data), CHUNK_BYTES):
        messages += assembly.feed(data[start : start + CHUNK_BYTES], None)
        while len(messages) >= BATCH:
            _add_rows(rows, ais.decode_all(messages[:BATCH], context))
            messages = messages[BATCH:]
    messages += assembly.flush(None)
    _add_rows(rows, ais.decode_all(messages, context))
    return rows


def _add_rows(rows: list[Report], decoded: Sequence[Decoded | str]) -> None:
    """The reports of a batch, without what was refused and what says nothing for us."""
    for said in decoded:
        if isinstance(said, str):
            continue
        if said.position is not None:
            rows.append(said.position)
        if said.static is not None:
            rows.append(said.static)
        if said.station is not None:
            rows.append(said.station)


def by_pyais(lines: Sequence[bytes]) -> list[Report]:
    """As a program on pyais does it: its assembly, its decoder, then the numbers that mean "not available" to None."""
    rows: list[Report] = []
    for number, message in enumerate(pyais.IterMessages(lines)):
        if not message.is_valid:
            continue
        try:
            said = message.decode()
        except AISBaseException:
            continue
        heard = START_MS + round(number * 1000 / RATE)
        rows += reports_of(said, dt.datetime.fromtimestamp(heard / 1000, dt.UTC), SOURCE, SCORE)
    return rows


def verified(data: bytes, lines: Sequence[bytes]) -> list[Report]:
    """The rows of `data`, once pyais agrees on each of them. Raises Unverified."""
    ours, theirs = by_ingest(data), by_pyais(lines)
    if not ours or len(ours) != len(theirs):
        raise Unverified(f"{len(ours)} rows are ours, {len(theirs)} are of pyais")
    for mine, other in zip(ours, theirs, strict=True):
        if not same(mine, other):
            raise Unverified(f"{mine} is ours, {other} is of pyais")
    return ours


def _far_future() -> int:
    """A clock (ms) that finds no recording too new: how long ago the traffic was does not matter here."""
    return round((BEGAN + dt.timedelta(days=365_000)).timestamp() * 1000)
