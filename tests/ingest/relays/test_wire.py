"""What goes out says what came in, by other decoders and by our own."""

import datetime as dt

import msgspec
import pytest
from pyais import decode as pyais_decode

from ingest.formats.common.context import Context
from ingest.formats.modes.beast import MLAT_COUNTER, BeastFramer
from ingest.formats.registry import FORMATS
from ingest.models import RelayFormat
from ingest.relays import encoding
from ingest.relays.wire import FOREIGN, UNDECODABLE, wire_of
from ingest.reports import AircraftReport, AircraftStatic, Message, StationReport, VesselReport, VesselStatic
from tests.support.messages import NOON, position, static
from tests.support.modes_frames import EVEN, SQUAWK
from tests.support.relays import live

SBS = b"MSG,3,1,1,4CA216,1,2026/01/01,12:00:00.000,2026/01/01,12:00:00.000,,34000,,,45.74498,-0.17166,,,,,,0"


def sent(raw, source_format, kind, added=b""):
    parcel = live([raw], format=source_format)
    parcel.messages[0].added = added
    return wire_of(parcel.messages[0], parcel, kind)


def again(raw, kind):
    """What our own decoder makes of it."""
    parcel = live([raw], format=kind)
    return FORMATS[kind].decode(parcel.messages[0], Context(parcel, parcel.accepted_at))


def report(**changes):
    values = {"speed": 12.3, "course": 359.96, "heading": 47, "status": 5, "received_at": NOON, "source": "x"}
    values |= {"vessel_id": 244660123, "timestamp": NOON, "latitude": 52.5, "longitude": -4.25, "score": 80}
    return VesselReport(**values | changes)


def test_what_came_as_a_sentence_goes_out_as_it_was():
    assert sent(position(), "nmea", "nmea").data == position() + b"\r\n"
    first, second = static().split(b"\n")
    assert sent(static(), "nmea", "nmea").data == first + b"\r\n" + second + b"\r\n"


def test_the_same_payload_from_another_station_is_known_as_the_same():
    other = position().replace(b",A,", b",B,")[:-2] + b"00"
    assert sent(other, "nmea", "nmea").key == sent(position(), "nmea", "nmea").key
    assert sent(position(lat=53.0), "nmea", "nmea").key != sent(position(), "nmea", "nmea").key


def test_a_position_from_a_document_is_read_by_pyais_as_it_was():
    [sentence] = encoding.position_sentences(report())
    read = pyais_decode(sentence)
    assert (read.msg_type, read.mmsi, read.speed, read.course, read.heading) == (1, 244660123, 12.3, 0.0, 47)
    assert (read.status, read.second) == (5, NOON.second)
    assert (read.lat, read.lon) == pytest.approx((52.5, -4.25), abs=1e-6)


def test_what_a_report_does_not_say_is_said_to_be_unknown():
    bare = report(speed=None, course=None, heading=None, status=None)
    [sentence] = encoding.position_sentences(bare)
    found = again(sentence, "nmea").position
    assert (found.speed, found.course, found.heading, found.status) == (None, None, None, None)


def test_static_data_from_a_document_are_read_by_pyais_as_they_were():
    eta = dt.datetime(2026, 2, 3, 4, 5, tzinfo=dt.UTC)
    values = {"name": "Nørdzee", "callsign": "pabc", "imo": 9074729, "ship_type": 70, "to_bow": 100, "to_stern": 20}
    known = VesselStatic(244660123, NOON, destination="ROTTERDAM", draught=7.5, eta=eta, **values)
    read = pyais_decode(*encoding.static_sentences(known))
    assert (read.msg_type, read.shipname, read.callsign, read.imo) == (5, "N RDZEE", "PABC", 9074729)
    assert (read.destination, read.draught, read.ship_type) == ("ROTTERDAM", 7.5, 70)
    assert (read.to_bow, read.to_stern, read.month, read.day, read.hour, read.minute) == (100, 20, 2, 3, 4, 5)


def test_static_data_of_which_nothing_says_class_a_become_both_parts_of_type_24():
    parts = encoding.static_sentences(VesselStatic(244660123, NOON, name="DINGHY", callsign="PD1", ship_type=36))
    first, second = map(pyais_decode, parts)
    assert (first.msg_type, first.partno, first.shipname) == (24, 0, "DINGHY")
    assert (second.partno, second.callsign, second.ship_type) == (1, "PD1", 36)


def test_stations_are_read_by_pyais_as_they_were():
    base = StationReport(2442000, NOON, "base", 51.9, 4.4)
    aid = StationReport(992442001, NOON, "aid", 52.01, 3.88, name="MAAS CENTER", aid_type=9)
    [four], [twenty_one] = encoding.station_sentences(base), encoding.station_sentences(aid)
    read = pyais_decode(four)
    assert (read.msg_type, read.mmsi, read.year, read.lat) == (4, 2442000, 2026, pytest.approx(51.9, abs=1e-6))
    read = pyais_decode(twenty_one)
    assert (read.msg_type, read.name, read.aid_type) == (21, "MAAS CENTER", 9)
    assert encoding.station_sentences(StationReport(2442000, NOON, "base", None, None)) == []


