"""What the AIS decoder makes of a message, field by field.

Golden values go in through pyais' encoder, an independent reading of ITU-R M.1371-5; borders and "not available" go in
as raw integers, laid out here by the tables of that document.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.errors import Rejected
from ingest.formats.ais.sentence import parse
from ingest.reports import VesselReport
from tests.support.ais_reports import HEARD, MMSI, decoded, encoded
from tests.support.properties import examples
from tests.support.recordings import ARMOUR, armoured, sentence

LATITUDE, LONGITUDE = -33.854321, 151.209876
NO_LATITUDE, NO_LONGITUDE = 91 * 600_000, 181 * 600_000
CODES = {
    "undecodable", "mmsi_zero", "mmsi_out_of_range", "position_not_available", "latitude_out_of_range",
    "longitude_out_of_range", "time_in_future", "time_too_old", "time_out_of_range",
}  # fmt: skip


def position(raw: bytes, heard: dt.datetime = HEARD, **options: Any) -> VesselReport:
    said = decoded(raw, heard, **options).position
    assert said is not None
    return said


def code(raw: bytes, heard: dt.datetime = HEARD, **options: Any) -> str:
    with pytest.raises(Rejected) as caught:
        decoded(raw, heard, **options)
    return caught.value.reason


def class_a(
    kind: int = 1, mmsi: int = MMSI, status: int = 0, speed: int = 0, longitude: int = 600_000, latitude: int = 600_000,
    course: int = 0, heading: int = 0, second: int = 60, bits: int = 168,
) -> bytes:  # fmt: skip
    """A position report of class A from raw integers (table 48), cut or lengthened to `bits`; type 9 is alike."""
    fields = [
        (kind, 6),
        (0, 2),
        (mmsi, 30),
        (status, 4),
        (-128, 8),
        (speed, 10),
        (0, 1),
        (longitude, 28),
        (latitude, 27),
    ]
    fields += [(course, 12), (heading, 9), (second, 6), (0, 25)]
    payload, _ = armoured(*fields, (0, max(0, bits - 168)))
    return sentence(payload[: -(-bits // 6)], fill=-bits % 6)


def class_b(
    speed: int = 0, longitude: int = 600_000, latitude: int = 600_000, course: int = 0, heading: int = 0
) -> bytes:
    """Type 18 from raw integers (table 64)."""
    fields = [(18, 6), (0, 2), (MMSI, 30), (0, 8), (speed, 10), (0, 1), (longitude, 28), (latitude, 27), (course, 12)]
    payload, fill = armoured(*fields, (heading, 9), (60, 6), (0, 29))
    return sentence(payload, fill=fill)


def long_range(
    status: int = 0, longitude: int = 600, latitude: int = 600, speed: int = 0, course: int = 0, bits: int = 96
) -> bytes:
    """Type 27 from raw integers (table 74)."""
    fields = [
        (27, 6),
        (0, 2),
        (MMSI, 30),
        (0, 2),
        (status, 4),
        (longitude, 18),
        (latitude, 17),
        (speed, 6),
        (course, 9),
    ]
    payload, _ = armoured(*fields, (0, 2), (0, 72))
    return sentence(payload[: -(-bits // 6)], fill=-bits % 6)


# --- golden values ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [1, 2, 3])
def test_a_class_a_report_carries_every_field(kind: int):
    said = position(
        encoded(kind, lat=LATITUDE, lon=LONGITUDE, speed=12.3, course=287.4, heading=291, status=5, second=17)
    )
    assert said == VesselReport(
        vessel_id=MMSI,
        timestamp=dt.datetime(2026, 3, 1, 12, 0, 17, tzinfo=dt.UTC),
        latitude=pytest.approx(LATITUDE, abs=1e-6),
        longitude=pytest.approx(LONGITUDE, abs=1e-6),
        speed=12.3,
        course=287.4,
        heading=291,
        status=5,
        received_at=HEARD,
        source="mast",
        score=80,
    )


@pytest.mark.parametrize("kind", [18, 19])
def test_a_class_b_report_has_no_status(kind: int):
    said = position(encoded(kind, lat=LATITUDE, lon=LONGITUDE, speed=6.7, course=0.1, heading=359, second=21))
    assert (said.latitude, said.longitude) == (
        pytest.approx(LATITUDE, abs=1e-6),
        pytest.approx(LONGITUDE, abs=1e-6),
    )
    assert (said.vessel_id, said.speed, said.course, said.heading, said.status) == (MMSI, 6.7, 0.1, 359, None)
    assert (said.timestamp.second, said.score) == (21, 80)


def test_a_search_and_rescue_aircraft_reports_whole_knots_and_no_heading():
    said = position(encoded(9, lat=LATITUDE, lon=LONGITUDE, speed=150, course=33.3, alt=303, second=19))
    assert (said.latitude, said.longitude) == (
        pytest.approx(LATITUDE, abs=1e-6),
        pytest.approx(LONGITUDE, abs=1e-6),
    )
    assert (said.speed, said.course, said.heading, said.status) == (150.0, 33.3, None, None)
    assert said.timestamp.second == 19


def test_a_long_range_report_is_coarse_has_no_second_and_half_the_score():
    said = position(encoded(27, lat=LATITUDE, lon=LONGITUDE, speed=12, course=287, status=3))
    assert (said.latitude, said.longitude) == (
        pytest.approx(LATITUDE, abs=1 / 600),
        pytest.approx(LONGITUDE, abs=1 / 600),
    )
    assert (said.speed, said.course, said.heading, said.status) == (12.0, 287.0, None, 3)
    assert (said.timestamp, said.score) == (HEARD, 40)


@pytest.mark.parametrize(
    ("latitude", "longitude"), [(54_000_000, 108_000_000), (-54_000_000, -108_000_000), (0, 6001), (-6001, 1)]
)
def test_positions_are_exact_to_the_last_bit_up_to_the_ends_of_the_globe(latitude: int, longitude: int):
    for raw in (class_a(latitude=latitude, longitude=longitude), class_b(latitude=latitude, longitude=longitude)):
        said = position(raw)
        assert (said.latitude, said.longitude) == (latitude / 600_000, longitude / 600_000)


# --- not available ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("build", [class_a, class_b])
@pytest.mark.parametrize("field", [{"latitude": NO_LATITUDE}, {"longitude": NO_LONGITUDE}])
def test_latitude_91_or_longitude_181_alone_makes_no_position(build: Any, field: dict[str, int]):
    assert code(build(**field)) == "position_not_available"


@pytest.mark.parametrize("field", [{"latitude": 91 * 600}, {"longitude": 181 * 600}])
def test_type_27_uses_91_and_181_degrees_in_tenths_of_minutes(field: dict[str, int]):
    assert code(long_range(**field)) == "position_not_available"


@pytest.mark.parametrize(("field", "reason"), [
    ({"latitude": 54_000_001}, "latitude_out_of_range"),
    ({"latitude": -54_000_001}, "latitude_out_of_range"),
    ({"latitude": -NO_LATITUDE}, "latitude_out_of_range"),
    ({"longitude": 108_000_001}, "longitude_out_of_range"),
    ({"longitude": -108_000_001}, "longitude_out_of_range"),
])  # fmt: skip
def test_a_position_off_the_globe_is_rejected(field: dict[str, int], reason: str):
    assert code(class_a(**field)) == reason
    assert code(class_b(**field)) == reason


def test_a_long_range_position_off_the_globe_is_rejected():
    assert code(long_range(latitude=54_001)) == "latitude_out_of_range"
    assert code(long_range(longitude=-108_001)) == "longitude_out_of_range"


@pytest.mark.parametrize("build", [class_a, class_b])
@pytest.mark.parametrize(("field", "raw", "expected"), [
    ("speed", 1023, None),
    ("speed", 1022, 102.2),  # or more
    ("speed", 0, 0.0),
    ("course", 3600, None),
    ("course", 3601, None),
    ("course", 4095, None),
    ("course", 3599, 359.9),
    ("course", 0, 0.0),
    ("heading", 511, None),
    ("heading", 510, None),
    ("heading", 360, None),
    ("heading", 359, 359),
    ("heading", 0, 0),
])  # fmt: skip
def test_not_available_and_out_of_range_are_none_and_zero_is_a_value(build: Any, field: str, raw: int, expected: Any):
    said = getattr(position(build(**{field: raw})), field)
    assert said == expected
    assert (said is None) == (expected is None)


@pytest.mark.parametrize(("raw", "expected"), [(15, None), (14, 14), (0, 0)])
def test_status_15_is_undefined(raw: int, expected: int | None):
    assert position(class_a(status=raw)).status == expected
    assert position(long_range(status=raw)).status == expected


@pytest.mark.parametrize(("raw", "expected"), [(1023, None), (1022, 1022.0), (0, 0.0)])
def test_the_speed_of_a_search_and_rescue_aircraft_has_the_same_sentinel(raw: int, expected: float | None):
    assert position(class_a(kind=9, speed=raw)).speed == expected


@pytest.mark.parametrize(("field", "raw", "expected"), [
    ("speed", 63, None), ("speed", 62, 62.0), ("speed", 0, 0.0),
    ("course", 511, None), ("course", 360, None), ("course", 359, 359.0), ("course", 0, 0.0),
])  # fmt: skip
def test_type_27_has_its_own_sentinels(field: str, raw: int, expected: float | None):
    assert getattr(position(long_range(**{field: raw})), field) == expected


# --- lengths ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bits", [143, 144, 149, 163, 167, 168, 169, 174, 198, 300, 420])
def test_a_report_of_any_length_that_holds_the_position_fields_decodes(bits: int):
    said = position(class_a(speed=123, course=2874, heading=291, second=17, bits=bits))
    assert (said.latitude, said.longitude, said.speed, said.course, said.heading) == (1.0, 1.0, 12.3, 287.4, 291)
    assert said.timestamp.second == 17


@pytest.mark.parametrize("bits", [0, 5, 6, 37, 38, 60, 89, 115, 136])
def test_a_report_cut_off_within_the_position_fields_is_undecodable(bits: int):
    assert code(class_a(bits=bits)) == "undecodable"


@pytest.mark.parametrize(("latitude", "longitude"), [(0, 0), (6000, -6000), (-6000, 6000), (1, -1)])
def test_nobody_is_where_equator_and_meridian_meet(latitude: int, longitude: int):
    for build in (class_a, class_b):
        assert code(build(latitude=latitude, longitude=longitude)) == "null_island"


@pytest.mark.parametrize("bits", [137, 142])
def test_a_report_whose_second_is_cut_off_has_the_time_when_it_was_heard(bits: int):
    assert position(class_a(bits=bits)).timestamp == HEARD


@pytest.mark.parametrize("bits", [94, 95, 96, 100, 168])
def test_a_long_range_report_decodes_from_94_bits(bits: int):
    assert position(long_range(speed=12, course=287, bits=bits)).course == 287.0


@pytest.mark.parametrize("bits", [6, 38, 78, 93])
def test_a_long_range_report_that_is_cut_off_is_undecodable(bits: int):
    assert code(long_range(bits=bits)) == "undecodable"


@pytest.mark.parametrize("kind", [4, 5, 6, 7, 8, 10, 11, 12, 14, 15, 16, 17, 20, 21, 22, 23, 24, 25, 26])
@pytest.mark.parametrize("bits", [6, 12, 36])
def test_a_message_of_any_type_cut_off_within_the_mmsi_is_undecodable(kind: int, bits: int):
    payload, _ = armoured((kind, 6), (0, 2), (MMSI, 30))
    assert code(sentence(payload[: bits // 6])) == "undecodable"


@pytest.mark.parametrize("payload", [b"", b"00", b"L0000000", b"w0000000", b"1!", b"1\xff", b"1X", b"1x"])
def test_no_payload_no_known_type_or_no_armour_is_undecodable(payload: bytes):
    assert code(sentence(payload + b"0" * 28 if payload else b"")) == "undecodable"


@pytest.mark.parametrize("fill", [b"6", b"9", b"x", b"", b"00"])
def test_fill_bits_are_a_digit_from_0_to_5(fill: bytes):
    assert code(class_a().replace(b",0*", b",%b*" % fill)) == "undecodable"


# --- identities and times ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mmsi", "reason"), [(0, "mmsi_zero"), (1_000_000_000, "mmsi_out_of_range"), (2**30 - 1, "mmsi_out_of_range")]
)
@pytest.mark.parametrize("kind", [1, 3, 5, 9, 18, 24, 11])
def test_an_mmsi_that_names_nobody_is_rejected_whatever_the_type(kind: int, mmsi: int, reason: str):
    payload, fill = armoured((kind, 6), (0, 2), (mmsi, 30), (0, 386 if kind == 5 else 130))
    assert code(sentence(payload, fill=fill)) == reason


@pytest.mark.parametrize("mmsi", [1, 2_446_600, 66_912_345, 999_999_999])
def test_short_mmsis_are_decoded(mmsi: int):
    assert position(class_a(mmsi=mmsi)).vessel_id == mmsi


def at(clock: str) -> dt.datetime:
    return dt.datetime.fromisoformat(f"2026-03-01T{clock}+00:00")


@pytest.mark.parametrize(("heard", "second", "expected"), [
    ("12:00:20.250", 20, "12:00:20"),
    ("12:00:20.250", 21, "12:00:21"),
    ("12:00:20.250", 11, "12:00:11"),
    ("12:00:20.000", 10, "12:00:10"),
    ("12:00:20.000", 30, "12:00:30"),
    ("12:00:20.250", 10, "12:00:20.250"),  # 10.25 s away
    ("12:00:20.250", 31, "12:00:20.250"),
    ("12:00:20.250", 50, "12:00:20.250"),
    ("12:00:02.500", 58, "11:59:58"),
    ("12:00:58.500", 3, "12:01:03"),
    ("00:00:01.000", 59, "2026-02-28T23:59:59"),
    ("12:00:00.000", 50, "11:59:50"),
    ("12:00:59.999", 0, "12:01:00"),
    ("12:00:00.000", 30, "12:00:00"),
    ("12:00:20.250", 60, "12:00:20.250"),
    ("12:00:20.250", 61, "12:00:20.250"),
    ("12:00:02.250", 62, "12:00:02.250"),
    ("12:00:02.250", 63, "12:00:02.250"),
])  # fmt: skip
def test_the_time_is_the_ships_second_where_that_is_10_s_away_or_less(heard: str, second: int, expected: str):
    said = position(class_a(second=second), at(heard), now=at("12:10:00"))
    assert said.timestamp == (dt.datetime.fromisoformat(expected + "+00:00") if "T" in expected else at(expected))
    assert said.received_at == at(heard)


def test_three_stations_that_hear_a_report_within_seconds_give_it_one_time():
    heard = [at("12:00:17.010"), at("12:00:19.900"), at("12:00:26.999")]
    assert {position(class_a(second=17), when, now=at("12:10:00")).timestamp for when in heard} == {at("12:00:17")}


@pytest.mark.parametrize("second", range(0, 60, 7))
def test_an_invented_time_is_never_moved(second: int):
    assert position(class_a(second=second), invented=True).timestamp == HEARD


def test_a_live_report_of_yesterday_or_tomorrow_is_rejected():
    assert code(class_a(), HEARD - dt.timedelta(hours=25), recorded=False) == "time_too_old"
    assert code(class_a(), HEARD + dt.timedelta(seconds=61), recorded=False) == "time_in_future"
    assert code(class_a(), HEARD + dt.timedelta(seconds=61)) == "time_in_future"


# --- whatever comes ---------------------------------------------------------------------------------------------------

PAYLOADS = st.one_of(
    st.lists(st.sampled_from(ARMOUR), max_size=80).map(bytes),
    st.binary(max_size=60).map(lambda noise: noise.translate(None, b",*!\n")),
)


@examples(1500)
@given(
    PAYLOADS, st.sampled_from([b"0", b"2", b"5", b"6", b"", b"x"]), st.sampled_from([b"AIVDM", b"BSVDO", b"\xff9VDM"])
)
def test_no_payload_raises_anything_but_rejected(payload: bytes, fill: bytes, formatter: bytes):
    raw = sentence(payload, formatter=formatter).replace(b",0*", b",%b*" % fill)
    try:
        decoded(raw)
    except Rejected as error:
        assert error.reason in CODES


@examples(500)
@given(st.integers(1, 27), PAYLOADS, st.integers(0, 5))
def test_no_message_of_a_known_type_raises_anything_but_rejected(kind: int, rest: bytes, fill: int):
    line = sentence(ARMOUR[kind : kind + 1] + rest, fill=fill)
    said = parse(line)
    assert said is not None
    try:
        decoded(said.text)
    except Rejected as error:
        assert error.reason in CODES
