"""Addresses as the clients of others expect them; ADSBx v2 with a slash at the end or without."""

from django.urls import URLPattern, path, re_path

from tracking.clients import views

_AROUND = "(?P<lat>[^/]+)/(?P<lon>[^/]+)/(?P<radius>[^/]+)/?$"

urlpatterns: list[URLPattern] = [
    path("data/aircraft.json", views.AircraftJson.as_view(), name="readsb-aircraft"),
    path("data/receiver.json", views.ReceiverJson.as_view(), name="readsb-receiver"),
    path("data/traces/<str:folder>/<str:file>", views.TraceJson.as_view(), name="readsb-trace"),
    re_path(r"^v2/(?P<by>hex|icao)/(?P<addresses>[^/]+)/?$", views.ByAddress.as_view(), name="adsbx-address"),
    re_path(
        r"^v2/(?P<what>callsign|reg|registration|type|squawk|sqk)/(?P<names>[^/]+)/?$",
        views.ByName.as_view(),
        name="adsbx-name",
    ),
    re_path(rf"^v2/point/{_AROUND}", views.Around.as_view(), name="adsbx-point"),
    re_path(rf"^v2/closest/{_AROUND}", views.Closest.as_view(), name="adsbx-closest"),
    re_path(
        r"^v2/lat/(?P<lat>[^/]+)/lon/(?P<lon>[^/]+)/dist/(?P<radius>[^/]+)/?$",
        views.Around.as_view(),
        name="adsbx-lat-lon-dist",
    ),
    path("api/ships.json", views.ShipsJson.as_view(), name="aiscatcher-ships"),
    path("signalk", views.SignalKDiscovery.as_view(), name="signalk"),
    re_path(r"^signalk/v1/api/vessels/?$", views.SignalKVessels.as_view(), name="signalk-vessels"),
]
