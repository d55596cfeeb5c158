"""Real Mode S traffic, with two independent decoders as oracles: rs1090 over whole recordings, dump1090-mutability."""

from __future__ import annotations

import json
import math

import pytest

from ingest.clocks import invented_clock, recorded_clock
from ingest.formats.common.contract import Setup
from ingest.formats.modes.assembly import BeastAssembly
from ingest.stages.fusion import folded
from tests.support.modes_frames import START, avr, run, verdict
from tests.support.recordings import recording

pytestmark = pytest.mark.data


def metres(report, latitude, longitude):
    east = (report.longitude - longitude) * math.cos(math.radians(latitude))
    return math.hypot(report.latitude - latitude, east) * 111_195


def oracle(name):
    return [json.loads(line) for line in recording(f"oracle/{name}").read_text().splitlines()]


def positions(messages):
    said = [verdict(message) for message in messages]
    return [one.position for one in said if not isinstance(one, str) and one.position]


@pytest.mark.parametrize(("receiver", "count"), [((43.63, 1.37), 4545), (None, 3175)])
def test_a_flight_from_gate_to_gate_agrees_with_rs1090_on_every_position(receiver, count):
    data = recording("modes/traffic_tutorial_jet1090_dev.avrts").read_bytes()
    assembly, messages = avr(data, recorded_clock(), receiver=receiver)
    assert assembly.counts().sentences == len(messages) == 19_052
    found = 0
    for message, expected in zip(messages, oracle("traffic_tutorial_rs1090_decoded_dev.jsonl"), strict=True):
        said = verdict(message)
        if not isinstance(said, str) and said.position:
            found += 1
            assert metres(said.position, expected["latitude"], expected["longitude"]) < 1
            assert said.position.altitude == expected.get("altitude")
    assert found == count


BEAST = "beast/dump1090mut_from_tutorial_devA.beast"


def own_times(data):
    """When the frames of the recording were heard: the oracle has them, and one frame more."""
    told = iter(oracle("dump1090mut_input_rs1090_decoded_devA.jsonl"))
    _, messages = run(BeastAssembly(Setup(invented_clock(START, 5))), data)
    return [
        next(round(one["timestamp"] * 1000) for one in told if message.raw.startswith(one["frame"].encode()))
        for message in messages
    ]


def test_positions_are_where_dump1090_saw_them():
    data = recording(BEAST).read_bytes()
    times = own_times(data)
    rows = [row.split(",") for row in recording("sbs/dump1090mut_from_tutorial_devA.sbs").read_text().splitlines()]
    seen = [(float(row[14]), float(row[15])) for row in rows if row[1] == "3" and row[14]]
    assembly, messages = run(BeastAssembly(Setup(lambda index, given, arrival: times[index])), data)
    assert assembly.counts().sentences == 6208
    found = positions(messages)
    assert len(found) == len(seen) == 1033
    assert all(metres(report, *place) < 1 for report, place in zip(found, seen, strict=True))


@pytest.mark.parametrize("rate", [5, 100])
def test_invented_times_cost_no_position(rate):
    _, messages = run(BeastAssembly(Setup(invented_clock(START, rate))), recording(BEAST).read_bytes())
    assert len(positions(messages)) == 1033


def test_batches_of_any_length_leave_the_same_rows():
    data = recording(BEAST).read_bytes()
    times = own_times(data)
    rows = []
    for span in (250, 1000, 60_000):
        _, messages = run(BeastAssembly(Setup(lambda index, given, arrival: times[index])), data, chunk=span)
        batches = {}
        for message in messages:
            batches.setdefault(message.received_at // span, []).append(message)
        stored = set()
        for batch in batches.values():
            said = [(number, one) for number, one in enumerate(map(verdict, batch)) if not isinstance(one, str)]
            stored |= {repr(report) for _, report in folded(iter(said)).positions}
        rows.append(stored)
    assert rows[0] == rows[1] == rows[2]
    assert len(rows[0]) == 957  # 76 frames came twice within a millisecond


@pytest.mark.parametrize(
    ("name", "lines", "found"),
    [("twuillemin_adsbspy_example.txt", 953, 274), ("twuillemin_modes_example2_hex.txt", 2339, 276)],
)
def test_frames_of_all_formats_are_accounted_for(name, lines, found):
    assembly, messages = avr(recording(f"modes/{name}").read_bytes(), invented_clock(START, 5))
    counts = assembly.counts()
    assert (counts.lines, counts.sentences, counts.malformed) == (lines, lines, {})
    assert len(positions(messages)) == found
