"""SBS-1: lines to messages in the assembly, messages to reports in the decoder, recordings into PostgreSQL."""

import datetime as dt
import random
import uuid
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest import pipeline
from ingest.clocks import UnknownTime, arrival_clock, invented_clock, recorded_clock
from ingest.errors import Rejected
from ingest.formats import registry as formats
from ingest.formats.common.context import Context
from ingest.formats.common.contract import Setup
from ingest.formats.registry import FormatSpec
from ingest.formats.sbs import assembly
from ingest.formats.sbs import decoder as sbs
from ingest.formats.sbs.assembly import SbsAssembly
from ingest.reports import Message, MessageBatch
from tests.support.recordings import recording
from tracking.models import Aircraft, AircraftPosition

NOW = 1_800_000_000_000
START = 1_767_225_600_000  # 2026-01-01
CLAWS = "sbs/claws_messages-log.txt"
TUTORIAL = "sbs/dump1090mut_from_tutorial_devA.sbs"


def line(kind: int, icao: str = "400F99", **fields: object) -> bytes:
    """A line of this type; fields by name, the others empty."""
    names = ["callsign", "altitude", "speed", "track", "lat", "lon", "rate", "squawk", "alert", "emergency", "spi"]
    texts = [str(fields.get(name, "")) for name in [*names, "ground"]]
    return f"MSG,{kind},1,1,{icao},1,2018/02/18,15:47:43.642,2018/02/18,15:47:43.700,{','.join(texts)}".encode()


def airborne(**fields: object) -> bytes:
    return line(3, **{"altitude": 34000, "lat": 45.74498, "lon": -0.17166, "ground": 0} | fields)


def heard(*lines: bytes, step: int = 1000, fresh: SbsAssembly | None = None) -> list[Message]:
    """The messages of these lines, `step` ms apart on a live feed."""
    sbs_1 = fresh or SbsAssembly(Setup(arrival_clock))
    return [message for number, text in enumerate(lines) for message in sbs_1.feed(text + b"\r\n", NOW + number * step)]


def context(trust: int = 80) -> Context:
    return Context(MessageBatch(uuid.uuid4(), uuid.uuid4(), "test", "sbs", trust, NOW, recorded=True), NOW + 3_600_000)


def said(*lines: bytes, step: int = 1000):
    """What the last of these lines says."""
    return sbs.decode(heard(*lines, step=step)[-1], context())


def refusal(*lines: bytes) -> str:
    with pytest.raises(Rejected) as refused:
        said(*lines)
    return refused.value.reason


def everything(messages: list[Message]) -> Counter[str]:
    """What becomes of messages, each counted once."""
    outcomes: Counter[str] = Counter()
    for message in messages:
        try:
            one = sbs.decode(message, context())
        except Rejected as error:
            outcomes[error.reason] += 1
        else:
            outcomes["position" if one.position else "static" if one.static else "other"] += 1
    return outcomes


# --- positions --------------------------------------------------------------------------------------------------------


def test_a_position_takes_speed_track_and_vertical_rate_from_the_line_before():
    position = said(line(4, speed=430, track=338, rate=-64), airborne()).position

    assert (position.aircraft_id, position.latitude, position.longitude) == ("400f99", 45.74498, -0.17166)
    assert (position.altitude, position.ground_speed, position.heading) == (34000, 430.0, 338.0)
    assert (position.vertical_rate, position.on_ground, position.source, position.score) == (-64, False, "test", 80)
    assert position.timestamp == position.received_at == dt.datetime.fromtimestamp((NOW + 1000) / 1000, dt.UTC)
    assert position.ages == dict.fromkeys(("ground_speed", "heading", "vertical_rate"), NOW / 1000)


def test_each_value_has_its_own_age():
    position = said(line(4, speed=430, track=338), line(4, speed=431), line(5, altitude=33900), airborne()).position

    assert (position.ground_speed, position.heading, position.altitude) == (431.0, 338.0, 34000)
    assert position.ages == {"heading": NOW / 1000, "ground_speed": NOW / 1000 + 1}


def test_values_of_the_position_line_itself_are_of_its_own_time():
    position = said(line(4, speed=430, track=338, rate=-64), airborne(speed=400, track=0, rate=0)).position
    assert (position.ground_speed, position.heading, position.vertical_rate, position.ages) == (400.0, 0.0, 0, {})


@pytest.mark.parametrize(("age", "speed"), [(60_000, 430.0), (60_001, None)])
def test_a_value_belongs_to_a_position_for_a_minute(age, speed):
    assert said(line(4, speed=430), airborne(), step=age).position.ground_speed == speed


def test_what_another_aircraft_said_is_not_mixed_in():
    assert said(line(4, "7C802D", speed=430), airborne()).position.ground_speed is None


