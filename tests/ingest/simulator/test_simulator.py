"""What the simulated ships promise: the same seed the same bytes, true speeds, true rates, and water under every keel.

Every claim is read back from the sentences with pyais, or checked against a land mask that the simulator does not know.
"""

import math
from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from typing import Any, NamedTuple

import pytest
from pyais import NMEAMessage, decode

from ingest.simulator import Simulation, SimulatorOptions, Transmission, parse_url
from ingest.simulator.traffic.identities import MOST_SHIPS, imo_number
from ingest.simulator.traffic.lanes import ANCHORAGES, LANES
from ingest.simulator.traffic.ships import ShipStatus, build_fleet
from ingest.simulator.traffic.track import moved

# Not a whole second: nothing may depend on a tidy start.
START = datetime(2026, 3, 1, 12, 0, 7, 345_000, tzinfo=UTC)
NM_PER_DEGREE = 60.0


class Heard(NamedTuple):
    at: datetime
    message: Any


def sent(seconds: float, **options: int) -> list[Transmission]:
    simulation = Simulation(start=START, **options)
    return list(simulation.transmissions(START + timedelta(seconds=seconds)))


def heard(transmissions: Iterable[Transmission]) -> dict[tuple[int, int], list[Heard]]:
    """Decoded messages by MMSI and message type."""
    grouped = defaultdict(list)
    for transmission in transmissions:
        message = decode(*transmission.sentences, error_if_checksum_invalid=True)
        grouped[message.mmsi, message.msg_type].append(Heard(transmission.at, message))
    return grouped


def miles(one: Any, other: Any) -> float:
    """Nautical miles between two messages that are close to each other."""
    east = (other.lon - one.lon) * math.cos(math.radians((one.lat + other.lat) / 2))
    return NM_PER_DEGREE * math.hypot(other.lat - one.lat, east)


@pytest.fixture(scope="module")
def ten_minutes() -> dict[tuple[int, int], list[Heard]]:
    return heard(sent(600, ships=60))


@pytest.fixture(scope="module")
def fleet() -> dict[int, Any]:
    return {ship.identity.mmsi: ship for ship in build_fleet(1, 60)}


# --- determinism ------------------------------------------------------------------------------------------------------


def test_the_same_seed_and_start_give_the_same_sentences_at_the_same_times():
    assert sent(60, seed=5) == sent(60, seed=5)


def test_another_seed_gives_another_fleet():
    one, other = ({ship.identity.mmsi for ship in build_fleet(seed, 60)} for seed in (1, 2))
    assert one.isdisjoint(other)
    assert sent(20, seed=1) != sent(20, seed=2)


def test_how_the_time_is_cut_into_calls_changes_nothing():
    simulation, pieces = Simulation(start=START), []
    for second in range(1, 61):
        pieces += simulation.transmissions(START + timedelta(seconds=second))
    assert pieces == sent(60)


def test_an_iterator_left_early_loses_no_transmission():
    simulation, end = Simulation(start=START), START + timedelta(seconds=30)
    taken = list(islice(simulation.transmissions(end), 50))
    assert taken + list(simulation.transmissions(end)) == sent(30)


def test_transmissions_come_in_order_of_time_and_before_the_end():
    times = [transmission.at for transmission in sent(60)]
    assert times == sorted(times)
    assert times[0] >= START and times[-1] < START + timedelta(seconds=60)
    assert all(at.microsecond % 1000 == 0 for at in times)


def test_a_simulation_started_later_finds_its_ships_where_they_are_by_then():
    later = Simulation(start=START + timedelta(hours=1))
    whole = Simulation(start=START)
    list(whole.transmissions(START + timedelta(hours=1)))
    end = START + timedelta(hours=1, seconds=29)

    def reports(simulation: Simulation) -> set[tuple[datetime, int, float, float]]:
        messages = heard(simulation.transmissions(end))
        return {(at, m.mmsi, m.lat, m.lon) for (_, kind), got in messages.items() if kind == 1 for at, m in got}

    assert reports(whole) <= reports(later)


def test_a_larger_fleet_begins_with_the_smaller_one():
    assert build_fleet(3, 200)[:60] == build_fleet(3, 60)


def test_a_time_without_a_zone_is_refused():
    with pytest.raises(ValueError, match="time zone"):
        Simulation(start=START.replace(tzinfo=None))


@pytest.mark.parametrize("ships", [0, MOST_SHIPS + 1])
def test_a_fleet_out_of_range_is_refused(ships):
    with pytest.raises(ValueError, match="ships must be from 1 to 20000"):
        build_fleet(1, ships)


