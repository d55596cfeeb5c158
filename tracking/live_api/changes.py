"""What changed of live state in a box since a cursor: what the map asks every second or two.

A plain answer of columns, made once a second for all who look at the same box; its own throttle lets a page poll. From
Redis alone, so it serves on while PostgreSQL is away.
"""

from __future__ import annotations

import zlib
from functools import lru_cache

from django.http import HttpResponse
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.request import Request

from tracking.api.common.compression import takes_gzip
from tracking.api.common.errors import documented
from tracking.api.common.query import LiveQuery
from tracking.api.common.throttles import ChangesRate
from tracking.live.log import number
from tracking.live.mirror import Box, mirror
from tracking.live.state import LiveKind
from tracking.live_api.live import LiveView


class ChangesQuery(LiveQuery):
    """The box, which kinds, and from where on."""

    limit = None  # a map draws everything
    kinds = serializers.CharField(required=False, help_text="vessel, aircraft, station, comma separated; all if absent")
    since = serializers.CharField(required=False, max_length=40, help_text="`next` of the answer before")

    def validate_kinds(self, value: str) -> tuple[LiveKind, ...]:
        """Those named, in the order of Kind."""
        names = set(value.split(","))
        if not names <= set(LiveKind):
            raise serializers.ValidationError(f"Kinds are {', '.join(LiveKind)}.")
        return tuple(kind for kind in LiveKind if kind in names)

    def validate_since(self, value: str) -> str:
        """A cursor."""
        if not _is_cursor(value):
            raise serializers.ValidationError("A cursor is the `next` of an answer.")
        return value


class LiveChanges(LiveView):
    """Changes of live state."""

    throttle_classes = [ChangesRate]

    @extend_schema(
        summary="What changed of live state in a box",
        description=(
            "Columns by kind. `lat` and `lon` are differences of 1e-5 degrees from one row to the next, `age` is in "
            "0.1 s, speed in 0.1 knots, altitude in 25 ft, climb in 64 ft a minute; -32768 is unknown. `static` is of "
            "the rows `at` (differences) whose static data changed. A target that left the box comes once more. "
            "`reset`: what is not in the answer is gone. A target dies `ttl` seconds after its last report."
        ),
        parameters=[ChangesQuery],
        responses={200: OpenApiResponse(description="the changes"), **documented(400, 503)},
    )
    def get(self, request: Request) -> HttpResponse:
        """The changes."""
        kinds, box, since = _asked(request.query_params.dict())
        body = mirror.changes(kinds, box, since)
        if not takes_gzip(request._request):
            return HttpResponse(zlib.decompress(body, wbits=31), content_type="application/json")
        response = HttpResponse(body, content_type="application/json")
        response["Content-Encoding"] = "gzip"
        response["Cache-Control"] = "no-store"
        response["Vary"] = "Accept-Encoding"
        return response


def _asked(given: dict[str, str]) -> tuple[tuple[LiveKind, ...], Box, str | None]:
    """Kinds, box and cursor of a query. Raises ValidationError."""
    since = given["since"].strip() if "since" in given else None
    if since is not None and not _is_cursor(since):
        _validated(tuple(given.items()))  # says what is wrong
    kinds, box = _validated(tuple((name, value) for name, value in given.items() if name != "since"))
    return kinds, box, since


def _is_cursor(text: str) -> bool:
    try:
        number(text)
    except ValueError:
        return False
    return True


@lru_cache(maxsize=256)
def _validated(given: tuple[tuple[str, str], ...]) -> tuple[tuple[LiveKind, ...], Box]:
    """Kinds and box. Remembered, since a map asks for the same box again and again. Raises ValidationError."""
    query = ChangesQuery(data=dict(given))
    query.is_valid(raise_exception=True)
    return query.validated_data.get("kinds", tuple(LiveKind)), query.validated_data["bbox"]