def test_a_position_without_an_altitude_takes_an_older_one():
    position = said(line(5, altitude=0), airborne(altitude="")).position
    assert (position.altitude, position.ages) == (0, {"altitude": NOW / 1000})


def test_a_geometric_altitude_is_used_where_no_barometric_one_is_known():
    assert said(airborne(altitude="34500H")).position.altitude == 34500
    assert said(line(5, altitude="34500H"), airborne(altitude="")).position.altitude == 34500
    assert said(line(5, altitude=34000), airborne(altitude="34500H")).position.altitude == 34000
    assert said(line(5, altitude=34000), line(5, altitude="34500H"), airborne(altitude="")).position.altitude == 34000


def test_a_barometric_altitude_that_became_too_old_gives_way_to_a_geometric_one():
    lines = [line(5, altitude=34000), line(5, altitude="34500H"), airborne(altitude="")]
    assert said(*lines, step=40_000).position.altitude == 34500


@pytest.mark.parametrize("flag", ["-1", "1"])
def test_on_the_ground_there_is_no_altitude(flag):
    position = said(line(5, altitude=500), line(2, lat=43.6, lon=1.4, altitude="", ground=flag)).position
    assert (position.on_ground, position.altitude, position.ages) == (True, None, {})


def test_without_a_flag_a_surface_position_is_on_the_ground_and_an_airborne_one_is_not_known_to_be():
    assert said(line(2, lat=43.6, lon=1.4)).position.on_ground is True
    assert said(airborne(ground="")).position.on_ground is None
    assert said(line(2, lat=43.6, lon=1.4, ground=0)).position.on_ground is False


def test_alert_emergency_and_spi_are_not_read():
    assert said(airborne(alert=5, emergency=120, spi="x")) == said(airborne())


def test_a_position_of_an_address_that_is_not_from_icao_counts_for_less():
    position = said(airborne(icao="~2A0001")).position
    assert (position.aircraft_id, position.score) == ("~2a0001", 48)


def test_the_origin_of_coordinates_is_nobodys_position():
    assert refusal(airborne(lat="0.00000", lon="0.0")) == "null_island"
    assert said(airborne(lat=0)).position.latitude == 0


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"lat": 90.01}, "latitude_out_of_range"),
        ({"lon": -180.01}, "longitude_out_of_range"),
        ({"lat": "nan"}, "undecodable"),
        ({"lon": "1e3"}, "undecodable"),
        ({"icao": "400F9"}, "icao_invalid"),
        ({"icao": "000000"}, "icao_invalid"),
        ({"icao": ""}, "icao_invalid"),
    ],
)
def test_a_position_that_cannot_be_is_refused_with_a_reason(fields, reason):
    assert refusal(airborne(**fields)) == reason


def test_a_position_line_with_half_a_position_is_none():
    assert said(airborne(lat="")) == said(airborne(lon=" ")) == said(line(8))


@pytest.mark.parametrize(
    "text", ["nan", "inf", "-inf", "1e9", "9" * 200, "0x1f", "1_0", "٤", "--1", "-", ".", "H", "5 H"]
)
def test_a_value_that_is_no_number_is_not_known_and_stops_nothing(text):
    position = said(airborne(altitude=text, speed=text, track=text, rate=text)).position
    assert (position.altitude, position.ground_speed, position.heading, position.vertical_rate) == (None,) * 4
    assert said(line(4, speed=430), line(4, speed=text), airborne()).position.ground_speed == 430.0


def test_a_position_of_the_future_is_refused():
    message = heard(airborne())[0]
    message.received_at = context().now + 61_000
    with pytest.raises(Rejected, match="time_in_future"):
        sbs.decode(message, context())


# --- callsign and squawk ----------------------------------------------------------------------------------------------


def statics(*lines: bytes, step: int = 1000) -> list[tuple[str | None, str | None] | None]:
    told = [sbs.decode(message, context()).static for message in heard(*lines, step=step)]
    return [(one.callsign, one.squawk) if one else None for one in told]


def test_callsign_and_squawk_are_said_once_while_they_stay():
    lines = [line(1, callsign="BAW3AK  "), line(6, squawk="0012"), line(1, callsign="BAW3AK"), line(6, squawk="7700")]
    assert statics(*lines) == [("BAW3AK", None), (None, "0012"), None, (None, "7700")]


def test_they_are_said_again_after_a_minute():
    said_again = ("BAW3AK", None)
    expected = [said_again, None, None, said_again, None]
    assert statics(*[line(1, callsign="BAW3AK")] * 5, step=20_000) == expected


def test_a_garbled_callsign_neither_says_nor_changes_anything():
    lines = [line(1, callsign="BAW3AK"), line(1, callsign="B@W3AK"), line(6, squawk="9999"), line(1, callsign="BAW3AK")]
    assert statics(*lines) == [("BAW3AK", None), None, None, None]


