"""AISHub's XML."""

import datetime as dt
from pathlib import Path

import pytest

from ingest.formats.ais_xml import decoder as ais_xml
from ingest.formats.ais_xml.assembly import MAX_ELEMENT_BYTES, AisXmlAssembly, Elements
from tests.support.documents import assembly, context, fed, kind_of
from tests.support.reading import read

HUMAN = (
    b'<vessel MMSI="244750034" TIME="2021-07-09 08:06:58 GMT" LONGITUDE="-3.3" LATITUDE="48.1" COG="90.5" SOG="1.5" '
    b'HEADING="511" NAVSTAT=\'0\' NAME="PIET &amp; CO &gt; 1" CALLSIGN="PABC" TYPE="70" A="3" B="4" C="1" '
    b'D="2" DRAUGHT="7.5" DEST="ROTTERDAM" ETA="07-10 20:10" IMO="9307839" />'
)
SCALED = (
    b'<vessel MMSI="244750034" TIME="1625818018" LONGITUDE="-1980000" LATITUDE="28860000" COG="905" SOG="15" '
    b'HEADING="511" NAVSTAT="0" NAME="PIET &amp; CO &gt; 1" CALLSIGN="PABC" TYPE="70" A="3" B="4" C="1" D="2" '
    b'DRAUGHT="75" DEST="ROTTERDAM" ETA="480522" IMO="9307839"/>'
)
DOCUMENT = b'<?xml version="1.0" encoding="UTF-8"?>\n<VESSELS>\n%b\n</VESSELS>\n'


@pytest.mark.parametrize("element", [HUMAN, SCALED])
def test_both_ways_of_writing_numbers_say_the_same(element: bytes):
    (message,) = fed(assembly(AisXmlAssembly), [DOCUMENT % element])
    assert message.raw == element
    said = ais_xml.decode(message, context())
    at = dt.datetime(2021, 7, 9, 8, 6, 58, tzinfo=dt.UTC)
    position, static = said.position, said.static
    assert (position.vessel_id, position.timestamp, position.latitude, position.longitude) == (
        244750034,
        at,
        48.1,
        -3.3,
    )
    assert (position.speed, position.course, position.heading, position.status) == (1.5, 90.5, None, 0)
    assert (static.name, static.callsign, static.imo, static.ship_type) == ("PIET & CO > 1", "PABC", 9307839, 70)
    assert (static.to_bow, static.to_stern, static.to_port, static.to_starboard) == (3, 4, 1, 2)
    assert (static.draught, static.destination) == (7.5, "ROTTERDAM")
    assert static.eta == dt.datetime(2021, 7, 10, 20, 10, tzinfo=dt.UTC)


@pytest.mark.parametrize("eta", [b"9999-12-31 23:00:00 -0200", b"0001-01-01 00:30:00+01:00", b"2021-13-01 00:00:00"])
def test_an_arrival_that_no_calendar_has_costs_the_arrival_alone(eta: bytes):
    (message,) = fed(assembly(AisXmlAssembly), [DOCUMENT % HUMAN.replace(b"07-10 20:10", eta)])
    static = ais_xml.decode(message, context()).static
    assert (static.eta, static.destination) == (None, "ROTTERDAM")


@pytest.mark.parametrize("size", [1, 2, 7, 64, 10_000])
def test_any_cut_of_the_bytes_gives_the_same_elements(size: int):
    data = DOCUMENT % (HUMAN + b"<vessel/>" + SCALED + b'<vessels MMSI="1"/><vessel MMSI="2"><vessel ' + HUMAN)
    reader = assembly(AisXmlAssembly)
    messages = fed(reader, [data[start : start + size] for start in range(0, len(data), size)])
    assert [message.raw for message in messages] == [HUMAN, b"<vessel/>", SCALED, b'<vessel MMSI="2">', HUMAN]
    assert reader.counts().malformed == {"element_broken": 1}
    assert reader.offset == len(data)


def test_a_document_without_vessels_is_one_foreign_line_and_a_cut_one_is_broken():
    reader = assembly(AisXmlAssembly)
    assert fed(reader, [b'<AISHUB ERROR="true" ERROR_MESSAGE="Too frequent requests!"/>\n']) == []
    assert (reader.counts().lines, reader.counts().foreign) == (1, 1)
    cut = assembly(AisXmlAssembly)
    assert fed(cut, [b'<VESSELS><vessel MMSI="244750034" TIME="20']) == []
    assert cut.counts().malformed == {"element_broken": 1}


def test_an_element_is_bounded_and_entities_stay_text():
    long = assembly(AisXmlAssembly)
    fed(long, [b"<vessel " + b"x" * 100_000 + b">", HUMAN])
    assert long.counts().malformed == {"element_too_long": 1} and len(long._rest) <= MAX_ELEMENT_BYTES
    bomb = b'<!DOCTYPE x [<!ENTITY a "b">]><x><vessel MMSI="244750034" NAME="&a;&a;" TIME="1625818018"/></x>'
    (message,) = fed(assembly(AisXmlAssembly), [bomb])
    assert ais_xml.decode(message, context()).static.name == "&a;&a;"


def test_times_that_cannot_be_read_and_elements_of_nobody_are_refused():
    reader = assembly(AisXmlAssembly)
    fed(reader, [b'<vessel MMSI="1" TIME="soon"/><vessel TIME="1625818018"/>'])
    assert reader.counts().malformed == {"time_unreadable": 1}
    (message,) = fed(assembly(AisXmlAssembly), [b'<vessel TIME="1625818018"/>'])
    assert kind_of(ais_xml.decode, message, context())[0] == "undecodable"


def test_a_file_is_recognised(tmp_path: Path):
    file = tmp_path / "aishub.xml"
    file.write_bytes(DOCUMENT % HUMAN)
    assert (read(file).format, read(file).places()) == ("ais-xml", [(48.1, -3.3)])


def test_a_stream_of_one_of_several_senders_is_cut_behind_a_tag():
    splitter = Elements()
    assert splitter.feed(HUMAN[:50]) == b""
    assert splitter.feed(HUMAN[50:] + b"<ves") == HUMAN
    assert splitter.flush() == b"<ves"
