"""The pages of identities in the admin; those of positions are in `tracking/position_admin.py`, those of
keys in `tracking/access/key_admin.py`.

Identities are made by reports, not by hand. Deleting one takes its positions along, in one statement and unread.
"""

import datetime as dt
from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.contrib.admin import SimpleListFilter
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from unfold.admin import ModelAdmin
from unfold.decorators import display

from tracking import change_admin, position_admin, search, theme  # noqa: F401  importing it registers its pages
from tracking.access import key_admin  # noqa: F401  likewise
from tracking.desk import targets
from tracking.events.admin import events, rules  # noqa: F401  likewise
from tracking.events.admin import targets as told_admin  # noqa: F401  likewise
from tracking.models import Aircraft, Station, Vessel
from tracking.positions import codes
from tracking.truth.quarantine import admin as quarantine_admin  # noqa: F401  likewise

theme.register()

MMSI = theme.column("mmsi", "MMSI", "{:09d}")
ICAO = theme.column("icao", "ICAO address")
FIRST_SEEN = theme.moment("first_seen", "First seen")
STATIC_AT = theme.moment("static_at", "Static report")
LAST_SEEN = theme.moment("last_seen", "Last seen")
TYPE = theme.coded("ship_type", "Type (AIS code)", codes.ship_type_text)
NAMES_SHOWN = 20  # on the page that asks before identities are deleted


