"""The API's addresses of this app, to be included below `api/`."""

from rest_framework.routers import SimpleRouter

from resilience.letters.api import DeadLetterViewSet
from resilience.letters.job_api import LetterJobViewSet

router = SimpleRouter()
router.register("dead-letters", DeadLetterViewSet, basename="deadletter")
router.register("dead-letter-jobs", LetterJobViewSet, basename="letterjob")
urlpatterns = router.urls
