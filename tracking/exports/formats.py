"""The formats that positions leave in: name, media type, and the function that writes them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from tracking.exports.columnar import parquet
from tracking.exports.fields import ExportFields, Row
from tracking.exports.text import geojson, ndjson, written_csv
from tracking.exports.tracks import gpx, kml


class ExportFormat(NamedTuple):
    """A format: its name, which is the ending of its files too; `write` makes pieces of bytes of rows."""

    name: str
    media_type: str
    write: Callable[[ExportFields, Iterable[Row]], Iterator[bytes]]


FORMATS = {
    made.name: made
    for made in (
        ExportFormat("csv", "text/csv", written_csv),
        ExportFormat("ndjson", "application/x-ndjson", ndjson),
        ExportFormat("geojson", "application/geo+json", geojson),
        ExportFormat("gpx", "application/gpx+xml", gpx),
        ExportFormat("kml", "application/vnd.google-earth.kml+xml", kml),
        ExportFormat("parquet", "application/vnd.apache.parquet", parquet),
    )
}
