"""Every report against pyais' reading of the same message, and decoding many messages at once against one by one.

pyais is an independent implementation: what it makes of recorded traffic and of messages that its encoder made is
compared field by field (`pyais_reports.py`).
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyais
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyais.exceptions import AISBaseException

from ingest.clocks import invented_clock
from ingest.errors import Malformed, Rejected
from ingest.formats.ais import decoder as ais
from ingest.formats.ais.assembler import Assembler
from ingest.formats.ais.sentence import parse, plain
from ingest.formats.ais.sentence_columns import FEW, LONGEST, MESSAGE, PART, UNKNOWN, kinds_of
from ingest.formats.common.context import Context
from ingest.formats.common.framing import LineFramer
from ingest.reports import Decoded, Message, MessageBatch, StationReport
from tests.support.messages import NOON_MS, position
from tests.support.properties import examples
from tests.support.pyais_reports import Report, reports_of, same
from tests.support.recordings import ARMOUR, recording, recordings, sentence

NOW = 1_800_000_000_000
START = 1_700_000_000_000


def context(invented: bool = True, recorded: bool = True) -> Context:
    batch = MessageBatch(uuid.uuid4(), uuid.uuid4(), "mast", "nmea", 80, NOW, recorded=recorded, invented=invented)
    return Context(batch, NOW)


def messages_of(path: Path) -> list[Message]:
    framer, assembler = LineFramer(), Assembler(invented_clock(START, 100))
    data = path.read_bytes()
    return list(assembler.push_all(framer.feed(data) + framer.flush(), None))


def by_pyais(message: Message) -> list[Report]:
    try:
        said = pyais.decode(*message.raw.split(b"\n"))
    except AISBaseException:
        return []
    heard = dt.datetime.fromtimestamp(message.received_at / 1000, dt.UTC)
    return [one for one in reports_of(said, heard, "mast", 80) if not is_nowhere(one)]


def is_nowhere(report: Report) -> bool:
    """A vessel at 0,0 is refused; a station there is one whose position is not known."""
    latitude, longitude = getattr(report, "latitude", None), getattr(report, "longitude", None)
    if latitude is None or longitude is None or abs(latitude) > 0.01 or abs(longitude) > 0.01:
        return False
    if isinstance(report, StationReport):
        report.latitude = report.longitude = None
        return False
    return True


def reports_in(said: Decoded | str) -> list[Any]:
    if isinstance(said, str):
        return []
    return [report for report in (said.position, said.static, said.station) if report is not None]


def assert_agreed(message: Message, said: Decoded | str) -> None:
    ours, theirs = reports_in(said), by_pyais(message)
    assert len(ours) == len(theirs), (message.raw, said, theirs)
    assert all(same(mine, other) for mine, other in zip(ours, theirs, strict=True)), (message.raw, ours, theirs)


@pytest.mark.data
def test_every_report_of_aishub_agrees_with_pyais_in_every_field():
    messages = messages_of(recording("nmea/aishub_nmea_sample_85k.nmea"))
    compared = Counter[str]()
    for message, said in zip(messages, ais.decode_all(messages, context()), strict=True):
        assert_agreed(message, said)
        compared.update(type(report).__name__ for report in reports_in(said))
    assert compared == {"VesselReport": 72_534, "VesselStatic": 2636, "StationReport": 4414}


LETTERS = st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 .-/", max_size=20)
DEGREES = {"lat": st.floats(-90, 90), "lon": st.floats(-180, 180)}
SIDES = {name: st.integers(0, 63) for name in ("to_bow", "to_stern", "to_port", "to_starboard")}
TENTHS = st.integers(0, 1023).map(lambda raw: raw / 10)
MOVEMENT = DEGREES | {
    "speed": TENTHS,
    "course": st.integers(0, 4095).map(lambda raw: raw / 10),
    "heading": st.integers(0, 511),
    "second": st.integers(0, 63),
}
CRAFT = SIDES | {"shipname": LETTERS, "ship_type": st.integers(0, 99)}
FIELDS: dict[int, dict[str, st.SearchStrategy[Any]]] = {
    **{kind: MOVEMENT | {"status": st.integers(0, 15)} for kind in (1, 2, 3)},
    4: DEGREES,
    5: {"shipname": LETTERS, "callsign": LETTERS, "destination": LETTERS, "ship_type": st.integers(0, 99),
        "imo": st.integers(0, 2**30 - 1), "draught": st.integers(0, 255).map(lambda raw: raw / 10),
        "month": st.integers(0, 15), "day": st.integers(0, 31), "hour": st.integers(0, 31),
        "minute": st.integers(0, 63)} | SIDES,
    9: DEGREES | {"speed": st.integers(0, 1023), "alt": st.integers(0, 4095)},
    18: MOVEMENT,
    19: MOVEMENT | CRAFT,
    21: DEGREES | {"name": LETTERS, "name_ext": st.text("ABCXYZ 1", max_size=14), "aid_type": st.integers(0, 31)},
    24: CRAFT | {"partno": st.integers(0, 1), "callsign": LETTERS, "mothership_mmsi": st.integers(0, 2**30 - 1)},
    27: DEGREES | {"speed": st.integers(0, 63), "course": st.integers(0, 511), "status": st.integers(0, 15)},
}  # fmt: skip


@st.composite
def encoded(draw: st.DrawFn) -> bytes:
    """A message made by pyais' encoder."""
    kind = draw(st.sampled_from(sorted(FIELDS)))
    values = draw(st.fixed_dictionaries(FIELDS[kind]))
    mmsi = draw(st.one_of(st.integers(1, 999_999_999), st.integers(980_000_000, 989_999_999)))
    return "\n".join(pyais.encode_dict({"type": kind, "mmsi": mmsi, **values}, seq_id=1)).encode()


