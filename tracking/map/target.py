"""One live target: its whole document, and its last track, for the card of the map.

As public as live state is. The document comes from Redis alone, and so do the feeds that heard the target, which are
left out while the queue's Redis is away; the track is of PostgreSQL and answers 503 while that is away. Only who is
live has a track here, of the last 24 hours and at most TRACK_POINTS: more is history, and that takes a key. Where
several targets share an identity, the track is that of the one whose last position lies nearest to the document's.
"""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Sequence
from typing import Any, ClassVar

from django.conf import settings
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_view
from redis import RedisError
from rest_framework import serializers
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from tracking import search
from tracking.api.common.errors import documented
from tracking.api.common.throttles import ChangesRate
from tracking.api.serializers import LiveSerializer
from tracking.history import tracks
from tracking.history.door import HistorySpan
from tracking.history.tracks import Point
from tracking.live.state import LiveKind, LiveState
from tracking.live_api.live import LiveView
from tracking.map.offers import asked
from tracking.models import AircraftPosition, Position, VesselPosition
from tracking.registry import documents
from tracking.truth.budget import metres

logger = logging.getLogger(__name__)

TRACK_HOURS = 24
TRACK_POINTS = 600
_NUMBER = OpenApiParameter("number", OpenApiTypes.INT, OpenApiParameter.PATH, description="1 or 2")
_KEY = OpenApiParameter("key", OpenApiTypes.STR, OpenApiParameter.PATH, description="MMSI, or ICAO address")


class TrackColumns(serializers.Serializer[Any]):
    """A track in columns, in order of time; null where a value is not known."""

    at = serializers.ListField(child=serializers.FloatField(), help_text="epoch seconds")
    lat = serializers.ListField(child=serializers.FloatField(), help_text="degrees north, WGS 84")
    lon = serializers.ListField(child=serializers.FloatField(), help_text="degrees east, WGS 84")
    speed = serializers.ListField(child=serializers.FloatField(allow_null=True), help_text="knots")
    course = serializers.ListField(child=serializers.FloatField(allow_null=True), help_text="degrees")
    altitude = serializers.ListField(
        child=serializers.FloatField(allow_null=True), required=False, help_text="feet, of aircraft"
    )
    ground = serializers.ListField(
        child=serializers.BooleanField(allow_null=True), required=False, help_text="whether on the ground, of aircraft"
    )


class LiveTarget(LiveView):
    """The document of one target."""

    throttle_classes = [ChangesRate]

    @extend_schema(parameters=[_KEY], responses={200: LiveSerializer, **documented(404, 503)})
    def get(self, request: Request, key: str) -> Response:
        """Everything that is known of a live target, with the ages of its values."""
        return Response(_with_feeds(_document(self.kind, key)))


class LiveBeside(LiveView):
    """The document of another target under the same identity."""

    throttle_classes = [ChangesRate]

    @extend_schema(parameters=[_KEY, _NUMBER], responses={200: LiveSerializer, **documented(404, 503)})
    def get(self, request: Request, key: str, number: int) -> Response:
        """What is known of a second or third target with this MMSI or address: see `tracks`."""
        return Response(_with_feeds(_document(self.kind, key, f"/{number}")))


class TargetTrack(LiveView):
    """The last track of one target."""

    throttle_classes = [ChangesRate]
    model: ClassVar[type[Position]]
    # What a point tells, and the column it is of.
    values: ClassVar[dict[str, str]]

    @extend_schema(parameters=[_KEY], responses={200: TrackColumns, **documented(404, 503)})
    def get(self, request: Request, key: str) -> Response:
        """Its last 24 hours in at most 600 points that show the same line."""
        return self.answer(_document(self.kind, key))

    def answer(self, document: dict[str, Any]) -> Response:
        """The track of a document's target."""
        end = dt.datetime.now(dt.UTC) + dt.timedelta(minutes=1)  # a sender's clock may be ahead
        start = end - dt.timedelta(hours=TRACK_HOURS)
        fields = ("timestamp", "latitude", "longitude", "track", *self.values.values())
        span = HistorySpan(self.model, start, end, self.identity(document["id"].partition("/")[0]))
        points = tracks.points(span, fields, limit=TRACK_POINTS + 1)
        if len(points) > TRACK_POINTS:
            points = tracks.outline(span, fields, limit=TRACK_POINTS)
        if document.get("tracks", 1) > 1 or "/" in document["id"]:
            points = _of_one(points, document)
        return Response(
            {
                "at": [round(point["timestamp"].timestamp(), 1) for point in points],
                "lat": [round(point["latitude"], 6) for point in points],
                "lon": [round(point["longitude"], 6) for point in points],
                **{name: [point[field] for point in points] for name, field in self.values.items()},
            }
        )

    def identity(self, key: str) -> Any:
        """What the column holds of a target: its MMSI as a number."""
        return int(key)


