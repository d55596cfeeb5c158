"""The desk's figures as JSON, for whoever may enter the admin: each sees the panels of what he may see.

Enters `?window=` (1h, 24h or 7d) for the chart; leaves the verdict, the panels and the numbers for the side bar. A
dependency that is away costs its panels only.
"""

from __future__ import annotations

import datetime as dt
import logging
from typing import Any, cast

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_safe

from tracking.desk.badges import badges
from tracking.desk.panels import AWAY, WINDOWS, Panel, Window, panels
from tracking.desk.verdict import verdict

logger = logging.getLogger(__name__)


@require_safe
def figures(request: HttpRequest) -> HttpResponse:
    """Everything that the desk shows; 400 for a span that it does not."""
    window = request.GET.get("window", WINDOWS[0])
    if window not in WINDOWS:
        return JsonResponse({"detail": f"window is one of {', '.join(WINDOWS)}"}, status=400)
    allowed = [panel for panel in panels() if request.user.has_perm(panel["permission"])]
    answers = {panel["name"]: _answer(panel, cast(Window, window)) for panel in allowed}
    for panel in allowed:
        rights = panel.get("rights", [])
        answers[panel["name"]]["rights"] = [right for right in rights if request.user.has_perm(right)]
    found = {
        "time": dt.datetime.now(dt.UTC),
        "verdict": verdict(answers),
        "panels": answers,
        "badges": badges(request.user),
    }
    return JsonResponse(found)


def _answer(panel: Panel, window: Window) -> dict[str, Any]:
    try:
        return panel["ask"](window)
    except AWAY as error:
        logger.warning("the desk's panel %s: %s", panel["name"], error)
        return {"error": type(error).__name__}
