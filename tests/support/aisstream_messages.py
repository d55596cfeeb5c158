"""A message of aisstream.io for tests of its format and of its source."""

import json
import uuid

from ingest.clocks import arrival_clock
from ingest.formats.aisstream import decoder as aisstream
from ingest.formats.aisstream.assembly import AisStreamAssembly
from ingest.formats.common.context import Context
from ingest.formats.common.contract import Setup
from ingest.reports import Message, MessageBatch

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
NUMBERS = {"StandardClassBPositionReport": 18, "ExtendedClassBPositionReport": 19, "LongRangeAisBroadcastMessage": 27}


def envelope(kind="PositionReport", said=POSITION, time=TIME, **fields):
    meta = {"MMSI": 0, "MMSI_String": 0, "ShipName": "ANOTHER", "latitude": 1.0, "longitude": 1.0, "time_utc": time}
    number = {"MessageID": NUMBERS[kind]} if kind in NUMBERS and "MessageID" in said else {}
    return json.dumps({"MessageType": kind, "MetaData": meta, "Message": {kind: said | number | fields}}).encode()


def decode(raw, heard=HEARD):
    batch = MessageBatch(uuid.uuid4(), uuid.uuid4(), "aisstream", "aisstream", 80, HEARD, recorded=True)
    return aisstream.decode(Message(heard, raw), Context(batch, HEARD + 10_000))


def assembled(cuts, clock=arrival_clock):
    assembly = AisStreamAssembly(Setup(clock))
    messages = [message for cut in cuts for message in assembly.feed(cut, HEARD + 5000)]
    return [*messages, *assembly.flush(HEARD + 5000)], assembly
