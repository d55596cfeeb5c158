"""The map's page and tiles as they are served, and what was brought in for it."""

import gzip
import json
import os
import re
import shutil
from pathlib import Path

import pytest
from django.contrib.staticfiles import finders
from django.contrib.staticfiles.storage import ManifestStaticFilesStorage
from django.db import OperationalError
from django.test import Client
from django.urls import reverse
from redis import RedisError

from tracking.access.key_copies import CopiedSession
from tracking.map import vendor, views
from tracking.web.static import ModuleStorage


def test_what_was_brought_in_is_what_was_locked() -> None:
    assert vendor.complaints() == []


def test_a_file_that_was_changed_or_added_is_noticed(monkeypatch, tmp_path) -> None:
    monkeypatch.setattr(vendor, "PROJECT", tmp_path)
    assert all("is missing" in line for line in vendor.complaints())


def test_a_single_byte_that_differs_is_noticed(monkeypatch, tmp_path) -> None:
    lock = json.loads(vendor.LOCK.read_text())
    for package in lock["packages"]:
        shutil.copytree(vendor.PROJECT / package["directory"], tmp_path / package["directory"], dirs_exist_ok=True)
    monkeypatch.setattr(vendor, "PROJECT", tmp_path)
    assert vendor.complaints() == []
    changed = tmp_path / lock["packages"][0]["directory"] / next(iter(lock["packages"][0]["files"]))
    changed.write_bytes(changed.read_bytes()[:-1] + b"?")
    [line] = vendor.complaints()
    assert changed.name in line and "is not what" in line


def test_the_page_loads_nothing_from_elsewhere_and_has_no_script_of_its_own(settings) -> None:
    settings.LIVE_PUBLIC = True
    shown = Client().get("/")
    policy = shown.headers["Content-Security-Policy"]
    assert policy == (
        "default-src 'none'; script-src 'self'; worker-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
        "font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    )
    text = shown.content.decode()
    assert re.findall(r"(?:src|href)=\"(https?:|//)", text) == []
    assert re.findall(r"<script(?![^>]*src=)|style=\"|onclick", text) == []


@pytest.mark.parametrize("away", [OperationalError, RedisError, None])
def test_the_page_opens_for_whoever_has_a_session_while_the_database_is_away(settings, monkeypatch, away) -> None:
    """No `django_db`: a query would fail the test."""
    settings.LIVE_PUBLIC = False

    def ask(*args) -> None:
        if away:
            raise away

    monkeypatch.setattr(CopiedSession, "authenticate", ask)
    client = Client()
    client.cookies[settings.SESSION_COOKIE_NAME] = "abc"
    shown = client.get("/")
    assert shown.status_code == (200 if away else 302)
    assert (b"data-member" in shown.content) == bool(away)


@pytest.mark.parametrize("zoom", [0, 3, 7])
def test_tiles_are_gzipped_vectors(zoom: int) -> None:
    middle = (1 << zoom) // 2
    shown = Client().get(reverse("map-tile", args=[zoom, middle, max(0, middle - 1)]))
    assert shown.status_code == 200
    assert shown.headers["Content-Encoding"] == "gzip"
    assert b"land" in gzip.decompress(shown.content)
    assert "max-age" in shown.headers["Cache-Control"]


def test_who_has_a_tile_is_not_sent_it_again() -> None:
    place = reverse("map-tile", args=[3, 4, 2])
    first, other = Client().get(place), Client().get(reverse("map-tile", args=[3, 4, 3]))
    assert first.headers["ETag"] != other.headers["ETag"]
    again = Client().get(place, headers={"if-none-match": first.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["Cache-Control"] == first.headers["Cache-Control"]
    assert Client().get(place, headers={"if-none-match": other.headers["ETag"]}).content == first.content


@pytest.mark.parametrize(("path", "status"), [("/tiles/0/1/0", 404), ("/tiles/30/0/0", 404), ("/tiles/20/0/0", 204)])
def test_tiles_that_are_none_are_no_error(path: str, status: int) -> None:
    assert Client().get(path).status_code == status


def test_a_user_s_own_tiles_take_the_place_of_the_basemap(settings, tmp_path) -> None:
    settings.MAP_TILES = str(tmp_path / "own.pmtiles")
    (tmp_path / "own.pmtiles").write_bytes(views.BASEMAP.read_bytes())
    assert Client().get("/tiles/0/0/0").status_code == 200


def scripts(*pages: str) -> dict[str, bytes]:
    """Every script that pages need, by its name, as modules import one another; `pages` are the first of them."""
    found: dict[str, bytes] = {}
    wanted = [f"map/js/{page}.js" for page in pages]
    while wanted:
        name = wanted.pop()
        if name in found:
            continue
        path = finders.find(name)
        assert path, name
        found[name] = Path(str(path)).read_bytes()
        if "/vendor/" not in name:
            imported = re.findall(r'(?:from |import\()"(\.[^"]+)"', found[name].decode())
            wanted += [os.path.normpath(Path(name).parent / other) for other in imported]
    return found


def test_every_script_of_the_page_is_there_and_small_enough_for_a_slow_line() -> None:
    found = scripts("start", "around")
    ours = {Path(name).relative_to("map/js").as_posix() for name in found if "/vendor/" not in name}
    there = Path(str(finders.find("map/js/main.js"))).parent
    assert ours == {path.relative_to(there).as_posix() for path in there.rglob("*.js")}
    assert sum(len(gzip.compress(body)) for body in scripts("main").values()) <= 600_000


def test_every_import_is_of_the_hashed_file_where_static_files_are_collected(tmp_path) -> None:
    storage = ModuleStorage(location=tmp_path, base_url="/static/")
    storage.manifest_storage = storage
    found = {name: (source, name) for finder in finders.get_finders() for name, source in finder.list([])}
    for name, (source, path) in found.items():
        if name.startswith("map/"):
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_bytes(source.open(path).read())
    paths = {name: (storage, name) for name in found if name.startswith("map/")}
    assert [
        error for *_, error in ManifestStaticFilesStorage.post_process(storage, paths) if isinstance(error, Exception)
    ] == []
    page = (tmp_path / storage.stored_name("map/js/main.js")).read_text()
    imported = re.findall(r'from "(\.[^"]+)"', page)
    assert len(imported) > 15
    assert [name for name in imported if not re.search(r"\.[0-9a-f]{12}\.m?js$", name)] == []
