"""JSON documents to messages: entries, accounts, times, resuming, and whatever else comes."""

import json
import random
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.clocks import UnknownTime, arrival_clock, invented_clock
from ingest.formats.common.context import Context
from ingest.formats.common.documents import MAX_ENTRY_BYTES, epoch_ms
from ingest.formats.documents import opensky, readsb, readsb_trace
from ingest.formats.documents.assemblies import OpenSkyAssembly, ReadsbAssembly, TraceAssembly
from tests.support.documents import assembly, assert_accounted, context, fed, kind_of, packed
from tests.support.properties import examples

FIRST = b'{"now":1700000000,"aircraft":[{"hex":"4067f2","flight":"A{]\\"B"}]}'
SECOND = b'{ "now" : 1700000001.5,\n  "aircraft" : [\n{"hex":"4067f3"},\r\n{"hex":"4067f4","mlat":[]}\n  ]\n}\n'
EMPTY = b'{"aircraft":[]}'


def test_each_aircraft_is_a_line_and_a_message():
    reader = assembly(ReadsbAssembly)
    messages = fed(reader, [FIRST, SECOND, EMPTY])
    assert [(one.received_at, one.raw) for one in messages] == [
        (1_700_000_000_000, b'{"hex":"4067f2","flight":"A{]\\"B"}'),
        (1_700_000_001_500, b'{"hex":"4067f3"}'),
        (1_700_000_001_500, b'{"hex":"4067f4","mlat":[]}'),
    ]
    assert (reader.counts().lines, reader.counts().sentences) == (3, 3)


def test_a_sound_document_of_another_kind_is_foreign_and_a_broken_one_malformed():
    reader = assembly(ReadsbAssembly)
    fed(reader, [b'{"error":"no"}{"now":1]{"aircraft":7}{"now":"x","aircraft":[]}', FIRST, b'[{"now":'])
    counts = reader.counts()
    assert (counts.lines, counts.foreign, counts.sentences) == (7, 1, 1)
    assert counts.malformed == {"document_broken": 3, "document_cut_off": 2}


def test_an_entry_of_the_wrong_kind_or_size_costs_itself():
    reader = assembly(ReadsbAssembly)
    long = {"hex": "4067f2", "a": ["x" * 1000] * 20}
    assert len(packed(long)) > MAX_ENTRY_BYTES
    messages = fed(reader, [packed({"now": 1.7e9, "aircraft": [1, "x", None, [], long, {"hex": "4067f2"}]})])
    assert [one.raw for one in messages] == [b'{"hex":"4067f2"}']
    assert reader.counts().malformed == {"entry_broken": 4, "entry_too_long": 1}
    assert_accounted(reader)


@pytest.mark.parametrize(("value", "ms"), [
    (1_700_000_000.25, 1_700_000_000_250), (1_700_000_000_250, 1_700_000_000_250), (1e300, None), (0, None), (-1, None),
    (None, None), (float("inf"), None), (float("nan"), None), (1, 1000),
])  # fmt: skip
def test_a_time_is_seconds_or_milliseconds(value: float | None, ms: int | None):
    assert epoch_ms(value) == ms


def test_a_document_without_a_time_is_heard_when_the_clock_says():
    live = assembly(ReadsbAssembly, arrival_clock)
    assert [one.received_at for one in live.feed(b'{"aircraft":[{"hex":"4067f2"}]}', 1234)] == [1234]
    with pytest.raises(UnknownTime):
        fed(assembly(ReadsbAssembly), [b'{"aircraft":[{"hex":"4067f2"}]}'])
    invented = fed(assembly(ReadsbAssembly, invented_clock(5000, 10)), [SECOND])
    assert [one.received_at for one in invented] == [5000, 5100]


def test_a_stream_that_was_cut_amid_a_document_goes_on_with_the_next():
    reader = assembly(ReadsbAssembly)
    assert [*reader.feed(SECOND[:40], None), *reader.cut(None)] == []
    assert len(list(reader.feed(SECOND, None))) == 2
    assert reader.counts().malformed == {"document_cut_off": 1}


