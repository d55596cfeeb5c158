"""How far feeds hear by bearing, for the map: of each feed the latest scorecard that has an outline.

Labels enter, days and outlines leave (see `tracking/map/offers.py`). Only feeds whose antenna has a place, and only
scorecards of the last DAYS days.
"""

from __future__ import annotations

import datetime as dt

from django.db.models import Max, QuerySet

from ingest.models import Feed, Scorecard
from tracking.map.offers import FeedReach

DAYS = 14
PLACE_DIGITS = 2  # about 1 km: the map may be public, and an antenna stands on somebody's roof


def days() -> dict[str, str]:
    """The day (ISO, UTC) of each feed that has an outline, by its label. Raises django.db errors."""
    placed = Feed.objects.filter(receiver_latitude__isnull=False).values("source")
    found = _outlined().filter(source__in=placed).values_list("source").annotate(Max("day"))
    return {label: day.isoformat() for label, day in found.order_by()}


def of(label: str) -> FeedReach | None:
    """The latest outline of a feed; None where it has none. Raises django.db errors."""
    feed = Feed.objects.filter(source=label, receiver_latitude__isnull=False).first()
    card = _outlined().filter(source=label).order_by("-day").first() if feed else None
    if feed is None or card is None or feed.receiver_latitude is None or feed.receiver_longitude is None:
        return None
    sectors = card.sectors or []
    return {
        "feed": label,
        "day": card.day.isoformat(),
        "lat": round(feed.receiver_latitude, PLACE_DIGITS),
        "lon": round(feed.receiver_longitude, PLACE_DIGITS),
        "furthest": [furthest for furthest, _ in sectors],
        "usual": [usual for _, usual in sectors],
    }


def _outlined() -> QuerySet[Scorecard]:
    since = dt.datetime.now(dt.UTC).date() - dt.timedelta(days=DAYS)
    return Scorecard.objects.filter(day__gte=since, sectors__isnull=False)
