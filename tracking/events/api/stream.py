"""Events as Server-Sent Events: the address and what may be asked. Who may ask is as for the list of events."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponseBase
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request

from tracking.api.common.query import BoxField, StrictQuery
from tracking.events.following import Following, cursor
from tracking.events.models.event import EventKind
from tracking.streams import hub
from tracking.streams.views import LAST_EVENT, LAST_EVENT_PARAMETER, RESPONSES, StreamView


class EventStreamQuery(StrictQuery):
    """Which events, and from where on."""

    bbox = BoxField(required=False, help_text="west,south,east,north in degrees; default: wherever they are")
    kinds = serializers.CharField(
        required=False, help_text=f"comma separated, of {', '.join(EventKind.values)}; all if absent"
    )
    since = serializers.CharField(required=False, max_length=40, help_text="`next` of the event before")

    def validate_kinds(self, value: str) -> frozenset[str]:
        """Those named."""
        names = frozenset(value.split(","))
        if not names <= set(EventKind.values):
            raise serializers.ValidationError(f"Kinds are {', '.join(EventKind.values)}.")
        return names

    def validate_since(self, value: str) -> str:
        """A cursor."""
        try:
            cursor(value)
        except ValueError as error:
            raise serializers.ValidationError("A cursor is the `next` of an event.") from error
        return value


class EventStream(StreamView):
    """Events, as they come."""

    @extend_schema(
        operation_id="events_stream",
        summary="Events, as they come",
        description=(
            "Server-Sent Events. An event `events` has `results`, as `/api/events/recent/` gives them, of what began, "
            "ended (`over`) or went on anew since the event before; the first has none, and a cursor. Its id goes into "
            f"`{LAST_EVENT}` (or `since`) to go on from there, up to an hour later; `reset`: it was longer, ask the "
            "list for what is between. Where the server of streams was started anew meanwhile, some may come twice. An "
            "event `away`: the database is not available for a while. A comment comes every 15 s. A stream ends after "
            "15 minutes, to be resumed."
        ),
        parameters=[EventStreamQuery, LAST_EVENT_PARAMETER],
        responses=RESPONSES,
    )
    def get(self, request: Request) -> HttpResponseBase:
        """The stream."""
        query = EventStreamQuery(data=self.asked(request))
        query.is_valid(raise_exception=True)
        given: dict[str, Any] = query.validated_data
        following = Following(given.get("kinds", frozenset()), given.get("bbox"))
        return self.streamed(request, hub.events, (following,), given.get("since"))
