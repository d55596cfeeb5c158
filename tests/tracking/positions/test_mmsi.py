"""Kinds and countries of MMSIs: the forms of ITU-R M.585 and what is really on the air."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracking.models import MMSI_MAX, Vessel
from tracking.positions.mmsi import MmsiForm, classify


@pytest.mark.parametrize(
    ("mmsi", "kind", "flag"),
    [
        (211281610, MmsiForm.SHIP, "DE"),
        (775000001, MmsiForm.SHIP, "VE"),
        (201000001, MmsiForm.SHIP, "AL"),
        (21128161, MmsiForm.GROUP, "DE"),  # 021128161
        (2112816, MmsiForm.COAST, "DE"),  # 002112816
        (111211501, MmsiForm.SAR_AIRCRAFT, "DE"),
        (821128161, MmsiForm.HANDHELD, "DE"),
        (982111234, MmsiForm.AUXILIARY, "DE"),
        (992111234, MmsiForm.AID, "DE"),
        (970123456, MmsiForm.SART, ""),
        (972123456, MmsiForm.MOB, ""),
        (974123456, MmsiForm.EPIRB, ""),
    ],
)
def test_the_first_digits_say_kind_and_country(mmsi: int, kind: MmsiForm, flag: str) -> None:
    assert classify(mmsi) == (kind, flag)


@pytest.mark.parametrize("mmsi", [1, 200000001, 776000001, 100000000, 123456789, 971000001, 999999999, 111000001])
def test_digits_of_no_country_are_an_unknown_form_and_no_error(mmsi: int) -> None:
    assert classify(mmsi) == (MmsiForm.UNKNOWN, "")


def test_an_american_ship_without_its_leading_3_is_no_ship_of_another_country() -> None:
    """Some vessels of the United States send 66912345 instead of 366912345: eight digits, which read as a group's."""
    assert classify(66_912_345)[0] is MmsiForm.GROUP


@given(st.integers(1, MMSI_MAX))
def test_every_number_has_a_kind_and_fits_its_columns(mmsi: int) -> None:
    kind, flag = classify(mmsi)
    assert kind in MmsiForm and len(flag) in (0, 2)
    assert len(kind) <= Vessel._meta.get_field("kind").max_length
