"""Disputes over HTTP: identities under which more than one track was open at once, the latest first."""

from __future__ import annotations

from typing import Any

import django_filters
from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema, extend_schema_field, extend_schema_view
from rest_framework import serializers
from rest_framework.viewsets import ReadOnlyModelViewSet

from tracking.api.common.errors import documented
from tracking.api.common.pagination import IdentityCursor
from tracking.truth.models import Dispute, OpenTrack


class OpenTrackSerializer(serializers.Serializer[OpenTrack]):
    """A track that is open, by its last position."""

    number = serializers.IntegerField(allow_null=True, help_text="0: the main one; null: nothing confirms it yet")
    latitude = serializers.FloatField(help_text="degrees north, WGS 84")
    longitude = serializers.FloatField(help_text="degrees east, WGS 84")
    at = serializers.DateTimeField(help_text="time of that position, UTC")


class DisputeSerializer(serializers.ModelSerializer[Dispute]):
    """Two ships with one MMSI, a teleport, a spoofed receiver."""

    tracks = serializers.SerializerMethodField(help_text="the tracks that are open; none of a dispute that is over")

    class Meta:
        model = Dispute
        fields = ["id", "subject", "identity", "since", "until", "judged_until", "tracks"]

    @extend_schema_field(OpenTrackSerializer(many=True))
    def get_tracks(self, dispute: Dispute) -> Any:
        """From the state that the judge goes on with."""
        return OpenTrackSerializer(dispute.tracks, many=True).data


class DisputeFilter(django_filters.FilterSet):
    """Disputes by whose they are and whether they go on."""

    identity = django_filters.CharFilter(label="MMSI without leading zeros, or ICAO address in lower case")
    open = django_filters.BooleanFilter(field_name="until", lookup_expr="isnull", label="whether it goes on")

    class Meta:
        model = Dispute
        fields = ["subject"]


@extend_schema_view(
    list=extend_schema(responses={200: DisputeSerializer(many=True), **documented(400)}),
    retrieve=extend_schema(responses={200: DisputeSerializer, **documented(404)}),
)
class DisputeViewSet(ReadOnlyModelViewSet[Dispute]):
    """Identities in dispute, the latest first."""

    queryset: QuerySet[Dispute] = Dispute.objects.order_by("-since", "-id")
    serializer_class = DisputeSerializer
    filterset_class = DisputeFilter
    pagination_class = IdentityCursor
    lookup_value_regex = "[0-9]{1,18}"
