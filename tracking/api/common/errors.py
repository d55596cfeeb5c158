"""Errors of the API: what Django REST framework makes of its own, and servers that are away as 503 with Retry-After.

An exception of a view enters, a response with {"detail": text} leaves; a fault of ours is logged and a 500. What Django
itself answers (a wrong host, an address that leads nowhere, a fault outside views) is JSON too, but below /api/ only.
"""

import logging
from typing import Any

from django.core.exceptions import PermissionDenied
from django.core.exceptions import ValidationError as DjangoValidationError
from django.db import DataError, InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponseBase, JsonResponse
from django.views import defaults
from django_redis.exceptions import ConnectionInterrupted
from drf_spectacular.utils import OpenApiResponse
from redis import RedisError
from rest_framework import serializers, status
from rest_framework.exceptions import APIException, ParseError
from rest_framework.permissions import SAFE_METHODS
from rest_framework.renderers import JSONRenderer
from rest_framework.response import Response
from rest_framework.views import exception_handler

from tracking.history.engine import ArchiveUnread

logger = logging.getLogger(__name__)

RETRY_AFTER_SECONDS = 5


class Unavailable(APIException):
    """A server that the answer needs is away; the client should come again after RETRY_AFTER_SECONDS."""

    status_code = status.HTTP_503_SERVICE_UNAVAILABLE
    default_code = "unavailable"
    wait = RETRY_AFTER_SECONDS


class LiveUnavailable(Unavailable):
    """The live Redis does not answer, or has no RedisJSON."""

    default_detail = "Live state is not available at the moment; positions are stored all the same."


class CacheUnavailable(Unavailable):
    """The cache does not answer, which keeps sessions."""

    default_detail = "The cache that keeps sessions is not available at the moment; keys work all the same."


class ArchiveUnavailable(Unavailable):
    """The archive cannot be read."""

    default_detail = "The archive of positions cannot be read at the moment; what is in the database still can."


class DatabaseUnavailable(Unavailable):
    """PostgreSQL does not answer."""

    default_detail = "The database is not available at the moment; live state may still be."


def handle(error: Exception, context: dict[str, Any]) -> Response | None:
    """Django REST framework's handler, which knows servers that are away as well, and is the last net.

    Parameters are refused where they are parsed; a value that slips through to a field or a column is a 400 all the
    same where nothing is written, and whatever else was not foreseen a 500.
    """
    request = context.get("request")
    if isinstance(error, OperationalError | InterfaceError):
        logger.warning("the API answers 503: %s", type(error).__name__, exc_info=error)
        error = DatabaseUnavailable()
    elif isinstance(error, ArchiveUnread):
        logger.warning("the API answers 503: %s", error)
        error = ArchiveUnavailable()
    elif isinstance(error, RedisError | ConnectionInterrupted):
        logger.warning("the API answers 503: %s", error)
        error = LiveUnavailable() if isinstance(error, RedisError) else CacheUnavailable()
    elif isinstance(error, _BAD_VALUES) and request is not None and request.method in SAFE_METHODS:
        logger.warning("the API answers 400 at its last net: %s", type(error).__name__, exc_info=error)
        error = ParseError("A parameter has a value that cannot be.")
    elif not isinstance(error, APIException | Http404 | PermissionDenied):
        logger.error("the API answers 500", exc_info=error)
        error = APIException()
    if isinstance(error, APIException) and error.status_code >= 500 and request is not None:
        # The browsable page would ask for the user, and so for the database again.
        request.accepted_renderer, request.accepted_media_type = JSONRenderer(), JSONRenderer.media_type
    return exception_handler(error, context)


_BAD_VALUES = (DataError, DjangoValidationError, OverflowError)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    """Django's 400: a wrong host, a malformed request."""
    return _of_django(request, 400) or defaults.bad_request(request, exception)


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    """Django's 403."""
    return _of_django(request, 403) or defaults.permission_denied(request, exception)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    """Django's 404."""
    return _of_django(request, 404) or defaults.page_not_found(request, exception)


def server_error(request: HttpRequest) -> HttpResponseBase:
    """Django's 500, already logged."""
    return _of_django(request, 500) or defaults.server_error(request)


_SENTENCES = {
    400: "The request is malformed.",
    403: "This is not allowed.",
    404: "There is nothing at this address; /api/docs/ lists what there is.",
    500: "A server error occurred.",
}


def _of_django(request: HttpRequest, code: int) -> JsonResponse | None:
    return JsonResponse({"detail": _SENTENCES[code]}, status=code) if request.path.startswith("/api/") else None


class ErrorBody(serializers.Serializer[Any]):
    """The body of every error but 400."""

    detail = serializers.CharField(help_text="what is wrong, in one sentence")


_MEANINGS = {
    400: "A parameter is wrong; the body names each wrong one with the reasons.",
    401: "No session and no key, or one that is unknown or has expired.",
    403: "The key has not the scope, or its user not the permission.",
    404: "There is no such thing.",
    405: "The method is not one of those allowed here.",
    406: "The answer cannot be given in the form that Accept asks for.",
    409: "The state of the thing forbids it.",
    413: "The body is too large.",
    415: "Content-Type is not one of those taken.",
    429: "Too many requests; Retry-After says when to come again.",
    503: "A server that the answer needs is away; Retry-After says when to come again.",
}


def documented(*codes: int) -> dict[int, OpenApiResponse]:
    """Responses for the schema: 401, 403, 429 and 503, which any view may give, and the given ones."""
    return {
        code: OpenApiResponse(_BODIES.get(code, ErrorBody), description=_MEANINGS[code])
        for code in sorted({401, 403, 429, 503, *codes})
    }


_BODIES: dict[int, Any] = {
    400: {
        "type": "object",
        "description": "lists of reasons by parameter",
        "additionalProperties": {
            "oneOf": [
                {"type": "array", "items": {"type": "string"}},
                {"type": "object", "additionalProperties": {"type": "array", "items": {"type": "string"}}},
            ]
        },
    }
}
