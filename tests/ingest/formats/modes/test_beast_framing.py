"""Beast bytes become the same frames however they are cut, and garbage costs only itself."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.formats.modes.beast import BROKEN, JUNK, MLAT_COUNTER, BeastFramer

SQUITTER = bytes.fromhex("8D40621D58C382D690C8AC2863A7")
LENGTHS = {"1": 2, "2": 7, "3": 14, "4": 14, "5": 14}


def wire(kind: str, data: bytes, counter: int = 0, signal: int = 0) -> bytes:
    """One frame as the receiver writes it."""
    body = counter.to_bytes(6, "big") + bytes([signal]) + data if kind in LENGTHS else data
    return b"\x1a" + kind.encode("latin-1") + body.replace(b"\x1a", b"\x1a\x1a")


def framed(*chunks: bytes, ended: bool = True):
    """(kind, counter, signal, data) of all frames; their sizes make up all the bytes once the stream ended."""
    framer = BeastFramer()
    frames = [frame for chunk in chunks for frame in framer.feed(chunk)]
    if ended:
        frames += framer.flush()
        assert sum(frame.size for frame in frames) == sum(map(len, chunks))
    return [(frame.kind, frame.counter, frame.signal, frame.data) for frame in frames]


frames = st.sampled_from(sorted(LENGTHS)).flatmap(
    lambda kind: st.tuples(
        st.just(kind),
        st.integers(0, 2**48 - 1),
        st.integers(0, 255),
        st.lists(st.sampled_from([0x1A, 0x31, 0x33, 0x8D, 0]), min_size=LENGTHS[kind], max_size=LENGTHS[kind]).map(
            bytes
        ),
    )
)


@given(st.lists(frames, max_size=5))
def test_what_a_receiver_writes_is_read_back(written):
    stream = b"".join(wire(kind, data, counter, signal) for kind, counter, signal, data in written)
    assert framed(stream) == written


@given(st.lists(st.binary(max_size=30) | st.sampled_from([wire("3", SQUITTER), b"\x1a", b"\x1a\x1a3"]), max_size=12))
def test_any_cut_of_any_bytes_gives_the_same_frames(chunks):
    whole = b"".join(chunks)
    assert framed(*chunks) == framed(whole) == framed(*(whole[at : at + 1] for at in range(len(whole))))


@given(st.binary(max_size=60).filter(lambda junk: b"\x1a" not in junk))
def test_garbage_between_frames_costs_only_itself(junk):
    kinds = [kind for kind, *_ in framed(wire("3", SQUITTER) + junk + wire("2", SQUITTER[:7]))]
    assert kinds == (["3", JUNK, "2"] if junk else ["3", "2"])


@pytest.mark.parametrize("length", range(2, 23))
def test_a_frame_cut_short_does_not_take_the_next_one_with_it(length):
    frame = wire("3", SQUITTER, 5, 6)
    assert framed(frame[:length] + frame) == [(BROKEN, 0, 0, b""), ("3", 5, 6, SQUITTER)]


@pytest.mark.parametrize("length", range(23))
def test_a_frame_that_is_not_complete_is_waited_for_until_the_stream_ends(length):
    part = wire("3", SQUITTER)[:length]
    assert framed(part, ended=False) == []
    assert framed(part) == ([(BROKEN, 0, 0, b"")] if part else [])


def test_a_stream_that_begins_amid_a_frame_loses_only_that():
    frame = wire("3", b"\x1a" * 14)
    assert [kind for kind, *_ in framed(frame[9:] + wire("3", SQUITTER))][-1] == "3"


def test_junk_without_end_is_counted_not_kept():
    framer = BeastFramer()
    for _ in range(100):
        assert framer.feed(b"x" * 10_000) == []
    (junk,) = framer.flush()
    assert (junk.kind, junk.size) == (JUNK, 1_000_000)


def test_the_number_of_a_receiver_is_a_frame_of_its_own():
    assert framed(wire("\xe3", b"\x1a2345678") + wire("3", SQUITTER, MLAT_COUNTER)) == [
        ("\xe3", 0, 0, b"\x1a2345678"),
        ("3", MLAT_COUNTER, 0, SQUITTER),
    ]
