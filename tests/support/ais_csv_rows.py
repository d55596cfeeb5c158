"""Rows of AIS CSV as their publishers write them, and how they are read."""

import uuid

from ingest.clocks import recorded_clock
from ingest.formats.ais_csv.assembly import AisCsvAssembly
from ingest.formats.common.context import Context
from ingest.formats.common.contract import Setup
from ingest.reports import MessageBatch

DANISH = (
    b"# Timestamp,Type of mobile,MMSI,Latitude,Longitude,Navigational status,ROT,SOG,COG,Heading,IMO,Callsign,Name,"
    b"Ship type,Cargo type,Width,Length,Type of position fixing device,Draught,Destination,ETA,Data source type,A,B,C,D"
)
MARINECADASTRE = (
    b"MMSI,BaseDateTime,LAT,LON,SOG,COG,Heading,VesselName,IMO,CallSign,VesselType,Status,Length,Width,Draft,Cargo,"
    b"TransceiverClass"
)
MARINECADASTRE_2025 = (
    b"mmsi,base_date_time,longitude,latitude,sog,cog,heading,vessel_name,imo,call_sign,vessel_type,status,length,width,"
    b"draft,cargo,transceiver"
)
EXACTEARTH = (
    b"MMSI,Message_ID,Time,Millisecond,Vessel_Name,Call_sign,IMO,Ship_Type,Dimension_to_Bow,Dimension_to_stern,"
    b"Dimension_to_port,Dimension_to_starboard,Draught,Destination,Navigational_status,SOG,Longitude,Latitude,COG,"
    b"Heading,ETA_month,ETA_day,ETA_hour,ETA_minute,ATON_type,ATON_name,Name_extension,Mother_ship_MMSI"
)
DANE = (
    b"26/04/2026 00:00:01,Class A,219000001,55.5,12.5,Moored,0.0,0.1,0.0,62,9074729,OXAB,NORDLYS,Cargo,Category X,13,"
    b"100,GPS,4.5,GDYNIA,01/05/2026 12:30:00,AIS,80,20,6,7"
)
AMERICAN = (
    b"367000001,2023-01-11T00:00:02,43.5,-70.5,4.5,360.0,511.0,SAN JOSE,IMO9074729,WDI9818,31,12.0,18.0,6.0,2.5,31,A"
)
AMERICAN_2025 = b"367000001,2025-01-11 00:00:02,-70.5,43.5,4.5,90,95,SAN JOSE,IMO9074729,WDI9818,31,12,18,6,2.5,31,A"
NOW = 1_800_000_000_000


def dane(**cells):
    """The Danish row with other cells, by the names of its columns in lower case, spaces as underscores."""
    names = [name.lower().lstrip("# ").replace(" ", "_") for name in DANISH.decode().split(",")]
    values = dict(zip(names, DANE.decode().split(","), strict=True)) | cells
    assert len(values) == len(names)
    return ",".join(values.values()).encode()


def assemble(data, size=None, offset=0, index=0, head=bytes):
    """All messages of these bytes in chunks of `size`, and the assembly."""
    assembly = AisCsvAssembly(Setup(recorded_clock(), offset, index, head=head))
    size = size or max(1, len(data))
    messages = [m for at in range(0, len(data), size) for m in assembly.feed(data[at : at + size], None)]
    return messages + list(assembly.flush(None)), assembly


def context(recorded=True):
    return Context(MessageBatch(uuid.uuid4(), uuid.uuid4(), "dump", "ais-csv", 80, NOW, recorded=recorded), NOW)
