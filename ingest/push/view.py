"""Receivers that post what they hear: `POST /api/push/<label of the feed>/` with the feed's key.

A request enters; batches go to the queue or to this host's spool, all of them or none, and the answer is 202 with the
account of the lines. A 202 means accepted, exactly as for every other feed. After any other answer a receiver sends the
same again; what a queue that timed out had taken all the same is counted as duplicates then, unless both requests carry
the same Idempotency-Key: then their batches have the same ids, and the ledger books them once. No session is needed,
and no database while the queue's Redis answers: keys are verified against a copy (`ingest/push/receivers.py`).

The bytes are of the feed's format. A feed of NMEA takes what AIS-catcher posts as well: a body that begins with `{`.
Every request is assembled by itself: the sentences of a message must come in one.
"""

from __future__ import annotations

import base64
import binascii
import logging
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from hashlib import sha256
from typing import Any

import msgspec
import redis
from django.conf import settings
from django.http import HttpRequest
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.exceptions import AuthenticationFailed, ParseError, PermissionDenied
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from ingest.acceptance import queue as acceptance
from ingest.clocks import arrival_clock
from ingest.formats.ais.aiscatcher import AisCatcherAssembly, NotAisCatcher
from ingest.formats.ais_csv.dialects import parse_columns
from ingest.formats.common.contract import SLICE_BYTES, Assembly, Setup
from ingest.formats.registry import FORMATS
from ingest.health.recorder import recorder
from ingest.models import Format
from ingest.push import body as push_body
from ingest.push import receivers
from ingest.push.receivers import PushFeed
from ingest.reports import BATCH_BYTES, Message, MessageBatch
from resilience.spool.spool import SpoolRefusal
from tracking.api.common.errors import ErrorBody, Unavailable

logger = logging.getLogger(__name__)

LONGEST_IDEMPOTENCY_KEY = 255
_IDEMPOTENT = uuid.UUID("0d9dbb0c-7c2e-4f0c-8a51-3f6d4b1c2e90")  # of the ids that are made from such keys


class QueueUnavailable(Unavailable):
    """The queue does not take batches."""

    default_detail = "The queue is not available at the moment; send it again."


class PushAccount(msgspec.Struct):
    """What became of the lines of one request; `malformed` counts by reason."""

    lines: int = 0
    messages: int = 0
    malformed: dict[str, int] = {}


class AccountSerializer(serializers.Serializer[Any]):
    """The account of an accepted push."""

    lines = serializers.IntegerField(help_text="lines, or entries of a JSON document")
    messages = serializers.IntegerField(help_text="messages accepted")
    malformed = serializers.DictField(child=serializers.IntegerField(), help_text="lines refused, counts by reason")


class Push(APIView):
    """Takes what receivers post."""

    authentication_classes = []
    permission_classes = []
    throttle_classes = []
    renderer_classes = [JSONRenderer]

    @extend_schema(
        summary="Push what a receiver hears",
        description="Bytes of the feed's format, plain or with Content-Encoding gzip: at most 1 MB as sent and 16 MB "
        "unpacked. Feeds of NMEA also take the JSON that AIS-catcher posts. The feed's key, made in the admin, is sent "
        "as `Authorization: Bearer KEY`, `Authorization: Token KEY`, `X-Api-Key: KEY` or as the password of HTTP basic "
        "authentication. Send the same again after any answer but 202: with the same Idempotency-Key, it is counted "
        "once even if the queue had taken it.",
        auth=[],
        parameters=[
            OpenApiParameter("label", str, OpenApiParameter.PATH, description="label (source) of the feed"),
            OpenApiParameter("X-Api-Key", str, OpenApiParameter.HEADER, description="the feed's key"),
            OpenApiParameter(
                "Idempotency-Key",
                str,
                OpenApiParameter.HEADER,
                description=f"names this body, at most {LONGEST_IDEMPOTENCY_KEY} characters: the same body with the "
                "same key is booked once while the ledger keeps its lines (KEEP_LEDGER_DAYS); another body is new",
            ),
        ],
        request={media_type: OpenApiTypes.BINARY for media_type in push_body.MEDIA_TYPES},
        responses={
            202: OpenApiResponse(AccountSerializer, description="Accepted."),
            400: OpenApiResponse(ErrorBody, description="The body is cut off, or not what it says it is."),
            401: OpenApiResponse(ErrorBody, description="No key, or not the feed's; the same for unknown labels."),
            403: OpenApiResponse(ErrorBody, description="The feed is disabled."),
            411: OpenApiResponse(ErrorBody, description="The request has no Content-Length."),
            413: OpenApiResponse(ErrorBody, description="The body is too large, as sent or unpacked."),
            415: OpenApiResponse(ErrorBody, description="Content-Type or Content-Encoding is not one of those taken."),
            503: OpenApiResponse(
                ErrorBody, description="Queue and spool take nothing; Retry-After says when to come again."
            ),
        },
    )
    def post(self, request: Request, label: str) -> Response:
        """202 with the account of the lines."""
        feed = _admitted(request, label)
        now = time.time_ns() // 1_000_000
        batches = to_batches(feed, push_body.read(request._request), now, _idempotency_key(request._request))
        try:
            acceptance.enqueue_all(batches)
        except SpoolRefusal as error:
            logger.warning("a push to %s is answered 503, neither queue nor spool takes it: %s", feed.source, error)
            raise QueueUnavailable from error
        for batch in batches:
            recorder.accepted(batch)
        return Response(msgspec.to_builtins(account(batches)), 202)

    def get_authenticate_header(self, request: Request) -> str:
        """What a 401 asks for."""
        return 'Bearer realm="push"'

    def perform_content_negotiation(self, request: Request, force: bool = False) -> Any:
        """JSON, whatever the receiver says that it accepts."""
        return super().perform_content_negotiation(request, force=True)


