"""Mode S in both encodings: every line and frame is accounted for, and no cut of the bytes changes a message."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.clocks import UnknownTime, arrival_clock, invented_clock, recorded_clock
from ingest.formats.common.contract import Setup
from ingest.formats.modes import decoder as modes
from ingest.formats.modes.airspace import Airspace
from ingest.formats.modes.assembly import AvrAssembly, BeastAssembly, parity
from ingest.formats.modes.beast import MLAT_COUNTER
from tests.ingest.formats.modes.test_beast_framing import wire
from tests.support.modes_frames import (
    ALL_CALL,
    EVEN,
    IDENTITY,
    ODD,
    SQUAWK,
    START,
    SURFACE,
    VELOCITY,
    avr,
    framed,
    run,
    verdict,
)


@pytest.mark.parametrize(
    "line",
    [f"*{EVEN};", f"@0000ABCDEF01{EVEN};", f"<0000ABCDEF0142{EVEN};", f"*{EVEN.lower()};2464757C;0A;2FC2;\r", EVEN,
     f"1717664319.147975 *{EVEN};", f"1717664319 @0000ABCDEF01{EVEN};", f"*{SQUAWK};", f"*{ALL_CALL};"],
)  # fmt: skip
def test_every_way_to_write_a_frame_is_read(line):
    assembly, messages = avr(line.encode() + b"\n")
    assert assembly.counts().sentences == len(messages) == 1
    assert AvrAssembly.looks_like(b"begun amid a line\n" + line.encode() + b"\n")


def test_the_time_in_front_of_a_frame_is_when_it_was_heard():
    data = f"1717664319.147975 *{ODD};\n*{EVEN};\n".encode()
    _, messages = avr(data, recorded_clock())
    assert [message.received_at for message in messages] == [1_717_664_319_148] * 2
    live = AvrAssembly(Setup(arrival_clock))
    assert [message.received_at for message in live.feed(data, START)] == [1_717_664_319_148, START]


def test_a_counter_is_no_time():
    with pytest.raises(UnknownTime):
        avr(f"@0000ABCDEF01{EVEN};\n".encode(), recorded_clock())


def test_the_counter_says_what_was_multilaterated():
    lines = f"@{MLAT_COUNTER:012X}{ODD};\n@{MLAT_COUNTER:012x}{EVEN};\n".encode()
    beast = b"".join(wire("3", framed(text), MLAT_COUNTER) for text in (ODD, EVEN))
    for _, messages in (avr(lines), run(BeastAssembly(Setup(invented_clock(START, 10))), beast)):
        assert verdict(messages[1]).position.score == 48


@pytest.mark.parametrize(
    ("line", "reason"),
    [(f"*{EVEN[:-1]}8;", "crc"), ("*5D484FDEA24FFF;", "crc"), (f"*{EVEN[:-2]};", "frame_length"), ("*8D40;;", None),
     (f"*{SURFACE[:14]};", "frame_length"), (f"*{EVEN[:-1]};", "hex"), (f"*{EVEN[:-1]}G;", "hex"), ("@12;", "hex"),
     ("*7700;", None), ("", None), ("# a comment", None), ("MSG,3,1,1,7C802D", None)],
)  # fmt: skip
def test_a_line_without_a_frame_is_counted_and_costs_only_itself(line, reason):
    assembly, messages = avr(f"{line}\n*{EVEN};\n".encode())
    counts = assembly.counts()
    assert (counts.lines, counts.sentences, len(messages)) == (2, 1, 1)
    assert counts.malformed == ({reason: 1} if reason else {})
    assert counts.foreign == (reason is None)


def test_an_interrogator_s_code_in_an_all_call_reply_is_no_error():
    assert parity(framed(ALL_CALL)) == 22
    assembly, _ = avr(f"*{ALL_CALL};\n".encode())
    assert assembly.counts().sentences == 1


def test_frames_of_no_use_to_us_are_foreign_in_beast_too():
    data = (
        wire("1", b"\x77\x00") + wire("4", b"\x1a" * 14) + wire("\xe3", b"12345678") + b"junk" + wire("3", framed(EVEN))
    )
    assembly, messages = run(BeastAssembly(Setup(invented_clock(START, 10))), data + b"\x1a3\x00")
    counts = assembly.counts()
    assert (counts.lines, counts.foreign, counts.sentences, len(messages)) == (6, 3, 1, 1)
    assert counts.malformed == {"frame_junk": 1, "frame_broken": 1}
    assert assembly.offset == len(data) + 3


def test_a_broken_connection_ends_the_frame_in_hand_but_not_the_memory():
    assembly = BeastAssembly(Setup(arrival_clock))
    list(assembly.feed(wire("3", framed(ODD)) + b"\x1a3\x00", START))
    assert list(assembly.cut(START)) == []
    assert list(assembly.feed(wire("3", framed(EVEN)), START)) == []  # one pair only, held back
    (message,) = assembly.flush(START)
    assert verdict(message).position is not None
    assert assembly.counts().malformed == {"frame_broken": 1}


def test_each_encoding_is_told_from_the_other_and_from_lines():
    beast, text = wire("3", framed(EVEN)) * 3, f"*{EVEN};\n".encode()
    assert (BeastAssembly.looks_like(beast), AvrAssembly.looks_like(beast)) == (True, False)
    assert (BeastAssembly.looks_like(text), AvrAssembly.looks_like(text)) == (False, True)
    for other in (
        b"",
        b"!AIVDM,1,1,,A,15MwkT1P05G?fre@@0000000000,0*00\n",
        b"MSG,3,1,1,7C802D,1,2018/02/18\n",
        b"\x1a",
    ):
        assert not BeastAssembly.looks_like(other) and not AvrAssembly.looks_like(other)


frames = st.sampled_from([framed(text) for text in (EVEN, ODD, SURFACE, VELOCITY, IDENTITY, SQUAWK, ALL_CALL)])


@given(st.lists(st.binary(max_size=40) | frames.map(lambda frame: wire("3" if len(frame) > 7 else "2", frame))))
def test_no_bytes_raise_in_beast_and_any_cut_gives_the_same_messages(chunks):
    check_any_cut(BeastAssembly, chunks)


@given(
    st.lists(
        st.binary(max_size=40)
        | frames.map(lambda frame: b"*%b;\n" % frame.hex().encode())
        | st.text("0123456789abcdefABCDEF*@<;. \r\n", max_size=60).map(str.encode)
    )
)
def test_no_bytes_raise_in_avr_and_any_cut_gives_the_same_messages(chunks):
    check_any_cut(AvrAssembly, chunks)


@given(st.lists(st.tuples(st.binary(min_size=14, max_size=14), st.integers(-5000, 70_000)), max_size=20))
def test_no_frame_whose_parity_is_right_raises(heard):
    airspace, at = Airspace((89.9, 179.9)), START
    for content, step in heard:
        at += step
        for kind in (17, 18, 20, 21):
            frame = framed(content.hex(), byte_0=kind << 3 | content[0] & 7, byte_1=1, byte_2=2, byte_3=content[3] & 1)
            said = airspace.hear(frame, at)
            verdict(modes.message_of(frame, said, at))


def check_any_cut(kind, chunks):
    whole = b"".join(chunks)
    results = []
    for cut in (chunks, [whole], [whole[at : at + 1] for at in range(len(whole))]):
        assembly = kind(Setup(invented_clock(START, 10), receiver=(52.0, 4.0)))
        messages = [message for chunk in cut for message in assembly.feed(chunk, None)]
        messages += assembly.flush(None)
        counts = assembly.counts()
        assert counts.lines == counts.foreign + sum(counts.malformed.values()) + counts.sentences
        assert counts.sentences == len(messages)
        results.append((messages, counts))
    assert results[0] == results[1] == results[2]
    for message in results[0][0]:
        verdict(message)


def test_a_run_that_is_resumed_misses_no_position():
    pairs = [f"{START // 1000 + number}.5 *{(ODD, EVEN)[number % 2]};\n" for number in range(200)]
    data = "".join(pairs).encode()
    first = AvrAssembly(Setup(recorded_clock()))
    read = len("".join(pairs[:150]))
    before = list(first.feed(data[:read], None))
    offset, index = first.resume_at()
    assert 0 < offset < read
    _, after = run(AvrAssembly(Setup(recorded_clock(), offset, index)), data[offset:])
    assert after[60:] == avr(data, recorded_clock())[1][index + 60 :]
    assert before[index : index + 1] != [] and index + len(after) == 200
    whole, _ = avr(data, recorded_clock())
    assert whole.resume_at() == (len(data), 200)
