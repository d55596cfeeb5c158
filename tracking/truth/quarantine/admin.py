"""Quarantine and disputes in the admin: what was refused, why and by how much, and what an operator says of it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.contrib.admin import SimpleListFilter
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from tracking import theme
from tracking.truth.models import Dispute, PositionKind, Refusal, RefusedPosition
from tracking.truth.quarantine import decisions as quarantine
from tracking.truth.quarantine.around import around

IDENTITY_FIELDS = {PositionKind.VESSEL: "vessel", PositionKind.AIRCRAFT: "aircraft"}


class _ChoiceFilter(SimpleListFilter):
    """By one of the choices of the column that `parameter_name` is."""

    offered: ClassVar[Sequence[tuple[Any, Any]]]

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """All choices."""
        return [(str(value), str(label)) for value, label in self.offered]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Rows with the choice; none where the address names one that there is not."""
        if self.value() is None:
            return queryset
        known = {str(value) for value, _ in self.offered}
        return queryset.filter(**{self.parameter_name: self.value()}) if self.value() in known else queryset.none()


class RefusalFilter(_ChoiceFilter):
    """By the reason."""

    title, parameter_name, offered = "reason", "reason", Refusal.choices


class DecisionFilter(_ChoiceFilter):
    """By what an operator said."""

    title, parameter_name, offered = "decision", "decision", RefusedPosition.Decision.choices


class SubjectFilter(_ChoiceFilter):
    """Ships or aircraft."""

    title, parameter_name, offered = "kind", "subject", PositionKind.choices


class OpenFilter(SimpleListFilter):
    """Whether a dispute goes on."""

    title, parameter_name = "state", "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Open or over."""
        return [("open", "Open"), ("over", "Over")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Those of the state; all, where the address names none."""
        return queryset if self.value() is None else queryset.filter(until__isnull=self.value() == "open")


class DecisionForm(forms.ModelForm):  # type: ignore[type-arg]
    """What an operator says, and why."""

    decision = forms.TypedChoiceField(
        coerce=int,
        choices=RefusedPosition.Decision.choices,
        widget=UnfoldAdminSelectWidget,
        help_text="accepted: shown whatever the rule says; refused: hidden; as judged: the rule decides again",
    )
    note = forms.CharField(max_length=200, widget=UnfoldAdminTextInputWidget, help_text="why; kept with the position")

    class Meta:
        model = RefusedPosition
        fields: ClassVar[list[str]] = ["decision", "note"]


@admin.register(RefusedPosition)
class RefusedPositionAdmin(theme.Uncounted):
    """The quarantine: refused positions by reason, feed, identity and time. The rows themselves stay in the history."""

    icon = "gpp_maybe"
    form = DecisionForm
    change_form_before_template = "admin/tracking/around.html"
    list_filter = (RefusalFilter, DecisionFilter, SubjectFilter)
    list_display = (
        theme.moment("timestamp", "Time"),
        theme.column("identity", "MMSI or ICAO address"),
        theme.column("get_reason_display", "Reason"),
        theme.column("distance_m", "From the track (m)", "{:,.0f}"),
        theme.column("seconds", "After (s)", "{:,.1f}"),
        theme.column("budget_m", "Possible (m)", "{:,.0f}"),
        theme.column("source", "Source"),
        theme.column("get_decision_display", "Decision"),
    )
    readonly_fields = (
        theme.column("identity", "MMSI or ICAO address"),
        theme.moment("timestamp", "Time"),
        theme.column("latitude", "Latitude (°N)", "{:.5f}"),
        theme.column("longitude", "Longitude (°E)", "{:.5f}"),
        theme.column("source", "Source"),
        theme.column("get_reason_display", "Reason"),
        theme.column("distance_m", "Distance from the nearest track (m)", "{:,.0f}"),
        theme.column("seconds", "Seconds since its last position", "{:,.1f}"),
        theme.column("budget_m", "Metres that were possible", "{:,.0f}"),
        "track_around",
        theme.column("decided_by", "Decided by"),
        theme.moment("decided_at", "Decided at"),
    )
    fields = (*readonly_fields, "decision", "note")
    search_fields = ("=identity", "=source")
    search_help_text = "MMSI, ICAO address or feed"

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The page of a refused position, with a small map of what lies around it."""
        refused = self.get_object(request, object_id)
        context = {} if refused is None else {"around": json.dumps(around(refused))}
        return super().change_view(request, object_id, form_url, {**(extra_context or {}), **context})

    @admin.display(description="All positions")
    def track_around(self, row: RefusedPosition) -> str:
        """A link to the positions of its day."""
        page = reverse(f"admin:tracking_{IDENTITY_FIELDS[PositionKind(row.subject)]}position_changelist")
        return theme.link(f"{page}?q={row.identity}+{row.timestamp:%Y-%m-%d}", "positions of that day")

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Nobody: the judge enters them."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody: they go when they are accepted by the rule, or with their age."""
        return False

    def save_model(self, request: HttpRequest, obj: RefusedPosition, form: Any, change: bool) -> None:
        """The decision is kept and noted for the judge."""
        quarantine.decide(obj, obj.decision, obj.note, request.user)


@admin.register(Dispute)
class DisputeAdmin(theme.Uncounted, theme.ReadOnly):
    """Identities with more than one track at once, the latest first."""

    icon = "call_split"
    list_filter = (OpenFilter, SubjectFilter)
    list_display = fields = readonly_fields = (
        theme.column("identity", "MMSI or ICAO address"),
        theme.moment("since", "Since"),
        theme.moment("until", "Until"),
        "tracks",
    )
    search_fields = ("=identity",)
    search_help_text = "MMSI or ICAO address"

    @admin.display(description="Last place of each open track")
    def tracks(self, row: Dispute) -> str:
        """Number and place; a track that is not confirmed has none."""
        shown = [
            f"{'?' if track.number is None else track.number}: {track.latitude:.4f}° {track.longitude:.4f}°"
            for track in row.tracks
        ]
        return "; ".join(shown) or "-"
