"""Events for programs and for the map. A request enters, JSON leaves; nothing can be changed here.

The list is narrowed by filters, each of which an index answers in the list's order, and read by cursor. The map asks
for what began within the last hour in its box: one small answer, the latest MOST_RECENT.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

import django_filters
from django.db.models import Q
from django.utils import timezone
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import ReadOnlyModelViewSet

from tracking.api.common.errors import documented
from tracking.api.common.pagination import IdentityCursor
from tracking.api.common.query import WORLD, Box, BoxField, StrictQuery
from tracking.api.common.throttles import ChangesRate
from tracking.api.filters import InstantFilter
from tracking.events.following import brief
from tracking.events.models.event import Event, EventKind
from tracking.events.notices import messages

RECENT = dt.timedelta(hours=1)
MOST_RECENT = 200


class EventSerializer(serializers.ModelSerializer[Event]):
    """One event."""

    text = serializers.SerializerMethodField(help_text="what happened to whom, as a notification says it")
    deliveries = serializers.SerializerMethodField(help_text="how many notifications are in which state")

    class Meta:
        model = Event
        fields = (
            *("id", "kind", "subject", "identity", "reference", "text", "since", "held_at", "until"),
            *("latitude", "longitude", "source", "values", "geofence", "watch_list", "noted_at", "deliveries"),
        )

    def get_text(self, event: Event) -> str:
        """The title of a notification."""
        return messages.title(event)

    def get_deliveries(self, event: Event) -> dict[str, int]:
        """Counts by state."""
        counts: dict[str, int] = {}
        for delivery in event.deliveries.all():
            counts[delivery.state] = counts.get(delivery.state, 0) + 1
        return counts


class RecentEventSerializer(serializers.Serializer[Any]):
    """One event as the map shows it."""

    id = serializers.UUIDField()
    kind = serializers.ChoiceField(choices=EventKind.choices)
    identity = serializers.CharField(help_text="MMSI, ICAO address, or latitude:longitude of an area")
    text = serializers.CharField(help_text="what happened to whom")
    at = serializers.FloatField(help_text="when it began, epoch seconds")
    over = serializers.BooleanField(help_text="whether it is over")
    lat = serializers.FloatField(help_text="degrees north, WGS 84")
    lon = serializers.FloatField(help_text="degrees east, WGS 84")


class RecentEventsSerializer(serializers.Serializer[Any]):
    """The events of a box."""

    results = RecentEventSerializer(many=True)


class RecentQuery(StrictQuery):
    """Which box."""

    bbox = BoxField(default=WORLD, help_text="west,south,east,north in degrees; default: the world")


class EventFilter(django_filters.FilterSet):
    """Events by kind, target, rule, time, and whether they go on."""

    open = django_filters.BooleanFilter(
        field_name="until", lookup_expr="isnull", label="true: those that go on, false: those that are over"
    )
    since_after = InstantFilter(field_name="since", lookup_expr="gte", label="begun at or after this time, ISO 8601")
    since_before = InstantFilter(field_name="since", lookup_expr="lt", label="begun before this time, ISO 8601")

    class Meta:
        model = Event
        fields = ("kind", "subject", "identity", "geofence", "watch_list")


@extend_schema_view(
    list=extend_schema(responses={200: EventSerializer(many=True), **documented(400)}),
    retrieve=extend_schema(responses={200: EventSerializer, **documented(404)}),
)
class EventViewSet(ReadOnlyModelViewSet[Event]):
    """What happened, the latest first."""

    queryset = Event.objects.order_by("-since", "-id").prefetch_related("deliveries")
    serializer_class = EventSerializer
    pagination_class = IdentityCursor
    filterset_class = EventFilter

    @extend_schema(
        operation_id="events_recent",
        parameters=[RecentQuery],
        responses={200: RecentEventsSerializer, **documented(400)},
    )
    @action(detail=False, pagination_class=None, filterset_class=None, throttle_classes=[ChangesRate])
    def recent(self, request: Request) -> Response:
        """What began within the last hour in a box, the latest 200, for the map."""
        query = RecentQuery(data=request.query_params)
        query.is_valid(raise_exception=True)
        found = Event.objects.filter(_inside(query.validated_data["bbox"]), since__gte=timezone.now() - RECENT)
        events = found.order_by("-since", "-id")[:MOST_RECENT]
        return Response({"results": [brief(event) for event in events]})


def _inside(box: Box) -> Q:
    west, south, east, north = box
    across = Q(longitude__gte=west) | Q(longitude__lte=east)
    longitude = Q(longitude__range=(west, east)) if west <= east else across
    return Q(latitude__range=(south, north)) & longitude
