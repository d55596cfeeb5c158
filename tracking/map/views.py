"""The page of the map, and the tiles under it.

The page asks for nothing beyond this site, and its policy holds it to that. Tiles come from one PMTiles file: the one
that is here, or MAP_TILES. A visitor who may not see live state is sent to log in. Who asks is known by the copy of the
session in the live Redis, and where nobody can say, the page opens and the API decides: it goes on while PostgreSQL is
away.
"""

from __future__ import annotations

import logging
import mmap
from functools import lru_cache
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.db import Error as DatabaseError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.html import strip_tags
from django.views.decorators.http import conditional_page, require_safe
from django_redis.exceptions import ConnectionInterrupted
from pmtiles.reader import Reader
from pmtiles.tile import Compression
from redis import RedisError
from rest_framework.request import Request

from tracking.access.key_copies import CopiedSession

logger = logging.getLogger(__name__)

BASEMAP = Path(__file__).with_name("basemap.pmtiles")
TILE_AGE_SECONDS = 86_400
POLICY = (
    "default-src 'none'; script-src 'self'; worker-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    "font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
LARGEST_ZOOM = 22


@require_safe
def page(request: HttpRequest) -> HttpResponseBase:
    """The map."""
    member = _is_member(request)
    if not settings.LIVE_PUBLIC and not member:
        return redirect_to_login(request.get_full_path(), "admin:login")
    # Without the request: no context processor may ask who is looking.
    response = HttpResponse(render_to_string("tracking/map.html", {"member": member, "credit": _credit()}))
    response.headers["Content-Security-Policy"] = POLICY
    return response


def _is_member(request: HttpRequest) -> bool:
    try:
        return CopiedSession().authenticate(Request(request)) is not None
    except (DatabaseError, RedisError, ConnectionInterrupted):
        return settings.SESSION_COOKIE_NAME in request.COOKIES


@require_safe
def tiles(request: HttpRequest) -> HttpResponse:
    """Where the tiles are, how deep they go and whom they name, as TileJSON 3: beyond its `maxzoom` the page enlarges
    what it has."""
    header = _tiles(_path())[0].header()
    address = reverse("map-tile", args=[0, 0, 0]).replace("/0/0/0", "/{z}/{x}/{y}")
    zooms = {"minzoom": header["min_zoom"], "maxzoom": header["max_zoom"]}
    return JsonResponse({"tilejson": "3.0.0", "tiles": [address], **zooms, "attribution": _credit()})


@require_safe
@conditional_page
def tile(request: HttpRequest, zoom: int, x: int, y: int) -> HttpResponse:
    """A vector tile; 204 where the basemap has none, 304 to who has it already."""
    if zoom > LARGEST_ZOOM or max(x, y) >= 1 << zoom:
        return HttpResponse(status=404)
    reader, compressed = _tiles(_path())
    data = reader.get(zoom, x, y)
    response = HttpResponse(data or b"", status=200 if data else 204, content_type="application/x-protobuf")
    response.headers["Cache-Control"] = f"public, max-age={TILE_AGE_SECONDS}"
    if data and compressed:
        response.headers["Content-Encoding"] = "gzip"
    return response


def _path() -> str:
    return settings.MAP_TILES or str(BASEMAP)


@lru_cache(maxsize=2)
def _tiles(path: str) -> tuple[Any, bool]:
    """The reader of a file, and whether its tiles are gzipped. The file is mapped, not read."""
    with Path(path).open("rb") as file:
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    reader = Reader(lambda offset, length: mapped[offset : offset + length])
    return reader, reader.header()["tile_compression"] == Compression.GZIP


def _credit() -> str:
    """Whom the tiles name beside Natural Earth and GeoNames, as plain text; empty where they cannot be read."""
    try:
        metadata = _tiles(_path())[0].metadata()
    except Exception as error:  # whatever a reader raises of a broken file: the page opens without land
        logger.warning("the basemap cannot be read: %s", error)
        return ""
    return strip_tags(str(metadata.get("attribution") or ""))
