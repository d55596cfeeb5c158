"""What users look for: areas on the map, and lists of ships and aircraft."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

from tracking.truth.models import PositionKind

MOST_CORNERS = 5000
_GEOMETRIES = ("Polygon", "MultiPolygon")


def check_polygon(value: Any) -> None:
    """Raises ValidationError unless it is a GeoJSON polygon, or several, on the globe and simple."""
    import shapely  # when first needed: it brings numpy into processes that otherwise need none
    from shapely.geometry import shape

    if not isinstance(value, dict) or value.get("type") not in _GEOMETRIES:
        raise ValidationError("A GeoJSON geometry is expected: a Polygon or a MultiPolygon.")
    try:
        found = shape(value)
    except Exception as error:  # shapely raises whatever its parser met
        raise ValidationError("The coordinates are not those of a GeoJSON polygon.") from error
    corners = shapely.get_coordinates(found)
    if not 4 <= len(corners) <= MOST_CORNERS:
        raise ValidationError(f"A polygon has at least 3 corners, and at most {MOST_CORNERS} of them are taken.")
    longitudes, latitudes = corners.T
    if not ((abs(longitudes) <= 180).all() and (abs(latitudes) <= 90).all()):
        raise ValidationError("Longitudes lie in -180 to 180, latitudes in -90 to 90; cut it at the antimeridian.")
    if not found.is_valid:
        raise ValidationError(f"The polygon is not simple: {shapely.is_valid_reason(found)}.")


class Geofence(models.Model):
    """An area whose visitors are told of: who enters, leaves, stays, or is too fast in it."""

    class Whose(models.TextChoices):
        """Which targets count."""

        BOTH = "both", "ships and aircraft"
        VESSEL = PositionKind.VESSEL, "ships"
        AIRCRAFT = PositionKind.AIRCRAFT, "aircraft"

    name = models.CharField(max_length=64, unique=True, help_text="as it is told in events")
    area = models.JSONField(
        validators=[check_polygon],
        help_text="GeoJSON Polygon or MultiPolygon, WGS 84; over the antimeridian as two polygons (RFC 7946)",
    )
    whose = models.CharField(max_length=8, choices=Whose.choices, default=Whose.VESSEL, help_text="which targets count")
    tells_entering = models.BooleanField(default=True, help_text="an event when a target is first heard inside")
    tells_leaving = models.BooleanField(default=False, help_text="an event when it is heard outside again")
    dwell_minutes = models.PositiveIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(30 * 1440)],
        help_text="an event when it has stayed so long, minutes; empty: none",
    )
    limit_knots = models.FloatField(
        null=True,
        blank=True,
        validators=[MinValueValidator(0), MaxValueValidator(2000)],
        help_text="an event when it is faster inside, knots over ground; empty: none",
    )
    enabled = models.BooleanField(default=True, help_text="whether it is looked at")
    changed_at = models.DateTimeField(auto_now=True, help_text="when it was saved last, UTC")

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class WatchList(models.Model):
    """Ships and aircraft that somebody waits for."""

    name = models.CharField(max_length=64, unique=True, help_text="as it is told in events")
    note = models.CharField(max_length=200, blank=True, default="", help_text="what it is for")
    enabled = models.BooleanField(default=True, help_text="whether it is looked at")
    changed_at = models.DateTimeField(auto_now=True, help_text="when it was saved last, UTC")

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class WatchedTarget(models.Model):
    """One ship or aircraft of a watch-list."""

    watch_list = models.ForeignKey(WatchList, models.CASCADE, related_name="targets")
    subject = models.CharField(max_length=8, choices=PositionKind.choices, default=PositionKind.VESSEL)
    identity = models.CharField(max_length=9, help_text="MMSI or ICAO address")
    note = models.CharField(max_length=100, blank=True, default="", help_text="who that is")

    class Meta:
        ordering = ["subject", "identity"]
        default_permissions = ()  # whoever may change the list may change what is in it
        constraints = [models.UniqueConstraint(fields=["watch_list", "subject", "identity"], name="watchedtarget_once")]

    def __str__(self) -> str:
        return self.identity
