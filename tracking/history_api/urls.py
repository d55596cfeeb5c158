"""Addresses of history below /api/."""

from django.urls import path

from tracking.history_api.positions import AircraftPositions, VesselPositions
from tracking.history_api.timetravel import At, Replay

urlpatterns = [
    path("at/", At.as_view(), name="at"),
    path("replay/", Replay.as_view(), name="replay"),
    path("positions/vessels/", VesselPositions.as_view(), name="positions-vessels"),
    path("positions/aircraft/", AircraftPositions.as_view(), name="positions-aircraft"),
]
