"""A basemap with a fine coast: the tiles of one basemap, and one zoom more.

Enters a PMTiles file and a Coast; leaves a PMTiles file. Land and lakes of the new zoom are the fine ones alone, all
other layers are those of the tile above, enlarged. The file has another name until it is whole.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import shapely
from pmtiles.reader import MmapSource, Reader, all_tiles
from pmtiles.tile import Compression, zxy_to_tileid
from pmtiles.writer import Writer
from shapely.geometry import shape

from tracking.map.coast.cutting import EXTENT, MARGIN, cut
from tracking.map.coast.gshhg import Coast

# A unit of a tile of zoom 8 is 38 m at the equator: the coast's 200 m need no zoom beyond it.
ZOOM = 8
REPLACED = {"land", "lakes"}
_OPTIONS = {"extents": EXTENT, "y_coord_down": True}


def build(basemap: Path, coast: Coast, to: Path, tell: Callable[[int, int], None]) -> None:
    """Write the file; `tell` is given a zoom and its number of tiles. Raises ImportError and OSError."""
    import mapbox_vector_tile  # noqa: F401 (nobody needs it to run the product: asked for before the work begins)

    unfinished = to.with_name(f".{to.name}.writing")
    try:
        with basemap.open("rb") as source, unfinished.open("wb") as file:
            _write(MmapSource(source), coast, Writer(file), tell)
        unfinished.replace(to)
    finally:
        unfinished.unlink(missing_ok=True)


def _write(source: Any, coast: Coast, writer: Writer, tell: Callable[[int, int], None]) -> None:
    reader = Reader(source)
    header, metadata = reader.header(), reader.metadata()
    counts = dict.fromkeys(range(ZOOM), 0)
    above: dict[tuple[int, int], bytes] = {}
    for (zoom, x, y), data in all_tiles(source):
        if zoom < ZOOM:
            writer.write_tile(zxy_to_tileid(zoom, x, y), data)
            counts[zoom] += 1
        if zoom == ZOOM - 1:
            above[x, y] = data
    for zoom, count in counts.items():
        tell(zoom, count)
    fine = dict(_fine_tiles(above, coast))
    for number in sorted(fine):
        writer.write_tile(number, fine[number])
    tell(ZOOM, len(fine))
    for layer in metadata.get("vector_layers", []):
        layer["maxzoom"] = ZOOM
    metadata["attribution"] = "Coast: GSHHG (LGPL-3)"
    metadata.pop("tilestats", None)
    writer.finalize(header | {"tile_compression": Compression.GZIP}, metadata)


def _fine_tiles(tiles_above: dict[tuple[int, int], bytes], coast: Coast) -> Iterator[tuple[int, bytes]]:
    """The tiles of the new zoom by their numbers, gzipped."""
    shapes = {(tile.x, tile.y): {"land": tile.land, "lakes": tile.lakes} for tile in cut(coast, ZOOM)}
    wanted = {(x // 2, y // 2) for x, y in shapes} | set(tiles_above)
    for left, top in sorted(wanted):
        above = _decoded(tiles_above.get((left, top)))
        for x, y in ((2 * left + right, 2 * top + down) for right in (0, 1) for down in (0, 1)):
            layers = _layers(shapes.get((x, y), {})) + _enlarged(above, x % 2, y % 2)
            if layers:
                yield zxy_to_tileid(ZOOM, x, y), _encoded(layers)


def _layers(polygons: dict[str, list[shapely.Polygon]]) -> list[dict[str, Any]]:
    return [
        {"name": name, "features": [{"geometry": part, "properties": {}} for part in parts]}
        for name, parts in polygons.items()
        if parts
    ]


def _enlarged(above: dict[str, Any], right: int, down: int) -> list[dict[str, Any]]:
    """The layers of a quarter of the tile above that the coast does not replace."""
    square = shapely.box(-MARGIN, -MARGIN, EXTENT + MARGIN, EXTENT + MARGIN)
    found = []
    for name, layer in above.items():
        by = 2 * EXTENT / layer["extent"]
        features = []
        for feature in layer["features"] if name not in REPLACED else []:
            moved = shapely.transform(
                shape(feature["geometry"]), lambda at, by=by: at * by - (right * EXTENT, down * EXTENT)
            )
            inside = shapely.intersection(moved, square)
            # A line that only touches the square leaves a point, which is no line any more.
            parts = [part for part in shapely.get_parts(inside) if part.geom_type in moved.geom_type]
            features += [{"geometry": part, "properties": feature["properties"]} for part in parts]
        if features:
            found.append({"name": name, "features": features})
    return found


def _decoded(data: bytes | None) -> dict[str, Any]:
    import mapbox_vector_tile

    if not data:
        return {}
    plain = gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data
    decoded: dict[str, Any] = mapbox_vector_tile.decode(plain, default_options={"y_coord_down": True})
    return decoded


def _encoded(layers: list[dict[str, Any]]) -> bytes:
    import mapbox_vector_tile

    return gzip.compress(mapbox_vector_tile.encode(layers, default_options=_OPTIONS), mtime=0)
