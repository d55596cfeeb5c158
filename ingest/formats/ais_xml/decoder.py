"""One `vessel` element of AISHub to its reports: its attributes are what AISHub's JSON calls by the same names.

Enters the element, and as `added` how its numbers are meant; leaves a position and static data, either, or a station,
by `ingest/formats/ais_json/decoder.py`.
"""

from __future__ import annotations

from ingest.errors import Rejected
from ingest.formats.ais_json import decoder as ais_json
from ingest.formats.ais_xml.assembly import attributes
from ingest.formats.common.context import Context
from ingest.reports import Decoded, Message


def decode(message: Message, context: Context) -> Decoded:
    """What the element says. Raises Rejected."""
    said = attributes(message.raw)
    if "mmsi" not in said:
        raise Rejected("undecodable")
    return ais_json.said_by(said, message, context)
