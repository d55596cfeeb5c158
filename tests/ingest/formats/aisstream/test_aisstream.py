"""aisstream.io: its websocket, played by a real server on this machine, and what its messages say.

The messages were written for these tests after aisstream/ais-message-models (type-definition.yaml), not recorded.
"""

import asyncio
import contextlib
import datetime as dt
import json
import logging
import uuid

import pytest
from websockets.asyncio.server import serve

from ingest.clocks import UnknownTime, arrival_clock, recorded_clock
from ingest.errors import Rejected
from ingest.formats.aisstream import decoder as aisstream
from ingest.formats.aisstream.assembly import AisStreamAssembly, heard_at
from ingest.formats.common.context import Context
from ingest.formats.common.contract import Setup
from ingest.reports import Decoded, Message, MessageBatch
from ingest.sources import open_source
from ingest.sources.common.aisstream_options import WORLD, parse_url
from ingest.sources.common.contract import SourceError
from ingest.sources.web import aisstream as source_module
from ingest.sources.web.aisstream import AisStreamSource
from tests.support.patience import PATIENCE_SECONDS

HEARD = 1722320263_375  # 2024-07-30 06:17:43.375 UTC
TIME = "2024-07-30 06:17:43.375540658 +0000 UTC"
POSITION = {
    "MessageID": 1, "RepeatIndicator": 0, "UserID": 244660123, "Valid": True, "NavigationalStatus": 0,
    "RateOfTurn": -128, "Sog": 12.3, "PositionAccuracy": True, "Longitude": 4.0, "Latitude": 52.0, "Cog": 45.6,
    "TrueHeading": 47, "Timestamp": 41, "SpecialManoeuvreIndicator": 0, "Spare": 0, "Raim": False,
    "CommunicationState": 2249,
}  # fmt: skip
STATIC = {
    "MessageID": 5, "RepeatIndicator": 0, "UserID": 244660123, "Valid": True, "AisVersion": 2, "ImoNumber": 9074729,
    "CallSign": "PABC   ", "Name": "NOORDZEE            ", "Type": 70,
    "Dimension": {"A": 100, "B": 20, "C": 0, "D": 15},
    "FixType": 1, "Eta": {"Month": 8, "Day": 2, "Hour": 6, "Minute": 30}, "MaximumStaticDraught": 7.5,
    "Destination": "ROTTERDAM@@@@@", "Dte": False, "Spare": False,
}  # fmt: skip
PART_A = {"Valid": True, "Name": "LITTLE ONE@@@@@@@@@@"}
PART_B = {
    "Valid": True, "ShipType": 37, "VendorIDName": "SRT", "VenderIDModel": 1, "VenderIDSerial": 2, "CallSign": "PX1",
    "Dimension": {"A": 3, "B": 4, "C": 1, "D": 2}, "FixType": 0, "Spare": 0,
}  # fmt: skip
NUMBERS = {"StandardClassBPositionReport": 18, "ExtendedClassBPositionReport": 19, "LongRangeAisBroadcastMessage": 27}
EMPTY_A = {"Valid": False, "Name": ""}
EMPTY_B = {"Valid": False, "ShipType": 0, "CallSign": "", "Dimension": {"A": 0, "B": 0, "C": 0, "D": 0}}


def envelope(kind="PositionReport", said=POSITION, time=TIME, **fields):
    meta = {"MMSI": 0, "MMSI_String": 0, "ShipName": "ANOTHER", "latitude": 1.0, "longitude": 1.0, "time_utc": time}
    number = {"MessageID": NUMBERS[kind]} if kind in NUMBERS and "MessageID" in said else {}
    return json.dumps({"MessageType": kind, "MetaData": meta, "Message": {kind: said | number | fields}}).encode()


def decode(raw, heard=HEARD):
    batch = MessageBatch(uuid.uuid4(), uuid.uuid4(), "aisstream", "aisstream", 80, HEARD, recorded=True)
    return aisstream.decode(Message(heard, raw), Context(batch, HEARD + 10_000))


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


def assembled(cuts, clock=arrival_clock):
    assembly = AisStreamAssembly(Setup(clock))
    messages = [message for cut in cuts for message in assembly.feed(cut, HEARD + 5000)]
    return [*messages, *assembly.flush(HEARD + 5000)], assembly


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


