"""The body of a push: read and unpacked within limits, so that no request costs more than its size suggests.

A request enters; its bytes leave, or an error of the API with the status that says what is wrong: 411 and 400 for
lengths that are missing or wrong, 413 for too much, 415 for what is neither text nor JSON, plain or gzip. Unpacking
stops at the first byte too many. What the bytes mean is not known here.
"""

from __future__ import annotations

import zlib

from django.http import HttpRequest, UnreadablePostError
from rest_framework import status
from rest_framework.exceptions import APIException, ParseError, UnsupportedMediaType

MAX_BYTES = 1024 * 1024  # as sent
MAX_EXPANDED_BYTES = 16 * 1024 * 1024
MAX_LINES = 200_000  # a whole body of the shortest sentences has fewer
MAX_VALUES = 2_000_000  # of a JSON document, told by its commas
MAX_RATIO = 200  # of unpacked to packed bytes, beyond MAX_BYTES: no traffic compresses like that, only bombs do
READ_BYTES = 64 * 1024
# The last is what curl says of a body that nobody named.
MEDIA_TYPES = (
    *("text/plain", "application/json", "application/x-ndjson", "application/octet-stream", "text/csv"),
    *("text/tab-separated-values", "application/csv", "application/geo+json", "application/x-www-form-urlencoded"),
)


class TooLarge(APIException):
    """More bytes than a push may have, packed or unpacked."""

    status_code = status.HTTP_413_REQUEST_ENTITY_TOO_LARGE
    default_code = "too_large"


class LengthRequired(APIException):
    """The request does not say how long its body is."""

    status_code = status.HTTP_411_LENGTH_REQUIRED
    default_detail = "A Content-Length is required."
    default_code = "length_required"


def read(request: HttpRequest) -> bytes:
    """The body, unpacked. Raises the errors of this module, ParseError and UnsupportedMediaType."""
    media_type = request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if media_type and media_type not in MEDIA_TYPES:
        raise UnsupportedMediaType(media_type, f"Send one of {', '.join(MEDIA_TYPES)}, not {media_type}.")
    encoding = request.headers.get("Content-Encoding", "").strip().lower() or "identity"
    if encoding not in ("identity", "gzip", "x-gzip"):
        raise UnsupportedMediaType(encoding, f"Send bodies plain or with Content-Encoding gzip, not {encoding}.")
    body = _received(request)
    body = body if encoding == "identity" else unpack(body)
    _check_parts(body)
    return body


def unpack(packed: bytes) -> bytes:
    """What gzip packed (RFC 1952, any number of members). Raises TooLarge and ParseError."""
    parts: list[bytes] = []
    expanded, rest = 0, packed
    try:
        while rest:
            member = zlib.decompressobj(wbits=31)
            while rest and not member.eof:
                part = member.decompress(rest, READ_BYTES)
                rest = member.unconsumed_tail
                expanded += len(part)
                _check_expansion(len(packed) - len(rest), expanded)
                parts.append(part)
            if not member.eof:
                raise ParseError("The gzip body is cut off.")
            rest = member.unused_data
    except zlib.error as error:
        raise ParseError("The body is not gzip, though Content-Encoding says so.") from error
    return b"".join(parts)


def _received(request: HttpRequest) -> bytes:
    length = request.headers.get("Content-Length", "")
    if not length:
        raise LengthRequired
    if not (length.isascii() and length.isdigit() and len(length) <= 18):
        raise ParseError("The Content-Length is no length.")
    if (size := int(length)) > MAX_BYTES:
        raise TooLarge(f"A push may have {MAX_BYTES} bytes as sent: send less at a time, or gzip it.")
    try:
        body = request.read(size)
    except UnreadablePostError as error:
        raise ParseError("The body could not be read.") from error
    if len(body) != size:
        raise ParseError("The body is shorter than its Content-Length.")
    return body


def _check_parts(body: bytes) -> None:
    """Each line and value costs time and memory, however short it is."""
    if body.count(b"\n") > MAX_LINES:
        raise TooLarge(f"A push may have {MAX_LINES} lines: send less at a time.")
    if body.count(b",") > MAX_VALUES:
        raise TooLarge(f"A push may have {MAX_VALUES} values: send less at a time.")


def _check_expansion(consumed: int, expanded: int) -> None:
    if expanded > MAX_EXPANDED_BYTES:
        raise TooLarge(f"A push may have {MAX_EXPANDED_BYTES} bytes unpacked: send less at a time.")
    if expanded > MAX_BYTES and expanded > MAX_RATIO * consumed:
        raise TooLarge(f"The body unpacks to more than {MAX_RATIO} times its size.")
