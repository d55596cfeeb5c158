"""One track point of GPX to its report.

    <trkpt lat="54.5" lon="10.2"><ele>3048</ele><time>…</time><speed>5.1</speed><course>90</course></trkpt>

Enters the point, heard at its `time`, to which the name of its track is added (`common/track_points.py`). Leaves a
position. `ele` is metres above the sea and counts for aircraft; `speed` is metres a second and `course` degrees true,
as GPX 1.0 and extensions of 1.1 have them. Source: GPX 1.1.
"""

from __future__ import annotations

import math
import re

import msgspec

from ingest.errors import Rejected
from ingest.formats.common import json_values
from ingest.formats.common.context import Context
from ingest.formats.common.track_points import KNOTS, TrackOf, TrackPoint, reported
from ingest.reports import Decoded, Message

_NUMBER = rb"\s*([-+]?[0-9]{1,20}(?:\.[0-9]{0,30})?)\s*"
_LATITUDE = re.compile(rb"\slat\s*=\s*[\"']%b[\"']" % _NUMBER)
_LONGITUDE = re.compile(rb"\slon\s*=\s*[\"']%b[\"']" % _NUMBER)
_HEIGHT, _SPEED, _COURSE = (
    re.compile(rb"<(?:\w+:)?%b>%b</" % (name, _NUMBER)) for name in (b"ele", b"speed", b"course")
)
_read_track = msgspec.json.Decoder(TrackOf).decode


def decode(message: Message, context: Context) -> Decoded:
    """A position. Raises Rejected."""
    name = json_values.read(_read_track, message.added).name
    latitude, longitude = _number(_LATITUDE, message.raw), _number(_LONGITUDE, message.raw)
    if latitude is None or longitude is None:
        raise Rejected("undecodable")
    speed, course, height = (_number(field, message.raw) for field in (_SPEED, _COURSE, _HEIGHT))
    knots = None if speed is None else speed * KNOTS
    return Decoded(reported(name, TrackPoint(latitude, longitude, knots, course, height), message, context))


def _number(pattern: re.Pattern[bytes], raw: bytes) -> float | None:
    found = pattern.search(raw)
    value = float(found[1]) if found else math.nan
    return value if math.isfinite(value) else None
