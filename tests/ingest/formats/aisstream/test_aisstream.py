"""aisstream.io: what its messages say, and how its lines become messages.

The messages were written for these tests after aisstream/ais-message-models (type-definition.yaml), not recorded.
"""

import datetime as dt
import uuid

import pytest

from ingest.clocks import UnknownTime, recorded_clock
from ingest.errors import Rejected
from ingest.formats.aisstream import decoder as aisstream
from ingest.formats.aisstream.assembly import AisStreamAssembly, heard_at
from ingest.formats.common.context import Context
from ingest.reports import Decoded, Message, MessageBatch
from tests.support.aisstream_messages import HEARD, POSITION, STATIC, TIME, assembled, decode, envelope

PART_A = {"Valid": True, "Name": "LITTLE ONE@@@@@@@@@@"}
PART_B = {
    "Valid": True, "ShipType": 37, "VendorIDName": "SRT", "VenderIDModel": 1, "VenderIDSerial": 2, "CallSign": "PX1",
    "Dimension": {"A": 3, "B": 4, "C": 1, "D": 2}, "FixType": 0, "Spare": 0,
}  # fmt: skip
EMPTY_A = {"Valid": False, "Name": ""}
EMPTY_B = {"Valid": False, "ShipType": 0, "CallSign": "", "Dimension": {"A": 0, "B": 0, "C": 0, "D": 0}}


# --- what messages say ------------------------------------------------------------------------------------------------
def test_a_position_has_the_values_of_its_columns_and_the_time_of_its_second():
    report = decode(envelope()).position
    assert (report.vessel_id, report.latitude, report.longitude) == (244660123, 52.0, 4.0)
    assert (report.speed, report.course, report.heading, report.status) == (12.3, 45.6, 47, 0)
    assert report.timestamp == dt.datetime(2024, 7, 30, 6, 17, 41, tzinfo=dt.UTC)
    assert report.received_at == dt.datetime(2024, 7, 30, 6, 17, 43, 375000, tzinfo=dt.UTC)
    assert (report.source, report.score) == ("aisstream", 80)


def test_raw_numbers_that_mean_not_available_become_none():
    report = decode(envelope(Sog=102.3, Cog=360, TrueHeading=511, NavigationalStatus=15, Timestamp=60)).position
    assert (report.speed, report.course, report.heading, report.status) == (None, None, None, None)
    assert report.timestamp == report.received_at


def test_what_is_nothing_for_other_values_is_something():
    report = decode(envelope(Sog=0, Cog=0.0, TrueHeading=0, Latitude=0)).position
    assert (report.speed, report.course, report.heading, report.latitude) == (0, 0, 0, 0)
    assert decode(envelope(Sog=102.19999694824219)).position.speed == pytest.approx(102.2)


@pytest.mark.parametrize("fields", [{"Latitude": 91}, {"Longitude": 181.0}, {"Latitude": 91.0, "Longitude": 181}])
def test_a_position_that_is_not_available_is_rejected(fields):
    with pytest.raises(Rejected, match="position_not_available"):
        decode(envelope(**fields))


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (envelope(UserID=0), "mmsi_zero"),
        (envelope(UserID=1_000_000_000), "mmsi_out_of_range"),
        (envelope(UserID=-5), "undecodable"),
        (envelope(UserID="244660123"), "undecodable"),
        (envelope(Valid=False), "undecodable"),
        (envelope(Latitude=90.5), "latitude_out_of_range"),
        (envelope(Longitude=-180.5), "longitude_out_of_range"),
        (b'{"MessageType": "PositionReport", "Message": {}}', "undecodable"),
        (b'{"MessageType": "PositionReport", "Message": {"ShipStaticData": {"UserID": 1}}}', "undecodable"),
        (b'{"MessageType": "PositionReport"}', "undecodable"),
        (envelope()[:-2], "undecodable"),
    ],
)
def test_what_cannot_be_a_report_is_rejected_by_name(raw, reason):
    with pytest.raises(Rejected, match=reason):
        decode(raw)


@pytest.mark.parametrize("kind", ["StandardClassBPositionReport", "ExtendedClassBPositionReport"])
def test_class_b_has_no_status(kind):
    said = {name: value for name, value in POSITION.items() if name != "NavigationalStatus"}
    report = decode(envelope(kind, said)).position
    assert (report.vessel_id, report.speed, report.status) == (244660123, 12.3, None)


def test_an_extended_class_b_report_without_position_says_who():
    found = decode(envelope("ExtendedClassBPositionReport", POSITION, Name="LITTLE ONE", Latitude=91, Longitude=181))
    assert (found.position, found.static.name) == (None, "LITTLE ONE")


