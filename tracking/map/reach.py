"""How far feeds hear in each direction, by the latest day that is over and has an outline.

Labels enter; days, and on demand an outline, leave. Which feeds have one is asked of PostgreSQL in a thread of its own,
at most once in KEPT_SECONDS: while it is away, what was known last is told.
"""

from __future__ import annotations

import logging
import time
from functools import partial
from typing import Any

import msgspec
from django.http import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.exceptions import NotFound
from rest_framework.request import Request

from tracking.api.common.errors import documented
from tracking.api.common.throttles import ChangesRate
from tracking.live_api.live import LiveView, answers, respond
from tracking.map.offers import asked
from tracking.status.inquiry import Inquiry

logger = logging.getLogger(__name__)

KEPT_SECONDS = 60.0
WAIT_SECONDS = 0.3
_LABEL = OpenApiParameter("label", OpenApiTypes.STR, OpenApiParameter.PATH, description="of a feed")


class ReachOfFeed(serializers.Serializer[Any]):
    """How far a feed heard by bearing, in sectors of equal width, clockwise, the first one beginning at north."""

    feed = serializers.CharField(help_text="its label")
    day = serializers.DateField(help_text="UTC")
    lat = serializers.FloatField(help_text="antenna, degrees north to about 1 km, WGS 84")
    lon = serializers.FloatField(help_text="antenna, degrees east to about 1 km, WGS 84")
    furthest = serializers.ListField(
        child=serializers.FloatField(), help_text="of each sector the furthest position, nautical miles; 0: none"
    )
    usual = serializers.ListField(
        child=serializers.FloatField(), help_text="of each sector how far 95 of 100 positions were, nautical miles"
    )


class LiveReach(LiveView):
    """The reach of one feed."""

    throttle_classes = [ChangesRate]

    @extend_schema(parameters=[_LABEL], responses={200: ReachOfFeed, **documented(404, 503)})
    def get(self, request: Request, label: str) -> HttpResponseBase:
        """How far it heard in each direction, on the latest day that is over and has an outline."""
        return respond(request, answers.get(("reach", label), partial(_reach, label)))


def _reach(label: str) -> bytes:
    found = next(asked("feed_reach", label), None)
    if found is None:
        raise NotFound
    return msgspec.json.encode(found)


class _ReachDays(msgspec.Struct):
    """The days by label, and until when they are taken as they are (monotonic seconds)."""

    days: dict[str, str] = {}
    until: float = 0.0


_known = _ReachDays()


def days() -> dict[str, str]:
    """The day (ISO, UTC) of each feed that has an outline, by its label, as far as it is known."""
    if time.monotonic() >= _known.until:
        _known.until = time.monotonic() + KEPT_SECONDS
        inquiry = Inquiry.start("reach-days", _look)
        if inquiry.wait(WAIT_SECONDS):
            _take(inquiry)
    return _known.days


def _look() -> dict[str, str]:
    return dict(asked("feed_reach_days"))


def _take(inquiry: Inquiry[dict[str, str]]) -> None:
    try:
        _known.days = inquiry.answer()
    except Exception as error:  # whatever a driver raises: the map goes on without this
        logger.warning("the reach of feeds is not known: %s", error)
