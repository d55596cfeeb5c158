"""Live targets in a box, from Redis alone.

With LIVE_PUBLIC nobody is asked who they are, so a session cookie is not even read. Without it, sessions and keys
are known by their copies in the live Redis (`tracking/api/copies.py`). Either way these views serve on while PostgreSQL
is away.
"""

from typing import Any, ClassVar

from django.conf import settings
from drf_spectacular.utils import extend_schema
from rest_framework.authentication import BaseAuthentication
from rest_framework.permissions import AllowAny, BasePermission
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from tracking.api.errors import documented
from tracking.api.keys import CopiedKey, CopiedSession
from tracking.api.query import LiveQuery
from tracking.api.serializers import LivePageSerializer
from tracking.api_keys import Scope
from tracking.live import Kind, LiveState


class LiveView(APIView):
    """Live targets of one kind."""

    kind: ClassVar[Kind]
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

    @extend_schema(parameters=[LiveQuery], responses={200: LivePageSerializer, **documented(400)})
    def get(self, request: Request) -> Response:
        """Targets whose position lies in the box, in no order, at most `limit`."""
        query = LiveQuery(data=request.query_params)
        query.is_valid(raise_exception=True)
        limit = query.validated_data["limit"]
        found = LiveState(self.kind).in_box(*query.validated_data["bbox"], limit=limit + 1)
        results = found[:limit]
        return Response({"count": len(results), "truncated": len(found) > limit, "results": results})


class LiveVessels(LiveView):
    """Ships and all that reports as one."""

    kind = Kind.VESSEL


class LiveAircraft(LiveView):
    """Aircraft."""

    kind = Kind.AIRCRAFT


class LiveStations(LiveView):
    """Base stations and aids to navigation."""

    kind = Kind.STATION
