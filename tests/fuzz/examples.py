"""Sound input of each format, made by the project's own encoders or written down: what mutations begin with.

A format leads to what its stream begins with and to lines (frames, documents) as they may follow in any order.
"""

from __future__ import annotations

from ingest.models import Format
from ingest.simulator.sentences import tagged
from tests.support.messages import position, sentences, static
from tests.support.modes_frames import AIRSPEED, ALL_CALL, EVEN, IDENTITY, ODD, SQUAWK, SURFACE, VELOCITY

_TYPES = (
    *({"type": number, "mmsi": 211_000_001} for number in (1, 2, 3, 4, 9, 18, 19, 21, 24, 27)),
    {"type": 5, "mmsi": 211_000_001, "shipname": "NORDIC", "destination": "KIEL", "draught": 7.5},
)
_NMEA = [
    *(line for fields in _TYPES for line in sentences(**{"lat": 54.5, "lon": 10.2, "seq_id": 1} | fields)),
    *static().split(b"\n"),
    tagged(position(), 1, 1_790_000_000_000),
    b"$PGHP,1,2026,8,29,14,12,49,123,219,24,992190924,1,12*20",
    b"2026-08-29T14:12:49.5Z " + position(),
    position() + b",1790000000",
]
_MARINE = (
    b"MMSI,BaseDateTime,LAT,LON,SOG,COG,Heading,VesselName,IMO,CallSign,VesselType,Status,Length,Width,Draft,Cargo"
)
_CSV = [
    b"211000001,2026-09-21T13:33:00,54.5,10.2,12.3,359.9,511,NORDIC,IMO9074729,DABC,70,0,120,20,7.5,70,A",
    b'"211000002","2026-09-21T13:33:10","-54.5","-170.2","0.0","0.0","0","","","","","","","","",""',
]
_SBS = [
    b"MSG,1,1,1,4CA2D6,1,2026/01/01,12:00:00.000,2026/01/01,12:00:00.000,BAW1234 ,,,,,,,,,,,",
    b"MSG,3,1,1,4CA2D6,1,2026/01/01,12:00:00.000,2026/01/01,12:00:00.000,,37000,,,52.1,4.2,,,0,0,0,0",
    b"MSG,4,1,1,4CA2D6,1,2026/01/01,12:00:00.000,2026/01/01,12:00:00.000,,,450,271,,,-64,,,,,",
    b"2026-09-21 13:33:03+00:00 MSG,2,1,1,4CA2D6,1,,,,,,,12,90,52.1,4.2,,,,,,-1",
]
_FRAMES = [bytes.fromhex(text) for text in (EVEN, ODD, VELOCITY, AIRSPEED, IDENTITY, SURFACE, SQUAWK, ALL_CALL)]
_AIRCRAFT = (
    b'{"now":1790000000.1,"aircraft":[{"hex":"4ca2d6","flight":"BAW1234 ","alt_baro":37000,"gs":450.1,"track":271.3,'
    b'"baro_rate":-64,"squawk":"1234","lat":52.1,"lon":4.2,"seen_pos":0.4,"seen":0.1,"nav_modes":["autopilot"]},'
    b'{"hex":"~3c6444","type":"tisb_icao","alt_baro":"ground","lat":-1.0,"lon":179.9,"seen_pos":1}]}'
)
_TRACE = (
    b'{"icao":"4ca2d6","r":"EI-ABC","t":"A320","timestamp":1790000000.0,"trace":[[0.0,52.1,4.2,37000,450.1,271.3,0,-64,'
    b'{"flight":"BAW1234 "},"adsb_icao",36000,-64,250,1.1],[4.1,52.2,4.3,"ground",12,90,1,null,null]]}'
)
_STATES = (
    b'{"time":1790000000,"states":[["4ca2d6","BAW1234 ","Ireland",1789999999,1789999999,4.2,52.1,11277.6,false,231.5,'
    b'271.3,-0.3,null,11500.2,"1234",false,0],["3c6444",null,"Germany",null,1789999990,null,null,null,true,0,0,0,'
    b"null,null,null,false,3]]}"
)
_POINTS = [
    b'{"icao24":"4ca2d6","timestamp":1790000000.5,"latitude":52.1,"longitude":4.2,"altitude":37000,"groundspeed":450}',
    b'{"icao24":"3c6444","timestamp":"2026-01-01 00:00:00+00:00","latitude":1,"longitude":2,"callsign":"DLH1"}',
]
_HEAD = (
    b'{"MessageType":"%b","MetaData":{"MMSI":211000001,"time_utc":"2026-09-21 13:33:03.375540658 +0000 UTC"},"Message":'
)
_ENVELOPES = [
    _HEAD % b"PositionReport" + b'{"PositionReport":{"MessageID":1,"UserID":211000001,"Latitude":54.5,"Longitude":10.2,'
    b'"Sog":12.3,"Cog":359.9,"TrueHeading":511,"NavigationalStatus":0,"Timestamp":43,"Valid":true}}}',
    _HEAD % b"ShipStaticData" + b'{"ShipStaticData":{"MessageID":5,"UserID":211000001,"Name":"NORDIC","ImoNumber":1,'
    b'"Dimension":{"A":100,"B":20,"C":10,"D":10},"Eta":{"Month":8,"Day":29,"Hour":14,"Minute":12},"Valid":true}}}',
]
_DECODED = [
    b'{"mmsi":257099001,"msgtime":"2026-02-17T12:37:34+01:00","latitude":60.19,"longitude":5.2,"speedOverGround":7.6,'
    b'"courseOverGround":143.4,"trueHeading":141,"name":"NORDIC","shipType":70,"draught":75}',
    b'{"class":"AIS","type":1,"mmsi":371798000,"scaled":true,"status":0,"speed":12.3,"lon":-123.4,"lat":48.4,"second":33}',
    b'[{"ERROR":false,"RECORDS":1},[{"MMSI":244750034,"TIME":1790000000,"LONGITUDE":-1980000,"LATITUDE":28860000,'
    b'"COG":900,"SOG":15,"HEADING":511,"NAVSTAT":0,"NAME":"PIET","A":3,"B":4,"C":1,"D":2}]]',
]
_AIRCRAFT_LIST = (
    b'{"acList":[{"Icao":"ABD031","Lat":51.2,"Long":4.2,"Alt":37000,"Spd":450.1,"Trak":271.3,"Call":"BAW1234",'
    b'"PosTime":1790000000000}]}'
)

