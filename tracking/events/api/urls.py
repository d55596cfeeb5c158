"""Addresses of events below /api/."""

from django.urls import path
from rest_framework.routers import SimpleRouter

from tracking.events.api.stream import EventStream
from tracking.events.api.views import EventViewSet

router = SimpleRouter()
router.register("events", EventViewSet, basename="event")
urlpatterns = [path("stream/events/", EventStream.as_view(), name="event-stream"), *router.urls]
