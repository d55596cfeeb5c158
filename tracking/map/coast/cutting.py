"""Land and lakes cut into the tiles of one zoom.

Enters a Coast in degrees; leaves, for each tile, its polygons in tile units: x to the east and y to the south from the
tile's north-west corner, EXTENT to a side, whole numbers, with a margin so that lines along a tile's edge are not seen.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import shapely

from tracking.map.coast.gshhg import Coast

EXTENT = 4096
MARGIN = 64
LARGEST_LATITUDE = 85.06  # a little beyond the square of the projection, 85.0511
_TOLERANCE = 1.5  # tile units: less than half a pixel of a tile that is drawn 512 pixels wide


class CutTile(NamedTuple):
    """Land and lakes of a tile, in tile units."""

    x: int
    y: int
    land: list[shapely.Polygon]
    lakes: list[shapely.Polygon]


def cut(coast: Coast, zoom: int) -> Iterator[CutTile]:
    """Every tile of a zoom that has land or lakes."""
    shapes = [_projected(polygons, zoom) for polygons in coast]
    yield from _quarter(shapes, zoom, 0, 0, 1 << zoom)


def _projected(polygons: np.ndarray, zoom: int) -> np.ndarray:
    """Polygons in tile units of the whole world, valid, and once more on the other side of the antimeridian."""
    if not len(polygons):
        return polygons
    world = EXTENT << zoom

    def mercator(points: np.ndarray) -> np.ndarray:
        latitude = np.radians(np.clip(points[:, 1], -LARGEST_LATITUDE, LARGEST_LATITUDE))
        y = (1 - np.arctanh(np.sin(latitude)) / np.pi) / 2
        return np.column_stack([(points[:, 0] / 360 + 0.5) * world, y * world])

    shapes = shapely.make_valid(shapely.transform(polygons, mercator))
    west, _, east, _ = shapely.bounds(shapes).T
    again = [
        shapely.transform(shapes[west < MARGIN], lambda points: points + np.array([world, 0])),
        shapely.transform(shapes[east > world - MARGIN], lambda points: points - (world, 0)),
    ]
    return np.concatenate([shapes, *again])


def _quarter(shapes: list[np.ndarray], zoom: int, x: int, y: int, side: int) -> Iterator[CutTile]:
    """The tiles of a square of `side` tiles. Each square is cut from the one around it: large polygons shrink."""
    inside = [_clipped(polygons, x, y, side) for polygons in shapes]
    if not any(map(len, inside[:2])):
        return
    if side == 1:
        land, lakes, islands = (_whole(polygons, x, y) for polygons in inside)
        tile = CutTile(x, y, _parts(land), _parts(shapely.difference(lakes, islands, grid_size=1)))
        if tile.land or tile.lakes:
            yield tile
        return
    half = side // 2
    for right in (0, half):
        for down in (0, half):
            yield from _quarter(inside, zoom, x + right, y + down, half)


def _clipped(polygons: np.ndarray, x: int, y: int, side: int) -> np.ndarray:
    west, north, size = x * EXTENT - MARGIN, y * EXTENT - MARGIN, side * EXTENT + 2 * MARGIN
    square = shapely.box(west, north, west + size, north + size)
    bounds = shapely.bounds(polygons).reshape(-1, 4)
    near = (bounds[:, 0] < west + size) & (bounds[:, 2] > west) & (bounds[:, 1] < north + size) & (bounds[:, 3] > north)
    across = near & ~((bounds[:, :2] >= (west, north)).all(1) & (bounds[:, 2:] <= (west + size, north + size)).all(1))
    found = np.array(polygons, object)
    found[across] = shapely.intersection(found[across], square)
    found = found[near]
    return found[shapely.area(found) > 0]


def _whole(polygons: np.ndarray, x: int, y: int) -> shapely.Geometry:
    """Polygons from the tile's corner, joined on whole units: no edge stays between halves at the antimeridian."""
    if not len(polygons):
        return shapely.Polygon()
    moved = shapely.transform(polygons, lambda points: points - (x * EXTENT, y * EXTENT))
    return shapely.union_all(shapely.buffer(shapely.simplify(moved, _TOLERANCE), 0), grid_size=1)


def _parts(shape: shapely.Geometry) -> list[shapely.Polygon]:
    return [part for part in shapely.get_parts(shape) if part.geom_type == "Polygon" and part.area >= 1]
