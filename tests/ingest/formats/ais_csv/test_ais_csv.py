"""AIS CSV dumps: three dialects, and rows as their publishers write them."""

import datetime as dt

import pytest

from ingest.clocks import recorded_clock
from ingest.errors import Rejected
from ingest.formats.ais_csv import decoder as ais_csv
from ingest.formats.ais_csv import dialects
from ingest.formats.ais_csv.assembly import AisCsvAssembly
from ingest.formats.common.contract import Setup
from tests.support.ais_csv_rows import (
    AMERICAN,
    AMERICAN_2025,
    DANE,
    DANISH,
    EXACTEARTH,
    MARINECADASTRE,
    MARINECADASTRE_2025,
    assemble,
    context,
    dane,
)

COLUMNS = EXACTEARTH.decode().split(",")


def quoted(**cells):
    """A row of exactEarth, every cell in quotes; names of columns in lower case."""
    values = {"mmsi": "235000001", "message_id": "1", "time": "20210701_185151", "millisecond": "680"}
    values |= {"longitude": "-1.5", "latitude": "50.5", "sog": "12.5", "cog": "None", "heading": "None"}
    values |= {"navigational_status": "0"} | cells
    return ",".join(f'"{values.get(column.lower(), "")}"' for column in COLUMNS).encode()


def decoded(header, *rows):
    messages, assembly = assemble(b"\n".join([header, *rows]))
    assert not assembly.malformed
    return [ais_csv.decode(message, context()) for message in messages]


def one(header, row):
    (said,) = decoded(header, row)
    return said


def at(*parts):
    return dt.datetime(*parts, tzinfo=dt.UTC)


def test_a_danish_row_is_a_position_with_static_data():
    said = one(DANISH, DANE)
    position, static = said.position, said.static
    assert (position.vessel_id, position.timestamp) == (219000001, at(2026, 4, 26, 0, 0, 1))
    assert (position.latitude, position.longitude, position.speed, position.heading) == (55.5, 12.5, 0.1, 62)
    assert position.course == 0.0, "0 is north, not missing"
    assert (position.status, position.source, position.score) == (5, "dump", 80)
    assert (static.name, static.callsign, static.imo, static.ship_type) == ("NORDLYS", "OXAB", 9074729, 71)
    assert (static.to_bow, static.to_stern, static.to_port, static.to_starboard) == (80, 20, 6, 7)
    assert (static.draught, static.destination, static.eta) == (4.5, "GDYNIA", at(2026, 5, 1, 12, 30))


def test_what_a_danish_row_calls_unknown_is_none():
    nothing = {"imo": "Unknown", "callsign": "Unknown", "name": "", "ship_type": "Undefined", "cargo_type": ""}
    nothing |= dict.fromkeys(("width", "length", "draught", "eta", "a", "b", "c", "d", "sog", "cog", "heading"), "")
    said = one(DANISH, dane(**nothing, destination="Unknown", navigational_status="Unknown value"))
    assert said.static is None
    assert (said.position.speed, said.position.course, said.position.heading, said.position.status) == (None,) * 4


@pytest.mark.parametrize(("kind", "expected"), [("Base Station", "base"), ("AtoN", "aid")])
def test_danish_base_stations_and_aids_are_stations(kind, expected):
    said = one(DANISH, dane(type_of_mobile=kind))
    assert (said.position, said.static) == (None, None)
    assert (said.station.kind, said.station.latitude, said.station.longitude) == (expected, 55.5, 12.5)
    assert said.station.name == ("NORDLYS" if expected == "aid" else None)
    lost = one(DANISH, dane(type_of_mobile=kind, latitude="91.000000", longitude="0.000000"))
    assert (lost.station.latitude, lost.station.longitude) == (None, None)


def test_a_row_without_a_position_is_static_or_rejected():
    said = one(DANISH, dane(latitude="91.000000", longitude="0.000000"))
    assert said.position is None
    assert said.static.name == "NORDLYS"
    for latitude, longitude, reason in [
        ("91", "0", "position_not_available"),
        ("10", "181.0", "position_not_available"),
        ("", "", "position_not_available"),
        ("95", "0", "latitude_out_of_range"),
        ("5", "-190", "longitude_out_of_range"),
    ]:
        with pytest.raises(Rejected, match=reason):
            one(EXACTEARTH, quoted(latitude=latitude, longitude=longitude))


