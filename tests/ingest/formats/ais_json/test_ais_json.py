"""AIS that services decoded: what their objects say, whoever wrote them and however they are put together."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from ingest.clocks import arrival_clock
from ingest.errors import Rejected
from ingest.formats.ais_json import decoder
from ingest.formats.ais_json.assembly import AisJsonAssembly
from ingest.formats.common.contract import Setup
from ingest.reports import Decoded
from tests.support.documents import assert_accounted, context
from tracking.exports import text
from tracking.exports.fields import fields_of
from tracking.models import AircraftPosition, VesselPosition

NOW = 1_700_000_000_000
BARENTSWATCH = (
    b'{"courseOverGround":143.4,"latitude":60.19,"longitude":5.2,"name":"ANNA","shipType":70,"speedOverGround":7.6,'
    b'"trueHeading":141,"mmsi":257099001,"msgtime":"2023-02-17T12:37:34+01:00","draught":75}'
)
DIGITRAFFIC = (
    b'{"type":"FeatureCollection","dataUpdatedTime":"2022-07-30T20:29:01Z","features":[{"mmsi":219598000,'
    b'"type":"Feature","geometry":{"type":"Point","coordinates":[20.8,55.7]},"properties":{"mmsi":219598000,'
    b'"sog":0.1,"cog":346.5,"navStat":1,"rot":4,"heading":79,"timestamp":59,"timestampExternal":1659212938646}}]}'
)
AISHUB = (
    b'[{"ERROR":false,"USERNAME":"X","FORMAT":"AIS","RECORDS":1},[{"MMSI":244750034,"TIME":1625818018,'
    b'"LONGITUDE":-1980000,"LATITUDE":28860000,"COG":900,"SOG":15,"HEADING":511,"NAVSTAT":0,"NAME":"PIET",'
    b'"A":3,"B":4,"C":1,"D":2,"DRAUGHT":25}]]'
)
GPSD = (
    b'{"class":"AIS","device":"stdin","type":1,"repeat":0,"mmsi":371798000,"scaled":true,"status":0,"turn":0,'
    b'"speed":12.3,"lon":-123.4,"lat":48.4,"course":224.0,"heading":215,"second":33}'
)


def said(data: bytes, step: int = 1 << 20) -> list[tuple[int, Decoded]]:
    assembly = AisJsonAssembly(Setup(arrival_clock))
    messages = [one for at in range(0, len(data), step) for one in assembly.feed(data[at : at + step], NOW)]
    messages += assembly.flush(NOW)
    assert_accounted(assembly)
    return [(message.received_at, decoder.decode(message, context())) for message in messages]


@pytest.mark.parametrize(("data", "heard", "place", "speed"), [
    (BARENTSWATCH, "2023-02-17T11:37:34", (60.19, 5.2), 7.6), (DIGITRAFFIC, "2022-07-30T20:28:58", (55.7, 20.8), 0.1),
    (AISHUB, "2021-07-09T08:06:58", (48.1, -3.3), 1.5), (GPSD, "2023-11-14T22:13:20", (48.4, -123.4), 12.3),
])  # fmt: skip
def test_each_service_says_where_and_when(data: bytes, heard: str, place: tuple[float, float], speed: float) -> None:
    ((at, one),) = said(data)
    report: Any = one.position
    assert dt.datetime.fromtimestamp(at // 1000, dt.UTC).isoformat()[:19] == heard
    assert ((report.latitude, report.longitude), report.speed) == (place, speed)


@pytest.mark.parametrize("data", [
    b"%b\n%b\n" % (BARENTSWATCH, GPSD), b"[%b,\n%b]" % (BARENTSWATCH, GPSD),
    b"event: m\nid: 7\ndata: %b\n\n: hello\ndata:%b\n\n" % (BARENTSWATCH, GPSD),
])  # fmt: skip
@pytest.mark.parametrize("step", [1, 7, 1 << 20])
def test_lines_lists_and_events_give_the_same_however_they_are_cut(data: bytes, step: int) -> None:
    assert [one.position.vessel_id for _, one in said(data, step)] == [257099001, 371798000]


def test_static_data_come_with_the_position_or_alone() -> None:
    ((_, one),) = said(BARENTSWATCH)
    assert (one.static.name, one.static.ship_type, one.static.draught) == ("ANNA", 70, 7.5)
    ((_, hub),) = said(AISHUB)
    assert (hub.static.name, hub.static.to_stern, hub.static.draught) == ("PIET", 4, 2.5)
    meta = b'{"mmsi":255805753,"name":"CHRISTIAN","referencePointA":79,"draught":61,"timestamp":1487938960141}'
    ((_, alone),) = said(meta)
    assert (alone.position, alone.static.name, alone.static.draught) == (None, "CHRISTIAN", 6.1)


def test_an_object_that_is_cut_off_costs_itself() -> None:
    assert len(said(BARENTSWATCH[:60] + b"\n" + GPSD + b"\n" + BARENTSWATCH)) >= 1


@pytest.mark.parametrize(("change", "reason"), [
    ((b'"latitude":60.19', b'"latitude":0.001,"x":1'), None), ((b"257099001", b"0"), "mmsi_zero"),
])  # fmt: skip
def test_what_cannot_be_is_refused(change: tuple[bytes, bytes], reason: str | None) -> None:
    if reason is None:
        assert (
            said(BARENTSWATCH.replace(*change).replace(b'"longitude":5.2', b'"longitude":0.0'))[0][1].position is None
        )
        return
    with pytest.raises(Rejected, match=reason):
        said(BARENTSWATCH.replace(*change))


def test_it_is_recognised_and_nothing_else_is() -> None:
    for data in (BARENTSWATCH, DIGITRAFFIC, AISHUB, GPSD):
        assert AisJsonAssembly.looks_like(data)
    for other in (b"", b'{"now":1,"aircraft":[]}', b'{"class":"AIS","nmea":["!AIVDM,1,1,,A,15,0*00"]}', b"!AIVDM,"):
        assert not AisJsonAssembly.looks_like(other)


# --- tracks of GeoJSON ------------------------------------------------------------------------------------------------
def line(coordinates: str, properties: str, kind: str = "LineString") -> bytes:
    return (
        f'{{"type":"FeatureCollection","features":[{{"type":"Feature","geometry":{{"type":"{kind}",'
        f'"coordinates":{coordinates}}},"properties":{properties}}}]}}'
    ).encode()


TWO = '"coordTimes":["2023-11-01T12:00:00Z","2023-11-01T12:00:10+00:00"]'
PLACES = "[[10.25,54.5],[10.26,54.51,3048]]"


@pytest.mark.parametrize("step", [1 << 20, 7])
def test_each_point_of_a_line_with_times_is_a_position(step: int) -> None:
    (first, one), (second, other) = said(line(PLACES, f'{{"mmsi":2110001,{TWO}}}'), step)
    assert (second - first, one.position.vessel_id) == (10_000, 2110001)  # type: ignore[union-attr]
    assert (other.position.latitude, other.position.longitude) == (54.51, 10.26)  # type: ignore[union-attr]


def test_lines_of_aircraft_have_heights_and_several_lines_several_lists_of_times() -> None:
    beside = '{"name":"3C6444","coordinateProperties":{"times":[[1698840000],[1698840010]]}}'
    (_, low), (at, high) = said(line("[[[10.25,54.5]],[[10.26,54.51,3048]]]", beside, "MultiLineString"))
    assert (low.position.altitude, high.position.altitude) == (None, 10000)  # type: ignore[union-attr]
    assert (high.position.aircraft_id, at) == ("3c6444", 1698840010_000)  # type: ignore[union-attr]


@pytest.mark.parametrize(("properties", "reasons"), [
    ('{"mmsi":211000001}', {"time_missing": 2}), (f"{{{TWO}}}", {"identity_missing": 2}),
    ('{"mmsi":211000001,"times":["2023-11-01T12:00:00Z"]}', {"time_missing": 2}),
    ('{"mmsi":211000001,"times":["2023-11-01T12:00:00Z","noon"]}', {"time_unreadable": 1}),
])  # fmt: skip
def test_what_a_line_lacks_is_the_reason_of_its_points(properties: str, reasons: dict[str, int]) -> None:
    assembly = AisJsonAssembly(Setup(arrival_clock))
    messages = [*assembly.feed(line(PLACES, properties), NOW), *assembly.flush(NOW)]
    assert assembly.counts().malformed == reasons
    assert len(messages) == 2 - sum(reasons.values())
    assert_accounted(assembly)


def test_a_line_that_cannot_be_read_costs_itself_alone() -> None:
    good = line(PLACES, f'{{"mmsi":211000001,{TWO}}}')[:-2]
    broken = b"".join(
        b',{"type":"Feature","geometry":{"type":"LineString","coordinates":%b},"properties":%b}' % pair
        for pair in ((b"null", b"{}"), (b"[[1,2]]", b"null"), (b"[[1,2]]", b'{"mmsi":1%b}' % (b"0" * 5000)))
    )
    assembly = AisJsonAssembly(Setup(arrival_clock))
    messages = [*assembly.feed(good + broken + b"]}", NOW), *assembly.flush(NOW)]
    assert assembly.counts().malformed == {"entry_broken": 2, "identity_missing": 1}
    assert len(messages) == 2
    assert_accounted(assembly)


@pytest.mark.parametrize("number", [b"1e308", b"1" + b"0" * 400])
def test_numbers_that_nobody_means_are_refused(number: bytes) -> None:
    place = b'{"type":"Point","coordinates":[2.5,1.5]}'
    told = b'"aircraft_id":"3c6444","timestamp":"2023-11-01T12:00:00Z","altitude":%b' % number
    feature = b'{"type":"Feature","geometry":%b,"properties":{%b}}' % (place, told)
    for data in (feature, line(f"[[10,54,{number.decode()}]]", '{"mmsi":211000001,"times":[1698840000]}')):
        with pytest.raises(Rejected):
            said(data)


def test_what_was_exported_comes_in_again() -> None:
    at = dt.datetime(2023, 11, 1, 12, tzinfo=dt.UTC)
    ship = {"vessel_id": 2110001, "timestamp": at, "latitude": 54.1, "longitude": -10.5, "speed": 7.5, "heading": 91}
    plane = {"aircraft_id": "3c6444", "timestamp": at, "latitude": 1.5, "longitude": 2.5, "altitude": 33000}
    for model, row in ((VesselPosition, ship), (AircraftPosition, plane)):
        fields = fields_of(model)
        exported = b"".join(text.geojson(fields, [dict.fromkeys(fields.names) | row]))
        ((_, one),) = said(exported)
        assert {name: getattr(one.position, name) for name in row} == row
