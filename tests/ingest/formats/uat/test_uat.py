"""UAT as dump978-fa decodes it, and the aircraft.json of skyaware978."""

import datetime as dt
from pathlib import Path
from typing import Any

import pytest

from ingest.feeds.sniffing import UnknownFormat
from ingest.formats.uat import decoder as uat
from ingest.formats.uat.assembly import UatAssembly
from ingest.reports import AircraftReport, AircraftStatic
from tests.support.documents import assembly, context, fed, kind_of, packed
from tests.support.reading import read

HEARD = dt.datetime(2023, 11, 14, 22, 13, 20, 123000, tzinfo=dt.UTC)
DOWNLINK: dict[str, Any] = {
    "address": "A66EF4", "address_qualifier": "adsb_icao", "airground_state": "airborne", "callsign": "N512RT",
    "emitter_category": "A1", "flightplan_id": "1200", "geometric_altitude": 3375, "ground_speed": 96,
    "position": {"lat": 42.50123, "lon": -71.04321}, "pressure_altitude": 3100, "true_track": 243.4,
    "vertical_velocity_barometric": -64, "metadata": {"errors": 0, "received_at": 1700000000.123, "rssi": -22.6},
}  # fmt: skip


def decoded(**fields: Any) -> Any:
    (message,) = fed(assembly(UatAssembly), [packed(DOWNLINK | fields) + b"\n"])
    return uat.decode(message, context())


def test_a_downlink_is_a_position_and_an_identity():
    said = decoded()
    assert said.static == AircraftStatic("a66ef4", HEARD, callsign="N512RT", category="A1", squawk="1200")
    assert said.position == AircraftReport(
        aircraft_id="a66ef4",
        timestamp=HEARD,
        latitude=42.50123,
        longitude=-71.04321,
        altitude=3100,
        ground_speed=96.0,
        heading=243.4,
        vertical_rate=-64,
        on_ground=False,
        received_at=HEARD,
        source="test",
        score=80,
    )


def test_on_the_ground_there_is_no_altitude_and_the_nose_points_the_way():
    position = decoded(airground_state="ground", true_track=None, true_heading=88.0).position
    assert (position.on_ground, position.altitude, position.heading) == (True, None, 88.0)


def test_what_is_missing_barometric_is_taken_geometric_and_kinds_of_address_keep_apart():
    position = decoded(
        pressure_altitude=None, vertical_velocity_barometric=None, vertical_velocity_geometric=320
    ).position
    assert (position.altitude, position.vertical_rate) == (3375, 320)
    other = decoded(address_qualifier="tisb_other").position
    assert (other.aircraft_id, other.score) == ("~a66ef4", 48)
    assert decoded(address_qualifier="fixed_beacon").position is None


@pytest.mark.parametrize(("fields", "kind"), [
    ({"position": {"lat": 91, "lon": 1}}, "latitude_out_of_range"), ({"address": "zz"}, "icao_invalid"),
    ({"position": {"lat": 42}}, "undecodable"), ({"position": {"lat": 0, "lon": 0}}, "null_island"),
])  # fmt: skip
def test_what_is_refused_of_a_downlink(fields: dict[str, Any], kind: str):
    (message,) = fed(assembly(UatAssembly), [packed(DOWNLINK | fields)])
    assert kind_of(uat.decode, message, context())[0] == kind


def test_a_line_that_is_no_downlink_costs_itself():
    reader = assembly(UatAssembly)
    lines = [b"", b'{"metadata":{"received_at":1}}', b'{"address":', packed(DOWNLINK)]
    assert len(fed(reader, [b"\n".join(lines) + b"\n"])) == 1
    assert (reader.counts().foreign, reader.counts().malformed) == (2, {"json_broken": 1})


def test_a_recording_is_recognised_and_keeps_its_times(tmp_path: Path):
    file = tmp_path / "uat.jsonl"
    file.write_bytes(packed(DOWNLINK) + b"\n")
    found = read(file)
    assert (found.format, found.places(), found.times()) == ("uat", [(42.501, -71.043)], ["2023-11-14T22:13:20.123"])


def test_the_document_of_skyaware978_is_read_as_one_of_readsb(tmp_path: Path):
    file = tmp_path / "aircraft.json"
    file.write_bytes(
        b'{"aircraft":[{"alt_baro":3100,"flight":"N512RT","gs":96,"hex":"a66ef4","lat":42.50123,"lon":-71.04321,'
        b'"messages":7,"rssi":-22.6,"seen":0.1,"seen_pos":0.6,"tisb":[],"track":243.4,"uat_version":2}],'
        b'"messages":120,"now":1700000000.1}\n'
    )
    found = read(file)
    assert (found.format, found.places()) == ("readsb", [(42.501, -71.043)])
    assert found.statics[0].callsign == "N512RT"


def test_raw_frames_are_refused_with_what_to_do_instead(tmp_path: Path):
    file = tmp_path / "raw.uat"
    file.write_bytes(b"-08A66EF4" + b"27EF018BF51C59C907" * 3 + b";rs=1;rssi=-20.1;t=1700000000.123;\n")
    with pytest.raises(UnknownFormat, match="--json-port"):
        read(file)
