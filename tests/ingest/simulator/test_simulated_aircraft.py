"""What the simulated aircraft promise: true speeds and climbs, lines as dump1090 writes them, addresses of nobody.

Claims about what is sent are read back from the lines; claims about flights from their phases and places.
"""

import math
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import NamedTuple
from uuid import uuid4

import pytest

from ingest.clocks import arrival_clock
from ingest.formats.common.context import Context
from ingest.formats.common.contract import Setup
from ingest.formats.sbs import decoder as sbs
from ingest.formats.sbs.assembly import SbsAssembly
from ingest.reports import MessageBatch
from ingest.simulator import Simulation, Transmission
from ingest.simulator.traffic.aircraft import airways_for, build_aircraft
from ingest.simulator.traffic.airports import AIRPORTS, Airport
from ingest.simulator.traffic.airways import Airway
from ingest.simulator.traffic.flights import JET, TURBOPROP, Flight
from ingest.simulator.traffic.identities import MOST_AIRCRAFT
from ingest.simulator.traffic.ships import KNOT
from ingest.simulator.traffic.track import distance_m

START = datetime(2026, 3, 1, 12, 0, 7, 345_000, tzinfo=UTC)
LOWEST_AIRPORT_FT = min(airport.elevation_ft for airport in AIRPORTS)


class Line(NamedTuple):
    at: datetime
    fields: list[str]

    @property
    def place(self) -> tuple[float, float]:
        return float(self.fields[14]), float(self.fields[15])


def sent(seconds: float, **options: int) -> list[Transmission]:
    simulation = Simulation(start=START, **options)
    return list(simulation.transmissions(START + timedelta(seconds=seconds)))


@pytest.fixture(scope="module")
def four_minutes() -> list[Transmission]:
    return sent(240, aircraft=40)


@pytest.fixture(scope="module")
def lines(four_minutes) -> dict[tuple[str, str], list[Line]]:
    """By ICAO address and message type."""
    grouped = defaultdict(list)
    for transmission in four_minutes:
        (line,) = transmission.sentences
        fields = line.decode().split(",")
        grouped[fields[4], fields[1]].append(Line(transmission.at, fields))
    return grouped


# --- determinism ------------------------------------------------------------------------------------------------------


def test_the_same_seed_and_start_give_the_same_lines_at_the_same_times():
    assert sent(20, aircraft=30, seed=5) == sent(20, aircraft=30, seed=5)
    assert sent(20, aircraft=30, seed=5) != sent(20, aircraft=30, seed=6)


def test_how_the_time_is_cut_into_calls_changes_nothing():
    simulation, pieces = Simulation(start=START, aircraft=30), []
    for second in range(1, 31):
        pieces += simulation.transmissions(START + timedelta(seconds=second))
    assert pieces == sent(30, aircraft=30)


def test_a_simulation_started_later_finds_its_aircraft_where_they_are_by_then():
    later = Simulation(start=START + timedelta(seconds=100), aircraft=30)
    end = START + timedelta(seconds=120)
    whole = [one for one in sent(120, aircraft=30) if one.at >= START + timedelta(seconds=100)]
    assert {one.sentences for one in whole} <= {one.sentences for one in later.transmissions(end)}


def test_a_larger_fleet_begins_with_the_smaller_one():
    def described(aircraft: int) -> list[tuple[str, str, object]]:
        return [(one.icao, one.callsign, one.flight.at(START.timestamp())) for one in build_aircraft(3, aircraft)]

    assert described(200)[:60] == described(60)


@pytest.mark.parametrize("aircraft", [0, MOST_AIRCRAFT + 1])
def test_a_fleet_out_of_range_is_refused(aircraft):
    with pytest.raises(ValueError, match="aircraft must be from 1 to 20000"):
        build_aircraft(1, aircraft)


# --- lines ------------------------------------------------------------------------------------------------------------


def test_every_line_has_22_fields_and_the_time_it_was_sent_at(lines):
    for (_, kind), found in lines.items():
        assert kind in "1234"
        for at, fields in found:
            assert len(fields) == 22 and fields[:4] == ["MSG", kind, "1", "1"]
            stamp = f"{at:%Y/%m/%d,%H:%M:%S}.{at.microsecond // 1000:03}".split(",")
            assert fields[6:8] == fields[8:10] == stamp


def test_lines_fill_the_fields_that_dump1090_fills(lines):
    filled = {"1": {10}, "2": {12, 13, 14, 15}, "3": {11, 14, 15}, "4": {12, 13, 16}}
    for (_, kind), found in lines.items():
        for _, fields in found:
            assert {index for index in range(10, 21) if fields[index]} == filled[kind]
            assert kind == "1" or fields[21] == ("-1" if kind == "2" else "0")