# --- addresses --------------------------------------------------------------------------------------------------------
def test_an_address_means_a_subscription():
    wanted = parse_url("aisstream://k%2Fey@/?bbox=50,-5,60,10&bbox=-10,170,10,-170&mmsi=244660123,244660124")
    assert wanted.uri == "wss://stream.aisstream.io:443/v0/stream"
    assert json.loads(wanted.request()) == {
        "APIKey": "k/ey",
        "BoundingBoxes": [[[50.0, -5.0], [60.0, 10.0]], [[-10.0, 170.0], [10.0, -170.0]]],
        "FiltersShipMMSI": ["244660123", "244660124"],
    }
    assert parse_url("aisstream://key@").boxes == (WORLD,)
    assert parse_url("aisstream://key@[::1]:81/x?tls=off").uri == "ws://[::1]:81/x"
    assert json.loads(parse_url("aisstream://key@?types=PositionReport").request())["FilterMessageTypes"] == [
        "PositionReport"
    ]


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("aisstream://stream.aisstream.io", "API key is missing"),
        ("aisstream://a:b@stream.aisstream.io", "stands alone"),
        ("aisstream://key@?box=1", "box is not an option"),
        ("aisstream://key@?bbox=1,2,3", "four numbers"),
        ("aisstream://key@?bbox=91,0,0,0", "-90 to 90"),
        ("aisstream://key@?bbox=nan,0,0,0", "-90 to 90"),
        ("aisstream://key@?mmsi=12", "nine digits"),
        ("aisstream://key@?types=Position", "not a message type"),
        ("aisstream://key@?tls=maybe", "on or off"),
        ("aisstream://key@host:99999", "out of range"),
    ],
)
def test_a_wrong_address_says_why_and_keeps_the_key_to_itself(url, said):
    with pytest.raises(SourceError, match=said) as error:
        open_source(url.replace("key@", "hunter2@"))
    assert "hunter2" not in str(error.value)


# --- the websocket ----------------------------------------------------------------------------------------------------
class StillClock:
    """Time for waits that nobody wants to sit through."""

    def __init__(self):
        self.waits = []

    async def sleep(self, seconds):
        self.waits.append(seconds)
        await asyncio.sleep(0)


@pytest.fixture(autouse=True)
def loopback(settings):
    settings.FEED_ALLOW_NETWORKS = ["127.0.0.0/8"]


