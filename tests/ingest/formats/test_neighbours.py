"""Inputs of the same kinds as those of the field, from a file and from a connection that cuts them anywhere."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ingest.clocks import arrival_clock
from ingest.feeds.sniffing import UnknownFormat
from ingest.formats.common.contract import Setup
from ingest.formats.registry import FORMATS
from tests.support.messages import position, sentences
from tests.support.modes_frames import EVEN, ODD
from tests.support.reading import NOW, read

PLACES = [(50.0, 4.0), (50.1, 4.1), (50.2, 4.2), (50.3, 4.3)]
FOUR = [position(mmsi=211000001 + number, lat=lat, lon=lon) for number, (lat, lon) in enumerate(PLACES)]
STATIC = sentences(type=5, mmsi=244660123, shipname="NEIGHBOUR", seq_id=3)
START = 1_700_000_000_000
FRAMES = [(ODD, EVEN)[number % 2].encode() for number in range(4)]
FLIGHT = [(52.257, 3.919), (52.266, 3.939), (52.257, 3.919)]
SBS = b"MSG,3,1,1,400F99,1,2015/11/27,21:31:03.354,2015/11/27,21:31:03.354,,34000,,,45.7,-0.1,,,,,,0"
MARINE = (
    b"MMSI,BaseDateTime,LAT,LON,SOG,COG,Heading,VesselName,IMO,CallSign,VesselType,Status,Length,Width,Draft,Cargo\n"
    b"366000001,2023-01-11T00:00:00,38.5,-122.5,0.1,0,511,TEST,IMO9307839,ABC,70,0,100,20,5.5,70\n"
)
VESSEL = {
    "timestamp": 1668075026035, "destination": "UST LUGA", "name": "ARUNA CIHAN", "draught": 68, "eta": 733376,
    "posType": 15, "refA": 160, "refB": 33, "refC": 20, "refD": 12, "callSign": "V7WW7", "type": 70, "mmsi": 538007963,
}  # fmt: skip


def packed(document: Any) -> bytes:
    return json.dumps(document).encode() + b"\n"


def tagged(number: int) -> bytes:
    text = b"s:rx%d,c:170000000%d" % (number, number)
    checksum = 0
    for byte in text:
        checksum ^= byte
    return b"\\%b*%02X\\%b" % (text, checksum, FOUR[number])


def timed(write: bytes) -> bytes:
    return b"".join(write % (number, frame) for number, frame in enumerate(FRAMES))


# Input, format, places. Of sentences without times, each is heard a second after the other.
INPUTS: dict[str, tuple[bytes, str, list[tuple[float, float]]]] = {
    "blanks between sentences": (b" ".join(FOUR), "nmea", PLACES),
    "commas between sentences": (b", ".join(FOUR), "nmea", PLACES),
    "quotes and semicolons": (b";".join(b'"%b"' % one for one in FOUR), "nmea", PLACES),
    "zeros between sentences": (b"\0".join(FOUR), "nmea", PLACES),
    "written line ends": (b"\\r\\n".join(FOUR), "nmea", PLACES),
    "tag blocks without line ends": (b"".join(map(tagged, range(4))), "nmea", PLACES),
    "a message between positions": (FOUR[0] + b"".join(STATIC) + FOUR[1], "nmea", PLACES[:2]),
    "an array of texts": (packed([one.decode() for one in FOUR]), "nmea", PLACES),
    "paragraphs": (b"".join(b"<p>%b</p>" % one for one in FOUR), "nmea", PLACES),
    "a checksum in small letters": (FOUR[0][:-2] + FOUR[0][-2:].lower(), "nmea", PLACES[:1]),
    "frames without line ends": (b"".join(b"*%b;" % frame for frame in FRAMES), "avr", FLIGHT),
    "frames behind ISO times": (timed(b"2023-11-14T22:13:2%d.5Z *%b;\n"), "avr", FLIGHT),
    "times and frames by semicolons": (timed(b"170000000%d.5;%b\n"), "avr", FLIGHT),
    "times and frames in quotes": (timed(b'"170000000%d.5","%b"\n'), "avr", FLIGHT),
    "OpenSky's raw messages": (b"mintime,rawmsg,msgcount\n" + timed(b"170000000%d.5,%b,1\n"), "avr", FLIGHT),
    "raw messages in JSON": (timed(b'{"time":170000000%d.5,"rawmessage":"%b"}\n'), "avr", FLIGHT),
    "SBS without line ends": (SBS * 3, "sbs", [(45.7, -0.1)] * 3),
    "SBS behind epochs": (b"1448659863.5 %b\n1448659864.5,%b\n" % (SBS, SBS), "sbs", [(45.7, -0.1)] * 2),
    "bars in a CSV": (MARINE.replace(b",", b"|"), "ais-csv", [(38.5, -122.5)]),
    "a line for spreadsheets": (b"sep=;\n" + MARINE.replace(b",", b";"), "ais-csv", [(38.5, -122.5)]),
    "tabs in a CSV": (MARINE.replace(b",", b"\t"), "ais-csv", [(38.5, -122.5)]),
    "Digitraffic's vessels": (packed(VESSEL) + packed([VESSEL]), "ais-json", []),
}


@pytest.mark.parametrize("name", INPUTS)
def test_a_neighbour_gives_its_places_from_a_file_and_from_a_connection(name: str, tmp_path: Path) -> None:
    data, kind, places = INPUTS[name]
    file = tmp_path / "input"
    file.write_bytes(data)
    found = read(file, start=START, receiver=(52.0, 4.0))
    assert (found.format, found.places(), found.counts.malformed) == (kind, places, {})
    assembly = FORMATS[kind].assembly(Setup(arrival_clock, receiver=(52.0, 4.0)))
    messages = [one for at in range(0, len(data), 41) for one in assembly.feed(data[at : at + 41], NOW)]
    messages += assembly.flush(NOW)
    assert [one.raw for one in messages] == [message.raw for message, _ in found.said]
    assert assembly.counts() == found.counts


@pytest.mark.parametrize(("prefix", "at"), [
    (b"2024-07-19T08:45:27,141Z ", "2024-07-19T08:45:27.141"),
    (b"2024-07-19 08:45:27+02:00 ", "2024-07-19T06:45:27.000"),
    (b"1700000000123456 ", "2023-11-14T22:13:20.123"),
    (b"20231114T221640Z ", "2023-11-14T22:16:40.000"),
    (b"<13>1 2023-11-14T22:16:40.123Z host app - - - ", "2023-11-14T22:16:40.123"),
    (b"14.11.2023 22:16:40 ", "2023-11-14T22:16:40.000"),
    (b"1.1.2023 22:16:40,5 ", "2023-01-01T22:16:40.000"),
    (b"Tue Nov 14 22:16:40 2023 ", "2023-11-14T22:16:40.000"),
    (b"Nov  4 22:16:40.25 UTC 2023: ", "2023-11-04T22:16:40.250"),
    (b"Tue, 14 Nov 2023 22:16:40 GMT ", "2023-11-14T22:16:40.000"),
    (b"14-Nov-2023 22:16:40 ", "2023-11-14T22:16:40.000"),
    (b"[14/Nov/2023:22:16:40 +0100] ", "2023-11-14T21:16:40.000"),
    (b"1700000000500;N;", "2023-11-14T22:13:20.500"),
])  # fmt: skip
def test_the_time_of_a_logger_is_read(prefix: bytes, at: str, tmp_path: Path) -> None:
    file = tmp_path / "input.log"
    file.write_bytes(prefix + FOUR[0] + b"\n")
    assert read(file).times() == [at]


@pytest.mark.parametrize(("prefix", "reason"), [
    (b"14/11/2023 22:16:40;", "time_day_or_month_first"), (b"11/12/2023 10:16 PM ", "time_day_or_month_first"),
    (b"14 Nov 2023 22:16:40 CET ", "time_zone_unknown"), (b"Nov 14 22:16:40 host app[1]: ", "time_without_year"),
])  # fmt: skip
def test_a_time_that_means_two_things_is_refused_in_a_recording_and_remarked_live(
    prefix: bytes, reason: str, tmp_path: Path
) -> None:
    file = tmp_path / "input.log"
    file.write_bytes(prefix + FOUR[0] + b"\n")
    assert read(file).counts.malformed == {reason: 1}
    live = FORMATS["nmea"].assembly(Setup(arrival_clock))
    assert len([*live.feed(prefix + FOUR[0] + b"\n", NOW)]) == 1
    assert live.counts().remarks == {reason: 1}


@pytest.mark.parametrize("data", [
    packed({"full_count": 1, "version": 4, "2f3a": ["4067F2", 51.5, -0.5, 90, 1000, 250, "1234"]}),
    packed({"result": {"response": {"data": {"flight": {"track": [{"latitude": 51.5, "timestamp": 1700000000}]}}}}}),
    packed({"count": 1, "values": [[244660123, 51.5, 3.5]]}), b"20231114221650,20231114221651\n" * 3,
])  # fmt: skip
def test_what_nobody_knows_is_refused(data: bytes, tmp_path: Path) -> None:
    file = tmp_path / "input"
    file.write_bytes(data)
    with pytest.raises(UnknownFormat):
        read(file)


def test_an_aircraft_that_moves_and_is_told_at_the_same_place_again_has_one_position(tmp_path: Path) -> None:
    said = {"hex": "4067f2", "lat": 51.5, "lon": -0.5, "seen_pos": 0.0, "seen": 0.0, "gs": 120.0}
    file = tmp_path / "port.json"
    file.write_bytes(b"".join(packed({"now": 1700000000.5 + second} | said) for second in range(3)))
    assert len({one.timestamp for one in read(file).positions}) == 1
    file.write_bytes(b"".join(packed({"now": 1700000000.5 + second} | said | {"gs": 0.0}) for second in range(3)))
    assert len({one.timestamp for one in read(file).positions}) == 3


def test_digitraffic_s_vessels_have_their_dimensions(tmp_path: Path) -> None:
    file = tmp_path / "vessels.json"
    file.write_bytes(packed(VESSEL))
    (static,) = read(file).statics
    assert (static.to_bow, static.to_stern, static.to_port, static.to_starboard) == (160, 33, 20, 12)
    assert (static.draught, static.callsign) == (6.8, "V7WW7")
