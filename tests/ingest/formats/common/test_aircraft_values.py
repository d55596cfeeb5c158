"""What the values of aircraft become, whatever format they come in."""

import math

import pytest

from ingest.errors import Rejected
from ingest.formats.common.aircraft import altitude, callsign, ground_speed, icao, squawk, track, vertical_rate

NO_NUMBERS = [None, math.nan, math.inf, -math.inf]


@pytest.mark.parametrize(("text", "address"), [("7C802D", "7c802d"), (" 400f99 ", "400f99"), ("~2A0001", "~2a0001")])
def test_an_address_is_six_hex_digits_in_lower_case(text, address):
    assert icao(text) == address


@pytest.mark.parametrize(
    "text", ["", "7C802", "7C802DA", "7C80ZD", "~", "~~7c802d", "٠٠٠٠٠١", "000000", "ffffff", "~000000"]
)
def test_an_address_that_names_nobody_is_refused(text):
    with pytest.raises(Rejected, match="icao_invalid"):
        icao(text)


@pytest.mark.parametrize("value", NO_NUMBERS)
@pytest.mark.parametrize("convert", [altitude, ground_speed, track, vertical_rate])
def test_what_is_no_number_is_not_known(convert, value):
    assert convert(value) is None


@pytest.mark.parametrize(
    ("convert", "least", "most", "step"),
    [(altitude, -2000, 150_000, 1), (ground_speed, 0, 4000, 0.1), (vertical_rate, -40_000, 40_000, 1)],
)
def test_the_ends_of_a_range_are_in_it_and_what_lies_beyond_is_not_known(convert, least, most, step):
    assert (convert(least), convert(most)) == (least, most)
    assert (convert(least - step), convert(most + step)) == (None, None)


def test_sea_level_and_standing_still_are_values():
    assert (altitude(0), ground_speed(0), vertical_rate(0), track(0)) == (0, 0.0, 0, 0.0)


def test_altitudes_and_vertical_rates_are_whole_numbers():
    assert (altitude(1234.4), vertical_rate(-63.6)) == (1234, -64)


def test_a_track_of_360_is_north():
    assert (track(359.9), track(359.99995), track(360), track(360.1), track(-0.1)) == (
        *(359.9, 359.99995, 0.0, None, None),
    )


def test_a_squawk_keeps_its_leading_zeros_and_is_octal():
    assert (squawk("0012"), squawk(" 7700 "), squawk("")) == ("0012", "7700", None)
    assert [squawk(text) for text in ("7800", "123", "12345", "12.3", "١٢٣٤", None)] == [None] * 6


def test_a_callsign_loses_its_padding_and_bit_errors_make_it_unknown():
    assert [callsign(text) for text in ("RXA4631 ", "baw3ak", "N1 23")] == ["RXA4631", "BAW3AK", "N1 23"]
    assert [callsign(text) for text in ("", "        ", "@@@@@@@@", "AB?12", "TOOLONG12", "ÄB1", None)] == [None] * 7
