"""Identities, their latest position and their tracks, from PostgreSQL and the archive.

A request enters, JSON leaves. Tracks and latest positions are asked for with bounds of time, so PostgreSQL opens only
the day partitions that can hold them. The live document is added where live state answers; its absence fails nobody.
"""

import datetime as dt
from typing import Any, ClassVar

from django.db.models import Model, QuerySet
from django.http import HttpResponseBase
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_view
from redis import RedisError
from rest_framework.decorators import action
from rest_framework.exceptions import NotFound
from rest_framework.renderers import BrowsableAPIRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer
from rest_framework.viewsets import ReadOnlyModelViewSet

from tracking import search
from tracking.api import serializers
from tracking.api.common.errors import documented
from tracking.api.common.pagination import IdentityCursor
from tracking.api.common.query import SEEN_EXACT_TO, TrackQuery
from tracking.api.export_rate import EXPORT_RATES
from tracking.api.filters import (
    AircraftChangeFilter,
    AircraftFilter,
    StationFilter,
    VesselChangeFilter,
    VesselFilter,
)
from tracking.exports import http
from tracking.history import door, tracks
from tracking.history.door import HistorySpan
from tracking.live.state import LiveKind, LiveState
from tracking.models import Aircraft, AircraftPosition, Position, Station, Vessel, VesselPosition

TRACK_POINTS = 10_000
TRACKS: dict[str, Any] = {
    "renderer_classes": [JSONRenderer, BrowsableAPIRenderer, *http.RENDERERS],
    "throttle_classes": EXPORT_RATES,
}
RECENT = dt.timedelta(days=1)


def _listed(serializer: type[BaseSerializer[Any]]) -> Any:
    return extend_schema(responses={200: serializer(many=True), **documented(400)})


def _track_in(serializer: type[BaseSerializer[Any]]) -> Any:
    """A track as JSON and in the formats of others."""
    return {("200", "application/json"): serializer, **http.SCHEMA, **documented(400, 404)}


_MMSI = OpenApiParameter("mmsi", str, "path", description="MMSI, 1 to 9 digits, leading zeros allowed")
_ICAO = OpenApiParameter("icao", str, "path", description="ICAO address, in upper or lower case, ~ in front allowed")


class IdentityViewSet(ReadOnlyModelViewSet[Any]):
    """The list of one kind of identity and the page of one of them."""

    model: ClassVar[type[Model]]
    live_kind: ClassVar[LiveKind]
    detail_serializer_class: ClassVar[type[BaseSerializer[Any]]]
    pagination_class = IdentityCursor
    lookup_value_regex = "[^/]+"

    def get_serializer_class(self) -> type[BaseSerializer[Any]]:
        """The identity alone in lists, with position and live document on its own page."""
        return self.detail_serializer_class if self.action == "retrieve" else super().get_serializer_class()

    def get_object(self) -> Any:
        """The identity that the address names. Raises NotFound, with a sentence that says why."""
        text = self.kwargs[self.lookup_field]
        key = self.parse_key(text)
        found = self.get_queryset().filter(pk=key).first() if key is not None else None
        if found is None:
            raise NotFound(self.not_found(text, key))
        self.check_object_permissions(self.request, found)
        return found

    def parse_key(self, text: str) -> Any:
        """The primary key that `text` names, None where it cannot be one: here an MMSI."""
        return search.mmsi(text)

    def not_found(self, text: str, key: Any) -> str:
        """Why there is nothing under `text`."""
        name = self.model._meta.verbose_name
        return f"{text!r} is not an MMSI: 1 to 9 digits." if key is None else f"No {name} has the MMSI {key}."

    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """The identity with what is known of it now."""
        found = self.get_object()
        self.add_position(found)
        found.live, found.live_available = _live_document(self.live_kind, str(found.pk))
        return Response(self.get_serializer(found).data)

    def add_position(self, found: Any) -> None:
        """Nothing: stations have no history."""


