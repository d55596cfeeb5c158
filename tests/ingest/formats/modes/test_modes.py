"""What Mode S frames say alone and together, what is remembered of them, and what is refused."""

from __future__ import annotations

import json

import pytest

from ingest.clocks import moment, recorded_clock
from ingest.errors import Rejected
from ingest.formats.common.contract import Setup
from ingest.formats.modes import airspace as modes_state
from ingest.formats.modes import decoder as modes
from ingest.formats.modes.airspace import Airspace
from ingest.formats.modes.assembly import AvrAssembly
from ingest.reports import Message
from tests.support.modes_frames import (
    AIRSPEED,
    EVEN,
    IDENTITY,
    ODD,
    START,
    SURFACE,
    VELOCITY,
    avr,
    context,
    framed,
    of,
    squawk_of,
    verdict,
    verdicts,
)


def test_an_even_and_an_odd_frame_make_a_position():
    first, second = verdicts(ODD, EVEN)
    assert first == "position_unresolved"
    report = second.position
    assert (report.aircraft_id, report.altitude, report.on_ground) == ("40621d", 38000, False)
    assert (report.latitude, report.longitude) == pytest.approx((52.25720, 3.91937), abs=1e-5)
    assert (report.timestamp, report.source, report.score) == (moment(START + 1000), "roof", 80)


def test_a_pair_too_far_apart_in_time_is_none():
    assert verdicts(ODD, EVEN, apart=10_001) == ["position_unresolved"] * 2


def test_one_frame_is_enough_beside_the_last_position_of_a_minute():
    *_, third = verdicts(ODD, EVEN, EVEN, apart=9_000)
    assert third.position.latitude == pytest.approx(52.25720, abs=1e-5)
    assert verdicts(ODD, EVEN, *[IDENTITY] * 7, EVEN, apart=9_000)[-1] == "position_unresolved"


def test_frames_of_two_aircraft_are_never_paired():
    assert verdicts(ODD, of(EVEN, "40621e")) == ["position_unresolved"] * 2


def test_the_surface_is_resolved_beside_the_receiver_only():
    (ground,) = verdicts(SURFACE, receiver=(51.990, 4.375))
    report = ground.position
    assert (report.latitude, report.longitude) == pytest.approx((52.32056, 4.73573), abs=1e-4)
    assert (report.altitude, report.on_ground, report.ground_speed, report.heading) == (None, True, 17.0, 92.81)
    assert verdicts(SURFACE) == ["position_unresolved"]


def test_after_a_position_that_cannot_be_reached_a_new_pair_decides():
    there_odd, there_even = (framed(text, byte_7=0x10, byte_8=0x10) for text in (ODD, EVEN))
    certain = (ODD, EVEN, ODD, EVEN)
    stray = verdicts(*certain, there_odd, EVEN, ODD)
    assert [one == "position_unresolved" for one in stray[3:]] == [False, True, True, False]
    moved = verdicts(*certain, there_odd, there_even, there_odd)
    assert [one == "position_unresolved" for one in moved[3:]] == [False, True, True, False]
    assert moved[6].position.latitude != pytest.approx(stray[6].position.latitude, abs=0.1)


