"""Events and their deliveries in the admin: nobody makes or changes one; a delivery may be sent again."""

from __future__ import annotations

from collections import Counter
from typing import Any, ClassVar

from django.contrib import admin, messages
from django.contrib.admin import SimpleListFilter
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from unfold.decorators import action, display

from tracking import theme
from tracking.events.models.event import Event, EventKind
from tracking.events.models.notices import Delivery
from tracking.events.notices import messages as texts
from tracking.events.notices import sending

_ZOOM = 11


class EventKindFilter(SimpleListFilter):
    """By kind."""

    title, parameter_name = "kind", "kind"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """All kinds."""
        return [(str(value), str(label)) for value, label in EventKind.choices]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Those of the kind; none where the address names one that there is not."""
        return queryset if self.value() is None else queryset.filter(kind=self.value())


class GoesOnFilter(SimpleListFilter):
    """Whether it goes on."""

    title, parameter_name = "state", "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Going on or over."""
        return [("open", "Goes on"), ("over", "Over")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Those of the state."""
        return queryset if self.value() is None else queryset.filter(until__isnull=self.value() == "open")


class DeliveryStateFilter(SimpleListFilter):
    """By what became of it."""

    title, parameter_name = "state", "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """All states."""
        return [(str(value), str(label)) for value, label in Delivery.State.choices]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Those of the state."""
        return queryset if self.value() is None else queryset.filter(state=self.value())


@admin.register(Event)
class EventAdmin(theme.Uncounted, theme.ReadOnly):
    """What happened, the latest first."""

    icon = "notifications"
    list_filter = (EventKindFilter, GoesOnFilter)
    list_display = (
        theme.moment("since", "Since"),
        "what",
        "who",
        theme.moment("until", "Until"),
        theme.column("source", "Source"),
        "told",
        "place",
    )
    fields = readonly_fields = (
        theme.column("get_kind_display", "Kind"),
        "what",
        "who",
        theme.moment("since", "Since"),
        theme.moment("held_at", "Known to go on"),
        theme.moment("until", "Until"),
        theme.moment("noted_at", "Found"),
        theme.column("source", "Source"),
        theme.column("geofence", "Geofence"),
        theme.column("watch_list", "Watch-list"),
        "place",
        "told",
        "values",
    )
    list_display_links = ("what",)
    search_fields = ("=identity", "=reference")
    search_help_text = "A whole MMSI or ICAO address"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Event]:
        """With deliveries, which a column counts."""
        return super().get_queryset(request).prefetch_related("deliveries")

    @display(description="What")  # type: ignore[untyped-decorator]
    def what(self, event: Event) -> str:
        """As a notification says it."""
        return texts.what(event)

    @display(description="Who")  # type: ignore[untyped-decorator]
    def who(self, event: Event) -> str:
        """The names that are known, and the identity."""
        return texts.who(event)

    @display(description="Told")  # type: ignore[untyped-decorator]
    def told(self, event: Event) -> str:
        """How many of its notifications are in which state."""
        counts = Counter(delivery.get_state_display() for delivery in event.deliveries.all())
        return ", ".join(f"{number} {state}" for state, number in sorted(counts.items())) or "nobody"

    @display(description="Place")  # type: ignore[untyped-decorator]
    def place(self, event: Event) -> str:
        """A link to the map."""
        if event.latitude is None or event.longitude is None:
            return "-"
        text = f"{event.latitude:.4f}° {event.longitude:.4f}°"
        return theme.link(f"{reverse('map')}#{_ZOOM}/{event.latitude:.4f}/{event.longitude:.4f}", text)


@admin.register(Delivery)
class DeliveryAdmin(theme.Uncounted):
    """What became of each notification."""

    icon = "outgoing_mail"
    list_filter = (DeliveryStateFilter,)
    list_select_related = ("event", "target")
    actions: ClassVar[list[str]] = ["send_again"]
    list_display = readonly_fields = fields = (
        theme.column("event", "Event"),
        theme.column("target", "Target"),
        theme.column("get_state_display", "State"),
        theme.column("attempts", "Attempts"),
        theme.moment("next_retry_at", "Due"),
        theme.moment("ended_at", "Ended"),
        theme.column("problem", "Problem"),
    )
    search_fields = ("=event__identity", "target__name")
    search_help_text = "A whole MMSI or ICAO address, or part of the target's name"

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Nobody."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody: they go with their event."""
        return False

    @action(description="Send again", permissions=["change"])  # type: ignore[untyped-decorator]
    def send_again(self, request: HttpRequest, deliveries: QuerySet[Delivery]) -> None:
        """Those that may have arrived, or were given up."""
        count = sending.send_again(list(deliveries.values_list("pk", flat=True)))
        messages.success(request, f"{count} of {len(deliveries)} will be sent again within a minute.")
