"""Positions of the API in other formats than JSON: chosen by `?format=` or Accept, streamed.

Enters a request whose view lists `RENDERERS`; leaves the format that was chosen, or a streamed response of rows. What
is refused is JSON all the same. The formats themselves are in `tracking/exports/`.
"""

from collections.abc import Iterable
from typing import Any

from django.http import StreamingHttpResponse
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request

from tracking.exports.fields import Row, fields_of
from tracking.exports.formats import FORMATS, ExportFormat
from tracking.models import Position


class ExportRenderer(BaseRenderer):
    """Takes part in the choice of a format; `streamed` does the work."""

    render_style = "binary"
    charset = None

    def render(self, data: Any, accepted_media_type: str | None = None, renderer_context: Any = None) -> bytes:
        """JSON: what is rendered whole is an error."""
        return JSONRenderer().render(data)


RENDERERS = [
    type(f"{name.capitalize()}Renderer", (ExportRenderer,), {"media_type": made.media_type, "format": name})
    for name, made in FORMATS.items()
]
_FILE, _DOCUMENT = {"type": "string", "format": "binary"}, {"type": "object"}
SCHEMA = {("200", made.media_type): _DOCUMENT if "geo+json" in made.media_type else _FILE for made in FORMATS.values()}


def chosen(request: Request) -> ExportFormat | None:
    """The format that was asked for, None for JSON; from here on errors are JSON."""
    accepted: Any = request.accepted_renderer  # type: ignore[attr-defined]
    if not isinstance(accepted, ExportRenderer):
        return None
    found = FORMATS[accepted.format]  # type: ignore[index]
    request.accepted_renderer, request.accepted_media_type = (  # type: ignore[attr-defined]
        JSONRenderer(),
        JSONRenderer.media_type,
    )
    return found


def streamed(form: ExportFormat, model: type[Position], rows: Iterable[Row], name: str) -> StreamingHttpResponse:
    """The rows as a file of that name."""
    response = StreamingHttpResponse(form.write(fields_of(model), rows), content_type=form.media_type)
    response["Content-Disposition"] = f'attachment; filename="{name}.{form.name}"'
    return response
