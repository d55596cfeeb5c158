"""The pages of positions in the admin.

Positions are never counted, never sorted by anything without an index and never changed: they are looked up by ship or
aircraft and by day, each of which an index or a partition answers.
"""

import datetime as dt
import re
from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.contrib.admin import SimpleListFilter
from django.contrib.admin.models import CHANGE, LogEntry
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from unfold.decorators import action, display
from unfold.widgets import UnfoldAdminTextInputWidget

from resilience.pages.confirmation import Question, ask
from tracking import search, theme
from tracking.models import AircraftPosition, ArchivedDay, VesselPosition
from tracking.positions import codes
from tracking.truth.models import PositionKind
from tracking.truth.quarantine import decisions as quarantine

DAYS_OFFERED = 8
_DAY = re.compile(r"\d{4}-\d\d-\d\d")


class DayFilter(SimpleListFilter):
    """By day (UTC), which is a partition. The latest ones are listed; the address takes any."""

    title = "day (UTC)"
    parameter_name = "day"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """The latest days."""
        today = timezone.now().date()
        days = [today - dt.timedelta(days=back) for back in range(DAYS_OFFERED)]
        return [(day.isoformat(), f"{day:%A, %d %B}") for day in days]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Positions of the day; of none where the address holds no day."""
        value = self.value()
        return queryset if value is None else _within(queryset, value)


def _within(positions: QuerySet[Any], day: str) -> QuerySet[Any]:
    try:
        start = dt.datetime.strptime(day, "%Y-%m-%d").replace(tzinfo=dt.UTC)
        return positions.filter(timestamp__gte=start, timestamp__lt=start + dt.timedelta(days=1))
    except (ValueError, OverflowError):
        return positions.none()


STATUS = theme.coded("status", "Status (AIS code)", codes.status_text)
PLACE = (
    theme.moment("timestamp", "Time"),
    theme.column("latitude", "Latitude (°N)", "{:.5f}"),
    theme.column("longitude", "Longitude (°E)", "{:.5f}"),
)
ORIGIN = (
    theme.column("track", "Track"),
    theme.moment("received_at", "Received"),
    theme.column("source", "Source"),
    "receivers",
    theme.column("score", "Score (0-100)"),
)


class RefusalForm(forms.Form):
    """Why a position is refused."""

    note = forms.CharField(max_length=200, widget=UnfoldAdminTextInputWidget, help_text="kept with the position")


class PositionAdmin(theme.Uncounted, theme.ReadOnly):
    """What pages of positions share: `key` is the column of whose they are."""

    key: ClassVar[str]
    subject: ClassVar[PositionKind]
    list_filter = (DayFilter,)
    actions_detail = ("refuse",)

    @display(description="Heard by")
    def receivers(self, row: Any) -> str:
        """The feeds that reported it."""
        return ", ".join(row.heard_by or [row.source])

    def has_refuse_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """That of deciding on what is in quarantine."""
        return request.user.has_perm("tracking.change_refusedposition")

    @action(description="Refuse…", permissions=["view", "refuse"], url_path="refuse", icon="gpp_maybe")
    def refuse(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask why, then hide the position; the quarantine has it from then on, and can accept it again."""
        position = self.get_object(request, object_id)
        if position is None:
            raise Http404(f"no position {object_id}")
        form = RefusalForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            refused = quarantine.refuse(self.subject, position, form.cleaned_data["note"], request.user)
            LogEntry.objects.log_actions(str(request.user.pk), [position], CHANGE, "Refused.", single_object=True)
            return redirect("admin:tracking_refusedposition_change", refused.pk)
        question = Question(
            title=f"Refuse {position}?",
            explanation="It is hidden from tracks, exports and the map within a minute. Its row stays, and the "
            "quarantine can accept it again.",
            submit="Refuse",
            cancel_url=reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_change", args=[object_id]),
            form=form,
            danger=True,
        )
        return ask(self, request, question)

    def get_ordering(self, request: HttpRequest) -> list[str]:
        """By time for one target, which its primary key answers; else the latest stored first, by the index on id."""
        whose, _ = self.read_search(request.GET.get("q", ""))
        return [f"-{self.key}", "-timestamp"] if whose is not None else ["-id"]

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """(positions of the target and the day that were typed, False: no row twice)."""
        if not search_term.strip():
            return queryset, False
        whose, day = self.read_search(search_term)
        if whose is None and day is None:
            return queryset.none(), False
        queryset = queryset if whose is None else queryset.filter(**{self.key: whose})
        return (queryset if day is None else _within(queryset, day)), False

    def read_search(self, text: str) -> tuple[Any, str | None]:
        """(whose, day) that were typed in any order; None where one is missing."""
        words = text.split()
        day = next((word for word in words if _DAY.fullmatch(word)), None)
        keys = (self.parse_key(word) for word in words if word != day)
        return next((key for key in keys if key is not None), None), day

    def parse_key(self, word: str) -> Any:
        """The identity's key that the word is, or None."""
        raise NotImplementedError