def test_a_run_resumes_at_the_document_whose_entries_are_being_taken():
    reader = assembly(ReadsbAssembly, invented_clock(5000, 10))
    taken, marks = [], []
    for message in reader.feed(FIRST + SECOND + FIRST, None):
        taken.append((message.received_at, message.raw))
        marks.append((len(taken), reader.resume_at()))
    for count, (offset, index) in [*marks, (len(taken), reader.resume_at())]:
        again = assembly(ReadsbAssembly, invented_clock(5000, 10))
        again.offset, again.index = offset, index
        resumed = [(one.received_at, one.raw) for one in fed(again, [(FIRST + SECOND + FIRST)[offset:]])]
        assert resumed == taken[index:] and index <= count
    assert [index for _, (_, index) in marks] == [0, 1, 1, 3]


# --- whatever comes ---------------------------------------------------------------------------------------------------

FORMATS = {
    "readsb": (ReadsbAssembly, readsb.decode),
    "trace": (TraceAssembly, readsb_trace.decode),
    "opensky": (OpenSkyAssembly, opensky.decode),
}
NAMES = (
    "hex type flight r t category squawk lat lon seen_pos seen alt_baro altitude alt_geom gs speed track true_heading "
    "baro_rate vert_rate mlat tisb messages lastPosition rr_lat now aircraft ac icao timestamp trace time states"
)
KEYS_OF_ALL = NAMES.split()
VALUES = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.integers() | st.text(max_size=9)
    | st.sampled_from(["4067f2", "~2a0001", "ground", "adsb_icao", "adsc", 1_700_000_000, 10**400, -(10**30), 1e308]),
    lambda inner: st.lists(inner, max_size=18) | st.dictionaries(st.sampled_from(KEYS_OF_ALL), inner, max_size=8),
    max_leaves=20,
)  # fmt: skip
AIRCRAFT = st.fixed_dictionaries({"hex": st.just("4067f2")}, optional={key: VALUES for key in KEYS_OF_ALL[1:24]})
STATES = st.tuples(st.just("4067f2"), *[VALUES] * 16).map(list)
POINTS = st.tuples(st.floats(0, 9e4), st.floats(-99, 99), st.floats(-199, 199), *[VALUES] * 8).map(list)
DOCUMENTS = st.one_of(
    VALUES,
    st.fixed_dictionaries({"now": VALUES | st.just(1.7e9), "aircraft": st.lists(AIRCRAFT | VALUES, max_size=4)}),
    st.fixed_dictionaries({"time": st.just(1_700_000_000) | VALUES, "states": st.lists(STATES | VALUES, max_size=4)}),
    st.fixed_dictionaries({"icao": st.just("4067f2"), "timestamp": st.just(1.7e9), "trace": st.lists(POINTS | VALUES)}),
)


def told_by(name: str, data: bytes, cuts: list[int], told: Context) -> tuple[list[bytes], list[str], object]:
    kind, decode = FORMATS[name]
    reader = assembly(kind, lambda index, given, arrival: 1_700_000_000_000 if given is None else given)
    edges = [0, *sorted(at % (len(data) + 1) for at in cuts), len(data)]
    messages = fed(reader, [data[start:end] for start, end in pairwise(edges)])
    assert_accounted(reader)
    assert reader.counts().sentences == len(messages)
    return [one.raw for one in messages], [kind_of(decode, one, told)[0] for one in messages], reader.counts()


@pytest.mark.parametrize("name", FORMATS)
@examples(60)
@given(st.lists(DOCUMENTS, min_size=1, max_size=3), st.lists(st.integers(0, 3000), max_size=5), st.randoms())
def test_no_document_raises_anything_but_refusals_and_all_is_accounted_for(
    name: str, values: list[object], cuts: list[int], chance: random.Random
):
    data = b"\n".join(
        json.dumps(value, ensure_ascii=chance.random() < 0.5).encode("utf-8", "replace") for value in values
    )
    if chance.random() < 0.5:
        noise = bytearray(data)
        for _ in range(3):
            noise[chance.randrange(len(noise))] = chance.randrange(256)
        data = bytes(noise)
    for recorded in (True, False):
        told = context(recorded=recorded)
        assert told_by(name, data, cuts, told) == told_by(name, data, [], told)


@pytest.mark.parametrize("name", FORMATS)
@examples(100)
@given(st.binary(max_size=80) | DOCUMENTS.map(lambda value: json.dumps(value).encode()))
def test_no_message_raises_anything_but_rejected(name: str, raw: bytes):
    decode = FORMATS[name][1]
    for added in (b"", b'{"icao":"4067f2","time":1700000000}', raw):
        kind_of(decode, readsb.Message(1_700_000_000_000, raw, added), context())
    kind_of(decode, readsb.Message(1_700_000_000_000, b"[" * 100_000 + raw), context())
