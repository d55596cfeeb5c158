"""Feeds below /api/: which sources there are, read-only and without secrets, and where receivers push to.

Feeds are made and changed in the admin. Their health is of the last minutes; what they brought is in the ledger.
"""

import time
from typing import Any

import redis
from django.urls import URLPattern, URLResolver, path
from drf_spectacular.utils import extend_schema, extend_schema_field, extend_schema_view
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.routers import SimpleRouter
from rest_framework.viewsets import ReadOnlyModelViewSet

from ingest.health.reading import attach, health_of, minutes
from ingest.health.shown.api import HealthSerializer, MinuteSerializer, represent, represent_minute
from ingest.ledger.api import FeedStatistics
from ingest.models import Feed
from ingest.push.view import Push
from ingest.sources.common import urls as feed_urls
from tracking.api.common.errors import Unavailable, documented
from tracking.api.common.pagination import IdentityCursor

MINUTES = 60


class FeedSerializer(serializers.ModelSerializer[Feed]):
    """A feed."""

    url = serializers.SerializerMethodField(help_text="address, with user, password and secret parameters masked")
    health = serializers.SerializerMethodField(help_text="null while the queue's Redis does not answer")

    class Meta:
        model = Feed
        fields = ["id", "name", "url", "format", "source", "score", "enabled", "created_at", "health"]

    def get_url(self, feed: Feed) -> str:
        """The address that may be shown."""
        return feed_urls.masked(feed.url)

    @extend_schema_field(HealthSerializer(allow_null=True))
    def get_health(self, feed: Feed) -> dict[str, Any] | None:
        """How it is."""
        return represent(health_of(feed))


@extend_schema_view(
    list=extend_schema(responses={200: FeedSerializer(many=True), **documented(400)}),
    retrieve=extend_schema(responses={200: FeedSerializer, **documented(404)}),
)
class FeedViewSet(ReadOnlyModelViewSet[Feed]):
    """Sources that the collector reads."""

    queryset = Feed.objects.order_by("id")
    serializer_class = FeedSerializer
    pagination_class = IdentityCursor
    filterset_fields = ["enabled"]
    lookup_value_regex = "[^/]+"

    def get_object(self) -> Any:
        """The feed with the id in the address. Raises NotFound, with a sentence that says why."""
        text = self.kwargs["pk"]
        number = int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else None
        found = self.get_queryset().filter(pk=number).first() if number is not None else None
        if found is None:
            raise NotFound(f"No feed has the id {text!r}.")
        attach([found], _now_ms())
        return found

    def paginate_queryset(self, queryset: Any) -> Any:
        """A page of feeds, each with its health, asked for at once."""
        page = super().paginate_queryset(queryset)
        attach(page or [], _now_ms())
        return page

    @extend_schema(
        summary="A feed minute by minute",
        description="The last hour, the newest minute first; the present one is not over.",
        responses={200: MinuteSerializer(many=True), **documented(404, 503)},
        filters=False,
    )
    @action(detail=True, pagination_class=None)
    def minutes(self, request: Request, pk: str) -> Response:
        """Counts of each of the last sixty minutes."""
        try:
            found = minutes(self.get_object().source, _now_ms(), MINUTES)
        except redis.RedisError as error:
            raise Unavailable("The queue's Redis does not answer.") from error
        return Response([represent_minute(minute) for minute in found])


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


router = SimpleRouter()
router.register("feeds", FeedViewSet, basename="feed")
urlpatterns: list[URLPattern | URLResolver] = [
    path("push/<str:label>/", Push.as_view(), name="push"),
    path("feeds/statistics/", FeedStatistics.as_view(), name="feed-statistics"),  # before the feeds by their ids
    *router.urls,
]
