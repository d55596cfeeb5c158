"""Bytes to whole JSON documents: any cut, garbage between them, broken ones, bounded memory."""

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.formats.common import document_framing
from ingest.formats.common.document_framing import MAX_DEPTH, MAX_STRING, DocumentFramer
from tests.support.properties import examples

KEYS = (b"now", b"aircraft")
FIRST = b'{"now":1700000000,"aircraft":[{"hex":"4067f2","flight":"A{]\\"B"}]}'
SECOND = b'{ "now" : 1700000001.5,\n  "aircraft" : [\n{"hex":"4067f3"},\r\n{"hex":"4067f4","mlat":[]}\n  ]\n}\n'
EMPTY = b'{"aircraft":[]}'


def frames(data: bytes, cuts: list[int] | None = None) -> list[tuple[int, bytes, str]]:
    edges = [0, *sorted(at % (len(data) + 1) for at in cuts or []), len(data)]
    framer = DocumentFramer(KEYS)
    found = [frame for start, end in pairwise(edges) for frame in framer.feed(data[start:end])]
    return [tuple(frame) for frame in [*found, *framer.flush()]]


def documents(data: bytes) -> list[bytes]:
    return [document for _, document, reason in frames(data) if not reason]


def reasons(data: bytes) -> list[str]:
    return [reason for *_, reason in frames(data) if reason]


@pytest.mark.parametrize("between", [b"", b"\n", b"\r\n\r\n", b"  \t"])
def test_documents_may_stand_one_after_the_other_however_they_are_indented(between: bytes):
    assert documents(between.join([FIRST, SECOND, EMPTY])) == [FIRST, SECOND.strip(), EMPTY]


def test_a_document_leaves_with_its_last_byte():
    framer = DocumentFramer(KEYS)
    assert framer.feed(SECOND[:-2]) == []
    assert [frame.document for frame in framer.feed(SECOND[-2:])] == [SECOND.strip()]


@pytest.mark.parametrize("garbage", [
    b"junk", b"<html>\n", b"\x00\xff\xfe", b"]}", b'"', b'"""', b"}{", b'{"', b"\xef\xbb\xbf", b"{]", b'{"x":"\\',
    b"[1,2]", b"HTTP/1.1 200 OK\r\n\r\n", b'"now"', b'{"noww":',
])  # fmt: skip
def test_garbage_between_documents_costs_only_itself(garbage: bytes):
    assert documents(FIRST + garbage + SECOND + garbage + FIRST + garbage) == [FIRST, SECOND.strip(), FIRST]


@pytest.mark.parametrize("end", range(1, len(FIRST)))
def test_a_document_cut_off_anywhere_costs_itself(end: int):
    assert documents(FIRST[:end] + SECOND + FIRST[:end]) == [SECOND.strip()]
    assert documents(FIRST[:end] + b"\n" + SECOND) == [SECOND.strip()]
    assert len(reasons(FIRST[:end] + SECOND)) == 1


@pytest.mark.parametrize("end", range(1, len(SECOND) - 1))
def test_a_document_that_lost_its_beginning_costs_itself(end: int):
    assert documents(SECOND[end:] + FIRST)[-1:] == [FIRST]


def test_a_document_that_is_too_long_is_dropped_and_memory_is_bounded():
    framer = DocumentFramer(KEYS, max_bytes=1000)
    framer.feed(b'{"now":1,"aircraft":[')
    for _ in range(1000):
        assert framer.feed(b'{"hex":"4067f2"},') == []
        assert len(framer._buffer) < 1100
    (lost, found) = framer.feed(b"]}" + FIRST)
    assert (lost.reason, lost.size, found.document) == ("document_too_long", 21 + 17_000 + 2, FIRST)


@pytest.mark.parametrize("length", [999, 1000, 1001])
def test_the_longest_document_is_the_same_however_it_arrives(length: int):
    document = b'{"now":1' + b" " * (length - 9) + b"}"
    for step in (1, 7, length):
        framer = DocumentFramer(KEYS, max_bytes=1000)
        found = [f for at in range(0, length, step) for f in framer.feed(document[at : at + step])] + framer.flush()
        assert [bool(frame.reason) for frame in found] == [length > 1000]


def test_nesting_without_end_is_broken():
    nested = b'{"now":' + b"[" * MAX_DEPTH + b"]" * MAX_DEPTH + b"}"
    assert reasons(nested + FIRST) == ["document_too_deep"]
    assert reasons(b'{"now":' + b'{"a":' * 100_000 + FIRST) == ["document_too_deep"]
    assert documents(b"{" * 100_000 + FIRST) == [FIRST]


@pytest.mark.parametrize(("length", "count"), [(MAX_STRING, 1), (MAX_STRING + 1, 0)])
@pytest.mark.parametrize("step", [100, 1_000_000])
def test_a_string_has_a_greatest_length(length: int, count: int, step: int):
    document = b'{"now":"' + b"\\n" * length + b'"}'
    framer = DocumentFramer(KEYS)
    found = [f for at in range(0, len(document), step) for f in framer.feed(document[at : at + step])]
    assert len(found) == count


PIECES = st.sampled_from([
    FIRST, SECOND, EMPTY, b"\n", b" ", b"junk", b'{"now":', b'{"', b'"', b"{", b"}", b"[", b"]", b"\\", b"nul", b"1e5",
    b'{"a":{ "now"', FIRST[:30], SECOND[20:], b'{"error":"x"}', b"\xff", b"'", b'{\n"aircraft"', b'{"noow"',
])  # fmt: skip


@examples(200)
@given(st.lists(PIECES, max_size=12).map(b"".join), st.lists(st.integers(0, 500), max_size=12))
def test_any_cut_of_the_bytes_gives_the_same_frames(data: bytes, cuts: list[int]):
    assert frames(data, cuts) == frames(data) == frames(data, list(range(len(data))))


@examples(150)
@given(st.lists(PIECES, max_size=12).map(b"".join))
def test_frames_account_for_every_byte_and_begin_where_a_resumed_run_finds_the_rest(data: bytes):
    found = frames(data)
    at = 0
    for number, (size, document, reason) in enumerate(found):
        assert reason or data[at : at + size].endswith(document)
        at += size
        assert frames(data[at:]) == found[number + 1 :]
    assert data[at:].strip() == b""


@examples(100)
@given(st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text().filter(lambda key: key.encode() not in KEYS), inner),
    max_leaves=20,
), st.integers(0, 4))  # fmt: skip
def test_any_json_is_found_whole(value: object, indent: int):
    document = json.dumps({"now": value}, indent=indent or None, ensure_ascii=indent % 2 == 0).encode(errors="replace")
    assert documents(document) == [document]


def test_the_longest_document_is_32_megabytes():
    assert document_framing.MAX_DOCUMENT_BYTES == 32 * 1024 * 1024