def to_batches(feed: PushFeed, body: bytes, now: int, idempotency_key: str = "") -> list[MessageBatch]:
    """The body as batches of the usual size, every line of it counted in one of them; `now` in ms. Raises ParseError.

    A body of which nothing can be used makes one batch without messages, an empty one none. With an `idempotency_key`
    the same body of the same feed makes batches of the same ids: it is cut by its messages, never by the time. Should
    it be cut otherwise after all (INGEST_BATCH_SIZE was changed), all the ids differ.
    """
    assembly = _assembly(feed, body)
    run = uuid.uuid4()
    batches: list[MessageBatch] = []
    messages: list[Message] = []
    size = 0
    try:
        for message in _assembled(assembly, body, now):
            messages.append(message)
            size += message.size
            if len(messages) >= settings.INGEST_BATCH_SIZE or size >= BATCH_BYTES:
                batches.append(_batch(feed, run, messages, assembly, now))
                messages, size = [], 0
    except NotAisCatcher as error:
        raise ParseError(str(error)) from error
    if messages or assembly.lines:
        batches.append(_batch(feed, run, messages, assembly, now))
    if idempotency_key:
        _name(batches, feed, body, idempotency_key)
    return batches


def _name(batches: list[MessageBatch], feed: PushFeed, body: bytes, key: str) -> None:
    """Give the batches ids that follow from the request alone (RFC 9562, version 5).

    The body is part of them: a receiver that sends one key with everything loses nothing by it. So is how it was cut:
    a part of one cut is no part of another.
    """
    cut = ",".join(str(len(batch.messages)) for batch in batches)
    request = uuid.uuid5(uuid.uuid5(_IDEMPOTENT, feed.source), f"{sha256(body).hexdigest()} {cut} {key}")
    for number, batch in enumerate(batches):
        batch.id = uuid.uuid5(request, str(number))


def _idempotency_key(request: HttpRequest) -> str:
    """What the receiver calls its body, empty where it does not. Raises ParseError for one that is too long."""
    key = request.headers.get("Idempotency-Key", "").strip()
    if len(key) > LONGEST_IDEMPOTENCY_KEY:
        raise ParseError(f"An Idempotency-Key may have {LONGEST_IDEMPOTENCY_KEY} characters.")
    return key.encode(errors="backslashreplace").decode()


def account(batches: list[MessageBatch]) -> PushAccount:
    """The sum over the batches of one request."""
    malformed: Counter[str] = Counter()
    for batch in batches:
        malformed.update(batch.counts.malformed)
    lines, messages = sum(batch.counts.lines for batch in batches), sum(len(batch.messages) for batch in batches)
    return PushAccount(lines, messages, dict(malformed))


def _admitted(request: Request, label: str) -> PushFeed:
    """The feed, if the request has its key. Raises AuthenticationFailed, PermissionDenied and QueueUnavailable."""
    try:
        feed = receivers.admit(label, _key(request._request))
    except redis.RedisError as error:
        logger.warning("a push is answered 503, its key cannot be verified: %s", error)
        raise QueueUnavailable from error
    if feed is None:
        raise AuthenticationFailed("This is not the key of a feed with this label.")
    if not feed.enabled:
        raise PermissionDenied("The feed is disabled.")
    return feed


def _key(request: HttpRequest) -> str:
    """The key, wherever the receiver was able to put it; empty where there is none."""
    scheme, _, value = request.headers.get("Authorization", "").partition(" ")
    value = value.strip()
    if scheme.lower() in ("bearer", "token"):
        return value
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(value, validate=True).decode("utf-8", "surrogateescape").partition(":")[2]
        except (binascii.Error, ValueError):
            return ""
    return request.headers.get("X-Api-Key", "").strip()


def _assembly(feed: PushFeed, body: bytes) -> Assembly:
    columns = parse_columns(feed.columns) if feed.columns else {}
    setup = Setup(arrival_clock, receiver=feed.receiver, columns=columns, zone=feed.zone)
    # By the bytes, not by the Content-Type: AIS-catcher calls its lines JSON as well.
    if feed.format == Format.NMEA and body.lstrip()[:1] == b"{":
        return AisCatcherAssembly(setup)
    return FORMATS[feed.format].assembly(setup)


def _assembled(assembly: Assembly, body: bytes, now: int) -> Iterator[Message]:
    """All messages of the body, which is taken in slices: what lines of it make stands in memory for one at a time."""
    step = max(1, len(body)) if isinstance(assembly, AisCatcherAssembly) else SLICE_BYTES
    assembly.prepare(body)
    for start in range(0, len(body), step):
        yield from assembly.feed(body[start : start + step], now)
    yield from assembly.flush(now)


def _batch(feed: PushFeed, run: uuid.UUID, messages: list[Message], assembly: Assembly, now: int) -> MessageBatch:
    """The open batch with the account of its lines, which begins anew."""
    batch = MessageBatch(
        id=uuid.uuid4(),
        run=run,
        source=feed.source,
        format=feed.format,
        trust=feed.score,
        accepted_at=now,
        origin=f"push://{feed.source}",
        messages=messages,
        counts=assembly.counts(),
    )
    assembly.reset_counts()
    return batch
