"""Live changes in a box as Server-Sent Events: the address, who may ask and what for.

A request enters; on the ASGI worker (`manage.py stream`) a stream leaves, made by `tracking/streams/hub.py`. The web
server has no room for responses that last: there the answer is the way to that worker, where its port is known.
"""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpResponse, HttpResponseBase, HttpResponseRedirect, StreamingHttpResponse
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.exceptions import NotFound
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request

from tracking.api.common.errors import Unavailable, documented
from tracking.api.common.throttles import ChangesRate
from tracking.live.state import LiveKind
from tracking.live_api.changes import ChangesQuery
from tracking.live_api.live import LiveView
from tracking.streams.hub import hub
from tracking.streams.places import Full, places
from tracking.web.networks import client_address, holder

LAST_EVENT = "Last-Event-ID"


class LiveStream(LiveView):
    """Changes of live state, as they come."""

    throttle_classes = [ChangesRate]
    http_method_names = ["get", "options"]

    def perform_content_negotiation(self, request: Request, force: bool = False) -> tuple[BaseRenderer, str]:
        """Whatever a client of event streams accepts: errors are JSON."""
        return JSONRenderer(), JSONRenderer.media_type

    @extend_schema(
        summary="Live changes in a box, as they come",
        description=(
            "Server-Sent Events. An event `changes` has the data that `/api/live/changes/` gives, of what changed "
            "since the event before; the first has everything in the box. `missed`: how many reports of these targets "
            "were replaced by later ones, because they came together or the client was slow. Its id goes into "
            f"`{LAST_EVENT}` (or `since`) to go on from there. An event `away`: live state is not available for a "
            "while. A comment comes every 15 s. A stream ends after 15 minutes, to be resumed."
        ),
        parameters=[
            ChangesQuery,
            OpenApiParameter(LAST_EVENT, str, "header", description="id of the last event; stronger than `since`"),
        ],
        responses={
            (200, "text/event-stream"): OpenApiResponse({"type": "string"}, description="the events"),
            307: OpenApiResponse(description="the way to the server of streams"),
            **documented(400, 404, 503),
        },
    )
    def get(self, request: Request) -> HttpResponseBase:
        """The stream."""
        asked = request.query_params.dict()
        if LAST_EVENT in request.headers:
            asked["since"] = request.headers[LAST_EVENT]
        query = ChangesQuery(data=asked)
        query.is_valid(raise_exception=True)
        if not isinstance(request._request, ASGIRequest):
            return _elsewhere(request)
        hub.mirror.refresh()  # where the live Redis is away, this is the 503
        given: dict[str, Any] = query.validated_data
        return _streamed(request, given.get("kinds", tuple(LiveKind)), given["bbox"], given.get("since"))


def _streamed(request: Request, kinds: tuple[LiveKind, ...], box: Any, since: str | None) -> HttpResponse:
    whose = holder(client_address(request._request))
    try:
        place = places.take(whose, settings.STREAM_CLIENTS, settings.STREAM_CLIENTS_PER_ADDRESS)
    except Full as error:
        raise Unavailable(str(error)) from error
    response: Any = StreamingHttpResponse(hub.stream(kinds, box, since, place), content_type="text/event-stream")
    response["Cache-Control"] = "no-store"
    response["X-Accel-Buffering"] = "no"  # nginx would collect events
    return response


def _elsewhere(request: Request) -> HttpResponseBase:
    """The same address at the port of the server of streams."""
    if not settings.STREAM_PORT:
        raise NotFound(
            "Streams are served by manage.py stream: the proxy leads there, or STREAM_PORT says where it is."
        )
    host = request._request.get_host()
    name = host[: host.rindex("]") + 1] if "]" in host else host.partition(":")[0]
    place = f"{request.scheme}://{name}:{settings.STREAM_PORT}"
    response = HttpResponseRedirect(f"{place}{request._request.get_full_path()}")
    response.status_code = 307
    return response