def seen(frames, **setup):
    """(time, position or reason) of each frame that carries a position, in the order in which they leave."""
    lines = b"".join(b"%d *%b;\n" % (1_700_000_000 + number, text.encode()) for number, text in enumerate(frames))
    assembly = AvrAssembly(Setup(recorded_clock(), **setup))
    messages = list(assembly.feed(lines, None))
    whole = len(messages)
    messages += assembly.flush(None)
    said = [(message.received_at // 1000 - 1_700_000_000, verdict(message)) for message in messages]
    places = [(at, one if isinstance(one, str) else round(one.position.latitude, 1)) for at, one in said]
    return places[:whole], places[whole:]


THERE_ODD, THERE_EVEN = (framed(text, byte_7=0x10, byte_8=0x10).hex() for text in (ODD, EVEN))
LOST = "position_unresolved"


def test_a_first_position_leaves_once_a_pair_of_later_frames_agrees():
    before, after = seen([ODD, EVEN, ODD, EVEN, ODD])
    assert before == [(0, LOST), (1, 52.3), (2, 52.3), (3, 52.3), (4, 52.3)]
    assert after == []


def test_a_first_position_that_nothing_contradicts_leaves_at_the_end():
    assert seen([ODD, EVEN]) == ([(0, LOST)], [(1, 52.3)])


def test_a_wrong_first_pair_costs_nothing_after_it():
    before, after = seen([THERE_ODD, THERE_EVEN, ODD, EVEN, ODD, EVEN])
    right = [(at, place) for at, place in before + after if place != LOST]
    assert {place for _, place in right} == {52.3}
    assert {3, 4, 5} <= {at for at, _ in right}


def test_a_position_beyond_the_reach_of_the_receiver_is_refused_and_one_within_leaves_at_once():
    near, far = (52.0, 4.0), (48.0, -20.0)
    assert seen([ODD, EVEN], receiver=near) == ([(0, LOST), (1, 52.3)], [])
    assert seen([ODD, EVEN, ODD, EVEN], receiver=far) == ([(at, LOST) for at in range(4)], [])


@pytest.mark.parametrize("bits", [b"\0" * 7, bytes.fromhex("78000640000000"), bytes.fromhex("780000a0000000")])
def test_the_empty_position_of_a_transponder_without_one_says_nothing(bits):
    frame = framed(EVEN, **{f"byte_{4 + place}": bits[place] or (0x78 if place == 0 else 0) for place in range(7)})
    assert verdicts(frame, frame) == [modes.Decoded()] * 2


@pytest.mark.parametrize(("byte_6", "byte_8"), [(0, None), (None, 0)])
def test_a_velocity_with_a_component_that_says_nothing_is_none(byte_6, byte_8):
    changed = {"byte_5": 0x04, "byte_6": 0x00} if byte_6 is not None else {"byte_7": 0x00, "byte_8": 0x00}
    *_, said = verdicts(of(VELOCITY, "40621d", **changed), ODD, EVEN)
    assert (said.position.ground_speed, said.position.heading) == (None, None)


@pytest.mark.parametrize(("movement", "knots"), [(124, 175.0), (125, None), (126, None), (127, None), (0, None)])
def test_reserved_movements_on_the_surface_are_not_known(movement, knots):
    (said,) = verdicts(
        of(SURFACE, "40621d", byte_4=7 << 3 | movement >> 4, byte_5=movement << 4 & 0xF0), receiver=(52.0, 4.4)
    )
    assert said.position.ground_speed == knots


def test_longitudes_next_to_the_antimeridian_stay_within_180_degrees():
    airspace = Airspace((52.0, 179.99))
    surface = [of(SURFACE, f"40{n:04x}", byte_8=0x36 | n & 1, byte_9=n) for n in range(256)]
    found = [airspace.hear(frame, START).longitude for frame in surface]
    assert all(-180 <= longitude <= 180 for longitude in found)
    assert min(found) < 0 < max(found)


def test_speed_track_and_climb_come_with_their_ages():
    *_, said = verdicts(of(VELOCITY, "40621d"), ODD, EVEN)
    report = said.position
    assert (report.ground_speed, report.heading, report.vertical_rate) == (159.2, 182.88, -832)
    assert report.ages == dict.fromkeys(("ground_speed", "heading", "vertical_rate"), START / 1000)


def test_values_older_than_a_minute_are_not_known():
    *_, said = verdicts(of(VELOCITY, "40621d"), *[of(IDENTITY, "40621d")] * 6, ODD, EVEN, apart=9_000)
    assert (said.position.ground_speed, said.position.ages) == (None, {})


def test_a_supersonic_speed_counts_in_steps_of_four_knots():
    *_, said = verdicts(of(VELOCITY, "40621d", byte_4=19 << 3 | 2), ODD, EVEN)
    assert said.position.ground_speed == pytest.approx(4 * 159.2, abs=0.05)


def test_an_airspeed_is_no_ground_speed_and_a_heading_no_track():
    *_, said = verdicts(of(AIRSPEED, "40621d"), ODD, EVEN)
    assert (said.position.ground_speed, said.position.heading) == (None, None)
    assert said.position.vertical_rate == -2304


def test_geometric_altitude_serves_only_where_no_barometric_one_is_known():
    even, odd = (framed(text, byte_4=20 << 3, byte_5=0xC1) for text in (EVEN, ODD))
    geometric = verdicts(odd, even)[1].position
    assert geometric.altitude not in (None, 38000)
    report = verdicts(odd, EVEN, odd)[2].position
    assert (report.altitude, report.ages) == (38000, {"altitude": (START + 1000) / 1000})


def test_an_identification_is_told_when_it_is_new_and_once_a_minute():
    told = verdicts(IDENTITY, IDENTITY, framed(IDENTITY, byte_10=0x20), *[IDENTITY] * 60, apart=1000)
    statics = [number for number, said in enumerate(told) if said.static]
    assert statics == [0, 2, 3]
    assert (told[0].static.icao, told[0].static.callsign) == ("4840d6", "KLM1023")
    assert verdicts(framed(IDENTITY, byte_4=4 << 3 | 5))[0].static.category == "A5"
    assert sum(said.static is not None for said in verdicts(*[IDENTITY] * 130)) == 3


def test_a_squawk_is_told_once_two_replies_of_a_known_aircraft_agree():
    squawk = squawk_of("40621d")
    said = verdicts(squawk, squawk, ODD, squawk, squawk, squawk)
    assert [one.static is not None for one in said if not isinstance(one, str)] == [False] * 3 + [True, False]
    assert said[4].static.squawk == "0356"
    other = squawk_of("40621d", "2A00516E492B80")
    assert verdicts(ODD, squawk, other, squawk, other)[1:] == verdicts(squawk, squawk, squawk, squawk)


@pytest.mark.parametrize(
    ("control", "flag", "address", "score"),
    [(0, 0, "40621d", 80), (1, 0, "~40621d", 80), (2, 0, "40621d", 48), (2, 1, "~40621d", 48), (5, 0, "~40621d", 48),
     (6, 0, "40621d", 80), (6, 1, "~40621d", 80)],
)  # fmt: skip
def test_what_others_computed_scores_less_and_track_numbers_are_no_addresses(control, flag, address, score):
    frames = [framed(text, byte_0=18 << 3 | control, byte_4=0x58 | flag) for text in (ODD, EVEN)]
    report = verdicts(*frames)[1].position
    assert (report.aircraft_id, report.score) == (address, score)


@pytest.mark.parametrize("control", [3, 4, 7])
def test_coarse_and_reserved_messages_of_format_18_carry_no_position(control):
    frame = framed(EVEN, byte_0=18 << 3 | control)
    assert verdicts(frame) == [modes.Decoded()]


def test_multilateration_scores_less_and_is_not_paired_with_the_aircraft_s_own_frames():
    assert verdicts(ODD, EVEN, multilateral=True)[1].position.score == 48
    airspace = Airspace(None)
    airspace.hear(framed(ODD), START, multilateral=True)
    assert airspace.hear(framed(EVEN), START).unresolved


def test_the_memory_is_bounded_in_time_and_in_aircraft(monkeypatch):
    monkeypatch.setattr(modes_state, "MAX_AIRCRAFT", 50)
    airspace = Airspace(None)
    for number in range(200):
        airspace.hear(of(EVEN, f"40{number:04x}"), START)
    assert len(airspace) == 50
    airspace.hear(framed(EVEN), START + 60_001)
    assert len(airspace) == 1


def test_a_message_can_be_read_and_decoded_on_its_own():
    _, messages = avr(f"*{ODD};\n*{EVEN};\n".encode())
    assert messages[1].raw.decode() == EVEN.lower()
    assert json.loads(messages[1].added)["icao"] == "40621d"


@pytest.mark.parametrize("text", [b"{", b"[]", b'{"icao":5}', b"\xff", b'{"icao":"40621d","latitude":1}'])
def test_a_message_that_is_damaged_is_undecodable(text):
    assert verdict(Message(START, EVEN.encode(), text)) == "undecodable"


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ({"icao": "000000"}, "icao_invalid"),
        ({"icao": "40621d", "latitude": 91.0, "longitude": 0.0}, "latitude_out_of_range"),
    ],
)  # fmt: skip
def test_what_names_nobody_or_no_place_is_refused(said, reason):
    assert verdict(modes.message_of(framed(EVEN), modes.FrameContent(**said), START)) == reason


def test_a_value_out_of_range_costs_only_itself():
    said = modes.FrameContent(
        "40621d", "adsb", False, 52.0, 4.0, False, 999_999, 5000.0, 12.0, 50_000, {"ground_speed": 5}
    )
    report = verdict(modes.message_of(framed(EVEN), said, START)).position
    assert (report.altitude, report.ground_speed, report.heading, report.vertical_rate) == (None, None, 12.0, None)
    assert report.ages == {}


def test_live_positions_of_yesterday_are_refused():
    with pytest.raises(Rejected, match="time_too_old"):
        modes.decode(modes.message_of(framed(EVEN), modes.FrameContent("40621d"), START), context(recorded=False))