class BesideTrack(TargetTrack):
    """The last track of another target under the same identity."""

    @extend_schema(parameters=[_KEY, _NUMBER], responses={200: TrackColumns, **documented(404, 503)})
    def get(self, request: Request, key: str, number: int) -> Response:  # type: ignore[override]
        """As of the first one."""
        return self.answer(_document(self.kind, key, f"/{number}"))


def _of_one(points: Sequence[Point], document: dict[str, Any]) -> list[Point]:
    """The points of one of several targets, and those before there were others."""
    last = {point["track"]: point for point in points}
    if "lat" not in document or len(last) < 2:
        return list(points)
    away = {
        number: metres(point["latitude"], point["longitude"], document["lat"], document["lon"])
        for number, point in last.items()
    }
    mine = min(away, key=away.__getitem__)
    others = min(point["timestamp"] for point in points if point["track"] != 0)
    return [
        point for point in points if point["track"] == mine or (point["track"] == 0 and point["timestamp"] < others)
    ]


def _with_feeds(document: dict[str, Any]) -> dict[str, Any]:
    """The document, and which feeds have heard its identity lately, if that can be asked."""
    try:
        feeds = sorted(asked("feeds_that_heard", document["id"].partition("/")[0]))
    except RedisError as error:
        logger.warning("which feeds heard %s is not known: %s", document["id"], error)
        return document
    return document | {"heard_by": feeds}


def _document(kind: LiveKind, text: str, beside: str = "") -> dict[str, Any]:
    """The live document. Raises NotFound, and redis.RedisError."""
    key: Any = search.icao(text) if kind is LiveKind.AIRCRAFT else search.mmsi(text)
    found = LiveState(kind).get(f"{key}{beside}") if key is not None else None
    if found is None:
        raise NotFound(f"{text + beside!r} was not heard within the last {settings.LIVE_TTL_SECONDS} seconds.")
    return found if kind is not LiveKind.AIRCRAFT else documents.completed(found)


@extend_schema_view(get=extend_schema(operation_id="live_vessel"))
class LiveVessel(LiveTarget):
    """A ship."""

    kind = LiveKind.VESSEL


@extend_schema_view(get=extend_schema(operation_id="live_vessel_beside"))
class LiveVesselBeside(LiveBeside):
    """Another ship under the same MMSI."""

    kind = LiveKind.VESSEL


@extend_schema_view(get=extend_schema(operation_id="live_aircraft_beside"))
class LiveAircraftBeside(LiveBeside):
    """Another aircraft under the same address."""

    kind = LiveKind.AIRCRAFT


@extend_schema_view(get=extend_schema(operation_id="live_aircraft_one"))
class LiveAircraftOne(LiveTarget):
    """An aircraft."""

    kind = LiveKind.AIRCRAFT


@extend_schema_view(get=extend_schema(operation_id="live_station"))
class LiveStation(LiveTarget):
    """A base station or an aid to navigation."""

    kind = LiveKind.STATION


class _OfVessel(TargetTrack):
    kind = LiveKind.VESSEL
    model = VesselPosition
    values = {"speed": "speed", "course": "course"}


class _OfAircraft(TargetTrack):
    kind = LiveKind.AIRCRAFT
    model = AircraftPosition
    values = {"speed": "ground_speed", "course": "heading", "altitude": "altitude", "ground": "on_ground"}

    def identity(self, key: str) -> Any:
        """The ICAO address."""
        return key


@extend_schema_view(get=extend_schema(operation_id="live_vessel_track"))
class LiveVesselTrack(_OfVessel):
    """The track of a ship."""


@extend_schema_view(get=extend_schema(operation_id="live_vessel_beside_track"))
class LiveVesselBesideTrack(BesideTrack, _OfVessel):
    """The track of another ship under the same MMSI."""


@extend_schema_view(get=extend_schema(operation_id="live_aircraft_track"))
class LiveAircraftTrack(_OfAircraft):
    """The track of an aircraft."""


@extend_schema_view(get=extend_schema(operation_id="live_aircraft_beside_track"))
class LiveAircraftBesideTrack(BesideTrack, _OfAircraft):
    """The track of another aircraft under the same address."""
