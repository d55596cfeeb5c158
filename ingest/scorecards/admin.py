"""The scorecards of a feed in the admin: a table of the last days, and an outline of how far it hears."""

from __future__ import annotations

import math
from typing import Any

from django.http import HttpRequest, HttpResponse

from ingest.models import Feed, Scorecard
from ingest.scorecards.making import SECTORS

DAYS_SHOWN = 14
SIZE = 260  # of the picture, its centre being 0, 0
_RADIUS = SIZE / 2 - 20


class ScorePages:
    """For the ModelAdmin of feeds, in front of its base."""

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The page of a feed, with its scorecards."""
        feed = self.get_object(request, object_id)  # type: ignore[attr-defined]
        context = {"scores": section(feed)} if feed is not None else {}
        return super().change_view(request, object_id, form_url, {**(extra_context or {}), **context})  # type: ignore[misc,no-any-return]


def section(feed: Feed) -> dict[str, Any]:
    """What the page of a feed shows: rows of text, and the outline of the latest day that has one."""
    cards = list(Scorecard.objects.filter(source=feed.source).order_by("-day")[:DAYS_SHOWN])
    latest = next((card for card in cards if card.sectors), None)
    return {"rows": [_row(card) for card in cards], "outline": _outline(latest) if latest else None}


def _row(card: Scorecard) -> list[str]:
    furthest = max((sector[0] for sector in card.sectors), default=0) if card.sectors else None
    return [
        card.day.isoformat(),
        f"{card.heard:,}",
        _share(card.first, card.heard),
        f"{card.alone:,}",
        f"{card.refused:,}",
        "-" if card.delay_ms is None else f"{card.delay_ms / 1000:,.1f} s",
        "-" if furthest is None else f"{furthest:,.0f} nm",
    ]


def _share(part: int, whole: int) -> str:
    return f"{part:,} ({part / whole:.0%})" if whole else f"{part:,}"


def _outline(card: Scorecard) -> dict[str, Any]:
    """Polygons of the furthest and of 95 of 100 positions by bearing, north being up."""
    furthest, usual = ([sector[which] for sector in card.sectors or ()] for which in (0, 1))
    most = max(*furthest, 1.0)
    return {
        "day": card.day.isoformat(),
        "size": SIZE,
        "radius": _RADIUS,
        "most": f"{most:,.0f} nm",
        "furthest": _points(furthest, most),
        "usual": _points(usual, most),
    }


def _points(distances: list[float], most: float) -> str:
    points = []
    for number, distance in enumerate(distances):
        angle, radius = math.radians((number + 0.5) * 360 / SECTORS), _RADIUS * distance / most
        points.append(f"{radius * math.sin(angle):.1f},{-radius * math.cos(angle):.1f}")
    return " ".join(points)
