"""The admin's pages of what vessels and aircraft said of themselves before: never counted, looked up by target."""

from collections.abc import Callable
from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from tracking import search, theme
from tracking.models import AircraftChange, VesselChange


class ChangeAdmin(theme.Uncounted, theme.ReadOnly):
    """What pages of changes share: `key` is the column of whose they are, `parse_key` reads one, else gives None."""

    icon = "history"
    key: ClassVar[str]
    parse_key: ClassVar[Callable[[str], int | str | None]]

    def get_ordering(self, request: HttpRequest) -> list[str]:
        """By time for one target, which its index answers; else the latest stored first."""
        whose = self.parse_key(request.GET.get("q", "").strip())
        return [f"-{self.key}", "-since", "-id"] if whose is not None else ["-id"]

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """(changes of the target that was typed, False: no row twice)."""
        if not (text := search_term.strip()):
            return queryset, False
        whose = self.parse_key(text)
        return (queryset.none() if whose is None else queryset.filter(**{self.key: whose})), False


_CHANGE = (
    theme.column("field", "What"),
    theme.column("value", "Is from then on"),
    theme.column("source", "Source"),
)


@admin.register(VesselChange)
class VesselChangeAdmin(ChangeAdmin):
    """What vessels said of themselves, since when."""

    key = "vessel_id"
    parse_key = staticmethod(search.mmsi)
    list_display = fields = readonly_fields = (
        theme.moment("since", "Since"),
        theme.column("vessel", "Vessel (MMSI)"),
        *_CHANGE,
    )
    list_select_related = ("vessel",)
    search_fields = ("vessel_id",)
    search_help_text = "MMSI"


@admin.register(AircraftChange)
class AircraftChangeAdmin(ChangeAdmin):
    """What aircraft, or sources, said of them, since when."""

    key = "aircraft_id"
    parse_key = staticmethod(search.icao)
    list_display = fields = readonly_fields = (
        theme.moment("since", "Since"),
        theme.column("aircraft", "Aircraft (ICAO address)"),
        *_CHANGE,
    )
    list_select_related = ("aircraft",)
    search_fields = ("aircraft_id",)
    search_help_text = "ICAO address"