@pytest.mark.parametrize(
    ("kind", "number"), [("BaseStationReport", 11), ("PositionReport", 18), ("PositionReport", 77)]
)
def test_the_number_decides_what_a_report_is(kind, number):
    assert decode(envelope(kind, POSITION, MessageID=number)) == Decoded()


def test_an_extended_class_b_report_says_who_and_where():
    found = decode(envelope("ExtendedClassBPositionReport", POSITION, Name="LITTLE ONE@@", Type=37))
    assert found.position.vessel_id == found.static.mmsi == 244660123
    assert (found.static.name, found.static.ship_type, found.static.to_bow) == ("LITTLE ONE", 37, None)


def test_an_aircraft_of_search_and_rescue_flies_faster_than_ships_can_say():
    said = {
        "UserID": 111232506,
        "Altitude": 300,
        "Sog": 140,
        "Latitude": 52,
        "Longitude": 4,
        "Cog": 90,
        "Timestamp": 63,
    }
    kind = "StandardSearchAndRescueAircraftReport"
    report = decode(envelope(kind, said)).position
    assert (report.vessel_id, report.speed, report.course, report.heading) == (111232506, 140, 90, None)
    assert decode(envelope(kind, said, Sog=1023)).position.speed is None


def test_a_long_range_report_is_coarse_and_counts_half():
    said = {"UserID": 244660123, "NavigationalStatus": 15, "Latitude": 52, "Longitude": 4, "Sog": 63, "Cog": 511}
    report = decode(envelope("LongRangeAisBroadcastMessage", said)).position
    assert (report.speed, report.course, report.status, report.score) == (None, None, None, 40)
    assert report.timestamp == report.received_at


def test_static_data_is_stripped_of_its_padding():
    found = decode(envelope("ShipStaticData", STATIC)).static
    assert (found.mmsi, found.name, found.callsign, found.imo) == (244660123, "NOORDZEE", "PABC", 9074729)
    assert (found.ship_type, found.destination, found.draught) == (70, "ROTTERDAM", 7.5)
    assert (found.to_bow, found.to_stern, found.to_port, found.to_starboard) == (100, 20, 0, 15)
    assert found.eta == dt.datetime(2024, 8, 2, 6, 30, tzinfo=dt.UTC)


def test_static_data_that_is_not_available_is_none():
    nothing = {
        "ImoNumber": 1,
        "CallSign": "",
        "Name": "@@@@",
        "Type": 0,
        "Destination": "  ",
        "MaximumStaticDraught": 0,
    }
    size = {"Dimension": {"A": 0, "B": 0, "C": 0, "D": 0}, "Eta": {"Month": 0, "Day": 0, "Hour": 24, "Minute": 60}}
    found = decode(envelope("ShipStaticData", STATIC, **nothing, **size)).static
    assert (found.imo, found.callsign, found.name, found.ship_type) == (None, None, None, None)
    assert (found.destination, found.draught, found.eta, found.to_bow, found.to_port) == (None, None, None, None, None)


def test_the_parts_of_a_static_report_do_not_blank_each_other():
    base = {"UserID": 244660123, "Valid": True, "PartNumber": False}
    first = decode(envelope("StaticDataReport", base, ReportA=PART_A, ReportB=EMPTY_B)).static
    second = decode(envelope("StaticDataReport", base, PartNumber=True, ReportA=EMPTY_A, ReportB=PART_B)).static
    assert (first.name, first.callsign, first.ship_type) == ("LITTLE ONE", None, None)
    assert (second.name, second.callsign, second.ship_type, second.to_stern) == (None, "PX1", 37, 4)


def test_an_auxiliary_craft_names_its_mother_ship_in_its_dimensions():
    size = {"A": 244660123 >> 21, "B": 244660123 >> 12 & 511, "C": 244660123 >> 6 & 63, "D": 244660123 & 63}
    said = {"UserID": 982440001, "ReportA": EMPTY_A, "ReportB": PART_B | {"Dimension": size}}
    found = decode(envelope("StaticDataReport", said)).static
    assert (found.mothership, found.to_bow) == (244660123, None)