@pytest.mark.parametrize(
    ("words", "cargo", "code"),
    [
        ("Cargo", "", 70),
        ("Tanker", "Category OS", 84),
        ("Passenger", "No additional information", 69),
        ("Cargo", "Reserved for future use", None),
        ("Fishing", "", 30),
        ("Law enforcement", "", 55),
        ("Reserved", "", None),
        ("Undefined", "", None),
    ],
)
def test_danish_ship_types_become_codes_where_one_is_meant(words, cargo, code):
    assert one(DANISH, dane(ship_type=words, cargo_type=cargo)).static.ship_type == code


@pytest.mark.parametrize(
    ("kind", "speed", "expected"),
    [
        ("Class A", "102.3", None),
        ("Class A", "102.2", 102.2),
        ("Class A", "140", None),
        ("SAR Airborne", "140", 140.0),
        ("Class A", "-1", None),
        ("Class A", "nan", None),
    ],
)
def test_only_aircraft_are_faster_than_102_knots(kind, speed, expected):
    assert one(DANISH, dane(type_of_mobile=kind, sog=speed)).position.speed == expected


EARLY = b"X,Y,SOG,COG,Heading,ROT,BaseDateTime,Status,VoyageID,MMSI"
HUB = b"MMSI,TIME,LONGITUDE,LATITUDE,COG,SOG,HEADING,NAVSTAT,NAME"


@pytest.mark.parametrize("cells", [{"sog": "fast"}, {"cog": "x"}, {"latitude": "57°52"}, {"longitude": "1,7,9"}])
def test_a_cell_that_cannot_be_read_is_a_rejection(cells):
    with pytest.raises(Rejected, match="cell_unreadable"):
        one(DANISH, dane(**{name: f'"{text}"' for name, text in cells.items()}))


@pytest.mark.parametrize(("header", "row", "expected"), [
    (b"sourcemmsi,navigationalstatus,rateofturn,speedoverground,courseoverground,trueheading,lon,lat,t",
     b"245009103,0,0,0.1,13.1,36,-4.46,48.38,1443650402", (245009103, 48.38, -4.46, 0.1, "2015-09-30T22:00:02")),
    (b"created_at,timestamp,mmsi,msg_type,latitude,longitude,speed,course,heading,name",
     b"2021-01-01T00:00:10+00:00,2021-01-01T01:00:05+01:00,244000901,1,51.9,4.1,10.1,87.5,88,ANNA",
     (244000901, 51.9, 4.1, 10.1, "2021-01-01T00:00:05")),
    (b"MMSI;BaseDateTime;LAT;LON;SOG;COG;Heading", b"366000001;2023-01-11T00:00:00;38,5;-122,5;1,5;90;91",
     (366000001, 38.5, -122.5, 1.5, "2023-01-11T00:00:00")),
    (b"MMSI\tBaseDateTime\tLAT\tLON\tSOG", b"366000001\t2023-01-11T00:00:00\t38.5\t-122.5\t1.5",
     (366000001, 38.5, -122.5, 1.5, "2023-01-11T00:00:00")),
    (EARLY,
     b"-122.5,38.5,1.5,90,91,0,2014/01/01 00:00:00,0,1,366000001",
     (366000001, 38.5, -122.5, 1.5, "2014-01-01T00:00:00")),
    (EARLY,
     b"-122.5,38.5,1.5,90,91,0,1/2/2009 1:05:00 PM,0,1,366000001",
     (366000001, 38.5, -122.5, 1.5, "2009-01-02T13:05:00")),
    (HUB,
     b'366000001,2021-07-09 08:06:58 GMT,-122.5,38.5,90,1.5,91,0,"ANNA"',
     (366000001, 38.5, -122.5, 1.5, "2021-07-09T08:06:58")),
    (HUB,
     b'366000001,1625818018,-73500000,23100000,900,15,91,0,"ANNA"',
     (366000001, 38.5, -122.5, 1.5, "2021-07-09T08:06:58")),
])  # fmt: skip
def test_other_publishers_are_known_by_their_headers(header, row, expected):
    said = one(header, row).position
    seen = (said.vessel_id, said.latitude, said.longitude, said.speed, f"{said.timestamp:%Y-%m-%dT%H:%M:%S}")
    assert seen == expected


