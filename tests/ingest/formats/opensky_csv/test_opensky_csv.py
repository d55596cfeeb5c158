"""OpenSky's states as CSV."""

import datetime as dt
from pathlib import Path

import pytest

from ingest.clocks import recorded_clock
from ingest.formats.common.contract import Setup
from ingest.formats.opensky_csv import decoder as opensky_csv
from ingest.formats.opensky_csv.assembly import OpenSkyCsvAssembly
from ingest.reports import AircraftStatic, Message
from tests.support.documents import assembly, context, fed, kind_of
from tests.support.reading import read

HEADER = (
    b"time,icao24,lat,lon,velocity,heading,vertrate,callsign,onground,alert,spi,squawk,baroaltitude,geoaltitude,"
    b"lastposupdate,lastcontact"
)
ROW = (
    b"1534291200,4b1812,47.45,8.56,100.0,236.3,-3.25,SWR252  ,False,False,False,20.0,1127.76,1140.0,"
    b"1534291199.25,1534291199.5"
)


def row(**cells: str) -> bytes:
    names = HEADER.decode().split(",")
    said = dict(zip(names, ROW.decode().split(","), strict=True)) | cells
    return ",".join(said[name] for name in names).encode()


def test_a_row_is_a_position_of_its_last_update_and_an_identity_of_its_last_contact():
    (message,) = fed(assembly(OpenSkyCsvAssembly), [HEADER + b"\n" + ROW + b"\n"])
    assert (message.raw, message.received_at) == (ROW, 1534291200_000)
    said = opensky_csv.decode(message, context())
    second = dt.datetime(2018, 8, 14, 23, 59, 59, tzinfo=dt.UTC)
    assert said.static == AircraftStatic(
        "4b1812", second.replace(microsecond=500_000), callsign="SWR252", squawk="0020"
    )
    position = said.position
    assert (position.timestamp, position.latitude, position.longitude) == (
        second.replace(microsecond=250_000),
        47.45,
        8.56,
    )
    assert (position.altitude, position.ground_speed, position.heading) == (3700, 194.38, 236.3)
    assert (position.vertical_rate, position.on_ground, position.score) == (-640, False, 80)


@pytest.mark.parametrize(("cells", "kind"), [
    ({"lat": ""}, "static"), ({"lat": "NaN", "lon": "None", "callsign": "", "squawk": "NaN"}, "other"),
    ({"lastposupdate": "NaN"}, "static"), ({"lat": "north"}, "cell_unreadable"), ({"icao24": "xyz"}, "icao_invalid"),
    ({"lat": "0", "lon": "0"}, "null_island"), ({"lastposupdate": "1e300"}, "time_in_future"),
])  # fmt: skip
def test_what_becomes_of_a_row(cells: dict[str, str], kind: str):
    (message,) = fed(assembly(OpenSkyCsvAssembly), [HEADER + b"\n" + row(**cells) + b"\n"])
    assert kind_of(opensky_csv.decode, message, context())[0] == kind


def test_columns_stand_in_any_order_with_others_between_them_and_headers_may_repeat():
    other = b'icao24,serials,hour,lastcontact,time,lat,lon\n4b1812,"1,2",1,1534291199,1534291200,47.5,8.5\n'
    reader = assembly(OpenSkyCsvAssembly)
    messages = fed(reader, [HEADER + b"\n" + ROW + b"\n\n" + other])
    assert [message.raw[:6] for message in messages] == [b"153429", b"4b1812"]
    assert kind_of(opensky_csv.decode, messages[1], context())[0] == "position_time_missing"  # nor an identity
    assert (reader.counts().lines, reader.counts().foreign, reader.counts().sentences) == (5, 3, 2)


def test_a_row_that_cannot_be_read_costs_itself():
    rows = b"\n".join([ROW + b",1", b"soon" + ROW[10:], b'"' + ROW, ROW])
    headless = assembly(OpenSkyCsvAssembly)
    assert fed(headless, [ROW + b"\n"]) == [] and headless.counts().malformed == {"unknown_header": 1}
    reader = assembly(OpenSkyCsvAssembly)
    assert len(fed(reader, [HEADER + b"\n" + rows + b"\n"])) == 1
    assert reader.counts().malformed == {"cell_count": 1, "time_invalid": 1, "quote_open": 1}


def test_a_file_is_recognised_and_read_on_from_within(tmp_path: Path):
    file = tmp_path / "states_2018-08-15-00.csv"
    file.write_bytes(HEADER + b"\r\n" + ROW + b"\r\n" + row(icao24="4b1813") + b"\r\n")
    found = read(file)
    assert found.format == "opensky-csv" and found.places() == [(47.45, 8.56)] * 2
    setup = Setup(recorded_clock(), offset=len(HEADER) + 2 + len(ROW) + 2, head=lambda: HEADER + b"\r\n")
    on = OpenSkyCsvAssembly(setup)
    assert [message.raw for message in fed(on, [row(icao24="4b1813") + b"\r\n"])] == [row(icao24="4b1813")]


def test_a_message_whose_columns_are_lost_is_refused():
    assert kind_of(opensky_csv.decode, Message(0, ROW), context())[0] == "undecodable"
