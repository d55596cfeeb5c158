"""The rate of exports: a whole day in another format costs more than a page of JSON.

A request whose format is one of `tracking/exports/` is counted by user, or by address without one; what is too much is
refused with a sentence that says how to get the rest.
"""

from __future__ import annotations

from rest_framework.exceptions import Throttled
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.views import APIView

from tracking.api.common.throttles import AnonymousRate, SuspendedWithoutCache, UserRate
from tracking.exports.http import ExportRenderer

REST = (
    "Too many exports, at most {rate}. Ask for longer spans (tracks: 31 days, positions: 24 hours at once), or have"
    " whole days written by `manage.py export`."
)


class ExportRate(SuspendedWithoutCache):
    """Exports: API_RATE_EXPORTS."""

    scope = "exports"

    def get_cache_key(self, request: Request, view: APIView) -> str | None:
        """Whose; None, which is not throttled here, for JSON."""
        if not isinstance(getattr(request, "accepted_renderer", None), ExportRenderer):
            return None
        user = request.user
        whose = user.pk if user and user.is_authenticated else self.get_ident(request)
        return str(self.cache_format % {"scope": self.scope, "ident": whose})

    def allow_request(self, request: Request, view: APIView) -> bool:
        """Whether the export is within its rate. Raises Throttled."""
        if super().allow_request(request, view):
            return True
        request.accepted_renderer, request.accepted_media_type = JSONRenderer(), JSONRenderer.media_type  # type: ignore[attr-defined]
        raise Throttled(self.wait(), REST.format(rate=self.rate))


EXPORT_RATES = [AnonymousRate, UserRate, ExportRate]