def test_static_data_of_nari_have_no_position():
    header = (
        b"sourcemmsi,imonumber,callsign,shipname,shiptype,tobow,tostern,tostarboard,toport,eta,draught,destination,t"
    )
    said = one(header, b"304091000,9509255,V2GU5,HC JETTE-MARIT,70,130,30,18,6,04-09 20:00,10.1,BREST,1443650423")
    assert (said.position, said.static.name, said.static.to_starboard) == (None, "HC JETTE-MARIT", 18)
    assert said.static.eta == at(2015, 4, 9, 20)
    beyond = b"304091000,9509255,V2GU5,HC JETTE-MARIT,70,130,30,18,6,9999-12-31 23:30:00-02:00,10.1,BREST,1443650423"
    assert one(header, beyond).static.eta is None


def test_columns_that_nobody_knows_are_named_by_the_user():
    given = dialects.parse_columns("timestamp=when,mmsi=ship,lat=y,lon=x,sog=knots")
    assembly = AisCsvAssembly(Setup(recorded_clock(), columns=given))
    (message,) = assembly.feed(b"ship,x,y,when,knots\n366000001,1.5,2.5,1700000000,7\n", None)
    said = ais_csv.decode(message, context()).position
    assert (said.vessel_id, said.latitude, said.longitude, said.speed) == (366000001, 2.5, 1.5, 7)


@pytest.mark.parametrize("text", ["", "timestamp", "timestamp=", "colour=c", "timestamp=t,mmsi=m,lat=y"])
def test_columns_that_say_too_little_are_refused(text):
    with pytest.raises(ValueError, match="columns: "):
        dialects.parse_columns(text)


def test_the_year_of_an_eta_is_the_nearest_whatever_the_publisher_added():
    assert one(DANISH, dane(eta="28/02/2027 12:00:00")).static.eta == at(2026, 2, 28, 12)
    assert one(DANISH, dane(eta="soon")).static.eta is None


def test_marinecadastre_writes_not_available_as_ais_does():
    said = one(MARINECADASTRE, AMERICAN)
    position, static = said.position, said.static
    assert (position.vessel_id, position.timestamp) == (367000001, at(2023, 1, 11, 0, 0, 2))
    assert (position.latitude, position.longitude, position.speed) == (43.5, -70.5, 4.5)
    assert (position.course, position.heading, position.status) == (None, None, 12)
    assert (static.name, static.imo, static.callsign, static.ship_type) == ("SAN JOSE", 9074729, "WDI9818", 31)
    assert static.draught == 2.5


def test_length_and_width_alone_leave_the_antenna_at_the_bow():
    static = one(MARINECADASTRE, AMERICAN).static
    assert (static.to_bow, static.to_stern, static.to_port, static.to_starboard) == (0, 18, 0, 6)


def test_columns_are_found_by_name_not_by_place():
    said = one(MARINECADASTRE_2025, AMERICAN_2025).position
    assert (said.latitude, said.longitude, said.course, said.heading) == (43.5, -70.5, 90.0, 95)
    assert said.timestamp == at(2025, 1, 11, 0, 0, 2)


def test_statuses_are_codes_or_words():
    words = AMERICAN.replace(b",12.0,", b",Under Way Sailing,")
    assert one(MARINECADASTRE, words).position.status == 8
    assert one(MARINECADASTRE, AMERICAN.replace(b",12.0,", b",15.0,")).position.status is None


def test_an_imo_number_with_a_wrong_check_digit_is_none():
    assert one(MARINECADASTRE, AMERICAN.replace(b"9074729", b"9074728")).static.imo is None


def test_exactearth_times_have_milliseconds():
    assert one(EXACTEARTH, quoted()).position.timestamp == at(2021, 7, 1, 18, 51, 51, 680_000)
    assert one(EXACTEARTH, quoted(millisecond="")).position.timestamp == at(2021, 7, 1, 18, 51, 51)


