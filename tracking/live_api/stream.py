"""Live changes in a box as Server-Sent Events: the address, who may ask and what for."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponseBase
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request

from tracking.live.state import LiveKind
from tracking.live_api.changes import ChangesQuery
from tracking.live_api.live import LiveView
from tracking.streams import hub
from tracking.streams.views import LAST_EVENT, LAST_EVENT_PARAMETER, RESPONSES, StreamView


class LiveStream(StreamView, LiveView):
    """Changes of live state, as they come."""

    @extend_schema(
        summary="Live changes in a box, as they come",
        description=(
            "Server-Sent Events. An event `changes` has the data that `/api/live/changes/` gives, of what changed "
            "since the event before; the first has everything in the box. `missed`: how many reports of these targets "
            "were replaced by later ones, because they came together or the client was slow. Its id goes into "
            f"`{LAST_EVENT}` (or `since`) to go on from there. An event `away`: live state is not available for a "
            "while. A comment comes every 15 s. A stream ends after 15 minutes, to be resumed."
        ),
        parameters=[ChangesQuery, LAST_EVENT_PARAMETER],
        responses=RESPONSES,
    )
    def get(self, request: Request) -> HttpResponseBase:
        """The stream."""
        query = ChangesQuery(data=self.asked(request))
        query.is_valid(raise_exception=True)
        given: dict[str, Any] = query.validated_data
        asked = given.get("kinds", tuple(LiveKind)), given["bbox"]
        return self.streamed(request, hub.changes, asked, given.get("since"))
