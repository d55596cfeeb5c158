"""Compressed JSON of the API.

Responses enter and leave. Only JSON below /api/ is compressed: what guards pages (log-in, admin) stands beside words
of the client's own there, and its length would tell of it (BREACH). Live boxes come already compressed.
"""

import re
from typing import Any

from django.http import HttpRequest, HttpResponseBase
from django.middleware.gzip import GZipMiddleware

_GZIP = re.compile(r"\bgzip\b(?!\s*;\s*q=0(\.0*)?\s*(,|$))")


class CompressedApi(GZipMiddleware):
    """Django's GZipMiddleware, for JSON of the API only."""

    def process_response(self, request: HttpRequest, response: Any) -> HttpResponseBase:
        """The response, compressed where that is safe and wanted."""
        json = response.get("Content-Type", "").startswith("application/json")
        if not (json and request.path.startswith("/api/")) or response.streaming or not takes_gzip(request):
            return response
        return super().process_response(request, response)


def takes_gzip(request: HttpRequest) -> bool:
    """Whether the client names gzip, and not with a quality of 0."""
    return _GZIP.search(request.headers.get("Accept-Encoding", "")[:300]) is not None