def _live_document(kind: LiveKind, key: str) -> tuple[dict[str, Any] | None, bool]:
    """(document or None, whether live state answered)."""
    try:
        return LiveState(kind).get(key), True
    except RedisError:  # told to the client as live_available; the log of it is the breaker's and the health check's
        return None, False


class TrackedViewSet(IdentityViewSet):
    """Identities with a history of positions."""

    position_model: ClassVar[type[Position]]
    position_key: ClassVar[str]
    position_serializer_class: ClassVar[type[BaseSerializer[Any]]]

    def history_of(self) -> Response:
        """A page of the identity's changes, the latest first."""
        changes = self.get_object().changes.order_by("-since", "-id")
        page = self.paginate_queryset(self.filter_queryset(changes))
        return self.get_paginated_response(self.get_serializer(page, many=True).data)

    def positions_of(self, found: Any) -> QuerySet[Any]:
        """The accepted positions of the identity: to be bounded by time before they are read."""
        return self.position_model.objects.filter(**{self.position_key: found.pk}, track__gte=0)

    def add_position(self, found: Any) -> None:
        """The latest position. The second question opens every partition: asked only of who fell silent.

        The third is the archive's, of those who were heard for the last time before its edge.
        """
        latest = self.positions_of(found).order_by("-timestamp")
        edge = found.last_seen - RECENT
        found.position = (
            latest.filter(timestamp__gte=edge).first()
            or latest.filter(timestamp__lt=edge).first()
            or door.latest(self.position_model, found.pk, found.last_seen + SEEN_EXACT_TO)
        )

    def track_of(self, request: Request) -> HttpResponseBase:
        """The positions of a range in order of time: at most TRACK_POINTS and where to ask for more, or an outline.

        In another format all of them, or the outline.
        """
        form = http.chosen(request)
        found = self.get_object()
        query = TrackQuery(data=request.query_params, context={"last_seen": found.last_seen})
        query.is_valid(raise_exception=True)
        start, end, wanted, refused = (query.validated_data[name] for name in ("from", "to", "points", "refused"))
        fields = self.position_serializer_class.Meta.fields  # type: ignore[attr-defined]
        span = HistorySpan(self.position_model, start, end, found.pk, refused=refused)
        points = tracks.points(span, fields, limit=(wanted or TRACK_POINTS) + 1)
        simplified = wanted is not None and len(points) > wanted
        if simplified:
            points = tracks.outline(span, fields, limit=wanted)
        if form is not None:
            own = {self.position_key: found.pk}
            rows = ({**own, **point} for point in points) if simplified else door.stream(span)
            return http.streamed(form, self.position_model, rows, f"{found.pk}-{start:%Y-%m-%d}")
        further = points.pop()["timestamp"] if len(points) > (wanted or TRACK_POINTS) else None
        return Response(
            {
                "from": start,
                "to": end,
                "simplified": simplified,
                "truncated": further is not None,
                "next": _continued(request, further, end, refused) if further else None,
                "points": points,
            }
        )


def _continued(request: Request, start: dt.datetime, end: dt.datetime, refused: bool) -> str:
    """The address of the rest of a track."""
    url = request.build_absolute_uri(request.path)
    return f"{url}?from={_written(start)}&to={_written(end)}" + ("&refused=1" if refused else "")


def _written(instant: dt.datetime) -> str:
    """ISO 8601 with a Z, which needs no escape in a query."""
    return instant.astimezone(dt.UTC).replace(tzinfo=None).isoformat() + "Z"