def test_no_two_aircraft_of_the_largest_fleet_share_an_address_or_a_callsign():
    fleet = build_aircraft(1, MOST_AIRCRAFT)
    assert len({one.icao for one in fleet}) == len({one.callsign for one in fleet}) == MOST_AIRCRAFT
    assert all(len(one.icao) == 6 and 0xD00000 <= int(one.icao, 16) <= 0xDFFFFF for one in fleet)
    assert all(len(one.callsign) <= 8 and one.callsign.isalnum() for one in fleet)


def test_positions_come_every_5_s_velocities_every_30_s_callsigns_every_minute(four_minutes):
    times = defaultdict(list)
    for one in four_minutes:
        times[one.sender, one.sentences[0][:5]].append(one.at)
    # Those that are on the ground meanwhile send no velocities of their own.
    flying = {sender for sender, _ in times if (sender, b"MSG,2") not in times}
    assert len(flying) > 25
    for kind, seconds in ((b"MSG,3", 5), (b"MSG,4", 30), (b"MSG,1", 60)):
        for found in (times[sender, kind] for sender in flying):
            # The first of a rare message is sent early, out of its turn.
            assert {later - earlier for earlier, later in pairwise(found[1:])} == {timedelta(seconds=seconds)}


def test_every_aircraft_is_placed_within_5_s_and_named_within_30():
    early = sent(30, aircraft=40)
    kinds = defaultdict(set)
    for one in early:
        kinds[one.sentences[0][:5]].add(one.sender)
    assert len(kinds[b"MSG,1"]) == 40
    placed = {one.sender for one in early if one.at - START <= timedelta(seconds=5)}
    assert len(placed) == 40


def test_the_interval_of_positions_can_be_chosen():
    positions = [one for one in sent(20, aircraft=30, interval=1) if one.sentences[0][4:5] in b"23"]
    assert len(positions) == pytest.approx(600, abs=30)


def test_the_pipelines_decoder_takes_every_line_and_finds_speeds_behind_positions(four_minutes):
    assembly = SbsAssembly(Setup(arrival_clock))
    now = int((START + timedelta(hours=1)).timestamp() * 1000)
    context = Context(MessageBatch(uuid4(), uuid4(), "sim", "sbs", 80, now, recorded=True), now)
    decoded = []
    for one in four_minutes:
        arrival = int(one.at.timestamp() * 1000)
        decoded += [sbs.decode(message, context) for message in assembly.feed(one.sentences[0] + b"\n", arrival)]
    counts = assembly.counts()
    assert (counts.foreign, counts.malformed) == (0, {})
    assert counts.lines == counts.sentences == len(decoded) == len(four_minutes)
    positions = [one.position for one in decoded if one.position]
    assert len(positions) > 1_500
    assert sum(one.ground_speed is not None for one in positions) > 0.85 * len(positions)
    assert {one.static.icao for one in decoded if one.static and one.static.callsign} == {
        one.sender.lower() for one in four_minutes
    }


# --- motion -----------------------------------------------------------------------------------------------------------


def test_an_aircraft_moves_at_the_speed_and_on_the_track_it_claims(lines):
    checked = 0
    for (icao, kind), found in lines.items():
        for velocity in found if kind == "4" else ():
            around = [one for one in lines[icao, "3"] if abs((one.at - velocity.at).total_seconds()) <= 8]
            if len(around) < 2 or velocity.fields[16] != "0":
                continue
            one, other = around[0], around[-1]
            seconds = (other.at - one.at).total_seconds()
            assert distance_m(one.place, other.place) / seconds / KNOT == pytest.approx(int(velocity.fields[12]), abs=2)
            east = (other.place[1] - one.place[1]) * math.cos(math.radians(one.place[0]))
            towards = math.degrees(math.atan2(east, other.place[0] - one.place[0]))
            assert abs(math.remainder(towards - int(velocity.fields[13]), 360)) < 1.5
            checked += 1
    assert checked > 50


def circuits(aircraft: int) -> list[tuple[Flight, list[float]]]:
    """Flights, and moments of each every 20 s for a whole circuit."""
    fleet = build_aircraft(1, aircraft)
    return [(one.flight, [float(step) for step in range(0, int(one.flight.circuit_s), 20)]) for one in fleet]