# --- sentences --------------------------------------------------------------------------------------------------------


def test_every_sentence_is_aivdm_with_a_valid_checksum_and_no_line_end():
    for transmission in sent(60):
        for sentence in transmission.sentences:
            assert sentence.startswith(b"!AIVDM,") and len(sentence) <= 80
            assert NMEAMessage(sentence).is_valid


def test_channels_alternate_and_groups_are_numbered_in_turn():
    transmissions = sent(120)
    assert {one.sentences[0].split(b",")[4] for one in transmissions[::2]} == {b"B"}
    assert {one.sentences[0].split(b",")[4] for one in transmissions[1::2]} == {b"A"}
    groups = [one.sentences for one in transmissions if len(one.sentences) == 2]
    assert [int(first.split(b",")[3]) for first, _ in groups] == [number % 10 for number in range(len(groups))]
    assert all(first.split(b",")[3:5] == second.split(b",")[3:5] for first, second in groups)


def test_a_report_carries_the_place_at_the_second_it_names(ten_minutes, fleet):
    for (mmsi, kind), reports in ten_minutes.items():
        for at, message in reports if kind in (1, 18) else ():
            second = at.replace(microsecond=0)
            fix = fleet[mmsi].motion.at(second.timestamp())
            assert message.second == second.second
            # Half of the last digit, 1e-4 minutes, and what pyais rounds off.
            assert message.lat == pytest.approx(fix.latitude, abs=0.5e-4 / 60 + 1e-6)
            assert message.lon == pytest.approx(fix.longitude, abs=0.5e-4 / 60 + 1e-6)
            assert message.course == pytest.approx(fix.course, abs=0.051) or fix.course > 359.9
            assert message.course < 360 and message.heading < 360


def test_class_a_says_what_it_does(ten_minutes, fleet):
    for (mmsi, kind), reports in ten_minutes.items():
        if kind == 1:
            assert {report.message.status for report in reports} == {int(fleet[mmsi].motion.status)}
    assert {ship.motion.status for ship in fleet.values()} == set(ShipStatus)


# --- identities -------------------------------------------------------------------------------------------------------


def test_static_messages_carry_the_identity_of_the_ship(ten_minutes, fleet):
    for mmsi, ship in fleet.items():
        identity = ship.identity
        if ship.class_b:
            messages = [report.message for report in ten_minutes[mmsi, 24]]
            part_a = next(message for message in messages if message.partno == 0)
            part_b = next(message for message in messages if message.partno == 1)
            assert part_a.shipname == identity.name
            assert (part_b.callsign, part_b.ship_type) == (identity.callsign, identity.ship_type)
        else:
            part_b = ten_minutes[mmsi, 5][0].message
            assert (part_b.shipname, part_b.callsign) == (identity.name, identity.callsign)
            assert (part_b.imo, part_b.ship_type, part_b.draught) == (
                identity.imo,
                identity.ship_type,
                identity.draught,
            )
        assert (part_b.to_bow, part_b.to_stern) == (identity.bow, identity.stern)
        assert (part_b.to_port, part_b.to_starboard) == (identity.port, identity.starboard)


def test_a_ship_under_way_names_a_port_of_her_lane_and_arrives_in_the_future(ten_minutes, fleet):
    for mmsi, ship in fleet.items():
        for at, message in ten_minutes.get((mmsi, 5), ()):
            if ship.motion.status is ShipStatus.UNDER_WAY:
                assert message.destination in ship.motion.ports
                eta = datetime(at.year, message.month, message.day, message.hour, message.minute, tzinfo=UTC)
                assert at - timedelta(minutes=1) <= eta < at + timedelta(days=10)
            else:
                assert (message.month, message.day, message.hour, message.minute) == (0, 0, 24, 60)


def test_no_two_ships_of_the_largest_fleet_share_a_number_or_a_name():
    identities = [ship.identity for ship in build_fleet(1, MOST_SHIPS)]
    imos = [identity.imo for identity in identities if identity.imo]
    assert (
        len({identity.mmsi for identity in identities}) == len({identity.name for identity in identities}) == MOST_SHIPS
    )
    assert len(set(imos)) == len(imos) == MOST_SHIPS * 3 // 4
    for identity in identities:
        assert 201_000_000 <= identity.mmsi < 776_000_000
        assert len(identity.name) <= 20 and len(identity.callsign) <= 7
        assert identity.bow <= 511 and identity.stern <= 511 and identity.port <= 63 and identity.starboard <= 63


