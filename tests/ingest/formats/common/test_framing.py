"""What the framer promises: the cuts between chunks never matter, every byte is accounted for, memory is bounded."""

import re
import tracemalloc
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.formats.common.framing import MAX_LINE_BYTES, TOO_LONG, LineFramer
from tests.support.properties import examples

# Few different bytes, so that line ends, empty lines and lines around the limit are common.
STREAM = st.lists(st.sampled_from([b"\n", b"\r\n", b"\r", b"a", b"!AIVDM", b"x" * 15, b"\x00\xff"]), max_size=60).map(
    b"".join
)
LIMIT = 16


def framed(chunks: list[bytes], limit: int = MAX_LINE_BYTES) -> list[tuple[bytes, int]]:
    """All lines of a stream that ends after these chunks."""
    framer = LineFramer(limit)
    return [line for chunk in chunks for line in framer.feed(chunk)] + framer.flush()


@st.composite
def split_streams(draw: st.DrawFn) -> tuple[bytes, list[bytes]]:
    """A stream and the same in chunks."""
    data = draw(STREAM)
    cuts = draw(st.lists(st.integers(0, len(data)), max_size=20).map(sorted))
    return data, [data[start:end] for start, end in pairwise([0, *cuts, len(data)])]


@examples(300)
@given(split_streams())
def test_any_split_of_a_stream_gives_the_same_lines_and_sizes(stream: tuple[bytes, list[bytes]]):
    data, chunks = stream
    assert framed(chunks, LIMIT) == framed([data], LIMIT)


@examples(300)
@given(split_streams())
def test_lines_and_sizes_are_those_of_the_stream_cut_at_line_ends(stream: tuple[bytes, list[bytes]]):
    data, chunks = stream
    expected, at = [], 0
    for end in re.finditer(rb"\r+\n?|\n|\Z", data):
        if end.end() > at or end.group():
            text = data[at : end.start()]
            expected.append((text if len(text) <= LIMIT else TOO_LONG, end.end() - at))
        at = end.end()
    assert framed(chunks, LIMIT) == expected


@settings(deadline=None)
@given(split_streams())
def test_the_sizes_sum_to_the_length_of_the_stream(stream: tuple[bytes, list[bytes]]):
    data, chunks = stream
    assert sum(size for _, size in framed(chunks, LIMIT)) == len(data)


def test_a_line_end_of_two_characters_is_removed_and_counted():
    assert framed([b"one\r\ntwo\n"]) == [(b"one", 5), (b"two", 4)]


def test_a_carriage_return_and_its_line_feed_may_come_in_two_chunks():
    assert framed([b"one\r", b"\ntwo\r\n"]) == [(b"one", 5), (b"two", 5)]


def test_an_empty_line_is_a_line():
    assert framed([b"\n\r\n"]) == [(b"", 1), (b"", 2)]


def test_a_last_line_without_end_leaves_only_at_the_flush():
    framer = LineFramer()
    assert framer.feed(b"last") == []
    assert framer.flush() == [(b"last", 4)]
    assert framer.flush() == []


def test_after_a_flush_the_framer_begins_anew():
    framer = LineFramer()
    framer.feed(b"cut o")
    framer.flush()
    assert framer.feed(b"whole\n") == [(b"whole", 6)]


@pytest.mark.parametrize(
    ("length", "expected"), [(MAX_LINE_BYTES, b"x" * MAX_LINE_BYTES), (MAX_LINE_BYTES + 1, TOO_LONG)]
)
def test_the_longest_line_is_1024_bytes(length: int, expected: bytes):
    assert framed([b"x" * length + b"\n"]) == [(expected, length + 1)]
    assert framed([b"x" * length]) == [(expected, length)]


def test_the_line_after_one_that_is_too_long_is_whole():
    assert framed([b"x" * 2000 + b"\ngood\n"]) == [(TOO_LONG, 2001), (b"good", 5)]
    assert framed([b"x" * 2000, b"\ngood\n"]) == [(TOO_LONG, 2001), (b"good", 5)]


def test_a_line_of_100_megabytes_leaves_as_too_long_in_less_than_one_megabyte_of_memory():
    framer, chunk, chunks = LineFramer(), b"x" * 64 * 1024, 1600
    tracemalloc.start()
    try:
        assert not any(framer.feed(chunk) for _ in range(chunks))
        assert framer.feed(b"\nnext\n") == [(TOO_LONG, chunks * len(chunk) + 1), (b"next", 5)]
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 1_000_000
