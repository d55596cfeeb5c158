"""Real traffic through framing, assembly and decoding: the exact figures, and two independent decoders that agree.

The figures were counted once by independent means (see the tables of the recordings); a change of one of them is a
change of behaviour. pyais and gpsd's regression suite are the oracles for values.
"""

from __future__ import annotations

import datetime as dt
import json
import re
import uuid
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator
from functools import cache
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any, NamedTuple

import pyais
import pytest

from ingest.clocks import Clock, invented_clock, recorded_clock
from ingest.errors import Rejected
from ingest.formats.ais import decoder as ais
from ingest.formats.ais.assembler import Assembler
from ingest.formats.common.context import Context
from ingest.formats.common.framing import LineFramer
from ingest.reports import Decoded, LineCounts, Message, MessageBatch, VesselReport
from tests.support.recordings import ARMOUR, push_one, recording, recordings

pytestmark = pytest.mark.data

START = 1_700_000_000_000
NOW = 1_800_000_000_000
CHUNK_BYTES = 64 * 1024
POSITION_TYPES = {1, 2, 3, 9, 18, 19, 27}
AISHUB = "nmea/aishub_nmea_sample_85k.nmea"


class Verdict(NamedTuple):
    """What became of a message: what it says, or why it was refused."""

    kind: int
    message: Message
    said: Decoded | None
    refused: str


class Run(NamedTuple):
    counts: LineCounts
    verdicts: list[Verdict]

    def refusals(self, kinds: set[int] | None = None) -> Counter[str]:
        return Counter(one.refused for one in self.verdicts if one.refused and (kinds is None or one.kind in kinds))

    def positions(self) -> list[VesselReport]:
        return [one.said.position for one in self.verdicts if one.said and one.said.position]

    def reports_of_position(self) -> int:
        return sum(one.kind in POSITION_TYPES for one in self.verdicts)


def context(invented: bool) -> Context:
    batch = MessageBatch(uuid.uuid4(), uuid.uuid4(), "file", "nmea", 80, NOW, recorded=True, invented=invented)
    return Context(batch, NOW)


def assembled(path: Path, clock: Clock) -> tuple[LineCounts, list[Message]]:
    framer, assembler = LineFramer(), Assembler(clock)
    messages = []
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            messages += [push_one(assembler, line, size, None) for line, size in framer.feed(chunk)]
    messages += [push_one(assembler, line, size, None) for line, size in framer.flush()]
    assembler.flush()
    return assembler.counts(), [message for message in messages if message]


def verdict(message: Message, told: Context) -> Verdict:
    kind = ARMOUR.find(message.raw.split(b",")[5][:1])
    try:
        return Verdict(kind, message, ais.decode(message, told), "")
    except Rejected as error:
        return Verdict(kind, message, None, error.reason)


def ran(path: Path, clock: Clock, invented: bool) -> Run:
    counts, messages = assembled(path, clock)
    told = context(invented)
    return Run(counts, [verdict(message, told) for message in messages])


@cache
def with_invented_times(name: str) -> Run:
    return ran(recording(name), invented_clock(START, 100), invented=True)


@cache
def with_own_times(name: str) -> Run:
    return ran(recording(name), recorded_clock(), invented=False)


def assert_accounted(run: Run) -> None:
    counts = run.counts
    assert counts.lines == counts.foreign + sum(counts.malformed.values()) + counts.sentences
    assert counts.sentences == sum(one.message.raw.count(b"\n") + 1 for one in run.verdicts)


# --- figures ----------------------------------------------------------------------------------------------------------


def test_aishub_lines_and_messages():
    run = with_invented_times(AISHUB)
    assert_accounted(run)
    assert (run.counts.lines, run.counts.foreign) == (85_194, 0)
    assert run.counts.malformed == {"group_incomplete": 4}
    assert len(run.verdicts) == 82_758
    assert (run.refusals()["undecodable"], run.refusals()["mmsi_zero"]) == (10, 197)


def test_aishub_position_reports_are_accepted_or_refused_for_a_reason():
    run = with_invented_times(AISHUB)
    refused = run.refusals(POSITION_TYPES)
    assert run.reports_of_position() == 73_629
    assert refused["mmsi_zero"] == 44
    assert refused["mmsi_out_of_range"] == 6
    assert refused["position_not_available"] == 1035  # three more of type 19 have none, and static data
    assert refused["latitude_out_of_range"] + refused["longitude_out_of_range"] == 7
    assert refused.total() == 44 + 6 + 1035 + 7
    assert len(run.positions()) == 72_534
    assert len({said.vessel_id for said in run.positions()}) == 10_284


def test_aishub_messages_are_heard_at_start_and_number_over_rate():
    heard = [one.message.received_at for one in with_invented_times(AISHUB).verdicts]
    assert heard == [START + 10 * number for number in range(82_758)]