def test_distance_is_speed_times_time_and_height_rate_times_time_on_the_whole_circuit():
    checked = 0
    for flight, moments in circuits(25):
        for one, other in pairwise(flight.at(moment) for moment in moments):
            # Where a phase ends in between, the change is not even.
            if not one.on_ground and not other.on_ground and one.vertical_rate == other.vertical_rate:
                flown = (one.speed + other.speed) / 2 * KNOT * 20
                assert distance_m(one[:2], other[:2]) == pytest.approx(flown, abs=1)
                assert other.altitude - one.altitude == pytest.approx(one.vertical_rate / 3, abs=0.01)
                checked += 1
    assert checked > 10_000


def test_an_aircraft_gathers_speed_on_the_runway_and_stands_still_before():
    airway = airways_for(JET)[0]
    flight = Flight(airway, JET, 450.0, 33_000, begin_s=0.0)
    stand, roll, climb = flight.phases[:3]
    fixes = [flight.at(second) for second in range(int(stand.seconds + roll.seconds))]
    assert {fix[:2] for fix in fixes[: int(stand.seconds)]} == {fixes[0][:2]}
    for one, other in pairwise(fixes[int(stand.seconds) :]):
        assert distance_m(one[:2], other[:2]) == pytest.approx((one.speed + other.speed) / 2 * KNOT, abs=0.01)
    assert all(fix.on_ground and fix.altitude == climb.altitude for fix in fixes)


def test_flights_climb_cruise_and_descend_and_never_go_below_the_ground():
    for flight, moments in circuits(40):
        fixes = [flight.at(moment) for moment in moments]
        ends = flight.airway.origin.elevation_ft, flight.airway.destination.elevation_ft
        assert min(fix.altitude for fix in fixes) == pytest.approx(min(ends), abs=1)
        assert 19_000 <= max(fix.altitude for fix in fixes) <= 40_000
        assert all(fix.altitude in ends for fix in fixes if fix.on_ground)
        assert all(fix.speed >= 135 for fix in fixes if not fix.on_ground)
        assert max(fix.speed for fix in fixes) <= 490
        assert {math.copysign(1, fix.vertical_rate) for fix in fixes if fix.vertical_rate} == {1, -1}
        assert all(abs(fix.vertical_rate) <= 2_100 for fix in fixes)


def test_altitudes_in_lines_are_steps_of_25_feet_above_the_lowest_airport(lines):
    altitudes = {int(line.fields[11]) for (_, kind), found in lines.items() if kind == "3" for line in found}
    assert all(altitude % 25 == 0 and LOWEST_AIRPORT_FT <= altitude <= 40_000 for altitude in altitudes)
    assert len(altitudes) > 20


@pytest.mark.parametrize("performance", [JET, TURBOPROP], ids=["jet", "turboprop"])
def test_every_airway_leaves_room_for_a_cruise_at_any_speed_and_height(performance):
    for airway in airways_for(performance):
        for speed in performance.cruise_kn:
            flight = Flight(airway, performance, speed, performance.cruise_ft[1], 0.0)
            assert len(flight.phases) == 12 and min(phase.seconds for phase in flight.phases) > 30


def test_a_flight_ends_where_it_began():
    for flight, moments in circuits(25):
        for moment in moments[::60]:
            assert flight.at(moment) == pytest.approx(flight.at(moment + flight.circuit_s), abs=1e-5)


def test_nowhere_does_an_aircraft_jump():
    for flight, moments in circuits(25):
        fixes = [flight.at(moment) for moment in moments]
        assert all(distance_m(one[:2], other[:2]) <= 490 * KNOT * 20 + 1 for one, other in pairwise([*fixes, fixes[0]]))
        assert all(abs(one.altitude - other.altitude) <= 2_100 / 3 for one, other in pairwise([*fixes, fixes[0]]))


def test_an_airway_leads_from_one_airport_to_the_other_also_across_the_antimeridian():
    honolulu = Airport("HNL", 21.32, -157.92, 13)
    auckland = Airport("AKL", -37.01, 174.79, 23)
    airway = Airway(auckland, honolulu)
    assert airway.length_m == pytest.approx(distance_m(auckland[1:3], honolulu[1:3]), abs=1)
    assert airway.at(0)[:2] == pytest.approx(auckland[1:3])
    assert airway.at(airway.length_m)[:2] == pytest.approx(honolulu[1:3])
    assert airway.back.at(airway.length_m)[:2] == pytest.approx(auckland[1:3])
    steps = [airway.at(along) for along in range(0, int(airway.length_m), 10_000)]
    assert all(-180 <= step.longitude <= 180 and 0 < step.track < 90 for step in steps)
    assert all(distance_m(one[:2], other[:2]) == pytest.approx(10_000, abs=1) for one, other in pairwise(steps))
