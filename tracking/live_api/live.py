"""Live targets in a box, around a place, by name or changed since a time, from Redis alone.

With LIVE_PUBLIC nobody is asked who they are, so a session cookie is not even read. Without it, sessions and keys
are known by their copies in the live Redis (`tracking/access/copies.py`). Either way these views serve on while
PostgreSQL is away.
"""

from functools import partial
from typing import Any, ClassVar

import msgspec
from django.conf import settings
from django.http import HttpResponse, HttpResponseBase
from django.utils.cache import get_conditional_response, patch_cache_control, patch_vary_headers
from drf_spectacular.utils import extend_schema
from rest_framework.authentication import BaseAuthentication
from rest_framework.permissions import AllowAny, BasePermission
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.views import APIView

from tracking.access.api_keys import Scope
from tracking.access.key_copies import CopiedKey, CopiedSession
from tracking.api.common.compression import takes_gzip
from tracking.api.common.errors import documented
from tracking.api.common.query import WITHIN_NM, WORLD, LiveListQuery
from tracking.api.serializers import LivePageSerializer
from tracking.live.nearest import nearest
from tracking.live.state import LiveKind, LiveState
from tracking.live_api.shared import Encoded, Shared
from tracking.registry.documents import joined

answers = Shared()


class LiveView(APIView):
    """Live targets of one kind."""

    kind: ClassVar[LiveKind]
    key_scope = Scope.LIVE
    authentication_classes = [CopiedKey, CopiedSession]
    renderer_classes = [JSONRenderer]  # the browsable page would ask for the user

    def get_authenticators(self) -> list[BaseAuthentication]:
        """None where live state is public."""
        return [] if settings.LIVE_PUBLIC else super().get_authenticators()

    def get_permissions(self) -> list[Any]:
        """Everybody where live state is public."""
        public: list[BasePermission] = [AllowAny()]
        return public if settings.LIVE_PUBLIC else super().get_permissions()

    @extend_schema(parameters=[LiveListQuery], responses={200: LivePageSerializer, **documented(400)})
    def get(self, request: Request) -> HttpResponseBase:
        """Targets whose position lies in the box, in no order, or those that another way of asking names."""
        query = LiveListQuery(data=request.query_params.dict())  # an empty value is wrong, not absent
        query.is_valid(raise_exception=True)
        given: dict[str, Any] = query.validated_data
        key = (self.kind, *sorted((name, value) for name, value in given.items() if value is not None))
        return respond(request, answers.get(key, partial(_page, self.kind, given)))


def _found(state: LiveState, given: dict[str, Any], limit: int) -> list[bytes]:
    """At most `limit` documents, each as JSON."""
    if "near" in given:
        return nearest(state, *given["near"], given.get("within", WITHIN_NM), limit)
    if "ids" in given:
        return [raw for raw, _ in state.encoded(given["ids"])][:limit]
    if "changed_since" in given:
        found = state.changed_since(given["changed_since"].timestamp(), given.get("bbox"), limit)
        return [msgspec.json.encode(document) for document in found]
    return state.encoded_in_box(*given.get("bbox", WORLD), limit=limit)


def _page(kind: LiveKind, given: dict[str, Any]) -> bytes:
    """The targets as JSON, of documents that are JSON already."""
    limit = given["limit"]
    found = _found(LiveState(kind), given, limit + 1)
    results = found[:limit] if kind is not LiveKind.AIRCRAFT else joined(found[:limit])
    truncated = b"true" if len(found) > limit else b"false"
    return b'{"count":%d,"truncated":%b,"results":[%b]}' % (len(results), truncated, b",".join(results))


def respond(request: Request, answer: Encoded) -> HttpResponseBase:
    """The answer as the client takes it, or 304 where it has it. It holds no secret, so compressing it tells none."""
    zipped = answer.compressed if takes_gzip(request._request) else None
    response = HttpResponse(zipped or answer.body, content_type="application/json")
    if zipped is not None:
        response["Content-Encoding"] = "gzip"
    response["ETag"] = f'W/"{answer.etag}"'
    patch_cache_control(response, max_age=1, **{"public" if settings.LIVE_PUBLIC else "private": True})
    patch_vary_headers(response, ["Accept-Encoding"] + ([] if settings.LIVE_PUBLIC else ["Authorization", "Cookie"]))
    return get_conditional_response(request._request, etag=response["ETag"], response=response) or response


class LiveVessels(LiveView):
    """Ships and all that reports as one."""

    kind = LiveKind.VESSEL


class LiveAircraft(LiveView):
    """Aircraft."""

    kind = LiveKind.AIRCRAFT


class LiveStations(LiveView):
    """Base stations and aids to navigation."""

    kind = LiveKind.STATION
