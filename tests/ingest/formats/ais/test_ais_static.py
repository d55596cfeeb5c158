"""What the AIS decoder makes of static and voyage data, of stations, and of messages of other types."""

from __future__ import annotations

import datetime as dt

import pytest

from ingest.formats.ais import decoder as ais
from ingest.reports import Decoded, Message, StationReport, VesselStatic
from tests.support.ais_reports import HEARD, MMSI, context, decoded, encoded, ms
from tests.support.recordings import armoured, sentence


def static(raw: bytes, heard: dt.datetime = HEARD) -> VesselStatic:
    said = decoded(raw, heard).static
    assert said is not None
    return said


def station(raw: bytes) -> StationReport:
    said = decoded(raw).station
    assert said is not None
    return said


# --- static data ------------------------------------------------------------------------------------------------------

VOYAGE = {
    "imo": 9_074_729, "callsign": "PHAB", "shipname": "ANNA MARIA", "ship_type": 70, "to_bow": 100, "to_stern": 20,
    "to_port": 5, "to_starboard": 12, "month": 3, "day": 2, "hour": 17, "minute": 30, "draught": 7.1,
    "destination": "NL RTM",
}  # fmt: skip


def test_type_5_carries_static_and_voyage_data():
    assert static(encoded(5, **VOYAGE)) == VesselStatic(
        mmsi=MMSI,
        at=HEARD,
        name="ANNA MARIA",
        callsign="PHAB",
        imo=9_074_729,
        ship_type=70,
        to_bow=100,
        to_stern=20,
        to_port=5,
        to_starboard=12,
        destination="NL RTM",
        draught=7.1,
        eta=dt.datetime(2026, 3, 2, 17, 30, tzinfo=dt.UTC),
    )


def test_a_type_5_that_knows_nothing_leaves_everything_none():
    empty = dict(VOYAGE, imo=0, callsign="", shipname="", ship_type=0, destination="", draught=0.0)
    empty |= {
        "to_bow": 0,
        "to_stern": 0,
        "to_port": 0,
        "to_starboard": 0,
        "month": 0,
        "day": 0,
        "hour": 24,
        "minute": 60,
    }
    assert static(encoded(5, **empty)) == VesselStatic(MMSI, HEARD)


@pytest.mark.parametrize(("name", "expected"), [
    ("ANNA@@@@@@@@@@@@@@@@", "ANNA"), ("ANNA@GARBAGE", "ANNA"), ("ANNA   ", "ANNA"), ("@@@@", None), ("    ", None),
    ("TWENTY CHARACTERS OK", "TWENTY CHARACTERS OK"),
])  # fmt: skip
def test_what_follows_the_first_at_sign_is_padding(name: str, expected: str | None):
    letters = [(ord(letter) & 63, 6) for letter in name.ljust(20, "@")]
    payload, fill = armoured((24, 6), (0, 2), (MMSI, 30), (0, 2), *letters, (0, 8))
    assert static(sentence(payload, fill=fill)).name == expected


@pytest.mark.parametrize("imo", [1, 1_234_568, 9_074_728])
def test_an_imo_number_with_a_wrong_check_digit_is_not_known(imo: int):
    assert static(encoded(5, **dict(VOYAGE, imo=imo))).imo is None


@pytest.mark.parametrize(("heard", "eta", "expected"), [
    ("2026-12-30", (1, 2, 8, 0), "2027-01-02T08:00"),
    ("2026-01-02", (12, 30, 8, 0), "2025-12-30T08:00"),
    ("2026-06-15", (6, 20, 8, 0), "2026-06-20T08:00"),
    ("2027-12-01", (2, 29, 12, 0), "2028-02-29T12:00"),
    ("2026-06-15", (2, 29, 12, 0), None),
    ("2026-06-15", (0, 20, 8, 0), None),
    ("2026-06-15", (6, 0, 8, 0), None),
    ("2026-06-15", (6, 20, 24, 0), None),
    ("2026-06-15", (6, 20, 8, 60), None),
    ("2026-06-15", (2, 30, 8, 0), None),
    ("2026-06-15", (13, 1, 8, 0), None),
])  # fmt: skip
def test_the_year_of_an_arrival_is_the_one_nearest_to_the_report(
    heard: str, eta: tuple[int, ...], expected: str | None
):
    when = dt.datetime.fromisoformat(f"{heard}T12:00+00:00")
    raw = encoded(5, **VOYAGE | dict(zip(("month", "day", "hour", "minute"), eta, strict=True)))
    said = ais.decode(Message(ms(when), raw), context(now=when)).static
    assert said is not None
    assert said.eta == (dt.datetime.fromisoformat(f"{expected}+00:00") if expected else None)