def test_a_message_of_aisstream_goes_out_as_a_sentence():
    raw = (
        b'{"MessageType":"PositionReport","MetaData":{"MMSI":244660123,"time_utc":"2026-01-01 12:00:00 +0000 UTC"},'
        b'"Message":{"PositionReport":{"UserID":244660123,"Latitude":52.5,"Longitude":4.5,"Sog":9.9,"Cog":90,'
        b'"TrueHeading":91,"NavigationalStatus":0,"Timestamp":60,"Valid":true}}}'
    )
    read = pyais_decode(sent(raw, "aisstream", "nmea").data.strip())
    assert (read.mmsi, read.speed, read.heading) == (244660123, 9.9, 91)


@pytest.mark.parametrize("digits", [EVEN, SQUAWK, "8D40621D58C3821A1A1A1A1A1A1A"])
def test_a_frame_is_framed_again_as_it_was(digits):
    wire = sent(digits.lower().encode(), "beast", "beast")
    [frame] = BeastFramer().feed(wire.data)
    assert (frame.data, frame.kind, frame.counter) == (bytes.fromhex(digits), "23"[len(digits) > 14], 0)


def test_a_frame_of_multilateration_keeps_its_mark():
    added = b'{"icao":"40621d","kind":"mlat"}'
    [frame] = BeastFramer().feed(sent(EVEN.lower().encode(), "avr", "beast", added).data)
    assert frame.counter == MLAT_COUNTER


def test_a_line_of_sbs_goes_out_as_it_was_and_is_known_whoever_logged_it():
    wire = sent(SBS, "sbs", "sbs")
    assert wire.data == SBS + b"\r\n"
    assert sent(SBS.replace(b"MSG,3,1,1", b"MSG,3,9,9").replace(b"12:00", b"13:00"), "sbs", "sbs").key == wire.key


def test_an_aircraft_from_frames_becomes_a_line_that_says_the_same():
    flight = AircraftReport("4ca216", NOON, 45.74498, -0.17166, 34000, 430.4, 338.26, -64, False, NOON, "x", 80)
    found = again(encoding.position_line(flight), "sbs").position
    assert (found.aircraft_id, found.altitude, found.ground_speed) == ("4ca216", 34000, 430)
    assert (found.heading, found.vertical_rate, found.on_ground) == (338.3, -64, False)
    assert (found.latitude, found.longitude) == (45.74498, -0.17166)


def test_callsign_and_squawk_become_lines():
    callsign, squawk = encoding.static_lines(AircraftStatic("4ca216", NOON, callsign="RYR1AB", squawk="7500"))
    assert again(callsign, "sbs").static.callsign == "RYR1AB"
    assert again(squawk, "sbs").static.squawk == "7500"


def test_the_position_that_assembly_resolved_goes_out_by_sbs():
    added = b'{"icao":"40621d","latitude":52.2572,"longitude":3.91937,"altitude":38000,"on_ground":false}'
    wire = sent(EVEN.lower().encode(), "beast", "sbs", added)
    assert again(wire.data.strip(), "sbs").position.altitude == 38000


def test_ships_go_out_as_deltas_of_signal_k_that_two_stations_say_alike():
    wire = sent(position(speed=10.0), "nmea", "signalk")
    delta = msgspec.json.decode(wire.data)
    assert delta["context"] == "vessels.urn:mrn:imo:mmsi:244660123"
    values = {value["path"]: value["value"] for value in delta["updates"][0]["values"]}
    assert values["navigation.position"] == {"latitude": 52.0, "longitude": 4.0}
    assert values["navigation.speedOverGround"] == pytest.approx(5.144, abs=0.001)
    assert values[""] == {"mmsi": "244660123"}
    other = live([position(speed=10.0)], format="nmea", source="mole")
    other.messages[0].received_at = delta_ms(delta)
    assert wire_of(other.messages[0], other, "signalk").data != wire.data
    assert wire_of(other.messages[0], other, "signalk").key == wire.key


def delta_ms(delta):
    return round(dt.datetime.fromisoformat(delta["updates"][0]["timestamp"]).timestamp() * 1000)


def test_static_data_go_out_as_deltas_with_names():
    values = msgspec.json.decode(sent(static(), "nmea", "signalk").data)["updates"][0]["values"]
    found = {value["path"]: value["value"] for value in values}
    assert found[""] == {"mmsi": "244660123", "name": "NOORDZEE", "communication": {"callsignVhf": "PABC"}}
    assert found["navigation.destination.commonName"] == "ROTTERDAM"
    assert found["design.aisShipType"] == {"id": 70}


def test_what_a_format_cannot_say_is_foreign():
    assert sent(SBS, "sbs", "nmea") == sent(position(), "nmea", "sbs") == FOREIGN
    assert sent(SBS, "sbs", "beast") == sent(position(), "nmea", "beast") == FOREIGN
    assert sent(SBS, "sbs", "signalk") == FOREIGN
    assert sent(EVEN.lower().encode(), "beast", "sbs") == FOREIGN  # says nothing alone


def test_what_cannot_be_decoded_is_said_to_be_so():
    assert sent(b"{}", "aisstream", "nmea") == UNDECODABLE
    assert sent(b"!AIVDM,1,1,,A,15M,9*00", "nmea", "nmea") == UNDECODABLE


def test_every_format_that_comes_in_can_be_asked_for_every_format_that_goes_out():
    for source_format in FORMATS:
        for kind in RelayFormat.values:
            if source_format not in ("beast", "avr"):
                assert not isinstance(sent(b"{}", source_format, kind), tuple), (source_format, kind)


def test_messages_are_not_changed():
    message = Message(0, position())
    wire_of(message, live([]), "nmea")
    assert message == Message(0, position())
