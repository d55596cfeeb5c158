"""Geofences and watch-lists in the admin."""

from __future__ import annotations

from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from unfold.admin import ModelAdmin, TabularInline
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from tracking import search, theme
from tracking.events.admin.area import AreaField
from tracking.events.models.rules import Geofence, WatchedTarget, WatchList
from tracking.truth.models import PositionKind


class GeofenceForm(forms.ModelForm):  # type: ignore[type-arg]
    """A geofence; its area is drawn."""

    area = AreaField(help_text="GeoJSON Polygon or MultiPolygon: what is drawn above, or pasted here")

    class Meta:
        model = Geofence
        fields = (
            *("name", "area", "whose", "tells_entering", "tells_leaving", "dwell_minutes", "limit_knots"),
            "enabled",
        )
        labels: ClassVar[dict[str, str]] = {
            "whose": "Whose visits count",
            "tells_entering": "Tell of entering",
            "tells_leaving": "Tell of leaving",
            "dwell_minutes": "Tell of a stay of (minutes)",
            "limit_knots": "Speed limit (kn)",
        }


@admin.register(Geofence)
class GeofenceAdmin(ModelAdmin):  # type: ignore[misc]  # unfold has no types
    """Areas that are looked at."""

    icon = "fence"
    form = GeofenceForm
    show_full_result_count = False
    list_display = (
        "name",
        theme.column("get_whose_display", "Whose"),
        "tells_entering",
        "tells_leaving",
        theme.column("dwell_minutes", "Stay (min)"),
        theme.column("limit_knots", "Limit (kn)", "{:g}"),
        "enabled",
        theme.moment("changed_at", "Changed"),
    )
    search_fields = ("name",)
    search_help_text = "Part of the name"


class WatchedTargetForm(forms.ModelForm):  # type: ignore[type-arg]
    """One target; its identity as it is kept."""

    subject = forms.ChoiceField(choices=PositionKind.choices, widget=UnfoldAdminSelectWidget)
    identity = forms.CharField(max_length=12, widget=UnfoldAdminTextInputWidget, label="MMSI or ICAO address")

    class Meta:
        model = WatchedTarget
        fields = ("subject", "identity", "note")

    def clean(self) -> dict[str, Any]:
        """Raises ValidationError for what is neither."""
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        text, subject = str(cleaned.get("identity", "")), cleaned.get("subject")
        found: Any = search.icao(text) if subject == PositionKind.AIRCRAFT else search.mmsi(text)
        if text and found is None:
            wanted = "an ICAO address, six hexadecimal digits" if subject == PositionKind.AIRCRAFT else "an MMSI"
            raise forms.ValidationError({"identity": f"That is not {wanted}."})
        return cleaned | {"identity": str(found)}


class WatchedTargetInline(TabularInline):  # type: ignore[misc]  # unfold has no types
    """Who is on a list; whoever may change the list may change that."""

    model = WatchedTarget
    form = WatchedTargetForm
    extra = 3
    tab = False

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """As of the list."""
        return any(request.user.has_perm(f"tracking.{what}_watchlist") for what in ("view", "change"))

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """As of the list."""
        return any(request.user.has_perm(f"tracking.{what}_watchlist") for what in ("add", "change"))

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """As of the list."""
        return request.user.has_perm("tracking.change_watchlist")

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """As of the list."""
        return request.user.has_perm("tracking.change_watchlist")


@admin.register(WatchList)
class WatchListAdmin(ModelAdmin):  # type: ignore[misc]  # unfold has no types
    """Lists of ships and aircraft that somebody waits for."""

    icon = "visibility"
    show_full_result_count = False
    inlines: ClassVar[list[type[TabularInline]]] = [WatchedTargetInline]
    fields = ("name", "note", "enabled")
    list_display = ("name", theme.column("note", "Note"), "enabled", theme.moment("changed_at", "Changed"))
    search_fields = ("name", "=targets__identity")
    search_help_text = "Part of the name, or a whole MMSI or ICAO address that is on it"