def test_aishub_messages_of_several_sentences_are_made_of_neighbouring_lines():
    """As they were sent: a wrongly paired sentence would come from elsewhere, with nothing else to show it."""
    neighbours = {b"\n".join(pair) for pair in pairwise(recording(AISHUB).read_bytes().splitlines())}
    joined = [one.message.raw for one in with_invented_times(AISHUB).verdicts if b"\n" in one.message.raw]
    assert len(joined) == 2408
    assert {raw for raw in joined if raw.count(b"\n") == 1} <= neighbours
    triples = [raw.split(b"\n") for raw in joined if raw.count(b"\n") > 1]
    assert all(b"\n".join(pair) in neighbours for raw in triples for pair in pairwise(raw))


def test_aishub_resumed_amid_pending_messages_goes_on_with_the_same_messages_at_the_same_times():
    lines = recording(AISHUB).read_bytes().splitlines(keepends=True)
    starts = [0, *accumulate(len(line) for line in lines)]
    whole = {one.message.received_at: one.message.raw for one in with_invented_times(AISHUB).verdicts}
    assembler, cuts = Assembler(invented_clock(START, 100)), []
    for line in lines:
        if push_one(assembler, line.rstrip(), len(line), None) and assembler.resume_at()[0] < assembler.offset:
            cuts.append((assembler.index, assembler.resume_at()))
    for read, (offset, index) in cuts[:: len(cuts) // 40]:
        resumed = Assembler(invented_clock(START, 100), offset, index)
        following = lines[bisect_left(starts, offset) :][:2000]
        messages = [push_one(resumed, line.rstrip(), len(line), None) for line in following]
        again = {message.received_at: message.raw for message in messages if message}
        assert again.items() <= whole.items()
        assert {START + 10 * number for number in range(read, resumed.index)} <= again.keys()


def test_a_ships_log_is_mostly_of_other_protocols():
    run = with_invented_times("nmea/opencpn_Go_to_Guernesey.txt")
    assert_accounted(run)
    assert (run.counts.lines, run.counts.foreign, run.counts.malformed) == (63_318, 45_194, {})
    assert len(run.verdicts) == 17_763
    assert (len(run.positions()), run.reports_of_position()) == (14_887, 14_892)


def test_a_ships_log_has_the_times_of_its_own_receiver():
    run = with_own_times("nmea/opencpn_Go_to_Guernesey.txt")
    assert_accounted(run)
    times = [said.received_at for said in run.positions()]
    assert len(times) == 14_887
    assert [f"{time:%Y-%m-%d %H:%M:%S}" for time in (times[0], times[-1])] == [
        "2011-07-26 03:53:12",
        "2011-07-26 22:03:52",
    ]


@pytest.mark.parametrize(("name", "lines", "accepted", "reports", "day"), [
    ("nmea/amsa_exactearth_augmented_1.txt", 7160, 2922, 2929, dt.date(2012, 1, 31)),
    ("nmea/dma_stream_example_PGHP.txt", 8551, 2965, 2989, dt.date(2010, 6, 11)),
    ("nmea/amsa_nmea_timestamped_tagblock.txt", 100, 99, 100, dt.date(2014, 12, 31)),
])  # fmt: skip
def test_a_recording_with_times_has_its_own(name: str, lines: int, accepted: int, reports: int, day: dt.date):
    run = with_own_times(name)
    assert_accounted(run)
    assert run.counts.lines == lines
    assert (len(run.positions()), run.reports_of_position()) == (accepted, reports)
    assert {said.timestamp.date() for said in run.positions()} == {day}


def test_a_spurious_field_makes_a_sentence_malformed():
    run = with_invented_times("nmea_malformed/signalk_gofree_merrimac_extra_field.log")
    assert_accounted(run)
    assert run.counts.malformed == {"field_count": 1507}
    assert (run.counts.lines, run.verdicts) == (6324, [])


@pytest.mark.parametrize("path", recordings("nmea_malformed"), ids=lambda path: path.name)
def test_nothing_malformed_raises_and_every_line_is_accounted_for(path: Path):
    run = with_invented_times(f"nmea_malformed/{path.name}")
    assert_accounted(run)
    data = path.read_bytes()
    standing = [len(re.findall(rb"[!$][^!$]{2}VD[MO],", line)) for line in re.split(rb"\r+\n?|\n", data)]
    assert run.counts.lines == sum(max(1, number) for number in standing) - bool(data[-1:] in (b"\n", b"\r"))


def test_reports_one_character_too_short_or_too_long_give_their_positions():
    run = with_invented_times("nmea_malformed/gfw_type1-bad-bitcount.nmea")
    assert len(run.positions()) == run.reports_of_position() == 12


# --- pyais ------------------------------------------------------------------------------------------------------------


def known(value: float, unknown: float, unit: float) -> float | None:
    """What a value of pyais means: None from `unknown` on."""
    return None if value >= unknown - unit / 2 else value


def differences(said: VesselReport, other: Any) -> list[str]:
    """Fields in which the report and pyais' message differ by more than pyais rounds."""
    long_range, sar = other.msg_type == 27, other.msg_type == 9
    expected = {
        "vessel_id": (int(other.mmsi), 0),
        "latitude": (other.lat, 1e-6),
        "longitude": (other.lon, 1e-6),
        "speed": (
            known(other.speed, 63 if long_range else 1023 if sar else 102.3, 1 if long_range or sar else 0.1),
            0.05,
        ),
        "course": (known(other.course, 360, 1 if long_range else 0.1), 0.05),
        "heading": (None if long_range or sar else known(other.heading, 360, 1), 0),
        "status": (known(int(getattr(other, "status", 15)), 15, 1), 0),
    }
    return [field for field, (value, slack) in expected.items() if not agree(getattr(said, field), value, slack)]


def agree(one: float | None, other: float | None, slack: float) -> bool:
    if one is None or other is None:
        return one is other
    return abs(one - other) <= slack


def test_every_aishub_position_agrees_with_pyais():
    accepted = [one for one in with_invented_times(AISHUB).verdicts if one.said and one.said.position]
    differing: dict[bytes, list[str]] = {}
    for one in accepted:
        assert one.said and one.said.position
        if found := differences(one.said.position, pyais.decode(*one.message.raw.split(b"\n"))):
            differing[one.message.raw] = found
    assert differing == {}
    assert len(accepted) == 72_534


# --- gpsd -------------------------------------------------------------------------------------------------------------

GPSD = ("oracle/gpsd_ais-nmea.log.chk", "oracle/gpsd_ais-nmea-type6-fid55.log.chk")
TEXTS = {"name": "shipname", "callsign": "callsign", "destination": "destination"}


def beside_gpsd(name: str) -> Iterator[tuple[dict[str, Any], Verdict]]:
    """Each AIS object of gpsd's output, which repeats its input, with our verdict on the message it stands behind.

    Where lines of other protocols follow a message, gpsd prints the object once more.
    """
    assembler, latest = Assembler(invented_clock(START, 100)), None
    for line in recording(name).read_bytes().splitlines():
        message = push_one(assembler, line, len(line) + 1, None)
        if message:
            latest = verdict(message, context(invented=True))
        elif line.startswith(b'{"class":"AIS"'):
            assert latest
            yield json.loads(line), latest


def raw_position(one: Verdict) -> tuple[Any, ...]:
    """Type, MMSI, latitude, longitude, speed and course as integers in the units of the message."""
    assert one.said and one.said.position, one
    said = one.said.position
    per_degree, tenths = (600, 1) if one.kind == 27 else (600_000, 10)
    return (
        one.kind,
        said.vessel_id,
        round(said.latitude * per_degree),
        round(said.longitude * per_degree),
        None if said.speed is None else round(said.speed * (1 if one.kind == 9 else tenths)),
        None if said.course is None else round(said.course * tenths),
    )


def test_position_reports_agree_with_gpsd():
    compared = unavailable = 0
    for theirs, one in (pair for name in GPSD for pair in beside_gpsd(name) if pair[0]["type"] in POSITION_TYPES):
        compared += 1
        per_degree, no_speed, no_course = (600, 63, 511) if one.kind == 27 else (600_000, 1023, 3600)
        if theirs["lat"] == 91 * per_degree or theirs["lon"] == 181 * per_degree:
            assert one.refused == "position_not_available"
            unavailable += 1
            continue
        speed = None if theirs["speed"] == no_speed else theirs["speed"]
        course = None if theirs["course"] >= no_course else theirs["course"]
        expected = (theirs["type"], theirs["mmsi"], theirs["lat"], theirs["lon"], speed, course)
        assert raw_position(one) == expected, one.message.raw
    assert (compared, unavailable) == (1048, 15)


def test_names_callsigns_and_destinations_agree_with_gpsd():
    compared = Counter[int]()
    names: dict[int, str | None] = {}
    for theirs, one in (pair for name in GPSD for pair in beside_gpsd(name) if pair[0]["type"] == 5):
        assert one.said and one.said.static
        ours = {text: getattr(one.said.static, text) or "" for text in TEXTS}
        assert ours == {text: theirs[field].strip() for text, field in TEXTS.items()}, one.message.raw
        compared[5] += 1
    for name in GPSD:
        # gpsd prints one object for both parts: the name is of the part A heard before
        heard = [one.said.static for one in with_invented_times(name).verdicts if one.kind == 24 and one.said]
        names |= {said.mmsi: said.name for said in heard if said and said.name}
        for theirs, one in (pair for pair in beside_gpsd(name) if pair[0]["type"] == 24):
            assert one.said and one.said.static
            assert (one.said.static.callsign or "") == theirs["callsign"]
            assert names[theirs["mmsi"]] == theirs["shipname"]
            compared[24] += 1
    assert compared == {5: 148, 24: 9}