class LastSeenFilter(SimpleListFilter):
    """By the time of the latest report."""

    title = "last seen"
    parameter_name = "seen"
    SPANS: ClassVar[dict[str, tuple[str, dt.timedelta]]] = {
        "hour": ("Last hour", dt.timedelta(hours=1)),
        "day": ("Last 24 hours", dt.timedelta(days=1)),
        "week": ("Last 7 days", dt.timedelta(days=7)),
    }

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """The spans on offer."""
        return [(name, label) for name, (label, _) in self.SPANS.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Those seen within the span."""
        span = self.SPANS.get(self.value() or "")
        return queryset.filter(last_seen__gte=timezone.now() - span[1]) if span else queryset


class IdentityAdmin(ModelAdmin):
    """What pages of identities share. `positions` names the page of their positions, where there is one."""

    show_full_result_count = False
    list_per_page = 50

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Nobody: identities are made by the first report that is heard."""
        return False

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """(what is found, False: no row twice)."""
        return (self.find(queryset, search_term) if search_term.strip() else queryset), False

    def find(self, queryset: QuerySet[Any], text: str) -> QuerySet[Any]:
        """What `text` finds."""
        raise NotImplementedError


class TrackedAdmin(IdentityAdmin):
    """Identities with a history of positions. `subject` is what they are for the map and for other apps."""

    positions_page: ClassVar[str]
    changes_page: ClassVar[str]
    subject: ClassVar[targets.Subject]
    change_form_before_template = "admin/tracking/target.html"
    change_form_after_template = "admin/tracking/target_tables.html"

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The page of a target, with its last track and what other apps know of it."""
        found = self.get_object(request, object_id)
        context = {} if found is None else {"target": self._target(request, found.pk)}
        return super().change_view(request, object_id, form_url, {**(extra_context or {}), **context})

    def _target(self, request: HttpRequest, key: Any) -> dict[str, Any]:
        return {
            "selection": f"{self.subject[0]}{key}",
            "track": reverse(f"{self.subject}-track", args=[key]),
            "tables": targets.tables(request.user, self.subject, key),
        }

    def get_deleted_objects(
        self, objs: Any, request: HttpRequest
    ) -> tuple[list[Any], dict[str, Any], set[str], list[str]]:
        """What is deleted, for the page that asks: Django would read and list every single position."""
        chosen = list(objs)
        listed = [f"{found}, with all positions" for found in chosen[:NAMES_SHOWN]]
        if len(chosen) > NAMES_SHOWN:
            listed.append(f"and {len(chosen) - NAMES_SHOWN} more")
        return listed, {str(self.opts.verbose_name_plural): len(chosen), "positions": "all of theirs"}, set(), []

    @display(description="Positions")
    def positions(self, found: Any) -> str:
        """The way to its positions."""
        return theme.link(f"{reverse(self.positions_page)}?q={found.pk}", "Show the latest ones")

    @display(description="Names and the like before")
    def changes(self, found: Any) -> str:
        """The way to what it said of itself before."""
        return theme.link(f"{reverse(self.changes_page)}?q={found.pk}", "Show what changed")


ANTENNA = ("to_bow", "to_stern", "to_port", "to_starboard")


class VesselForm(forms.ModelForm):
    """A vessel, abbreviations in capitals and units in the labels."""

    class Meta:
        model = Vessel
        fields = ("name", "callsign", "imo", "ship_type", "mothership", "destination", "draught", "eta", *ANTENNA)
        labels: ClassVar[dict[str, str]] = {
            "callsign": "Call sign",
            "imo": "IMO number",
            "eta": "ETA (UTC)",
            "draught": "Draught (m)",
            "mothership": "Mother ship (MMSI)",
            "to_bow": "To bow (m)",
            "to_stern": "To stern (m)",
            "to_port": "To port (m)",
            "to_starboard": "To starboard (m)",
        }


@admin.register(Vessel)
class VesselAdmin(TrackedAdmin):
    """Ships and all that reports as one."""

    icon = "sailing"
    positions_page = "admin:tracking_vesselposition_changelist"
    changes_page = "admin:tracking_vesselchange_changelist"
    subject = "vessel"
    list_display = (
        MMSI,
        theme.column("name", "Name"),
        theme.column("flag", "Flag (ISO 3166)"),
        theme.column("get_kind_display", "Kind"),
        TYPE,
        "length",
        theme.column("destination", "Destination"),
        LAST_SEEN,
    )
    ordering = ("-last_seen",)
    sortable_by = ()
    list_filter = (LastSeenFilter,)
    search_fields = ("name",)
    search_help_text = "Part of the name, beginning of the call sign, or a whole MMSI or IMO number"
    form = VesselForm
    readonly_fields = (MMSI, "kind", "flag", STATIC_AT, FIRST_SEEN, LAST_SEEN, TYPE, "positions", "changes")
    fieldsets = (
        (None, {"fields": ((MMSI, "positions", "changes"), ("kind", "flag"), (FIRST_SEEN, LAST_SEEN))}),
        (
            "As she reports herself",
            {"fields": (("name", "callsign"), ("imo", "ship_type"), (STATIC_AT, TYPE), "mothership")},
        ),
        ("Voyage", {"fields": (("destination", "draught"), "eta")}),
        ("Place of the antenna", {"fields": (("to_bow", "to_stern"), ("to_port", "to_starboard"))}),
    )

    def find(self, queryset: QuerySet[Vessel], text: str) -> QuerySet[Vessel]:
        """As in the API."""
        return search.vessels(queryset, text)

    @display(description="Length (m)")
    def length(self, vessel: Vessel) -> str:
        """Bow to stern, where both are known."""
        return f"{vessel.to_bow + vessel.to_stern}" if vessel.to_bow and vessel.to_stern else "-"


@admin.register(Aircraft)
class AircraftAdmin(TrackedAdmin):
    """Aircraft."""

    icon = "flight"
    positions_page = "admin:tracking_aircraftposition_changelist"
    changes_page = "admin:tracking_aircraftchange_changelist"
    subject = "aircraft"
    list_display = (
        ICAO,
        theme.column("callsign", "Callsign"),
        theme.column("registration", "Registration"),
        theme.column("type_code", "Type (ICAO)"),
        theme.column("category", "Category (ADS-B)"),
        theme.column("squawk", "Squawk (octal)"),
        LAST_SEEN,
    )
    ordering = ("-last_seen",)
    sortable_by = ()
    list_filter = (LastSeenFilter,)
    search_fields = ("callsign",)
    search_help_text = "Beginning of the callsign or registration, or a whole ICAO address"
    readonly_fields = (ICAO, FIRST_SEEN, LAST_SEEN, "positions", "changes")
    fieldsets = (
        (None, {"fields": (ICAO, ("positions", "changes"), (FIRST_SEEN, LAST_SEEN))}),
        ("The aircraft", {"fields": (("registration", "type_code"), "category")}),
        ("Latest heard", {"fields": (("callsign", "squawk"),)}),
    )

    def find(self, queryset: QuerySet[Aircraft], text: str) -> QuerySet[Aircraft]:
        """As in the API."""
        return search.aircraft(queryset, text)


@admin.register(Station)
class StationAdmin(IdentityAdmin):
    """Base stations and aids to navigation."""

    icon = "cell_tower"
    list_display = (
        MMSI,
        theme.column("name", "Name"),
        theme.column("get_kind_display", "Kind"),
        theme.column("aid_type", "Type of aid (AIS code)"),
        theme.column("latitude", "Latitude (°N)", "{:.5f}"),
        theme.column("longitude", "Longitude (°E)", "{:.5f}"),
        LAST_SEEN,
    )
    sortable_by = ()
    search_fields = ("name",)
    search_help_text = "Part of the name, or a whole MMSI"
    readonly_fields = (MMSI, "kind", FIRST_SEEN, LAST_SEEN)
    fieldsets = (
        (None, {"fields": ((MMSI, "kind"), ("name", "aid_type"), (FIRST_SEEN, LAST_SEEN))}),
        ("Position", {"fields": (("latitude", "longitude"),)}),
    )

    def find(self, queryset: QuerySet[Station], text: str) -> QuerySet[Station]:
        """As in the API."""
        return search.stations(queryset, text)
