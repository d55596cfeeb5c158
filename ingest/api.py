"""Feeds below /api/, read-only: which sources there are, their addresses without secrets.

Feeds are made and changed in the admin. Counts of what they brought are in the ledger, not here.
"""

from typing import Any

from django.urls import URLPattern, URLResolver
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import serializers
from rest_framework.exceptions import NotFound
from rest_framework.routers import SimpleRouter
from rest_framework.viewsets import ReadOnlyModelViewSet

from ingest import feed_urls
from ingest.models import Feed
from tracking.api.errors import documented
from tracking.api.pagination import IdentityCursor


class FeedSerializer(serializers.ModelSerializer[Feed]):
    """A feed."""

    url = serializers.SerializerMethodField(help_text="address, with user, password and secret parameters masked")

    class Meta:
        model = Feed
        fields = ["id", "name", "url", "format", "source", "score", "enabled", "created_at"]

    def get_url(self, feed: Feed) -> str:
        """The address that may be shown."""
        return feed_urls.masked(feed.url)


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
        return found


router = SimpleRouter()
router.register("feeds", FeedViewSet, basename="feed")
urlpatterns: list[URLPattern | URLResolver] = router.urls
