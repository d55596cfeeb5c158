"""What the rule says of a sea with faults, without a server: lines through assembly and decoder into folds.

Enter events; leave for each identity the stored places with their numbers. Reports of one second are kept apart as the
store keeps them: contradicting places of one second both stay.
"""

from __future__ import annotations

import math
import uuid
from collections import defaultdict
from collections.abc import Iterable
from typing import NamedTuple

from ingest.clocks import arrival_clock
from ingest.formats.common.contract import Assembly, Setup
from ingest.formats.registry import FORMATS
from ingest.reports import Message, MessageBatch, VesselReport
from ingest.stages.decode import decode
from ingest.stages.work import Work
from tests.truth.faults import Heard
from tracking.positions.twins import twin_ms
from tracking.truth.budget import budget_of
from tracking.truth.fleets import FleetJump, fleets
from tracking.truth.rule import Fold, fold
from tracking.truth.terms import JudgedPosition, RefusalCode

TRUST = 80


class Judged(NamedTuple):
    """A stored place: ms since 1970 and its number."""

    ts: int
    number: int


Places = dict[tuple[int, int, int], list[Judged]]


def collected(heard: Iterable[Heard]) -> dict[str, list[Message]]:
    """The messages of each feed, as the collector would accept them live."""
    assemblies: dict[str, Assembly] = {}
    messages: defaultdict[str, list[Message]] = defaultdict(list)
    for event in heard:
        if event.feed not in assemblies:
            assemblies[event.feed] = FORMATS["nmea"].assembly(Setup(arrival_clock, mend_clocks=True))
        messages[event.feed] += assemblies[event.feed].feed(event.line + b"\n", event.arrival_ms)
    return messages


def reports(heard: Iterable[Heard]) -> list[VesselReport]:
    """What the lines say, in the order of their times."""
    events = list(heard)
    found: list[VesselReport] = []
    for feed, messages in collected(events).items():
        accepted = events[-1].arrival_ms
        work = Work(MessageBatch(uuid.uuid4(), uuid.uuid4(), feed, "nmea", TRUST, accepted, messages=messages))
        decode(work)
        found += [said.position for _, said in work.decoded if isinstance(said.position, VesselReport)]
    return sorted(found, key=lambda report: report.received_at)


def judged(found: Iterable[VesselReport]) -> Places:
    """Each place with its times and numbers, spoofed fleets included."""
    lives = _lives(found)
    folds = {mmsi: fold(sorted(rows.values()), budget_of(mmsi)) for mmsi, rows in lives.items()}
    spoofed = fleets(
        FleetJump(mmsi, birth.ts, birth.latitude, birth.longitude)
        for mmsi, one in folds.items()
        for birth in one.births
    )
    places: Places = defaultdict(list)
    for mmsi, one in folds.items():
        wrong = {birth.number for birth in one.births if FleetJump(mmsi, *birth[:3]) in spoofed}
        for row in lives[mmsi].values():
            place = mmsi, round(row.latitude * 600_000), round(row.longitude * 600_000)
            places[place].append(Judged(row.ts, _number(one, row, wrong)))
    return places


def _number(one: Fold, row: JudgedPosition, spoofed: set[int]) -> int:
    number = one.numbers[row.ts]
    return RefusalCode.SPOOFED if number > 0 and number in spoofed else number


def _lives(found: Iterable[VesselReport]) -> dict[int, dict[int, JudgedPosition]]:
    lives: defaultdict[int, dict[int, JudgedPosition]] = defaultdict(dict)
    for report in found:
        ts = round(report.timestamp.timestamp() * 1000)
        rows = lives[report.vessel_id]
        row = JudgedPosition(ts, report.latitude, report.longitude, _known(report.speed), _known(report.course))
        if ts in rows and rows[ts].place != row.place:
            row = row._replace(ts=ts + twin_ms(*row.place))
        rows.setdefault(row.ts, row)
    return lives


def _known(value: float | None) -> float:
    return math.nan if value is None else value
