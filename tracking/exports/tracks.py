"""GPX and KML: a track for each target and day, as chart plotters and Google Earth take them.

Enters fields and rows, those of one target one after the other; leaves pieces of XML, a target's track at a time. Both
formats have a place, a time and a height in metres; all else that is known of a position stays behind.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import groupby

import simplekml
from gpxpy.gpx import GPX, GPXTrack, GPXTrackPoint, GPXTrackSegment

from tracking.exports.fields import ExportFields, Row
from tracking.exports.text import instant

METRES_PER_FOOT = 0.3048
_NUMBERED = re.compile(r' id="\d+"')  # by what the process has written before
_GPX = (
    b'<?xml version="1.0" encoding="UTF-8"?>\n'
    b'<gpx xmlns="http://www.topografix.com/GPX/1/1" version="1.1" creator="Tracking">\n'
)
_KML = (
    b'<?xml version="1.0" encoding="UTF-8"?>\n'
    b'<kml xmlns="http://www.opengis.net/kml/2.2" xmlns:gx="http://www.google.com/kml/ext/2.2"><Document>\n'
)


def gpx(fields: ExportFields, rows: Iterable[Row]) -> Iterator[bytes]:
    """GPX 1.1."""
    yield _GPX
    for target, points in groupby(rows, key=lambda row: row[fields.key]):
        yield _track(_name(target), points).encode() + b"\n"
    yield b"</gpx>\n"


def _track(name: str, points: Iterable[Row]) -> str:
    """The element of one target's track, cut out of a document of its own."""
    document, track = GPX(), GPXTrack(name=name)
    track.segments.append(GPXTrackSegment([_point(row) for row in points]))
    document.tracks.append(track)
    text = document.to_xml(version="1.1")
    return text[text.index("<trk>") : text.rindex("</trk>") + len("</trk>")]


def _name(target: object) -> str:
    """An MMSI with its nine digits, an ICAO address as it is."""
    return f"{target:09d}" if isinstance(target, int) else str(target)


def _point(row: Row) -> GPXTrackPoint:
    return GPXTrackPoint(row["latitude"], row["longitude"], elevation=_height(row), time=row["timestamp"])


def _height(row: Row) -> float | None:
    """Metres; None where it is not known."""
    feet = row.get("altitude")
    return None if feet is None else round(feet * METRES_PER_FOOT, 2)


def kml(fields: ExportFields, rows: Iterable[Row]) -> Iterator[bytes]:
    """KML 2.2 with Google's gx:Track, which has times."""
    yield _KML
    for target, points in groupby(rows, key=lambda row: row[fields.key]):
        yield _placemark(_name(target), list(points)).encode() + b"\n"
    yield b"</Document></kml>\n"


def _placemark(name: str, points: list[Row]) -> str:
    """The element of one target's track."""
    track = simplekml.GxTrack(name=name)
    track.newwhen([instant(row["timestamp"]) for row in points])
    track.newgxcoord([(row["longitude"], row["latitude"], _height(row) or 0) for row in points])
    return _NUMBERED.sub("", str(track.placemark))