def test_part_a_of_type_24_carries_the_name_and_blanks_nothing_else():
    assert static(encoded(24, partno=0, shipname="SEA DOG")) == VesselStatic(MMSI, HEARD, name="SEA DOG")


def test_part_b_of_type_24_carries_everything_but_the_name():
    sides = {"to_bow": 8, "to_stern": 4, "to_port": 1, "to_starboard": 3}
    assert static(encoded(24, partno=1, ship_type=36, callsign="SD8002", **sides)) == VesselStatic(
        MMSI, HEARD, callsign="SD8002", ship_type=36, **sides
    )


@pytest.mark.parametrize(("number", "expected"), [(MMSI, MMSI), (0, None), (2**30 - 1, None)])
def test_an_auxiliary_craft_names_its_mother_ship_in_place_of_the_dimensions(number: int, expected: int | None):
    fields = [(24, 6), (0, 2), (982_446_601, 30), (1, 2), (36, 8), (0, 42), (0, 42), (number, 30), (0, 6)]
    payload, fill = armoured(*fields)
    assert static(sentence(payload, fill=fill)) == VesselStatic(982_446_601, HEARD, ship_type=36, mothership=expected)


def test_type_19_carries_position_and_static_data():
    said = decoded(
        encoded(19, lat=1.0, lon=2.0, speed=1.0, course=2.0, shipname="MIN", ship_type=30, to_bow=5, to_port=2)
    )
    assert said.position is not None
    assert said.static == VesselStatic(
        MMSI, HEARD, name="MIN", ship_type=30, to_bow=5, to_stern=0, to_port=2, to_starboard=0
    )


# --- stations and the rest --------------------------------------------------------------------------------------------


def test_a_base_station_has_a_position_and_its_clock_is_not_believed():
    raw = encoded(4, lat=52.5, lon=4.25, year=2006, month=1, day=1, hour=0, minute=0, second=0)
    assert station(raw) == StationReport(MMSI, HEARD, "base", 52.5, 4.25)


def test_an_aid_to_navigation_has_a_name_of_up_to_34_characters():
    said = station(encoded(21, lat=52.5, lon=4.25, aid_type=14, name="NORTHERN APPROACH BU", name_ext="OY 7"))
    assert said == StationReport(MMSI, HEARD, "aid", 52.5, 4.25, "NORTHERN APPROACH BUOY 7", 14)


@pytest.mark.parametrize(("latitude", "longitude"), [(91.0, 181.0), (91.0, 4.25), (52.5, 181.0)])
@pytest.mark.parametrize("kind", [4, 21])
def test_the_position_of_a_station_may_be_unknown(kind: int, latitude: float, longitude: float):
    said = station(encoded(kind, lat=latitude, lon=longitude))
    assert (said.latitude, said.longitude) == (None, None)


def test_type_11_is_a_ship_and_no_station():
    payload, fill = armoured((11, 6), (0, 2), (MMSI, 30), (0, 130))
    assert decoded(sentence(payload, fill=fill)) == Decoded()


def test_a_binary_message_never_moves_its_sender():
    assert decoded(encoded(17, lat=52.5, lon=4.25)) == Decoded()
    assert decoded(encoded(8, dac=1, fid=31, data=b"\x00" * 20)) == Decoded()
