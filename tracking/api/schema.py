"""The OpenAPI schema of the API: constant, so built once a process, at the first request for it.

A request enters, the schema leaves as YAML or JSON, or a 304 where the client has it.
"""

import functools
from hashlib import blake2b
from typing import Any

from django.http import HttpResponse, HttpResponseBase
from django.utils.cache import get_conditional_response, patch_cache_control, patch_vary_headers
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.renderers import OpenApiJsonRenderer, OpenApiYamlRenderer
from drf_spectacular.utils import extend_schema
from drf_spectacular.views import SpectacularAPIView
from rest_framework.request import Request

from tracking.access import schemes  # noqa: F401  importing them is what makes them known

_RENDERERS: dict[str, Any] = {"openapi-json": OpenApiJsonRenderer, "openapi": OpenApiYamlRenderer}


@functools.cache
def document(written_as: str) -> tuple[bytes, str]:
    """(the schema in one of its two forms, its entity tag)"""
    schema = SchemaGenerator().get_schema(request=None, public=True)
    body = _RENDERERS[written_as]().render(schema, renderer_context={})
    return body, blake2b(body, digest_size=12).hexdigest()


class Schema(SpectacularAPIView):
    """drf-spectacular's view, without its building anew."""

    renderer_classes = [OpenApiYamlRenderer, OpenApiJsonRenderer]

    @extend_schema(exclude=True)
    def get(self, request: Request, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """The schema."""
        renderer: Any = request.accepted_renderer  # type: ignore[attr-defined]
        body, tag = document("openapi-json" if "json" in renderer.media_type else "openapi")
        response = HttpResponse(body, content_type=renderer.media_type)
        response["ETag"] = f'W/"{tag}"'
        patch_cache_control(response, public=True, max_age=300)
        patch_vary_headers(response, ["Accept"])
        return get_conditional_response(request._request, etag=response["ETag"], response=response) or response
