"""What every response says of itself: what a browser may load for it, and who may keep it.

A response enters and leaves with Content-Security-Policy and Cache-Control, where its view set none. A page may load
its own files and nothing else; what is no page may load nothing. Two kinds of pages need more: the admin (Alpine
evaluates its attributes, unfold and Django write style attributes) and the pages that show the API.
"""

from __future__ import annotations

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase

_COMMON = "object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
NOTHING = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
PAGE = f"default-src 'self'; {_COMMON}"
API_PAGE = f"default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; {_COMMON}"
ADMIN = (
    "default-src 'self'; script-src 'self' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    f"{_COMMON}"
)
WORKER = "default-src 'none'; connect-src 'self'"  # of a script: as a worker it goes by it, and the map's fetches tiles
PRIVATE = "no-store, private"
LIVE = "public, max-age=1"  # of LIVE_PUBLIC: the same for everybody, and old a second later


def one_style(nonce: str) -> str:
    """The policy of a page that is one file: its own styles, which carry the nonce, and nothing else."""
    return f"{NOTHING}; style-src 'nonce-{nonce}'"


def describe_responses(
    get_response: Callable[[HttpRequest], HttpResponseBase],
) -> Callable[[HttpRequest], HttpResponseBase]:
    """Middleware."""

    def describe(request: HttpRequest) -> HttpResponseBase:
        response = get_response(request)
        response.headers.setdefault("Content-Security-Policy", policy(request, response))
        if request.path_info.startswith(("/api/", "/admin/")):
            response.headers.setdefault("Cache-Control", _caching(request, response))
        return response

    return describe


def policy(request: HttpRequest, response: HttpResponseBase) -> str:
    """What a browser may load for the response."""
    kind = response.headers.get("Content-Type", "")
    if kind.startswith("text/javascript"):
        return WORKER
    if not kind.startswith("text/html"):
        return NOTHING
    if request.path_info.startswith("/admin/"):
        return ADMIN
    return API_PAGE if request.path_info.startswith("/api/") else PAGE


def _caching(request: HttpRequest, response: HttpResponseBase) -> str:
    public = settings.LIVE_PUBLIC and request.path_info.startswith("/api/live/") and response.status_code == 200
    return LIVE if public and not response.cookies else PRIVATE