@admin.register(VesselPosition)
class VesselPositionAdmin(PositionAdmin):
    """Positions of vessels."""

    icon = "location_on"
    key, subject = "vessel_id", PositionKind.VESSEL
    list_display = (
        PLACE[0],
        theme.column("vessel", "Vessel (MMSI)"),
        *PLACE[1:],
        theme.column("speed", "Speed (kn)", "{:.1f}"),
        theme.column("course", "Course (°)", "{:.1f}"),
        STATUS,
        theme.column("source", "Source"),
    )
    list_select_related = ("vessel",)
    fields = readonly_fields = (
        "vessel",
        *PLACE,
        theme.column("speed", "Speed (kn)", "{:g}"),
        theme.column("course", "Course (°)", "{:g}"),
        theme.column("heading", "Heading (°)"),
        STATUS,
        *ORIGIN,
    )
    search_fields = ("vessel_id",)
    search_help_text = "MMSI, day, or both: 211234560 2026-05-01"

    def parse_key(self, word: str) -> int | None:
        """An MMSI."""
        return search.mmsi(word)


@admin.register(AircraftPosition)
class AircraftPositionAdmin(PositionAdmin):
    """Positions of aircraft."""

    icon = "my_location"
    key, subject = "aircraft_id", PositionKind.AIRCRAFT
    list_display = (
        PLACE[0],
        theme.column("aircraft", "Aircraft (ICAO address)"),
        *PLACE[1:],
        theme.column("altitude", "Altitude (ft)", "{:,}"),
        theme.column("ground_speed", "Ground speed (kn)", "{:.1f}"),
        theme.column("heading", "Track (°)", "{:.1f}"),
        theme.column("source", "Source"),
    )
    list_select_related = ("aircraft",)
    fields = readonly_fields = (
        "aircraft",
        *PLACE,
        theme.column("altitude", "Altitude (ft)"),
        theme.column("ground_speed", "Ground speed (kn)", "{:g}"),
        theme.column("heading", "Track (°)", "{:g}"),
        theme.column("vertical_rate", "Vertical rate (ft/min)"),
        "on_ground",
        *ORIGIN,
    )
    search_fields = ("aircraft_id",)
    search_help_text = "ICAO address, day, or both: 3c6444 2026-05-01"

    def parse_key(self, word: str) -> str | None:
        """An ICAO address."""
        return search.icao(word)


@admin.register(ArchivedDay)
class ArchivedDayAdmin(theme.Uncounted, theme.ReadOnly):
    """Days of positions that lie in the archive. The API reads them like all others."""

    icon = "inventory_2"
    list_display = (
        theme.column("day", "Day (UTC)"),
        theme.column("get_kind_display", "Of"),
        theme.column("rows", "Positions", "{:,}"),
        "megabytes",
        theme.moment("at", "Archived"),
        theme.moment("restored_at", "Back in PostgreSQL"),
    )
    list_filter = ("kind",)
    search_fields = ("day",)
    search_help_text = "Day or its beginning: 2026-05"
    fields = readonly_fields = (*list_display, theme.column("hash", "Hash of all rows"))

    @display(description="Size (MB)")
    def megabytes(self, day: ArchivedDay) -> str:
        """Of the file."""
        return f"{day.bytes / 1e6:.1f}"
