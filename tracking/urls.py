"""The project's URLs."""

from django.contrib import admin
from django.urls import include, path

from tracking.handbook.views import handbook
from tracking.status import metrics
from tracking.status import page as status_page
from tracking.status import probes as health

admin.autodiscover()
urlpatterns = [
    path("api/", include("tracking.live_api.urls")),  # first: maps poll it, and each pattern before it costs a look
    path("", include("tracking.map.urls")),
    path("", include("tracking.clients.urls")),
    path("admin/", admin.site.urls),
    path("health/live", health.live, name="health-live"),
    path("health/ready", health.ready, name="health-ready"),
    path("status", status_page.status, name="status"),
    path("metrics", metrics.metrics, name="metrics"),
    path("handbook/", handbook, name="handbook"),
    path("handbook/<slug:name>/", handbook, name="handbook-page"),
    path("api/", include("ingest.api")),
    path("api/", include("resilience.urls")),
    path("api/", include("tracking.history_api.urls")),
    path("api/", include("tracking.events.api.urls")),
    path("api/", include("tracking.api.urls")),  # last: it answers for every address below api/
]

# JSON below /api/, Django's pages elsewhere.
handler400 = "tracking.api.common.errors.bad_request"
handler403 = "tracking.api.common.errors.forbidden"
handler404 = "tracking.api.common.errors.not_found"
handler500 = "tracking.api.common.errors.server_error"
