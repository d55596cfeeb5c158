"""What the simulated receivers promise: who hears what, with which clock, what is lost and damaged, all of it counted.

Tag blocks are read with a checksum of this module's own; damaged lines are given to the assemblies of the pipeline.
"""

import re
from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from functools import reduce
from operator import xor
from uuid import uuid4

import pyais.encode
import pytest
from pyais import decode
from pyais.encode import encode_dict

from ingest.clocks import arrival_clock
from ingest.formats.ais import decoder as ais
from ingest.formats.ais.assembly import NmeaAssembly
from ingest.formats.common.context import Context
from ingest.formats.common.contract import Setup
from ingest.formats.sbs.assembly import SbsAssembly
from ingest.reports import MessageBatch
from ingest.simulator import Simulation, SimulatorOptions, Transmission, parse_url
from ingest.simulator.traffic.ships import ShipStatus, build_fleet
from ingest.simulator.traffic.track import distance_m

START = datetime(2026, 3, 1, 12, 0, 7, 345_000, tzinfo=UTC)
START_MS = int(START.timestamp() * 1000)
TAGGED = re.compile(rb"\\(s:rx([1-9]),c:(\d{13}))\*([0-9A-F]{2})\\(!AIVDM,.*)")


def simulated(seconds: float, **options: float) -> tuple[Simulation, list[Transmission]]:
    simulation = Simulation(start=START, **options)
    return simulation, list(simulation.transmissions(START + timedelta(seconds=seconds)))


def milliseconds(transmission: Transmission) -> int:
    return round(transmission.at.timestamp() * 1000)


# --- one receiver -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [{"ships": 60}, {"aircraft": 30}], ids=["ships", "aircraft"])
def test_a_lone_receiver_hears_everything_and_adds_nothing(options):
    simulation, transmissions = simulated(20, **options)
    assert all(tuple(one.lines) == one.sentences for one in transmissions)
    (receiver,) = simulation.reception.receivers
    assert (receiver.heard, receiver.lost, receiver.out_of_range) == (len(transmissions), 0, 0)


def test_a_transmission_is_encoded_once_however_many_hear_it(monkeypatch):
    encoded = Counter()

    def counting(fields, **settings):
        encoded["messages"] += 1
        return encode_dict(fields, **settings)

    monkeypatch.setattr(pyais.encode, "encode_dict", counting)
    simulation, transmissions = simulated(20, ships=200, receivers=9)
    assert encoded["messages"] == simulation.sent < sum(len(one.heard) for one in transmissions)


# --- ranges -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("receivers", [2, 3, 5, 9])
@pytest.mark.parametrize("options", [{"ships": 400, "moored": 0.3}, {"aircraft": 300}], ids=["ships", "aircraft"])
def test_every_transmission_is_heard_by_one_and_some_by_several(options, receivers):
    simulation, transmissions = simulated(12, receivers=receivers, **options)
    hearings = Counter(len(one.heard) for one in transmissions)
    assert 0 not in hearings and len(hearings) > 1
    for receiver in simulation.reception.receivers:
        assert receiver.heard + receiver.out_of_range == simulation.sent == len(transmissions)
        assert 0 < receiver.heard < len(transmissions)
        assert receiver.heard == sum(
            hearing.receiver == receiver.number for one in transmissions for hearing in one.heard
        )


def test_a_receiver_hears_who_is_in_range_of_its_station_on_that_route():
    simulation, transmissions = simulated(12, ships=300, moored=0.3, receivers=3)
    fleet = {str(ship.identity.mmsi): ship for ship in simulation.fleet}
    for one in transmissions:
        motion = fleet[one.sender].motion
        place = motion.at(int(one.at.timestamp()))[:2]
        stations = simulation.reception.stations(motion.route)
        near = [number for number, (at, range_m) in enumerate(stations, 1) if distance_m(at, place) <= range_m]
        assert [hearing.receiver for hearing in one.heard] == near


def test_receivers_overlap_wherever_a_ship_may_be():
    simulation = Simulation(start=START, ships=200, moored=0.3, receivers=3)
    for ship in simulation.fleet:
        stations = simulation.reception.stations(ship.motion.route)
        places = [ship.motion.at(START.timestamp() + minute * 600)[:2] for minute in range(0, 300, 7)]
        assert all(any(distance_m(at, place) <= range_m for at, range_m in stations) for place in places)


# --- clocks and tag blocks --------------------------------------------------------------------------------------------


def test_each_receiver_passes_on_the_same_sentences_behind_its_own_tag_block():
    _, transmissions = simulated(30, ships=60, receivers=3, skew=400)
    for one in transmissions:
        for hearing in one.heard:
            found = [TAGGED.fullmatch(line) for line in hearing.lines]
            assert tuple(match[5] for match in found) == one.sentences
            assert {int(match[2]) for match in found} == {hearing.receiver}
            assert {int(match[3]) for match in found} == {hearing.clock_ms}
            assert all(reduce(xor, match[1]) == int(match[4], 16) for match in found)


