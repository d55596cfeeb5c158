"""What the addresses of streams have in common.

A request enters; on the ASGI worker (`manage.py stream`) a stream leaves, made by `hub`. The web server has no room for
responses that last: there the answer is the way to that worker, where its port is known.
"""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.handlers.asgi import ASGIRequest
from django.db import connections
from django.http import HttpResponse, HttpResponseBase, HttpResponseRedirect, StreamingHttpResponse
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse
from rest_framework.exceptions import NotFound
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.views import APIView

from tracking.api.common.errors import Unavailable, documented
from tracking.api.common.throttles import ChangesRate
from tracking.streams.hub import Hub
from tracking.streams.places import Full, places
from tracking.web.networks import client_address, holder

LAST_EVENT = "Last-Event-ID"
LAST_EVENT_PARAMETER = OpenApiParameter(
    LAST_EVENT, str, "header", description="id of the last event; stronger than `since`"
)
RESPONSES = {
    (200, "text/event-stream"): OpenApiResponse({"type": "string"}, description="the events"),
    307: OpenApiResponse(description="the way to the server of streams"),
    **documented(400, 404, 503),
}


class StreamView(APIView):
    """An address of streams."""

    throttle_classes = [ChangesRate]
    http_method_names = ["get", "options"]

    def perform_content_negotiation(self, request: Request, force: bool = False) -> tuple[BaseRenderer, str]:
        """Whatever a client of event streams accepts: errors are JSON."""
        return JSONRenderer(), JSONRenderer.media_type

    @staticmethod
    def asked(request: Request) -> dict[str, str]:
        """The query, in which `since` is the last event where the client names it."""
        last = {"since": request.headers[LAST_EVENT]} if LAST_EVENT in request.headers else {}
        return request.query_params.dict() | last

    @staticmethod
    def streamed(request: Request, hub: Hub, asked: tuple[Any, ...], since: str | None) -> HttpResponseBase:
        """The stream of what is asked for, or the way to it. Raises the errors of the source's server, and Unavailable
        where all places are taken."""
        if not isinstance(request._request, ASGIRequest):
            return _elsewhere(request)
        hub.source.refresh()  # where its server is away, this is the 503
        whose = holder(client_address(request._request))
        try:
            place = places.take(whose, settings.STREAM_CLIENTS, settings.STREAM_CLIENTS_PER_ADDRESS)
        except Full as error:
            raise Unavailable(str(error)) from error
        connections.close_all()  # the thread, and so its connections, would be kept for as long as the stream
        response: Any = StreamingHttpResponse(hub.stream(asked, since, place), content_type="text/event-stream")
        response["Cache-Control"] = "no-store"
        response["X-Accel-Buffering"] = "no"  # nginx would collect events
        return response


def _elsewhere(request: Request) -> HttpResponse:
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