def test_imo_numbers_end_in_their_check_digit():
    assert imo_number(907472) == 9074729  # the example of the IMO numbering scheme
    for ship in build_fleet(1, 300):
        if ship.identity.imo:
            *digits, check = map(int, str(ship.identity.imo))
            assert sum(digit * weight for digit, weight in zip(digits, range(7, 1, -1), strict=True)) % 10 == check


def test_every_destination_fits_its_field():
    ports = [port for lane in LANES for port in (*lane.near, *lane.far)] + [anchorage.port for anchorage in ANCHORAGES]
    assert max(map(len, ports)) <= 20


# --- motion -----------------------------------------------------------------------------------------------------------


def test_ships_move_at_the_speed_and_on_the_course_they_claim():
    checked = 0
    for (_, kind), reports in heard(sent(900, ships=120)).items():
        for one, other in pairwise(reports) if kind in (1, 18) else ():
            hours = round((other.at - one.at).total_seconds()) / 3600
            made_good = miles(one.message, other.message)
            assert made_good / hours == pytest.approx(one.message.speed, rel=0.03, abs=0.25)
            if one.message.speed > 5:
                east = (other.message.lon - one.message.lon) * math.cos(math.radians(one.message.lat))
                towards = math.degrees(math.atan2(east, other.message.lat - one.message.lat))
                assert abs(math.remainder(towards - one.message.course, 360)) < 8
                assert abs(math.remainder(one.message.heading - one.message.course, 360)) < 4
                checked += 1
    assert checked > 5_000


def test_courses_change_smoothly_and_as_the_rate_of_turn_says():
    for ship in build_fleet(1, 60):
        if ship.motion.status is not ShipStatus.UNDER_WAY:
            continue
        # Half a day in steps of 10 s leads through bends and round the ends of lanes.
        fixes = [ship.motion.at(START.timestamp() + step) for step in range(0, 43_200, 10)]
        for one, other in pairwise(fixes):
            turned = math.remainder(other.course - one.course, 360)
            assert abs(turned) < 10
            # Where a turn begins between the two, only a part of the way was turned.
            slowest, fastest = sorted((one.turn / 6, other.turn / 6))
            assert slowest - 0.1 < turned < fastest + 0.1


@pytest.mark.parametrize("seed", [1, 2])
def test_speeds_and_statuses_are_plausible(seed):
    for ship in build_fleet(seed, 400):
        speeds = [ship.motion.at(START.timestamp() + minute * 60).speed for minute in range(0, 1440, 7)]
        if ship.motion.status is ShipStatus.UNDER_WAY:
            assert min(speeds) > 5.5 and max(speeds) < 25
        elif ship.motion.status is ShipStatus.AT_ANCHOR:
            assert 0 < max(speeds) <= 0.2
        else:
            assert max(speeds) == 0


def test_ships_come_back_to_where_they_were_after_one_circuit():
    for lane in LANES:
        begin, end = (lane.track.circuit(way, 1_000.0) for way in (0.0, lane.track.circuit_m(1_000.0) - 1e-6))
        assert begin[:2] == pytest.approx(end[:2], abs=1e-6)
        assert math.cos(begin.course - end.course) == pytest.approx(1.0)


# --- rates ------------------------------------------------------------------------------------------------------------


def test_rates_are_those_of_the_standard(ten_minutes, fleet):
    for mmsi, ship in fleet.items():
        motion, under_way = ship.motion, ship.motion.status is ShipStatus.UNDER_WAY
        if ship.class_b:
            expected = {18: 30}
        elif under_way:
            expected = {1: 6 if motion.speed > 14 else 10}
        else:
            expected = {1: 180}
        for kind, seconds in expected.items():
            times = [report.at for report in ten_minutes[mmsi, kind]]
            # The first of a rare message is sent early, out of its turn.
            gaps = [(later - earlier).total_seconds() for earlier, later in pairwise(times)]
            assert set(gaps[1:]) == {seconds}
            assert gaps[0] <= seconds


def test_static_messages_come_within_30_s_and_then_every_6_minutes():
    messages = heard(sent(1_100))
    for (_, kind), reports in messages.items():
        if kind not in (5, 24):
            continue
        for part in {getattr(report.message, "partno", 0) for report in reports}:
            times = [report.at for report in reports if getattr(report.message, "partno", 0) == part]
            assert times[0] - START < timedelta(seconds=30)
            assert {later - earlier for earlier, later in pairwise(times[1:])} == {timedelta(minutes=6)}
    assert sum(kind == 5 for _, kind in messages) == 45 and sum(kind == 24 for _, kind in messages) == 15