@extend_schema_view(
    list=_listed(serializers.VesselSerializer),
    retrieve=extend_schema(parameters=[_MMSI], responses={200: serializers.VesselDetailSerializer, **documented(404)}),
)
class VesselViewSet(TrackedViewSet):
    """Ships and all that reports as one, the latest heard first."""

    queryset = Vessel.objects.order_by("-last_seen", "mmsi")
    model, live_kind, lookup_field = Vessel, LiveKind.VESSEL, "mmsi"
    position_model, position_key = VesselPosition, "vessel_id"
    serializer_class = serializers.VesselSerializer
    detail_serializer_class = serializers.VesselDetailSerializer
    position_serializer_class = serializers.VesselPositionSerializer
    filterset_class = VesselFilter

    @extend_schema(
        parameters=[_MMSI, TrackQuery],
        responses={
            ("200", "application/json"): serializers.VesselTrackSerializer,
            **http.SCHEMA,
            **documented(400, 404),
        },
        filters=False,
    )
    @action(detail=True, pagination_class=None, filterset_class=None, **TRACKS)
    def track(self, request: Request, mmsi: str) -> HttpResponseBase:
        """Where the vessel was, from `from` until before `to`, at most 31 days and 10,000 points at once."""
        return self.track_of(request)

    @extend_schema(
        parameters=[_MMSI],
        responses={200: serializers.VesselChangeSerializer(many=True), **documented(400, 404)},
    )
    @action(detail=True, serializer_class=serializers.VesselChangeSerializer, filterset_class=VesselChangeFilter)
    def history(self, request: Request, mmsi: str) -> Response:
        """What the vessel said of herself, since when, the latest first: a row a value that changed."""
        return self.history_of()


@extend_schema_view(
    list=_listed(serializers.AircraftSerializer),
    retrieve=extend_schema(
        parameters=[_ICAO], responses={200: serializers.AircraftDetailSerializer, **documented(404)}
    ),
)
class AircraftViewSet(TrackedViewSet):
    """Aircraft, the latest heard first."""

    queryset = Aircraft.objects.order_by("-last_seen", "icao")
    model, live_kind, lookup_field = Aircraft, LiveKind.AIRCRAFT, "icao"
    position_model, position_key = AircraftPosition, "aircraft_id"
    serializer_class = serializers.AircraftSerializer
    detail_serializer_class = serializers.AircraftDetailSerializer
    position_serializer_class = serializers.AircraftPositionSerializer
    filterset_class = AircraftFilter

    def parse_key(self, text: str) -> str | None:
        """An ICAO address in lower case."""
        return search.icao(text)

    def not_found(self, text: str, key: str | None) -> str:
        """Why there is nothing under `text`."""
        if key is None:
            return f"{text!r} is not an ICAO address: six hex digits, ~ in front where it is not from ICAO."
        return f"No aircraft has the ICAO address {key}."

    @extend_schema(
        parameters=[_ICAO, TrackQuery],
        responses={
            ("200", "application/json"): serializers.AircraftTrackSerializer,
            **http.SCHEMA,
            **documented(400, 404),
        },
        filters=False,
    )
    @action(detail=True, pagination_class=None, filterset_class=None, **TRACKS)
    def track(self, request: Request, icao: str) -> HttpResponseBase:
        """Where the aircraft was, from `from` until before `to`, at most 31 days and 10,000 points at once."""
        return self.track_of(request)

    @extend_schema(
        parameters=[_ICAO],
        responses={200: serializers.AircraftChangeSerializer(many=True), **documented(400, 404)},
    )
    @action(detail=True, serializer_class=serializers.AircraftChangeSerializer, filterset_class=AircraftChangeFilter)
    def history(self, request: Request, icao: str) -> Response:
        """What the aircraft, or a source, said of it, since when, the latest first: a row a value that changed."""
        return self.history_of()


@extend_schema_view(
    list=_listed(serializers.StationSerializer),
    retrieve=extend_schema(parameters=[_MMSI], responses={200: serializers.StationDetailSerializer, **documented(404)}),
)
class StationViewSet(IdentityViewSet):
    """Base stations and aids to navigation, by MMSI."""

    queryset = Station.objects.order_by("mmsi")
    model, live_kind, lookup_field = Station, LiveKind.STATION, "mmsi"
    serializer_class = serializers.StationSerializer
    detail_serializer_class = serializers.StationDetailSerializer
    filterset_class = StationFilter
