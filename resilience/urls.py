"""The API's addresses of this app, to be included below `api/`."""

from rest_framework.routers import SimpleRouter

from resilience.api import DeadLetterViewSet

router = SimpleRouter()
router.register("dead-letters", DeadLetterViewSet, basename="deadletter")
urlpatterns = router.urls
