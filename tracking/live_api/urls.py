"""Addresses of live state below /api/."""

from django.urls import path

from tracking.live_api.changes import LiveChanges
from tracking.live_api.live import LiveAircraft, LiveStations, LiveVessels
from tracking.live_api.stream import LiveStream

urlpatterns = [
    path("live/vessels/", LiveVessels.as_view(), name="live-vessels"),
    path("live/aircraft/", LiveAircraft.as_view(), name="live-aircraft"),
    path("live/changes/", LiveChanges.as_view(), name="live-changes"),
    path("live/stations/", LiveStations.as_view(), name="live-stations"),
    path("stream/", LiveStream.as_view(), name="live-stream"),
]
