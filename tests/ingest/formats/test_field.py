"""What the field really sends: each small input gives its right value. Others of the same kinds are in the tests of
their formats; these inputs are not part of the project and skipped by name where they are absent."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.reading import Read, read
from tests.support.recordings import recording

START = 1_700_000_000_000

# File: what it is read with, its format, and what is expected: places, times (of the messages), names.
ROWS: dict[str, dict[str, Any]] = {
    "h01_joined_datagram.nmea": {"start": START, "places": [(52.1, 4.1), (52.2, 4.2), (52.3, 4.3), (52.4, 4.4)]},
    "h02_join_multipart.nmea": {"names": ["JOINED PLAIN", "JOINED TAGGED", "JOINED GROUP"]},
    "h03_aiscatcher_nmea_tag.nmea": {
        "times": ["2023-11-14T22:15:00.576", "2023-11-14T22:15:01.500", "2023-11-14T22:15:02.000"]
    },
    "h04_aiscatcher_json_lines.json": {
        "times": ["2023-11-14T22:16:40.250", "2023-11-14T22:16:41.500", "2023-11-14T22:16:42.000"],
        "names": ["CATCHER JSON"],
    },
    "h04c_aiscatcher_full_screen.txt": {"times": ["2023-11-14T22:16:50.000"]},
    "h05_bracket_time.log": {
        "times": ["2024-07-19T08:45:27.141", "2024-07-19T08:45:30.074", "2024-07-19T08:45:35.007"]
    },
    "h07_opencpn_vdr.csv": {
        "times": ["2025-08-21T10:43:41.500", "2025-08-21T10:43:42.500", "2025-08-21T10:43:44.500"],
        "names": ["OPENCPN VDR"],
    },
    "h36_noaadata_fraction_suffix.nmea": {
        "times": ["2008-02-12T00:05:52.910", "2008-02-12T00:05:53.590", "2008-02-12T00:05:54.000"]
    },
    "h30_dollar_aivdm.nmea": {"places": [(47.1, -3.1), (47.2, -3.2)]},
    "h32_uscg_metadata.txt": {"places": [(29.963, -90.292), (29.963, -90.292), (34.1, -119.1)]},
    "h40_aisstream_type11_ship.jsonl": {"format": "aisstream", "places": [(48.384, -4.495)], "stations": 0},
    "h88b_known_empty_positions.avrts": {"format": "avr", "places": [(57.201, -2.201)]},
    "h92_velocity_not_available.avrts": {"places": [(48.101, 2.101), (48.201, 2.201), (48.301, 2.3)]},
    "h96_duplicate_address_first_pair.avrts": {"receiver": (50.0, 8.5), "places": [(50.002, 8.004)]},
    "h101b_dma_quoted_comma.csv": {"format": "ais-csv", "places": [(57.879, 17.913)]},
    "ais-2026-03-31.csv.zst": {"places": [(38.404, -82.556), (29.95, -90.123), (37.81, -122.41)]},
    "h100x.csv.xz": {"places": [(38.404, -82.556), (29.95, -90.123), (37.81, -122.41)]},
    "h100x.csv.bz2": {"places": [(38.404, -82.556), (29.95, -90.123), (37.81, -122.41)]},
    "h100_noaa_csv2.csv": {"places": [(38.404, -82.556), (29.95, -90.123), (37.81, -122.41)]},
    "h102_aisdk_month.zip": {"times": ["2006-03-01T00:00:05.000", "2006-03-02T00:00:05.000"]},
    "h113c_day.tar.gz": {"format": "nmea", "places": [(49.0, 7.0)]},
    "h103_nari_dynamic.csv": {"places": [(48.382, -4.466), (48.382, -4.497)]},
    "h107_spire_vessels.csv": {"places": [(51.9, 4.1)], "names": ["TEST SPIRE"]},
    "h51_malcolmrobb_data.json": {"start": START, "format": "readsb", "places": [(39.99, -3.701), (40.699, -3.601)]},
    "h53_readsb_json_port.json": {"format": "readsb", "targets": {"abc838", "abc839"}, "distinct": 2},
    "h72_ext_basestation_mlat.sbs": {"places": [(36.835, -120.488), (36.363, -120.386), (51.761, 21.042)], "score": 48},
    "h74_sbs_recording_own_times.sbs": {
        "times": ["2015-11-27T21:31:03.354", "2015-11-27T21:31:03.500", "2015-11-27T21:31:33.704"]
    },
    "h73_vrs_aircraftlist.json": {"format": "virtual-radar", "places": [(51.2, 4.2)]},
    "h91_pymodes_csv.csv": {"format": "avr", "places": [(52.266, 3.939)]},
    "h91b_pymodes_csv2.csv": {"format": "avr", "places": [(52.266, 3.939)]},
    "h120_barentswatch.jsonl": {
        "format": "ais-json",
        "places": [(60.191, 5.206), (60.191, 5.206)],
        "times": ["2023-02-17T11:37:34.000", "2023-02-17T11:37:34.000"],
    },
    "h121_aiscatcher_http_list.jsonl": {"places": [(51.4, 3.4)], "names": ["LIST FIVE"]},
    "h112_json_bom.json": {"format": "readsb", "places": [(41.989, -71.98), (41.727, -71.434)]},
}


@pytest.mark.data
@pytest.mark.parametrize("name", ROWS)
def test_an_input_of_the_field_gives_its_right_value(name: str) -> None:
    row = ROWS[name]
    found = read(recording(f"field/{name}"), **{key: row[key] for key in ("start", "receiver") if key in row})
    assert seen(found, row) == {key: row[key] for key in seen(found, row)}
    assert found.counts.malformed == {}


def seen(found: Read, row: dict[str, Any]) -> dict[str, Any]:
    """What was found of all that the row tells."""
    everything = {
        "format": found.format,
        "places": found.places(),
        "times": found.times(),
        "names": [name for static in found.statics if (name := getattr(static, "name", None))],
        "stations": len(found.stations),
        "targets": {report.aircraft_id for report in found.positions if hasattr(report, "aircraft_id")},
        "distinct": len({(one.aircraft_id, one.timestamp) for one in found.positions if hasattr(one, "aircraft_id")}),
        "score": found.positions[0].score if found.positions else None,
    }
    return {key: value for key, value in everything.items() if key in row}
