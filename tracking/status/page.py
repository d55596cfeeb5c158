"""`/status`: how everything is, for people and programs, without a database or a login.

Nothing enters but the request; the page says what is known after WAIT_SECONDS (`tracking/status/survey.py`). HTTP 200
whatever that is: probes have `/health/ready`.
"""

from __future__ import annotations

import datetime as dt
import secrets
from collections.abc import Sequence
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template.loader import render_to_string
from django.utils.cache import patch_vary_headers
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from tracking.status.sections import State
from tracking.status.survey import Section, gather, overall
from tracking.web import headers
from tracking.web.networks import limited

WAIT_SECONDS = 0.06
REFRESH_SECONDS = 5

_HEADLINES: dict[State, str] = {
    "ok": "All is well",
    "degraded": "Not all is well; messages are accepted",
    "down": "No messages are accepted",
    "unknown": "Asking everything for the first time",
}


@never_cache
@require_safe
@limited
def status(request: HttpRequest) -> HttpResponse:
    """The page, or JSON with `?format=json` or where the client prefers it."""
    sections = gather(WAIT_SECONDS)
    if _wants_json(request):
        response: HttpResponse = _json(sections)
    else:
        nonce = secrets.token_urlsafe(16)
        response = HttpResponse(_page(sections, nonce))
        response.headers["Content-Security-Policy"] = headers.one_style(nonce)
    patch_vary_headers(response, ["Accept"])
    return response


def _wants_json(request: HttpRequest) -> bool:
    if "format" in request.GET:
        return request.GET["format"] == "json"
    return request.get_preferred_type(["text/html", "application/json"]) == "application/json"


def _json(sections: Sequence[Section]) -> JsonResponse:
    return JsonResponse(
        {
            "status": overall(sections),
            "time": _now(),
            "sections": {section.name: _values(section) for section in sections},
        }
    )


def _values(section: Section) -> dict[str, Any]:
    names = ("title", "state", "summary", "meaning", "answered", "age_seconds")
    values = {metric["name"]: metric["samples"] for metric in section.answer["metrics"]}
    return {name: getattr(section, name) for name in names} | {"values": values}


def _page(sections: Sequence[Section], nonce: str) -> str:
    """Without the request: no context processor may ask who is looking."""
    state = overall(sections)
    if {section.state for section in sections} <= {"ok", "unknown"} and state != "ok":
        state = "unknown"  # of a process that has just begun: no reason to alarm anybody
    context = {
        "nonce": nonce,
        "sections": sections,
        "groups": [
            ("narrow", [section for section in sections if not section.is_wide]),
            ("wide", [section for section in sections if section.is_wide]),
        ],
        "state": state,
        "headline": _HEADLINES[state],
        "time": _now(),
        "refresh": 1 if state == "unknown" else REFRESH_SECONDS,
    }
    return render_to_string("tracking/status.html", context)


def _now() -> str:
    return dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
