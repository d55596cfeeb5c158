r"""What one line says: whether it is an AIS sentence, and when that was heard.

Sentences and tag blocks are made here with checksums computed byte by byte, or stand in gpsd's AIVDM document.
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.errors import Malformed
from ingest.formats.ais.sentence import Sentence, checksum, navigation_time, parse, time_line
from tests.support.properties import examples
from tests.support.recordings import checked, sentence, xor_of

PLAIN = b"!AIVDM,1,1,,B,177KQJ5000G?tO`K>RA1wUbN0TKH,0*5C"
EPOCH = 1_661_782_369  # 2022-08-29 14:12:49 UTC
EPOCH_MS = EPOCH * 1000


def parsed(line: bytes) -> Sentence:
    said = parse(line)
    assert said is not None, line
    return said


def reason(line: bytes) -> str:
    with pytest.raises(Malformed) as caught:
        parse(line)
    return caught.value.reason


def tag_block(body: bytes, digits: bytes | None = None) -> bytes:
    return b"\\%b*%b\\" % (body, b"%02X" % xor_of(body) if digits is None else digits)


# --- sentences --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("talker", [b"AB", b"AD", b"AI", b"AN", b"AR", b"AS", b"AT", b"AX", b"BS", b"SA", b"SS", b"BY"])
@pytest.mark.parametrize("formatter", [b"VDM", b"VDO"])
def test_every_talker_is_heard_as_receiver_and_as_own_ship(talker: bytes, formatter: bytes):
    line = sentence(formatter=talker + formatter)
    assert parsed(line) == Sentence(line, 1, 1, b"", b"A")


def test_a_sentence_of_several_names_its_place_its_sequence_id_and_its_channel():
    said = parsed(sentence(total=3, number=2, sequence=b"7", channel=b"B"))
    assert (said.total, said.number, said.sequence, said.channel) == (3, 2, b"7", b"B")


@pytest.mark.parametrize("line", [
    b"", b"!", b"VDM,", b"!VDM,", b"$GPRMC,035258,A*18", b"!AIVDX,1*00", b"THE AIVDM, 1,1", b"FAIVDM,1,1,,A,15,0*00",
])  # fmt: skip
def test_a_line_of_another_protocol_is_no_sentence(line: bytes):
    assert parse(line) is None


@pytest.mark.parametrize("beginning", [b"$", b""])
def test_a_sentence_may_begin_with_a_dollar_sign_or_none(beginning: bytes):
    assert parsed(beginning + PLAIN[1:]).text == beginning + PLAIN[1:]
    assert reason(beginning + b"AIVDM,1,1,,A,15,0*00") == "checksum_wrong"


def test_hex_digits_of_the_checksum_may_be_small():
    assert parsed(PLAIN[:-2] + b"5c").text.endswith(b"*5c")


@pytest.mark.parametrize("line", [PLAIN[:-3], PLAIN[:-2], PLAIN[:-1], PLAIN[:-2] + b"G0", PLAIN[:20]])
def test_without_two_hex_digits_after_a_star_the_checksum_is_missing(line: bytes):
    assert reason(line) == "checksum_missing"


def test_a_changed_payload_has_a_wrong_checksum():
    assert reason(PLAIN.replace(b"177K", b"178K")) == "checksum_wrong"


@pytest.mark.parametrize("body", [b"AIVDM,1,1,,A,15,0,0", b"AIVDM,1,1,,A,15", b"AIVDM,"])
def test_a_sentence_has_seven_fields(body: bytes):
    assert reason(checked(body)) == "field_count"


@pytest.mark.parametrize(
    "counts", [b"0,0", b"2,0", b"1,2", b"2,3", b",", b"1,", b"10,1", b"2,01", b"x,y", b"-1,1", b" 1,1"]
)
def test_a_place_is_a_digit_from_one_to_the_number_of_sentences(counts: bytes):
    assert reason(checked(b"AIVDM,%b,1,A,15,0" % counts)) == "part_number"


@pytest.mark.parametrize("garbage", [
    b"\x00\xff~", b"$GPGGA,1234", b"VDM,", b"!AIVDM", b"!AIVDM,1,1,,A,13HOI:0P", b"!AIVDM,1,1,,A,13HOI,0*", b"!!",
    b"\\s:VDM,x\\", b"!AIVDM,1,1,,A,13HOI:0P0000VOHLCnHQKwvL05Ip,0*00",
])  # fmt: skip
def test_garbage_in_front_of_a_sentence_costs_nothing(garbage: bytes):
    assert parsed(garbage + PLAIN).text == PLAIN


@examples(300)
@given(st.binary(max_size=80).filter(lambda garbage: b"\n" not in garbage))
def test_no_bytes_in_front_hide_a_sentence_or_raise(garbage: bytes):
    assert parsed(garbage + PLAIN).text == PLAIN


@examples(300)
@given(st.binary(max_size=120) | st.text("!AIVDMO,12*0\\c:", max_size=60).map(str.encode))
def test_no_line_raises_anything_but_malformed(line: bytes):
    try:
        assert parse(line) is None or parse(line).text in line
    except Malformed as error:
        assert error.reason in {"checksum_missing", "checksum_wrong", "field_count", "part_number"}


# --- checksum ---------------------------------------------------------------------------------------------------------


@examples(400)
@given(st.binary(max_size=1100))
def test_the_checksum_equals_a_loop_over_the_bytes(body: bytes):
    assert checksum(body) == xor_of(body)


@pytest.mark.parametrize(
    "length", [0, 1, 2, 31, 32, 33, 63, 64, 65, 127, 128, 129, 255, 256, 257, 511, 513, 1024, 1025, 1100]
)
def test_the_checksum_is_right_around_every_width_at_which_it_folds(length: int):
    for body in (bytes(range(1, 256)) * 5, b"\xff" * 1100, b"\x01" + b"\x00" * 1099):
        assert checksum(body[:length]) == xor_of(body[:length])


# --- tag blocks -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("body", "expected"), [
    (b"c:1661782369", EPOCH_MS),
    (b"c:1661782369123", EPOCH_MS + 123),
    (b"s:66,c:1661782369", EPOCH_MS),
    (b"c:1661782369,s:66,n:1", EPOCH_MS),
    (b"s:66", None),
    (b"c:16617823", None),
    (b"c:-661782369", None),
    (b"", None),
])  # fmt: skip
def test_a_tag_block_gives_the_time_in_seconds_or_milliseconds(body: bytes, expected: int | None):
    said = parsed(tag_block(body) + PLAIN)
    assert (said.text, said.time, said.void_time) == (PLAIN, expected, False)


def test_a_tag_block_names_the_group_of_its_sentence():
    said = parsed(tag_block(b"g:1-2-1278,s:66,c:1661782369") + sentence(total=2, number=1))
    assert (said.group, said.time) == (b"1278", EPOCH_MS)


def test_a_wrong_checksum_of_a_tag_block_voids_its_time_and_is_remarked():
    said = parsed(tag_block(b"c:1661782369", b"11") + PLAIN)
    assert (said.text, said.time, said.void_time) == (PLAIN, None, True)


@pytest.mark.parametrize("digits", [b"", b"1", b"GG", b"123"])
def test_what_is_no_checksum_voids_the_time_of_a_tag_block_too(digits: bytes):
    assert parsed(tag_block(b"c:1661782369", digits) + PLAIN).void_time


@pytest.mark.parametrize("block", [b"\\c:1661782369*00\\", b"\\c:1661782369\\"])
def test_a_tag_block_whose_checksum_is_00_or_absent_is_believed(block: bytes):
    said = parsed(block + PLAIN)
    assert (said.time, said.void_time) == (EPOCH_MS, False)


@pytest.mark.parametrize("front", [b"\\c:1661782369*55!", b"c:1661782369*55\\!", b"\\s:66*00!", b"\\!", b"\\\\!"])
def test_a_tag_block_that_is_not_closed_gives_no_time_and_costs_no_sentence(front: bytes):
    said = parsed(front[:-1] + PLAIN)
    assert (said.text, said.time, said.void_time) == (PLAIN, None, False)


def test_a_void_time_is_not_replaced_by_another_on_the_line():
    assert parsed(tag_block(b"c:1661782369", b"11") + PLAIN + b",1661782370").time is None


def test_the_tag_block_goes_before_the_epoch_behind_the_sentence():
    assert parsed(tag_block(b"c:1661782369") + PLAIN + b",1661782370").time == EPOCH_MS


# --- times around the sentence ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("suffix", "expected"), [
    (b",1661782369", EPOCH_MS),
    (b",1661782369123", EPOCH_MS + 123),
    (b" 1661782369", EPOCH_MS),
    (b"\t1661782369 ", EPOCH_MS),
    (b"1661782369", EPOCH_MS),
    (b",rnhjel,1661782369", EPOCH_MS),  # USCG: station, then the time
    (b",x161966,s23345,d-119,T22.2,r08STRE1,1661782369", EPOCH_MS),
    (b",r003669983,1661782369", EPOCH_MS),
    (b",r003669983", None),
    (b",x1661782369", None),
    (b",16617823691", None),
    (b" some words", None),
])  # fmt: skip
def test_an_epoch_behind_the_sentence_is_its_time(suffix: bytes, expected: int | None):
    said = parsed(PLAIN + suffix)
    assert (said.text, said.time) == (PLAIN, expected)


@pytest.mark.parametrize(("prefix", "expected"), [
    (b"2022-08-29T14:12:49Z ", EPOCH_MS),
    (b"2022-08-29 14:12:49,", EPOCH_MS),
    (b"2022-08-29T14:12:49.123456789Z\t", EPOCH_MS + 123),
    (b"2022-08-29T16:12:49+02:00 ", EPOCH_MS),
    (b"2022-08-29T08:42:49-0530 ", EPOCH_MS),
    (b"receiver 3: 2022-08-29 14:12:49.5: ", EPOCH_MS + 500),
    (b"1661782369 ", EPOCH_MS),
    (b"1661782369.250;", EPOCH_MS + 250),
    (b"1661782369123,", EPOCH_MS + 123),
    (b"2022-13-29T14:12:49Z ", None),
    (b"2022-08-29T25:12:49Z ", None),
    (b"14:12:49 ", None),
    (b"16617823690 ", None),
])  # fmt: skip
def test_a_time_in_front_of_the_sentence_is_its_time_and_utc_where_it_names_no_zone(
    prefix: bytes, expected: int | None
):
    said = parsed(prefix + PLAIN)
    assert (said.text, said.time) == (PLAIN, expected)


def test_no_millisecond_is_lost_to_rounding():
    for milliseconds in range(1000):
        assert parsed(b"1661782369.%03d " % milliseconds + PLAIN).time == EPOCH_MS + milliseconds
        assert parsed(b"2022-08-29T14:12:49.%03dZ " % milliseconds + PLAIN).time == EPOCH_MS + milliseconds


# --- time lines -------------------------------------------------------------------------------------------------------


def test_a_time_line_gives_year_to_millisecond():
    assert time_line(b"$PGHP,1,2022,8,29,14,12,49,123,219,24,992190924,1,12*20") == EPOCH_MS + 123


@pytest.mark.parametrize("line", [
    b"", b"$PGHP", b"$PGHP,1,2022,8", b"$PGHP,2,2022,8,29,14,12,49,123", b"$PGHP,1,2022,13,29,14,12,49,123,219",
    b"$PGHP,1,2022,8,29,14,12,60,0,219", b"$PGHP,1,,,,,,,,", b"$GPZDA,141249.00,29,08,2022,00,00*6C",
])  # fmt: skip
def test_any_other_line_is_no_time_line(line: bytes):
    assert time_line(line) is None


def navigation(body: bytes) -> bytes:
    return b"$%b*%02X" % (body, checksum(body))


@pytest.mark.parametrize(("body", "ms"), [
    (b"GPRMC,141249,A,5013.4693,N,00346.6503,W,4.0,183.2,290822,3.8,W,A", 0),
    (b"GNRMC,141249.123,A,5013.4693,N,00346.6503,W,,,290822,,,A,V", 123),
    (b"GPZDA,141249.50,29,08,2022,00,00", 500),
    (b"IIZDA,141249.5,29,8,2022,,", 500),
])  # fmt: skip
def test_a_navigation_receiver_gives_date_and_time(body: bytes, ms: int):
    assert navigation_time(navigation(body)) == EPOCH_MS + ms
    assert navigation_time(b"$%b*00" % body) is None


@pytest.mark.parametrize("body", [
    b"GPRMC,141249,V,,,,,,,290822,,,N", b"GPRMC,,A,,,,,,,290822", b"GPRMC,141249,A,,,,,,,", b"GPRMC,141249,A",
    b"GPRMC,141249,A,,,,,,,310222,,", b"GPRMC,141260,A,,,,,,,290822,,", b"GPZDA,141249,29,13,2022,,",
    b"GPZDA,141249,29", b"GPGLL,5013.4693,N,00346.6503,W,141249,A,A",
])  # fmt: skip
def test_without_a_fix_or_a_date_there_is_no_time(body: bytes):
    assert navigation_time(navigation(body)) is None


def test_two_digits_of_a_year_are_those_since_satellite_navigation_began():
    years = {year: navigation_time(navigation(b"GPRMC,000000,A,,,,,,,0101%02d,," % year)) for year in (79, 80)}
    assert years == {79: 3_439_756_800_000, 80: 315_532_800_000}
