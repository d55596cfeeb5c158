"""Feeds as the map shows them: which are silent and where the map is blind by it, and what two of them hear.

Both answers are as public as live state, made once a second for all who ask, and need no PostgreSQL, but for where a
silent feed was heard before and of which day its reach is known.
"""

from __future__ import annotations

import time
from functools import partial
from typing import Any

import msgspec
from django.http import HttpResponseBase
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request

from tracking.api.common.errors import documented
from tracking.api.common.query import StrictQuery
from tracking.api.common.throttles import ChangesRate
from tracking.live.mirror import mirror
from tracking.live_api.live import LiveView, answers, respond
from tracking.map import blindness, reach
from tracking.map.blindness import CELL
from tracking.map.offers import FeedStanding, asked

LATELY_SECONDS = 600.0  # what was heard within this is covered


class ClocksOnMap(serializers.Serializer[Any]):
    """The clocks of a feed's stations that were judged by the seconds that ships send."""

    stations = serializers.IntegerField(help_text="how many there are")
    corrected = serializers.IntegerField(help_text="of how many the offset is taken off")
    ahead = serializers.FloatField(help_text="seconds, the largest of these offsets, negative behind; 0: none")
    disbelieved = serializers.IntegerField(help_text="of how many the time of arrival counts")


class FeedOnMap(serializers.Serializer[Any]):
    """A feed on the map."""

    feed = serializers.CharField(help_text="its label")
    state = serializers.CharField(help_text="ok, silent, stale_clock, failing or off")
    well = serializers.BooleanField(help_text="whether it brings messages")
    since = serializers.FloatField(allow_null=True, help_text="time of its last message, epoch seconds; null: never")
    targets = serializers.IntegerField(help_text="live targets whose latest report is this feed's")
    clocks = ClocksOnMap(allow_null=True, help_text="null: none was judged")
    reach = serializers.DateField(allow_null=True, help_text="latest day (UTC) with an outline of its reach")
    blind = serializers.ListField(
        child=serializers.ListField(child=serializers.FloatField()),
        allow_null=True,
        help_text="cells that nobody hears since: longitude and latitude of their south west; null: not known",
    )


class FeedsOnMap(serializers.Serializer[Any]):
    """All feeds that were heard of within a day."""

    time = serializers.FloatField(help_text="epoch seconds")
    cell = serializers.FloatField(help_text="degrees, the size of a cell")
    feeds = FeedOnMap(many=True)


class Receivers(serializers.Serializer[Any]):
    """Identities that two feeds have heard lately, as keys of the map: v and an MMSI, a and an ICAO address."""

    only_a = serializers.ListField(child=serializers.CharField())
    only_b = serializers.ListField(child=serializers.CharField())
    both = serializers.ListField(child=serializers.CharField())


class ReceiversQuery(StrictQuery):
    """Which two."""

    a = serializers.CharField(max_length=32, help_text="label of a feed")
    b = serializers.CharField(max_length=32, help_text="label of another")


class LiveFeeds(LiveView):
    """The health of the feeds."""

    throttle_classes = [ChangesRate]

    @extend_schema(responses={200: FeedsOnMap, **documented(503)})
    def get(self, request: Request) -> HttpResponseBase:
        """Which feeds are silent since when, and where nobody hears anything because of it."""
        return respond(request, answers.get("feeds", _feeds))


class LiveReceivers(LiveView):
    """Two feeds compared."""

    throttle_classes = [ChangesRate]

    @extend_schema(parameters=[ReceiversQuery], responses={200: Receivers, **documented(400, 503)})
    def get(self, request: Request) -> HttpResponseBase:
        """Whom only one of two feeds has heard within the last 20 to 30 minutes, and whom both have."""
        query = ReceiversQuery(data=request.query_params)
        query.is_valid(raise_exception=True)
        a, b = query.validated_data["a"], query.validated_data["b"]
        return respond(request, answers.get(("receivers", a, b), partial(_compared, a, b)))


def _feeds() -> bytes:
    now = time.time()
    standings: list[FeedStanding] = list(asked("feed_standings"))
    heard = mirror.cells(CELL, now - LATELY_SECONDS)
    days = reach.days()
    told = [{**one, "reach": days.get(one["feed"]), **_on_map(one, heard)} for one in standings]
    return msgspec.json.encode({"time": round(now, 1), "cell": CELL, "feeds": told})


def _on_map(one: FeedStanding, heard: dict[str, dict[tuple[int, int], int]]) -> dict[str, Any]:
    """How many live targets are this feed's, and where nobody hears anything since it fell silent."""
    targets = sum(heard.get(one["feed"], {}).values())
    if one["well"] or one["since"] is None:
        return {"targets": targets, "blind": []}
    last = blindness.heard_last(one["feed"], one["since"])
    if last is None:
        return {"targets": targets, "blind": None}
    covered = {cell for feed, cells in heard.items() if feed != one["feed"] for cell in cells}
    return {"targets": targets, "blind": [[x * CELL, y * CELL] for x, y in sorted(last - covered)]}


def _compared(a: str, b: str) -> bytes:
    heard_a, heard_b = set(asked("heard_by", a)), set(asked("heard_by", b))
    parts = {"only_a": heard_a - heard_b, "only_b": heard_b - heard_a, "both": heard_a & heard_b}
    return msgspec.json.encode({name: sorted(keys) for name, keys in parts.items()})
