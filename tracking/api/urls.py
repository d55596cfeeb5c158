"""Addresses below /api/."""

from typing import Any

from django.urls import URLPattern, URLResolver, path, re_path
from django.views.generic import RedirectView
from drf_spectacular.utils import extend_schema
from drf_spectacular.views import SpectacularSwaggerSplitView
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.routers import SimpleRouter
from rest_framework.views import APIView

from tracking.api.disputes import DisputeViewSet
from tracking.api.schema import Schema
from tracking.api.views import AircraftViewSet, StationViewSet, VesselViewSet


@extend_schema(exclude=True)
class Unknown(APIView):
    """An address that leads nowhere answers like the rest of the API, not with a page of HTML."""

    authentication_classes = []
    permission_classes = []

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """404, whatever the method."""
        raise NotFound("There is nothing at this address; /api/docs/ lists what there is.")


router = SimpleRouter()
router.register("vessels", VesselViewSet, basename="vessel")
router.register("aircraft", AircraftViewSet, basename="aircraft")
router.register("stations", StationViewSet, basename="station")
router.register("disputes", DisputeViewSet, basename="dispute")

urlpatterns: list[URLPattern | URLResolver] = [
    path("", RedirectView.as_view(pattern_name="api-docs"), name="api"),
    path("schema/", Schema.as_view(), name="api-schema"),
    path("docs/", SpectacularSwaggerSplitView.as_view(url_name="api-schema"), name="api-docs"),
    *router.urls,
    # With the slash at its end it leaves Django's redirect of addresses without one alone.
    re_path(r"^.*/$", Unknown.as_view()),
]