def test_a_position_line_may_carry_them_too():
    both = said(airborne(callsign="BAW3AK", squawk="2312"))
    assert (both.position.altitude, both.static.callsign, both.static.squawk) == (34000, "BAW3AK", "2312")


# --- lines ------------------------------------------------------------------------------------------------------------


def accounts(*lines: bytes) -> tuple[int, int, int, dict[str, int]]:
    sbs_1 = SbsAssembly(Setup(arrival_clock))
    heard(*lines, fresh=sbs_1)
    counts = sbs_1.counts()
    return counts.lines, counts.foreign, counts.sentences, counts.malformed


def test_every_line_is_in_one_account():
    others = [b"SEL,,496,2286,4CA4E5,27215,2010/02/19,18:06:07.710,2010/02/19,18:06:07.710,RYR1427", b"CLK,,496,-1,,,x"]
    garbage = [b"", b"\xff\xfe\x00", b"hello", b"MSG", b"AIVDM,MSG,"]
    broken = [b"MSG,9" + line(3)[5:], b"MSG,3,1,1,400F99,1", line(3) + b",0", b"x" * 2000]
    assert accounts(line(8), *others, *garbage, *broken, airborne()) == (
        13,
        7,
        2,
        {"message_type": 1, "field_count": 2, "line_too_long": 1},
    )


def test_a_cut_off_line_in_front_of_a_whole_one_costs_only_itself():
    whole = heard(airborne()[:30] + airborne())
    assert [message.raw for message in whole] == [airborne()]


def test_the_receivers_time_in_front_is_used_else_the_arrival():
    stamped = [b"2018-02-18T05:17:43.217933+00:00,", b"2018-02-18 15:47:43.218+10:30 ", b"2018-02-18T05:17:43.218Z,"]
    times = [message.received_at for message in heard(*[front + line(8) for front in stamped], line(8), step=0)]
    assert times == [1_518_931_063_218] * 3 + [NOW]


def test_a_recording_without_times_needs_a_clock():
    with pytest.raises(UnknownTime):
        list(SbsAssembly(Setup(recorded_clock(), recorded=True)).feed(b"MSG,8,1,1,4CA2D6,1,,,,,,,,,,,,,,,,0\n", None))


@pytest.mark.parametrize(
    ("head", "is_sbs"),
    [
        (line(3), True),
        (b"2018-02-18T05:17:43.217933+00:00," + line(6), True),
        (b"half a line,,0\r\n" + line(8), True),
        (b"STA,,5,179,400AE7,10103,2008/11/28,14:58:51.153,2008/11/28,14:58:51.153,RM", True),
        (b"ID,name,latitude\n1,2,3\n", False),
        (b"!AIVDM,1,1,,A,15MwkT1P05G?fre@@0000000000,0*00", False),
        (b'{"now": 1}', False),
        (b"", False),
    ],
)
def test_it_is_recognised_by_its_lines(head, is_sbs):
    assert SbsAssembly.looks_like(head) is is_sbs


# --- memory -----------------------------------------------------------------------------------------------------------


def test_an_aircraft_that_is_silent_for_five_minutes_is_forgotten():
    sbs_1 = SbsAssembly(Setup(arrival_clock))
    heard(line(8, "400F99"), line(8, "7C802D"), line(8, "7C802D"), step=200_000, fresh=sbs_1)
    assert list(sbs_1._aircraft) == ["7c802d"]


def test_no_more_than_the_limit_are_remembered_and_the_most_silent_goes_first(monkeypatch):
    monkeypatch.setattr(assembly, "MAX_AIRCRAFT", 2)
    sbs_1 = SbsAssembly(Setup(arrival_clock))
    heard(*[line(8, icao) for icao in ("000001", "000002", "000001", "000003", "nobody")], fresh=sbs_1)
    assert list(sbs_1._aircraft) == ["000001", "000003"]


# --- properties -------------------------------------------------------------------------------------------------------

LINES = st.one_of(
    st.builds(
        line,
        st.integers(0, 9),
        st.sampled_from(["400F99", "7C802D", "~2A0001", "XYZ"]),
        altitude=st.sampled_from(["", "34000", "900H", "nan", "9" * 40]),
        speed=st.sampled_from(["", "430", "inf", "-1"]),
        lat=st.sampled_from(["", "45.7", "0", "91"]),
        lon=st.sampled_from(["", "1.5", "0"]),
        callsign=st.sampled_from(["", "BAW3AK  ", "@@"]),
        ground=st.sampled_from(["", "0", "-1"]),
    ),
    st.binary(max_size=60),
)


