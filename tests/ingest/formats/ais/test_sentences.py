"""What the assembler promises: right messages, every line in one account, and a resumed run that changes nothing."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.clocks import UnknownTime, arrival_clock, invented_clock, recorded_clock
from ingest.formats.ais import assembler as assembly
from ingest.formats.ais.assembler import Assembler
from ingest.formats.common.framing import TOO_LONG
from ingest.reports import Message
from tests.support.properties import examples
from tests.support.recordings import push_one, sentence

NOW = 1_700_000_000_000


def part(number: int, sequence: int = 1, channel: bytes = b"A", total: int = 2, payload: bytes | None = None) -> bytes:
    """A sentence of a message of several; its payload names it unless told."""
    said = b"%d%d%b" % (sequence, number, channel) if payload is None else payload
    return sentence(said, total, number, b"%d" % sequence, channel)


def pushed(lines: list[bytes], assembler: Assembler | None = None, arrival: int | None = NOW) -> list[bytes]:
    """The payloads of the messages that these lines make, those of one message joined by +."""
    assembler = assembler or Assembler(arrival_clock)
    messages = [push_one(assembler, line, len(line) + 1, arrival) for line in lines]
    return [b"+".join(text.split(b",")[5] for text in message.raw.split(b"\n")) for message in messages if message]


def accounts(assembler: Assembler) -> tuple[int, int, int, dict[str, int]]:
    counts = assembler.counts()
    return counts.lines, counts.foreign, counts.sentences, counts.malformed


def time_line(second: int) -> bytes:
    return b"$PGHP,1,2022,8,29,14,12,%d,0,219,24,992190924,1,12*20" % second


# --- messages of several sentences ------------------------------------------------------------------------------------


def test_sentences_of_one_message_become_one_message_in_the_order_of_their_numbers():
    assert pushed([part(1), part(2)]) == [b"11A+12A"]
    assert pushed([part(n, total=5) for n in range(1, 6)]) == [b"11A+12A+13A+14A+15A"]


def test_parts_in_reverse_order_are_put_right():
    assert pushed([part(2), part(1)]) == [b"11A+12A"]
    assert pushed([part(3, total=3), part(2, total=3), part(1, total=3)]) == [b"11A+12A+13A"]


def test_messages_interleaved_on_two_channels_are_kept_apart():
    assert pushed([part(1, channel=b"A"), part(1, channel=b"B"), part(2, channel=b"A"), part(2, channel=b"B")]) == [
        b"11A+12A",
        b"11B+12B",
    ]


def test_messages_interleaved_under_two_sequence_ids_are_kept_apart():
    assert pushed([part(1, 1), part(1, 2), part(2, 2), part(2, 1)]) == [b"21A+22A", b"11A+12A"]


def test_messages_without_a_sequence_id_are_kept_apart_by_their_tag_blocks():
    lines = [b"\\g:%d-2-%d\\" % (n, group) + sentence(b"%d%d" % (group, n), 2, n) for n in (1, 2) for group in (7, 8)]
    assert pushed(lines) == [b"71+72", b"81+82"]


def test_a_sequence_id_may_be_used_again_at_once():
    assert pushed([part(1), part(2), part(1, payload=b"15"), part(2, payload=b"25")]) == [b"11A+12A", b"15+25"]


def test_a_first_part_sent_again_replaces_one_whose_message_was_never_completed():
    assembler = Assembler(arrival_clock)
    assert pushed([part(1), part(1, payload=b"15"), part(2)], assembler) == [b"15+12A"]
    assert accounts(assembler) == (3, 0, 2, {"group_incomplete": 1})


@pytest.mark.parametrize("arrival", [NOW, None])
def test_one_lost_first_part_does_not_pair_all_that_follow_with_the_message_before(arrival: int | None):
    """The ids are used again and again, so a lone second part would wait for the first part of another ship."""
    assembler = Assembler(invented_clock(0, 100))
    others = [sentence(b"1%d" % number) for number in range(5)]
    lines = [part(2, payload=b"lone")]
    for ship in range(4):
        lines += [*others, part(1, payload=b"%da" % ship), part(2, payload=b"%db" % ship)]
    made = [message for message in pushed(lines, assembler, arrival) if b"+" in message]
    assert made == [b"0a+0b", b"1a+1b", b"2a+2b", b"3a+3b"]
    assert assembler.counts().malformed == {"group_incomplete": 1}


def test_parts_more_than_a_minute_apart_are_of_two_messages():
    assembler = Assembler(arrival_clock)
    assert push_one(assembler, part(1), 1, NOW) is None
    assert push_one(assembler, part(2), 1, NOW + assembly.PART_TIMEOUT_MS + 1) is None
    assert assembler.counts().malformed == {"group_incomplete": 1}


def test_parts_a_minute_apart_are_of_one():
    assembler = Assembler(arrival_clock)
    push_one(assembler, part(1), 1, NOW)
    assert push_one(assembler, part(2), 1, NOW + assembly.PART_TIMEOUT_MS) is not None


def test_parts_of_a_recording_with_times_are_a_minute_apart_by_those():
    assembler = Assembler(recorded_clock())
    lines = [b"1661782369 " + part(1), b"1661782430 " + part(2), b"1661782431 " + part(1), b"1661782432 " + part(2)]
    assert pushed(lines, assembler, None) == [b"11A+12A"]


def test_without_times_a_thousand_messages_part_what_has_the_same_id():
    assembler = Assembler(invented_clock(0, 100))
    between = [sentence() for _ in range(assembly.PART_DISTANCE + 1)]
    made = pushed([part(1), *between, part(2)], assembler, None)
    assert len(made) == len(between)
    assembler.flush()
    assert assembler.counts().malformed == {"group_incomplete": 2}


def test_beyond_the_cap_the_oldest_message_is_given_up(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(assembly, "MAX_PENDING", 3)
    assembler = Assembler(arrival_clock)
    made = pushed([*(part(1, sequence) for sequence in range(4)), part(2, 1), part(2, 0)], assembler)
    assert made == [b"11A+12A"]
    assert assembler.counts().malformed == {"group_incomplete": 1}


def test_what_is_pending_at_the_flush_is_counted_as_incomplete_sentence_by_sentence():
    assembler = Assembler(arrival_clock)
    assert pushed([part(1, 1, total=3), part(2, 1, total=3), part(1, 2)], assembler) == []
    assert accounts(assembler) == (0, 0, 0, {})
    assembler.flush()
    assert accounts(assembler) == (3, 0, 0, {"group_incomplete": 3})


# --- accounts ---------------------------------------------------------------------------------------------------------

WHOLE = sentence()
LINES = st.lists(
    st.one_of(
        st.just(WHOLE),
        st.builds(part, st.integers(1, 3), st.integers(0, 2), st.sampled_from([b"A", b"B"]), st.just(3)),
        st.sampled_from(
            [TOO_LONG, b"", time_line(49), b"$GPRMC,1*00", WHOLE[:-1] + b"!", WHOLE[:-3], b"\\c:1*11\\" + WHOLE]
        ),
        st.binary(max_size=40),
        st.builds(lambda garbage, line: garbage + line, st.binary(max_size=10), st.just(WHOLE)),
    ),
    max_size=60,
)


@examples(300)
@given(LINES)
def test_every_line_is_foreign_malformed_or_a_sentence(lines: list[bytes]):
    assembler = Assembler(arrival_clock)
    for line in lines:
        push_one(assembler, line, len(line) + 1, NOW)
    assembler.flush()
    counts = assembler.counts()
    assert counts.lines == len(lines)
    assert counts.lines == counts.foreign + sum(counts.malformed.values()) + counts.sentences
    assert assembler.offset == sum(len(line) + 1 for line in lines)


@settings(deadline=None)
@given(
    st.lists(
        st.binary(max_size=60).filter(lambda line: b"VD" not in line and not line.startswith(b"$PGHP")), max_size=6
    )
)
def test_garbage_between_sentences_loses_only_the_garbage(garbage: list[bytes]):
    lines = [WHOLE, *garbage, part(1), *garbage, part(2), *garbage, WHOLE]
    assert pushed(lines) == pushed([WHOLE, part(1), part(2), WHOLE])


def test_a_line_that_was_cut_off_is_counted_as_too_long():
    assembler = Assembler(arrival_clock)
    assert pushed([TOO_LONG], assembler) == []
    assert accounts(assembler) == (1, 0, 0, {"line_too_long": 1})


def test_a_void_tag_block_is_remarked_and_costs_no_line():
    assembler = Assembler(arrival_clock)
    push_one(assembler, b"\\c:1661782369*11\\" + WHOLE, 1, NOW)
    assert assembler.counts().remarks == {"tag_block_checksum": 1}
    assert accounts(assembler) == (1, 0, 1, {})


def test_a_reset_begins_a_new_account_and_keeps_what_is_pending():
    assembler = Assembler(arrival_clock)
    pushed([WHOLE, part(1)], assembler)
    assembler.reset_counts()
    assert pushed([part(2)], assembler) == [b"11A+12A"]
    assert accounts(assembler) == (2, 0, 2, {})


# --- times ------------------------------------------------------------------------------------------------------------

T = 1_661_782_369_000


def heard(lines: list[bytes], assembler: Assembler, arrival: int | None = NOW) -> list[int]:
    return [said.received_at for line in lines if (said := push_one(assembler, line, len(line) + 1, arrival))]


def test_a_time_line_gives_the_time_of_all_sentences_that_follow_it_up_to_the_next():
    assert heard([time_line(49), WHOLE, WHOLE, time_line(50), WHOLE], Assembler(arrival_clock)) == [T, T, T + 1000]


def test_other_lines_may_stand_between_a_time_line_and_its_sentence():
    assert heard([time_line(49), b"$GPRMC", b"", WHOLE[:-3], WHOLE], Assembler(arrival_clock)) == [T]


def test_a_time_line_goes_before_a_suffix_which_may_be_the_time_of_delivery():
    assert heard([time_line(49), WHOLE + b",1661788549", WHOLE], Assembler(arrival_clock)) == [T, T]


RMC = b"$GPRMC,141249,A,5013.4693,N,00346.6503,W,4.0,183.2,290822,3.8,W,A*1A"


def test_in_a_recording_the_ships_own_receiver_gives_the_time_of_what_says_none():
    suffixed = WHOLE + b",1661782300"
    later = RMC.replace(b"141249", b"141250").replace(b"*1A", b"*12")
    lines = [RMC, WHOLE, suffixed, later, WHOLE]
    assert heard(lines, Assembler(recorded_clock()), arrival=None) == [T, T - 69_000, T + 1000]
    assert heard([WHOLE, *lines], Assembler(arrival_clock)) == [NOW, NOW, T - 69_000, NOW], "live, it may be anybody's"


def test_a_time_line_goes_before_the_ships_own_receiver():
    assert heard([time_line(50), RMC, WHOLE], Assembler(recorded_clock()), arrival=None) == [T + 1000]
    assert heard([RMC, time_line(50), WHOLE], Assembler(recorded_clock()), arrival=None) == [T + 1000]


def test_the_time_of_the_ships_own_receiver_that_still_holds_is_read_again():
    assert_resumes_anywhere(b"\n".join([RMC, WHOLE, part(1), WHOLE, part(2), WHOLE, b""]))


def test_a_tag_block_goes_before_the_time_line():
    assert heard([time_line(50), b"\\c:1661782369\\" + WHOLE], Assembler(arrival_clock)) == [T]


def test_neither_a_time_line_nor_the_arrival_of_another_part_repairs_a_void_time():
    assert heard([time_line(49), b"\\c:1661782360*11\\" + WHOLE], Assembler(arrival_clock)) == [NOW]


def test_the_first_time_that_the_parts_give_is_the_time_of_the_message():
    lines = [part(1), b"\\c:1661782369\\" + part(2)]
    assert heard(lines, Assembler(arrival_clock)) == [T]
    assert heard([b"\\c:1661782369\\" + part(1), b"\\c:1661782371\\" + part(2)], Assembler(arrival_clock)) == [T]


def test_a_live_message_without_a_time_was_heard_when_its_first_part_arrived():
    assembler = Assembler(arrival_clock)
    push_one(assembler, part(1), 1, NOW)
    assert push_one(assembler, part(2), 1, NOW + 700) == Message(NOW, part(1) + b"\n" + part(2))


def test_invented_times_go_by_the_number_of_the_message_whatever_the_lines_say():
    assert heard([WHOLE, time_line(49), WHOLE, part(1), part(2)], Assembler(invented_clock(5000, 8))) == [
        5000,
        5125,
        5250,
    ]


def test_a_recorded_message_without_a_time_was_heard_with_the_last_that_had_one():
    assert heard([WHOLE + b",1661782369", WHOLE], Assembler(recorded_clock()), None) == [T, T]


def test_a_recording_that_begins_without_a_time_says_so():
    with pytest.raises(UnknownTime):
        Assembler(recorded_clock()).push(WHOLE, 1, None)


# --- resuming ---------------------------------------------------------------------------------------------------------


def numbered(index: int, given: int | None, arrival: int | None) -> int:
    """A clock that tells number and time of the message apart."""
    return index * 10**9 + (given or 0) % 10**9


def run(data: bytes, offset: int = 0, index: int = 0) -> list[tuple[Message, tuple[int, int]]]:
    """The messages of a recording from `offset` on, each with where a run cut right after it would resume."""
    assembler = Assembler(numbered, offset, index)
    lines = data[offset:].split(b"\n")[:-1]
    pairs = [(push_one(assembler, line, len(line) + 1, None), assembler.resume_at()) for line in lines]
    return [(message, at) for message, at in pairs if message]


def assert_resumes_anywhere(data: bytes) -> None:
    whole = run(data)
    everything = [message for message, _ in whole]
    for read, (_, (offset, index)) in enumerate(whole, 1):
        resumed = [message for message, _ in run(data, offset, index)]
        missing = len(everything) - read
        assert resumed[len(resumed) - missing :] == everything[read:]
        assert all(message in everything[:read] for message in resumed[: len(resumed) - missing])


RECORDING = st.lists(
    st.tuples(
        st.sampled_from([b"", b"", time_line(49) + b"\n", time_line(50) + b"\n", b"$GPRMC\n", b"!AIVDM,1,1*00\n"]),
        st.builds(part, st.integers(1, 2), st.integers(1, 3), st.sampled_from([b"A", b"B"])) | st.just(WHOLE),
    ),
    min_size=1,
    max_size=24,
)


@examples(400)
@given(RECORDING)
def test_a_run_cut_at_any_message_resumes_with_the_same_messages_under_the_same_numbers(
    pieces: list[tuple[bytes, bytes]],
):
    assert_resumes_anywhere(b"".join(front + line + b"\n" for front, line in pieces))


def test_a_run_is_not_resumed_amid_a_message_that_is_already_whole():
    assert_resumes_anywhere(b"\n".join([part(1, 1), part(1, 2), part(2, 1), part(2, 2), WHOLE, b""]))


def test_the_time_line_of_a_pending_sentence_is_read_again():
    assert_resumes_anywhere(b"\n".join([time_line(49), part(1), WHOLE, part(2), b""]))


def test_the_time_line_that_still_holds_is_read_again():
    assert_resumes_anywhere(b"\n".join([time_line(49), WHOLE, WHOLE, part(1), WHOLE, part(2), WHOLE, b""]))


def test_a_lone_sentence_holds_back_a_resumed_run_for_a_thousand_messages_at_most():
    assembler = Assembler(numbered)
    pushed([part(1, sequence=9), *[WHOLE] * 1000, part(1), part(2)], assembler, None)
    assert assembler.resume_at() == (0, 0)
    pushed([part(1), part(2)], assembler, None)
    assert assembler.resume_at() == (assembler.offset, 1002)
    assert assembler.counts().malformed == {"group_incomplete": 1}


def test_when_nothing_is_pending_a_run_resumes_after_the_last_line():
    assembler = Assembler(numbered)
    pushed([WHOLE, part(1), part(2), b"$GPRMC"], assembler)
    assert assembler.resume_at() == (assembler.offset, 2)