@pytest.mark.parametrize("options", [{"ships": 60}, {"aircraft": 30}], ids=["ships", "aircraft"])
def test_clocks_are_off_by_what_is_told_give_or_take_20_ms(options):
    simulation, transmissions = simulated(20, receivers=3, skew=5_000, **options)
    skews = {receiver.number: receiver.skew_ms for receiver in simulation.reception.receivers}
    assert len(set(skews.values())) == 3 and all(abs(skew) <= 5_000 for skew in skews.values())
    offsets = defaultdict(set)
    for one in transmissions:
        for hearing in one.heard:
            offsets[hearing.receiver].add(hearing.clock_ms - milliseconds(one) - skews[hearing.receiver])
    assert all(min(found) >= -20 and max(found) <= 20 and len(found) > 10 for found in offsets.values())


def test_without_skew_all_clocks_are_right():
    _, transmissions = simulated(20, ships=60, receivers=3)
    assert all(hearing.clock_ms == milliseconds(one) for one in transmissions for hearing in one.heard)


def test_sbs_lines_carry_the_receivers_clock_and_its_number_as_session():
    _, transmissions = simulated(20, aircraft=60, receivers=3, skew=5_000)
    for one in transmissions:
        (sentence,) = (line.decode().split(",") for line in one.sentences)
        for hearing in one.heard:
            (fields,) = (line.decode().split(",") for line in hearing.lines)
            clock = datetime.fromtimestamp(hearing.clock_ms // 1000, UTC)
            stamp = f"{clock:%Y/%m/%d,%H:%M:%S}.{hearing.clock_ms % 1000:03}".split(",")
            assert fields[6:8] == fields[8:10] == stamp
            assert fields[2] == str(hearing.receiver)
            assert fields[:2] + fields[3:6] + fields[10:] == sentence[:2] + sentence[3:6] + sentence[10:]


def test_what_three_skewed_receivers_heard_is_one_position_to_the_pipeline():
    _, transmissions = simulated(20, ships=60, receivers=3, skew=2_000)
    assembly = NmeaAssembly(Setup(arrival_clock))
    now = START_MS + 60_000
    context = Context(MessageBatch(uuid4(), uuid4(), "sim", "nmea", 80, now), now)
    several = 0
    for one in transmissions:
        data = b"".join(line + b"\n" for line in one.lines)
        reports = [ais.decode(message, context).position for message in assembly.feed(data, milliseconds(one))]
        keys = {(report.vessel_id, report.timestamp) for report in reports if report}
        if any(reports):
            assert len(reports) == len(one.heard) and len(keys) == 1
            several += len(reports) > 1
    assert several > 30


# --- luck -------------------------------------------------------------------------------------------------------------

UNLUCKY = {"receivers": 3, "skew": 300, "loss": 0.2, "corrupt": 0.1}


@pytest.mark.parametrize("options", [{"ships": 200}, {"aircraft": 200}], ids=["ships", "aircraft"])
def test_the_same_options_give_the_same_luck_however_the_time_is_cut(options):
    _, whole = simulated(10, **UNLUCKY, **options)
    simulation, pieces = Simulation(start=START, **UNLUCKY, **options), []
    for second in range(1, 11):
        pieces += simulation.transmissions(START + timedelta(seconds=second))
    assert pieces == whole


@pytest.mark.parametrize("options", [{"ships": 200}, {"aircraft": 200}], ids=["ships", "aircraft"])
def test_receivers_miss_the_share_that_is_told_and_count_it(options):
    simulation, transmissions = simulated(40, receivers=3, loss=0.2, **options)
    receivers = simulation.reception.receivers
    for receiver in receivers:
        assert receiver.heard + receiver.lost + receiver.out_of_range == len(transmissions)
    lost, heard = (sum(getattr(receiver, name) for receiver in receivers) for name in ("lost", "heard"))
    assert heard == sum(len(one.heard) for one in transmissions)
    assert lost / (lost + heard) == pytest.approx(0.2, abs=0.03)


@pytest.mark.parametrize("loss", [0.0, 1.0])
def test_nothing_or_everything_can_be_lost(loss):
    _, transmissions = simulated(20, ships=60, loss=loss)
    assert all(len(one.heard) == 1 - loss for one in transmissions)


@pytest.mark.parametrize(
    ("assembly", "options"),
    [(NmeaAssembly, {"ships": 200}), (SbsAssembly, {"aircraft": 200})],
    ids=["ships", "aircraft"],
)
def test_every_damaged_line_is_malformed_to_the_pipeline_and_no_other_is(assembly, options):
    simulation, transmissions = simulated(30, **UNLUCKY, **options)
    reader = assembly(Setup(arrival_clock))
    for one in transmissions:
        list(reader.feed(b"".join(line + b"\n" for line in one.lines), milliseconds(one)))
    list(reader.flush(None))
    counts = reader.counts()
    malformed = dict(counts.malformed)
    # The intact half of a message whose other half is damaged.
    malformed.pop("group_incomplete", None)
    receivers = simulation.reception.receivers
    assert sum(malformed.values()) == sum(receiver.corrupt for receiver in receivers) > 50
    assert counts.lines == sum(receiver.lines for receiver in receivers)
    assert counts.lines == counts.foreign + sum(counts.malformed.values()) + counts.sentences
    assert counts.foreign == 0 and counts.remarks == {}
    assert sum(malformed.values()) / counts.lines == pytest.approx(0.1, abs=0.03)


# --- load -------------------------------------------------------------------------------------------------------------


def heard_a_second(**options: float) -> float:
    """Once all have introduced themselves, over 12 s of a tenth of the fleet, times 10."""
    simulation, _ = simulated(30, **options)
    before = sum(receiver.heard for receiver in simulation.reception.receivers)
    list(simulation.transmissions(START + timedelta(seconds=42)))
    return (sum(receiver.heard for receiver in simulation.reception.receivers) - before) / 12 * 10


def test_20000_ships_and_10000_aircraft_with_3_receivers_make_5400_messages_a_second():
    both = {"receivers": 3, "loss": 0.02, "corrupt": 0.001, "skew": 300}
    ships = heard_a_second(ships=2_000, moored=0.6, interval=6, **both)
    aircraft = heard_a_second(aircraft=1_000, **both)
    assert ships + aircraft == pytest.approx(5_400, rel=0.05)


def test_with_60_per_cent_moored_and_the_rest_every_6_s_20000_ships_send_1400_positions_a_second():
    periods = [ship.broadcasts(interval=6) for ship in build_fleet(1, 20_000, moored=0.6)]
    assert sum(1000 / period[0] for period in periods) == pytest.approx(1_400)


@pytest.mark.parametrize("moored", [0.0, 0.25, 0.6, 1.0])
def test_the_share_that_lies_still_is_as_told_in_both_classes_and_reports_every_3_minutes(moored):
    ships = build_fleet(1, 2_000, moored=moored)
    still = [ship for ship in ships if ship.motion.status is not ShipStatus.UNDER_WAY]
    assert len(still) == moored * 2_000
    assert sum(ship.class_b for ship in still) == pytest.approx(len(still) / 4, abs=200)
    assert all(ship.broadcasts(interval=6)[0] == 180_000 for ship in still)
    assert build_fleet(1, 100, moored=moored) == ships[:100]


# --- speedup ----------------------------------------------------------------------------------------------------------


def test_with_a_speedup_more_is_sent_in_a_second_by_faster_ships_but_clocks_are_right():
    simulation, transmissions = simulated(30, ships=60, speedup=10)
    fleet = {str(ship.identity.mmsi): ship for ship in simulation.fleet}
    assert transmissions[-1].at < START + timedelta(seconds=30)
    _, slow = simulated(300, ships=60)
    assert [one.sender for one in transmissions] == [one.sender for one in slow]
    for one in transmissions:
        message = decode(*one.sentences)
        if message.msg_type in (1, 18):
            assert message.second == one.at.second
            second = one.at.replace(microsecond=0)
            world = START.timestamp() + (second - START).total_seconds() * 10
            fix = fleet[one.sender].motion.at(world)
            assert (message.lat, message.lon) == pytest.approx(fix[:2], abs=2e-6)


# --- the address ------------------------------------------------------------------------------------------------------


def test_an_address_gives_all_options_and_the_format_of_its_lines():
    url = "sim://?aircraft=30&receivers=3&skew=300&loss=0.05&corrupt=0.001&interval=10"
    options = parse_url(url)
    assert options == SimulatorOptions(aircraft=30, receivers=3, skew=300, loss=0.05, corrupt=0.001, interval=10)
    assert options.format == "sbs"
    assert parse_url("sim://?ships=20000&moored=0.6").moored == 0.6
    assert parse_url("sim://?ships=60").format == parse_url("sim://").format == "nmea"


@pytest.mark.parametrize(
    ("query", "complaint"),
    [
        ("ships=60&aircraft=30", "make two feeds, sim://?ships=60 and sim://?aircraft=30"),
        ("aircraft=30&moored=0.5", "moored is an option of ships, not of aircraft"),
        ("aircraft=20001", "aircraft must be a whole number from 1 to 20000"),
        ("receivers=0", "receivers must be a whole number from 1 to 9"),
        ("loss=1.5", "loss must be a share from 0 to 1, such as 0.05, not '1.5'"),
        ("loss=-0.1", "loss must be a share"),
        ("corrupt=nan", "corrupt must be a share"),
        ("moored=", "moored must be a share"),
        ("loss=0.1&loss=0.2", "loss is given twice"),
    ],
)
def test_a_wrong_option_is_named_with_what_it_allows(query, complaint):
    with pytest.raises(ValueError) as error:
        parse_url(f"sim://?{query}")
    assert complaint in str(error.value)
