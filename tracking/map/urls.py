"""Addresses of the map: its page, its tiles, and below /api/ what its card asks."""

from django.urls import URLPattern, path

from tracking.map import feeds, reach, target, views, why

urlpatterns: list[URLPattern] = [
    path("", views.page, name="map"),
    path("tiles.json", views.tiles, name="map-tiles"),
    path("tiles/<int:zoom>/<int:x>/<int:y>", views.tile, name="map-tile"),
    path("api/live/feeds/", feeds.LiveFeeds.as_view(), name="live-feeds"),
    path("api/live/feeds/<str:label>/reach/", reach.LiveReach.as_view(), name="live-feed-reach"),
    path("api/live/receivers/", feeds.LiveReceivers.as_view(), name="live-receivers"),
    path("api/vessels/<str:mmsi>/why/", why.WhyVessel.as_view(), name="vessel-why"),
    path("api/aircraft/<str:icao>/why/", why.WhyAircraft.as_view(), name="aircraft-why"),
    path("api/live/vessels/<str:key>/", target.LiveVessel.as_view(), name="live-vessel"),
    path("api/live/vessels/<str:key>/track/", target.LiveVesselTrack.as_view(), name="live-vessel-track"),
    path("api/live/aircraft/<str:key>/", target.LiveAircraftOne.as_view(), name="live-aircraft-one"),
    path("api/live/aircraft/<str:key>/track/", target.LiveAircraftTrack.as_view(), name="live-aircraft-track"),
    path("api/live/vessels/<str:key>/<int:number>/", target.LiveVesselBeside.as_view(), name="live-vessel-beside"),
    path("api/live/aircraft/<str:key>/<int:number>/", target.LiveAircraftBeside.as_view(), name="live-aircraft-beside"),
    path(
        "api/live/vessels/<str:key>/<int:number>/track/",
        target.LiveVesselBesideTrack.as_view(),
        name="live-vessel-beside-track",
    ),
    path(
        "api/live/aircraft/<str:key>/<int:number>/track/",
        target.LiveAircraftBesideTrack.as_view(),
        name="live-aircraft-beside-track",
    ),
    path("api/live/stations/<str:key>/", target.LiveStation.as_view(), name="live-station"),
]
