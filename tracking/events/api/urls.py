"""Addresses of events below /api/."""

from rest_framework.routers import SimpleRouter

from tracking.events.api.views import EventViewSet

router = SimpleRouter()
router.register("events", EventViewSet, basename="event")
urlpatterns = router.urls