def test_every_ship_names_herself_and_20_have_moved_within_30_s(fleet):
    messages = heard(sent(30))
    assert {mmsi for mmsi, kind in messages if kind in (5, 24)} == set(fleet)
    assert {mmsi for mmsi, kind in messages if kind in (1, 18)} == set(fleet)
    moving = [reports for (_, kind), reports in messages.items() if kind == 1]
    assert sum(len({(report.message.lat, report.message.lon) for report in reports}) >= 2 for reports in moving) >= 20


def test_a_quarter_of_the_fleet_is_class_b_and_a_tenth_lies_still():
    ships = build_fleet(1, 200)
    assert sum(ship.class_b for ship in ships) == 50
    assert sum(ship.motion.status is not ShipStatus.UNDER_WAY for ship in ships) == 20


# --- land -------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def on_land():
    """How many of some points (latitude, longitude) lie on land, by a mask of about 1 km."""
    from global_land_mask import globe  # takes a gigabyte and some seconds: only here

    def count(points: Iterable[tuple[float, float]]) -> int:
        latitudes, longitudes = zip(*points, strict=True)
        return int(globe.is_land(list(latitudes), list(longitudes)).sum())

    return count


def test_no_ship_is_ever_on_land(on_land):
    begin = START.timestamp()
    fixes = (ship.motion.at(begin + s) for ship in build_fleet(1, 300) for s in range(0, 6 * 3600, 60))
    assert on_land(fix[:2] for fix in fixes) == 0


@pytest.mark.parametrize("lane", LANES, ids=lambda lane: lane.name)
def test_a_lane_keeps_3_km_from_every_coast_on_its_whole_circuit(lane, on_land):
    for offset_m in (0.35 * lane.half_width_m, lane.half_width_m, lane.half_width_m + 3_000):
        steps = range(0, int(lane.track.circuit_m(offset_m)), 500)
        assert on_land(lane.track.circuit(along, offset_m)[:2] for along in steps) == 0


@pytest.mark.parametrize("anchorage", ANCHORAGES, ids=lambda anchorage: anchorage.name)
def test_an_anchorage_keeps_3_km_from_every_coast(anchorage, on_land):
    rings = [anchorage.radius_m + 3_000 - inward for inward in range(0, 6_000, 500)]
    assert on_land(moved(*anchorage.middle, math.radians(b), r) for r in rings for b in range(0, 360, 10)) == 0


def test_the_land_mask_knows_land_when_it_sees_it(on_land):
    assert on_land([(48.85, 2.35), (51.5, 3.0), (1.45, 103.8)]) == 2


# --- the address ------------------------------------------------------------------------------------------------------


def test_an_address_gives_its_options_and_defaults():
    assert parse_url("sim://?ships=600&seed=7&speedup=10") == SimulatorOptions(ships=600, seed=7, speedup=10)
    assert parse_url("sim://") == parse_url("sim:///") == SimulatorOptions(ships=60, seed=1, speedup=1)


@pytest.mark.parametrize(
    ("query", "complaint"),
    [
        ("boats=3", "boats is not an option of sim://; the options are ships, seed, speedup"),
        ("ships=0", "ships must be a whole number from 1 to 20000, not '0'"),
        ("ships=20001", "ships must be a whole number from 1 to 20000"),
        ("ships=many", "ships must be a whole number from 1 to 20000, not 'many'"),
        ("ships=", "ships must be a whole number"),
        ("seed=-1", "seed must be a whole number from 0 to 4294967295"),
        ("speedup=0.5", "speedup must be a whole number from 1 to 1000"),
        ("speedup=1_0", "speedup must be a whole number"),
        ("seed=1&seed=2", "seed is given twice"),
    ],
)
def test_a_wrong_option_is_named_with_what_it_allows(query, complaint):
    with pytest.raises(ValueError) as error:
        parse_url(f"sim://?{query}")
    assert complaint in str(error.value)


@pytest.mark.parametrize("url", ["tcp://localhost", "sim://host?ships=3", "sim://?ships=3#x", "sim:///harbour"])
def test_an_address_that_is_not_a_simulators_is_refused(url):
    with pytest.raises(ValueError, match="looks like sim://"):
        parse_url(url)