def test_stations_are_stations():
    base = {"UserID": 2442000, "UtcYear": 2006, "Latitude": 52.1, "Longitude": 4.2}
    found = decode(envelope("BaseStationReport", base)).station
    assert (found.mmsi, found.kind, found.latitude, found.longitude) == (2442000, "base", 52.1, 4.2)
    assert found.at == dt.datetime(2024, 7, 30, 6, 17, 43, 375000, tzinfo=dt.UTC)
    aid = {"UserID": 992446001, "Type": 14, "Name": "MAAS CENTER BUOY NO ", "NameExtension": "1", "Latitude": 91}
    found = decode(envelope("AidsToNavigationReport", aid)).station
    assert (found.kind, found.name, found.aid_type, found.latitude) == ("aid", "MAAS CENTER BUOY NO1", 14, None)


def test_other_types_are_counted_and_say_nothing():
    said = {"UserID": 244660123, "Text": "HELLO", "Type": "text", "Latitude": 91}
    for kind in ("SafetyBroadcastMessage", "MessageOfNextYear"):
        assert decode(envelope(kind, said)) == Decoded()
    assert decode(envelope("UnknownMessage", {})) == Decoded()
    with pytest.raises(Rejected, match="mmsi_zero"):
        decode(envelope("SafetyBroadcastMessage", said, UserID=0))


def test_a_live_report_from_the_future_is_rejected():
    batch = MessageBatch(uuid.uuid4(), uuid.uuid4(), "aisstream", "aisstream", 80, HEARD)
    with pytest.raises(Rejected, match="time_in_future"):
        aisstream.decode(Message(HEARD + 120_000, envelope(Timestamp=60)), Context(batch, HEARD))


# --- lines to messages ------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("text", "ms"),
    [
        (TIME, HEARD),
        ("2024-07-30 06:17:43 +0000 UTC", HEARD - 375),
        ("2024-07-30 06:17:43.3 +0000 UTC", HEARD - 75),
        ("2024-07-30 08:17:43.375999 +0200 CEST", HEARD),
        ("2024-07-30 06:17:43.375 +0000 UTC m=+0.000012", HEARD),
        ("2024-07-30T06:17:43.375Z", HEARD),
        ("2024-07-30 06:17:43.375", HEARD),
        ("2024-13-30 06:17:43.375 +0000 UTC", None),
        ("yesterday", None),
        ("", None),
    ],
)
def test_times_as_go_writes_them(text, ms):
    assert heard_at(text) == ms


STREAM = b"\n".join(
    [
        envelope(),
        b"",
        b'{"error": "Api Key Is Not Valid"}',
        b"<html>",
        b'{"MetaData": {}}',
        envelope(time="?"),
        b"x" * (AisStreamAssembly.max_line_bytes + 1),
        envelope("ShipStaticData", STATIC) + b"\r",
    ]
)


def test_every_line_is_accounted_for():
    messages, assembly = assembled([STREAM])
    counts = assembly.counts()
    assert [message.received_at for message in messages] == [HEARD, HEARD + 5000, HEARD]
    assert (counts.lines, counts.foreign, counts.sentences) == (8, 2, 3)
    assert counts.malformed == {"json_broken": 1, "message_type_missing": 1, "line_too_long": 1}
    assert counts.remarks == {"time_missing": 1}


@pytest.mark.parametrize("size", [1, 7, 100, 1000])
def test_any_cut_of_the_bytes_gives_the_same_messages(size):
    whole, _ = assembled([STREAM])
    cut, assembly = assembled([STREAM[start : start + size] for start in range(0, len(STREAM), size)])
    assert cut == whole
    assert assembly.counts().lines == 8


def test_a_recording_without_any_time_cannot_be_read():
    with pytest.raises(UnknownTime):
        assembled([envelope(time="")], recorded_clock())


def test_the_format_is_recognised_and_others_are_not_taken_for_it():
    assert AisStreamAssembly.looks_like(envelope() + b"\n")
    assert not AisStreamAssembly.looks_like(b'{"now": 1, "aircraft": []}')
    assert not AisStreamAssembly.looks_like(b"!AIVDM,1,1,,A,x,0*00\n")


def test_texts_longer_than_ais_has_and_what_no_ship_can_send_are_cut_off():
    said = decode(
        envelope("ShipStaticData", STATIC, Name="N" * 30 + "\0", CallSign="AB\0CDEFGHIJ", Destination="D" * 40)
    )
    assert said.static is not None
    assert (said.static.name, said.static.callsign, said.static.destination) == ("N" * 20, "ABCDEFG", "D" * 20)


def test_an_arrival_on_a_day_that_no_calendar_has_is_none():
    said = decode(envelope("ShipStaticData", STATIC, Eta={"Month": 8, "Day": 2**31, "Hour": 6, "Minute": 30}))
    assert said.static is not None and said.static.eta is None