def play(handler, count=1, clock=None, once=False, query=""):
    """What a source reads, up to `count` messages, from a server that `handler` plays; (chunks, subscriptions)."""
    subscriptions = []

    async def answer(connection):
        subscriptions.append(json.loads(await connection.recv()))
        await handler(connection, len(subscriptions))

    async def scenario():
        async with serve(answer, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            source = AisStreamSource(
                f"aisstream://hunter2@127.0.0.1:{port}/v0/stream?tls=off{query}", once=once, clock=clock
            )
            chunks = []
            async with asyncio.timeout(PATIENCE_SECONDS), contextlib.aclosing(source.chunks()) as stream:
                async for chunk in stream:
                    chunks.append(chunk)
                    if len(chunks) >= count:
                        break
            return chunks

    return asyncio.run(scenario()), subscriptions


def test_it_subscribes_and_passes_messages_on_as_lines():
    async def handler(connection, number):
        await connection.send(envelope())  # a binary frame, as the server sends
        await connection.send(json.dumps(json.loads(envelope("ShipStaticData", STATIC)), indent=1))
        await connection.wait_closed()

    chunks, subscriptions = play(handler, 2, query="&bbox=50,-5,60,10&types=PositionReport")
    assert subscriptions == [
        {
            "APIKey": "hunter2",
            "BoundingBoxes": [[[50, -5], [60, 10]]],
            "FilterMessageTypes": ["PositionReport"],
        }
    ]
    assert [chunk.data.count(b"\n") for chunk in chunks] == [1, 1]
    assert all(chunk.at for chunk in chunks)
    messages, assembly = assembled([chunk.data for chunk in chunks])
    assert [bool(decode(message.raw).position) for message in messages] == [True, False]
    assert assembly.counts().sentences == 2


def test_it_connects_again_and_the_wait_grows_until_data_flowed(caplog):
    async def handler(connection, number):
        if number in (4, 6):
            await connection.send(envelope())

    clock = StillClock()
    chunks, subscriptions = play(handler, 2, clock)
    assert (len(chunks), len(subscriptions)) == (2, 6)
    first, second, third, after_data, then = clock.waits
    assert 1 <= first <= 2 and 1 <= second <= 4 and 4 <= third <= 8
    assert 1 <= after_data <= 2 and 1 <= then <= 4
    assert caplog.text.count("connecting again in") == 5
    assert "hunter2" not in caplog.text


def test_a_silent_connection_is_dropped_and_made_anew(monkeypatch, caplog):
    monkeypatch.setattr(source_module, "SILENCE_SECONDS", 0.2)

    async def handler(connection, number):
        if number == 4:
            await connection.send(envelope())
        await connection.wait_closed()

    clock = StillClock()
    chunks, subscriptions = play(handler, 1, clock)
    assert (len(chunks), len(subscriptions)) == (1, 4)
    assert "nothing came for 0 s, dropping the connection" in caplog.text
    assert max(clock.waits) <= 2  # a quiet sea is no reason to wait longer each time


def test_what_the_server_says_is_wrong_is_logged_and_waited_out_longer(caplog):
    async def handler(connection, number):
        await connection.send(b'{"error": "Api Key Is Not Valid"}' if number < 3 else envelope())

    clock = StillClock()
    chunks, _ = play(handler, 1, clock)
    assert len(chunks) == 1
    assert caplog.text.count("the server says: Api Key Is Not Valid") == 2
    assert clock.waits[1] >= 32  # eightfold each time, less jitter


def test_what_only_looks_like_an_error_is_passed_on():
    async def handler(connection, number):
        await connection.send(b'{"error": ""}')
        await connection.send(b'{"error"')
        await connection.wait_closed()

    chunks, _ = play(handler, 2)
    assert len(chunks) == 2


def test_once_it_ends_with_the_connection_or_says_why_there_was_none():
    async def talks(connection, number):
        await connection.send(envelope())

    async def refuses(connection, number):
        await connection.send('{"error": "Api Key Is Not Valid"}')

    chunks, _ = play(talks, 5, once=True)
    assert len(chunks) == 1
    with pytest.raises(SourceError, match="Api Key Is Not Valid"):
        play(refuses, once=True)


def test_a_message_without_end_is_not_kept_in_memory(caplog):
    async def handler(connection, number):
        await connection.send(b"x" * (source_module.MAX_MESSAGE_BYTES + 1) if number == 1 else envelope())

    chunks, _ = play(handler, 1, StillClock())
    assert len(chunks) == 1
    assert "connecting again" in caplog.text


def test_the_key_is_in_no_log_whatever_its_level(caplog):
    async def handler(connection, number):
        await connection.send(envelope())

    caplog.set_level("DEBUG")
    logging.getLogger("websockets.server").setLevel("INFO")
    play(handler)
    assert "connected to ws://127.0.0.1" in caplog.text and "hunter2" not in caplog.text


FORGED = "no\n2026-01-01 00:00:00 CRITICAL root: all is lost\x1b[2J\u202e hunter2"


@pytest.mark.parametrize("way", ["says", "closes"])
def test_what_a_server_says_is_one_printable_line_without_our_key(caplog, way):
    async def handler(connection, number):
        if way == "says":
            await connection.send(json.dumps({"error": FORGED}))
        else:
            await connection.close(1008, FORGED)

    with pytest.raises(SourceError) as error:
        play(handler, once=True)
    assert "all is lost" in str(error.value)
    assert str(error.value).isprintable() and "hunter2" not in str(error.value)


def test_private_addresses_are_reached_only_where_they_are_listed(settings):
    settings.FEED_ALLOW_NETWORKS = []
    with pytest.raises(SourceError, match="FEED_ALLOW_NETWORKS"):
        play(None)


def test_a_port_where_nobody_listens_is_tried_again(caplog):
    clock = StillClock()

    async def scenario():
        source = AisStreamSource("aisstream://hunter2@127.0.0.1:1?tls=off", clock=clock)
        reading = asyncio.create_task(anext(source.chunks()))
        async with asyncio.timeout(PATIENCE_SECONDS):
            while len(clock.waits) < 2:
                await asyncio.sleep(0.01)
        reading.cancel()
        assert source.status.state == "failing" and "127.0.0.1" in source.status.last_error

    asyncio.run(scenario())
    assert "127.0.0.1" in caplog.text and "connecting again" in caplog.text and "hunter2" not in caplog.text


def test_texts_longer_than_ais_has_and_what_no_ship_can_send_are_cut_off():
    said = decode(
        envelope("ShipStaticData", STATIC, Name="N" * 30 + "\0", CallSign="AB\0CDEFGHIJ", Destination="D" * 40)
    )
    assert said.static is not None
    assert (said.static.name, said.static.callsign, said.static.destination) == ("N" * 20, "ABCDEFG", "D" * 20)


def test_an_arrival_on_a_day_that_no_calendar_has_is_none():
    said = decode(envelope("ShipStaticData", STATIC, Eta={"Month": 8, "Day": 2**31, "Hour": 6, "Minute": 30}))
    assert said.static is not None and said.static.eta is None