@given(st.lists(LINES, max_size=30), st.randoms(use_true_random=False))
def test_any_cut_of_the_bytes_gives_the_same_messages_and_every_line_is_accounted_for(lines, chance):
    data = b"\n".join(lines)
    whole = SbsAssembly(Setup(invented_clock(START, 1)))
    expected = [*whole.feed(data, None), *whole.flush(None)]
    cut = SbsAssembly(Setup(invented_clock(START, 1)))
    cuts = sorted(chance.randrange(len(data) + 1) for _ in range(5))
    pieces = [data[begin:end] for begin, end in zip([0, *cuts], [*cuts, len(data)], strict=True)]
    messages = [message for piece in pieces for message in cut.feed(piece, None)] + list(cut.flush(None))
    counts = cut.counts()

    assert messages == expected
    assert counts == whole.counts()
    assert counts.lines == counts.foreign + sum(counts.malformed.values()) + counts.sentences
    assert cut.resume_at() == (len(data), len(messages))
    assert everything(messages).total() == len(messages) == counts.sentences


@given(st.one_of(st.binary(max_size=200), st.just(airborne())), st.binary(max_size=60))
def test_no_message_raises_anything_but_a_refusal(raw, added):
    assert everything([Message(START, raw, added)]).total() == 1


def test_what_was_received_stays_as_it_was_and_what_memory_knows_is_added():
    messages = heard(line(4, speed=430), airborne())
    assert messages[1].raw == airborne()
    assert messages[1].added.startswith(b'{"values":{"ground_speed":')


# --- recordings -------------------------------------------------------------------------------------------------------


def recorded(name: str, clock) -> tuple[SbsAssembly, list[Message]]:
    sbs_1 = SbsAssembly(Setup(clock, recorded=True))
    data = recording(name).read_bytes()
    return sbs_1, [*sbs_1.feed(data, None), *sbs_1.flush(None)]


@pytest.mark.data
def test_the_genuine_recording_gives_its_eleven_positions_at_the_receivers_times():
    sbs_1, messages = recorded(CLAWS, recorded_clock())
    positions = [one.position for message in messages if (one := sbs.decode(message, context())).position]

    assert (sbs_1.lines, sbs_1.sentences, len(messages)) == (54, 54, 54)
    assert everything(messages) == {"position": 11, "static": 2, "other": 41}
    first = positions[0]
    assert first.timestamp == dt.datetime(2018, 2, 18, 5, 17, 44, 139000, tzinfo=dt.UTC)
    assert (first.aircraft_id, first.altitude, first.ground_speed, first.heading) == ("7c802d", 4575, 187.0, 147.0)
    assert first.ages["vertical_rate"] == 1_518_931_063.219
    assert [position.ground_speed for position in positions] == [187, *[186] * 4, *[187] * 6]


@pytest.mark.data
def test_the_long_recording_gives_its_positions_and_all_of_them_know_their_speed():
    sbs_1, messages = recorded(TUTORIAL, invented_clock(START, 100))
    positions = [one.position for message in messages if (one := sbs.decode(message, context())).position]

    assert (sbs_1.lines, len(messages), len(positions)) == (5790, 5790, 1033)
    assert everything(messages).total() == 5790
    assert {position.aircraft_id for position in positions} == {"400f99"}
    assert all(position.ground_speed and position.altitude for position in positions)


@pytest.mark.data
@pytest.mark.django_db(transaction=True, databases=["default", "direct"])
@pytest.mark.parametrize("size", [5790, 700])
def test_the_long_recording_is_stored_whole_however_it_is_cut_into_batches(size, monkeypatch):
    monkeypatch.setitem(formats.FORMATS, "sbs", FormatSpec(SbsAssembly, sbs.decode, SbsAssembly.looks_like))
    _, messages = recorded(TUTORIAL, invented_clock(START, 100))
    positions = [one.position for message in messages if (one := sbs.decode(message, context())).position]
    columns = ("timestamp", "latitude", "longitude", "altitude", "ground_speed", "heading", "vertical_rate")
    batches = [messages[begin : begin + size] for begin in range(0, len(messages), size)]
    random.Random(1).shuffle(batches)
    stored = 0
    for part in batches:
        parcel = MessageBatch(
            uuid.uuid4(), uuid.uuid4(), "test", "sbs", 80, NOW, recorded=True, invented=True, live=False
        )
        parcel.messages = part
        counts = pipeline.process(parcel).counts
        assert counts.positions + counts.static + counts.other == len(part)
        stored += counts.stored

    assert stored == 1033
    rows = AircraftPosition.objects.order_by("timestamp").values_list(*columns)
    assert list(rows) == [tuple(getattr(position, column) for column in columns) for position in positions]
    assert Aircraft.objects.values_list("icao", "callsign", "squawk").get() == ("400f99", "BAW3AK", "2312")
