"""The borders between what is stored and what is refused, each with its code."""

import pytest

from ingest.errors import Rejected
from ingest.formats.common.ranges import check_mmsi, check_position, check_time, imo_number

NOW = 1_700_000_000_000
SECOND, DAY = 1000, 24 * 3600 * 1000


@pytest.mark.parametrize("mmsi", [1, 669_123_456, 2_446_600, 999_999_999])
def test_short_mmsis_are_accepted_and_nine_digits_are_the_longest(mmsi: int):
    check_mmsi(mmsi)


@pytest.mark.parametrize(
    ("mmsi", "code"), [(0, "mmsi_zero"), (1_000_000_000, "mmsi_out_of_range"), (2**30 - 1, "mmsi_out_of_range")]
)
def test_an_mmsi_that_names_nobody_is_rejected(mmsi: int, code: str):
    with pytest.raises(Rejected, match=rf"^{code}$"):
        check_mmsi(mmsi)


@pytest.mark.parametrize(("latitude", "longitude"), [(0.0, 0.02), (90.0, 180.0), (-90.0, -180.0)])
def test_the_poles_and_the_antimeridian_are_positions(latitude: float, longitude: float):
    check_position(latitude, longitude)


@pytest.mark.parametrize(("latitude", "longitude", "code"), [
    (90.000002, 0.0, "latitude_out_of_range"),
    (-90.000002, 0.0, "latitude_out_of_range"),
    (0.0, 180.000002, "longitude_out_of_range"),
    (0.0, -180.000002, "longitude_out_of_range"),
    (float("nan"), 0.0, "latitude_out_of_range"),
    (0.0, float("nan"), "longitude_out_of_range"),
])  # fmt: skip
def test_a_position_off_the_globe_is_rejected(latitude: float, longitude: float, code: str):
    with pytest.raises(Rejected, match=rf"^{code}$"):
        check_position(latitude, longitude)


@pytest.mark.parametrize("recorded", [True, False])
@pytest.mark.parametrize(("time", "accepted"), [(NOW + 60 * SECOND, True), (NOW + 60 * SECOND + 1, False)])
def test_a_time_is_at_most_60_s_ahead_whether_live_or_recorded(time: int, accepted: bool, recorded: bool):
    if accepted:
        check_time(time, NOW, recorded)
    else:
        with pytest.raises(Rejected, match=r"^time_in_future$"):
            check_time(time, NOW, recorded)


def test_a_live_time_is_at_most_24_h_old():
    check_time(NOW - DAY, NOW, recorded=False)
    with pytest.raises(Rejected, match=r"^time_too_old$"):
        check_time(NOW - DAY - 1, NOW, recorded=False)


def test_a_recorded_time_is_never_too_old_but_not_before_1970():
    check_time(0, NOW, recorded=True)
    with pytest.raises(Rejected, match=r"^time_out_of_range$"):
        check_time(-1, NOW, recorded=True)


# 9074729 is the example of IMO resolution A.1117(30); the others are ships'.
@pytest.mark.parametrize("number", [9_074_729, 9_266_633, 9_523_770, 1_000_019])
def test_an_imo_number_with_the_right_check_digit_is_kept(number: int):
    assert imo_number(number) == number


@pytest.mark.parametrize("number", [9_074_720 + digit for digit in range(10) if digit != 9])
def test_any_other_check_digit_makes_it_no_imo_number(number: int):
    assert imo_number(number) is None


@pytest.mark.parametrize("number", [0, 1, 907_472, 999_999, 10_000_000, 90_747_290, -9_074_729, 2**30 - 1])
def test_an_imo_number_has_seven_digits(number: int):
    assert imo_number(number) is None