@examples(300)
@given(encoded())
def test_what_pyais_encodes_is_decoded_as_pyais_decodes_it(raw: bytes):
    message = Message(START, raw)
    assert_agreed(message, ais.decode_all([message], context())[0])


# --- many at once -----------------------------------------------------------------------------------------------------


def one_by_one(messages: Sequence[Message], told: Context) -> list[Decoded | str]:
    said: list[Decoded | str] = []
    for message in messages:
        try:
            said.append(ais.decode(message, told))
        except Rejected as refusal:
            said.append(refusal.reason)
    return said


REPORTS = st.builds(
    lambda kind, rest, fill: sentence(ARMOUR[kind : kind + 1] + rest, fill=fill),
    st.sampled_from([1, 2, 3, 18, 9, 4]),
    st.lists(st.sampled_from(ARMOUR), min_size=27, max_size=28).map(bytes),
    st.sampled_from([0, 0, 0, 2]),
)


@examples(25)
@given(
    st.lists(st.one_of(encoded(), REPORTS), min_size=3, max_size=12),
    st.lists(st.integers(-2_000, 2_000_000), min_size=12, max_size=12),
    st.booleans(),
    st.booleans(),
)
def test_many_messages_at_once_say_what_each_says_alone(
    raws: list[bytes], offsets: list[int], invented: bool, recorded: bool
):
    told = context(invented, recorded)
    heard = [NOW - 1_000_000 + offset for offset in offsets]
    messages = [Message(heard[number % 12] + number, raw) for number, raw in enumerate(raws * 40)]
    assert ais.decode_all(messages, told) == one_by_one(messages, told)


def test_a_payload_is_where_the_commas_are_and_not_where_it_usually_is():
    usual = position()
    payload = usual.split(b",")[5]
    shifted = b"!AIVDM,1,1,,,%s,0*" % (b"0" + payload)  # no channel, and one character more
    parts = b"!AIVDM,2,1,1,A,%s,0*00\n!AIVDM,2,2,1,A,,0*00" % payload[:4]
    sequenced = b"!AIVDM,1,1,3,A,%s,0*00" % payload
    assert len(shifted) + 2 == len(usual)
    messages = [Message(NOON_MS, raw) for raw in (usual, shifted + b"00", parts, sequenced)] * FEW
    assert ais.decode_all(messages, context()) == one_by_one(messages, context())


def test_a_payload_that_is_no_armour_costs_only_itself():
    good = sentence()
    bad = sentence(b"15MwkT1P05G?fre@@0000000000X")
    messages = [Message(START, raw) for raw in [good] * 60 + [bad] + [good] * 60]
    said = ais.decode_all(messages, context())
    assert [number for number, one in enumerate(said) if isinstance(one, str)] == [60]
    assert said[60] == "undecodable"


# --- lines ------------------------------------------------------------------------------------------------------------


def kind(line: bytes) -> int:
    """What `parse` finds in all of the line."""
    try:
        said = parse(line)
    except Malformed:
        return UNKNOWN
    if said is None or said.text != line or line[:1] != b"!" or len(line) > LONGEST:
        return UNKNOWN
    return MESSAGE if said.total == 1 else PART


def recognised(lines: Sequence[bytes]) -> list[int]:
    """What they are recognised as, and that is what `parse` says of each."""
    found = kinds_of(lines)
    for line, said in zip(lines, found, strict=True):
        if said:
            assert (said, plain(line)) == (kind(line), parse(line))
    return found


@pytest.mark.data
@pytest.mark.parametrize("path", recordings("nmea") + recordings("nmea_malformed"), ids=lambda path: path.name)
def test_a_recognised_line_is_what_parse_says_of_it(path: Path):
    lines = path.read_bytes().splitlines()[:5000]
    lines += [b""] * FEW
    assert recognised(lines) == list(map(kind, lines))


DAMAGE = st.tuples(st.integers(0, 60), st.sampled_from([b"", b",", b"*", b"!", b"\x00", b"a", b"A", b"1,1,"]))


@examples(100)
@given(st.lists(st.lists(DAMAGE, max_size=3), min_size=24, max_size=40))
def test_a_damaged_line_is_recognised_only_where_parse_finds_a_message(damages: list[list[tuple[int, bytes]]]):
    lines = []
    for number, damage in enumerate(damages):
        line = (sentence(), sentence(total=2, number=1 + number // 2 % 2, sequence=b"3"))[number % 2]
        for place, what in damage:
            line = line[:place] + what + line[place + len(what or b"x") :]
        lines.append(line)
    # Not everything: a comma in the talker, made up for in the checksum by other damage, is left to `parse`.
    found = recognised(lines)
    assert all(said for said, damage in zip(found, damages, strict=True) if not damage)


def test_a_very_long_line_is_left_to_parse_and_its_neighbours_are_recognised():
    lines = [sentence()] * 30 + [sentence(b"0" * 900)] + [b"", b"!"] + [sentence(channel=b""), sentence(sequence=b"7")]
    assert kinds_of(lines) == [MESSAGE] * 30 + [UNKNOWN] * 3 + [MESSAGE] * 2