_ELEMENT = (
    b'<vessel MMSI="244750034" TIME="2026-02-17 08:06:58 GMT" LONGITUDE="-3.3" LATITUDE="48.1" COG="90" SOG="1.5" '
    b'HEADING="511" NAVSTAT="0" NAME="PIET &amp; CO" TYPE="70" A="3" B="4" C="1" D="2" ETA="05-14 20:10" />\n'
)
_STATES_HEADER = (
    b"time,icao24,lat,lon,velocity,heading,vertrate,callsign,onground,alert,spi,squawk,baroaltitude,geoaltitude,"
    b"lastposupdate,lastcontact\n"
)
_STATES_ROW = (
    b"1790000000,4b1812,47.45,8.56,117.6,236.3,-3.25,SWR252  ,False,False,False,3020,1127.8,1140.0,"
    b"1789999999.2,1789999999.9\n"
)
_DOWNLINK = (
    b'{"address":"a66ef4","address_qualifier":"adsb_icao","airground_state":"airborne","callsign":"N512RT",'
    b'"ground_speed":96,"position":{"lat":42.50123,"lon":-71.04321},"pressure_altitude":3100,"true_track":243.4,'
    b'"metadata":{"errors":0,"received_at":1790000000.123,"rssi":-22.6}}'
)


def _beast(frame: bytes) -> bytes:
    kind = b"3" if len(frame) == 14 else b"2"
    return b"\x1a" + kind + (bytes(6) + b"\x80" + frame).replace(b"\x1a", b"\x1a\x1a")


_GPX = (
    b'<trk><name>%b</name><trkseg><trkpt lat="54.5" lon="10.2"><ele>3048</ele><time>2026-09-21T13:33:0%dZ</time>'
    b"<speed>5.1</speed></trkpt></trkseg></trk>"
)
_GPX_TRACKS = [_GPX % (name, second) for second, name in enumerate((b"211000001", b"3c6444"))]


EXAMPLES: dict[str, tuple[bytes, list[bytes]]] = {
    Format.NMEA: (b"", [line + b"\r\n" for line in _NMEA]),
    Format.AIS_CSV: (_MARINE + b"\n", [line + b"\n" for line in _CSV]),
    Format.AISSTREAM: (b"", [line + b"\n" for line in _ENVELOPES]),
    Format.SBS: (b"", [line + b"\r\n" for line in _SBS]),
    Format.BEAST: (b"", [_beast(frame) for frame in _FRAMES]),
    Format.AVR: (b"", [b"*%b;\n" % frame.hex().upper().encode() for frame in _FRAMES]),
    Format.READSB: (b"", [_AIRCRAFT + b"\n"]),
    Format.READSB_TRACE: (b"", [_TRACE + b"\n"]),
    Format.OPENSKY: (b"", [_STATES + b"\n"]),
    Format.TRACKS: (b"", [line + b"\n" for line in _POINTS]),
    Format.AIS_JSON: (b"", [line + b"\n" for line in _DECODED]),
    Format.VIRTUAL_RADAR: (b"", [_AIRCRAFT_LIST + b"\n"]),
    Format.AIS_XML: (b"<VESSELS>", [_ELEMENT]),
    Format.OPENSKY_CSV: (_STATES_HEADER, [_STATES_ROW]),
    Format.GPX: (b'<gpx version="1.1">', _GPX_TRACKS),
    Format.UAT: (b"", [_DOWNLINK + b"\n"]),
}