def test_an_exactearth_row_is_one_message():
    voyage = {"vessel_name": "GH ZONDA   ", "call_sign": "V7MF3  ", "draught": "87", "imo": "9074729"}
    voyage |= {"eta_month": "7", "eta_day": "3", "eta_hour": "16", "eta_minute": "0", "destination": "ZHOUSHAN, CHINA"}
    static = one(EXACTEARTH, quoted(message_id="5", latitude="", longitude="", **voyage)).static
    assert (static.name, static.callsign, static.draught) == ("GH ZONDA", "V7MF3", 8.7)
    assert (static.eta, static.destination) == (at(2021, 7, 3, 16), "ZHOUSHAN, CHINA")
    both = one(EXACTEARTH, quoted(message_id="19", **voyage))
    assert both.position is not None
    assert both.static is not None
    other = one(EXACTEARTH, quoted(message_id="8"))
    assert (other.position, other.static, other.station) == (None, None, None)
    aid = one(EXACTEARTH, quoted(message_id="21", aton_name="ISLOTE", name_extension="DA", aton_type="25")).station
    assert (aid.kind, aid.name, aid.aid_type) == ("aid", "ISLOTEDA", 25)
    assert one(EXACTEARTH, quoted(message_id="4")).station.kind == "base"


def test_a_long_range_report_counts_less():
    said = one(EXACTEARTH, quoted(message_id="27", sog="63.0")).position
    assert (said.score, said.speed) == (40, None)


def test_an_auxiliary_craft_names_its_mother_ship():
    craft = quoted(message_id="24", mmsi="982350001", mother_ship_mmsi="235000009", dimension_to_bow="5")
    static = one(EXACTEARTH, craft).static
    assert (static.mothership, static.to_bow) == (235000009, None)


@pytest.mark.parametrize(
    ("cells", "reason"),
    [
        ({"mmsi": "0"}, "mmsi_zero"),
        ({"mmsi": "1000000000"}, "mmsi_out_of_range"),
        ({"mmsi": "23500000x"}, "undecodable"),
        ({"message_id": "28"}, "undecodable"),
        ({"message_id": "None"}, "undecodable"),
        ({"time": "20300701_185151"}, "time_in_future"),
    ],
)
def test_what_is_rejected_says_why(cells, reason):
    with pytest.raises(Rejected, match=reason):
        one(EXACTEARTH, quoted(**cells))


def test_a_live_row_of_yesterday_is_too_old():
    (message,), _ = assemble(DANISH + b"\n" + DANE)
    with pytest.raises(Rejected, match="time_too_old"):
        ais_csv.decode(message, context(recorded=False))


@pytest.mark.parametrize("raw", [b"", b"1,2", b"\xff", b'"1,2,3'])
def test_a_raw_message_that_is_damaged_is_undecodable(raw):
    message = assemble(DANISH + b"\n" + DANE)[0][0]
    message.raw = raw
    with pytest.raises(Rejected, match="undecodable"):
        ais_csv.decode(message, context())


def test_quoted_cells_may_hold_commas_and_quotes():
    said = one(DANISH, dane(destination='"ROSTOCK, ""DE"""', name='RAY "CHIEF" TONEY')).static
    assert (said.destination, said.name) == ('ROSTOCK, "DE"', 'RAY "CHIEF" TONEY')


def test_text_keeps_only_what_ais_can_send():
    said = one(DANISH, dane(name="N\x00ORD\ufffdLYS@@JUNK", callsign="TOOLONGSIGN")).static
    assert (said.name, said.callsign) == ("NORDLYS", "TOOLONG")


@pytest.mark.parametrize("course", ["359.99", "359.995", "359.9999999", "360", "360.0", "-0.1"])
def test_a_course_at_the_edge_is_a_course_or_none(course):
    """What passes here the database takes: see tests/tracking/positions/test_bounds.py."""
    from ingest.formats.ais_csv import rows as ais_csv_rows
    from tracking.positions import bounds

    made = ais_csv_rows._course(course.encode())
    assert made is None or bounds.COURSE.holds(made)
    assert (made is None) == (not bounds.COURSE.holds(float(course)))


def test_a_name_beside_an_extension_is_no_longer_than_a_station_may_be_called():
    whole = quoted(message_id="21", vessel_name="N" * 34, aton_name="", name_extension="E" * 14, aton_type="25")
    assert one(EXACTEARTH, whole).station.name == "N" * 34
