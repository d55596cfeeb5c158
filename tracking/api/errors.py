"""Errors of the API: what Django REST framework makes of its own, and servers that are away as 503 with Retry-After.

An exception of a view enters, a response with {"detail": text} leaves, or None where the fault is ours (a 500).
"""

import logging
from typing import Any

from django.db import InterfaceError, OperationalError
from django_redis.exceptions import ConnectionInterrupted
from drf_spectacular.utils import OpenApiResponse
from redis import RedisError
from rest_framework import serializers, status
from rest_framework.exceptions import APIException
from rest_framework.renderers import JSONRenderer
from rest_framework.response import Response
from rest_framework.views import exception_handler

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


class DatabaseUnavailable(Unavailable):
    """PostgreSQL does not answer."""

    default_detail = "The database is not available at the moment; live state may still be."


def handle(error: Exception, context: dict[str, Any]) -> Response | None:
    """Django REST framework's handler, which is told of servers that are away as well."""
    if isinstance(error, OperationalError | InterfaceError):
        logger.warning("the API answers 503: %s", type(error).__name__, exc_info=error)
        error = DatabaseUnavailable()
    elif isinstance(error, RedisError | ConnectionInterrupted):
        logger.warning("the API answers 503: %s", error)
        error = LiveUnavailable() if isinstance(error, RedisError) else CacheUnavailable()
    if isinstance(error, Unavailable) and (request := context.get("request")) is not None:
        # The browsable page would ask for the user, and so for the database again.
        request.accepted_renderer, request.accepted_media_type = JSONRenderer(), JSONRenderer.media_type
    return exception_handler(error, context)


class ErrorBody(serializers.Serializer[Any]):
    """The body of every error but 400."""

    detail = serializers.CharField(help_text="what is wrong, in one sentence")


_MEANINGS = {
    400: "A parameter is wrong; the body names each wrong one with the reasons.",
    401: "No session and no key, or one that is unknown or has expired.",
    403: "The key has not the scope, or its user not the permission.",
    404: "There is no such thing.",
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
        "additionalProperties": {"type": "array", "items": {"type": "string"}},
    }
}
