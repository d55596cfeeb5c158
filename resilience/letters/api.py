"""Dead letters for programs: list, detail, groups and export; retry, edit and discard, of one or of all of a filter.

Each needs the permission of the admin's. What is done is done by `resilience.letters.dead_letters` and the modules
beside it; who did it is in the letter's history and in the admin's log. Jobs are in `resilience.letters.job_api`.
"""

from collections.abc import Collection
from dataclasses import asdict, fields
from typing import ClassVar

from django.db.models import QuerySet
from django.http import StreamingHttpResponse
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema, extend_schema_view
from rest_framework import mixins, pagination, permissions, status, viewsets
from rest_framework.decorators import action
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from resilience.letters import audit, dead_letters, editing, exports, redrive
from resilience.letters import groups as letter_groups
from resilience.letters.dead_letters import LetterOutcome, NoHandler, Result
from resilience.letters.handlers import Undecodable
from resilience.letters.selection import Age, BadSelection, Selection
from resilience.letters.serializers import (
    BulkDiscardSerializer,
    BulkSerializer,
    DeadLetterSerializer,
    EditSerializer,
    LetterDetailSerializer,
    LetterGroupSerializer,
    LetterJobSerializer,
    ReasonSerializer,
    ResultSerializer,
)
from resilience.models import DeadLetter, LetterJob

_RETRY_AFTER_SECONDS = 30
_STATUS = {
    Result.RESOLVED: status.HTTP_200_OK,
    Result.FAILED: status.HTTP_200_OK,
    Result.EXHAUSTED: status.HTTP_200_OK,
    Result.SKIPPED: status.HTTP_409_CONFLICT,
    Result.UNAVAILABLE: status.HTTP_503_SERVICE_UNAVAILABLE,
}
_FILTERS = [
    OpenApiParameter("status", enum=DeadLetter.Status.values),
    OpenApiParameter("reason", description="stable code of the reason"),
    OpenApiParameter("source", description="label of the feed"),
    OpenApiParameter("stage", description="the stage that failed"),
    OpenApiParameter("age", enum=Age.values, description="how long ago it died"),
    OpenApiParameter("fingerprint", description="a group, see groups/"),
    OpenApiParameter("batch_id", OpenApiTypes.UUID),
]
_RESULTS = {code: ResultSerializer for code in (200, 409, 503)}


_KNOWN = {field.name for field in fields(Selection)} | {"cursor", "limit", "as"}


class DeadLetterPermission(permissions.BasePermission):
    """Seeing and each action are permissions of their own, none of them implied by another."""

    NEEDED: ClassVar[dict[str, str]] = {
        "retry": "resilience.retry_deadletter",
        "retry_all": "resilience.retry_deadletter",
        "edit": "resilience.edit_deadletter",
        "discard": "resilience.discard_deadletter",
        "discard_all": "resilience.discard_deadletter",
        "export": "resilience.export_deadletter",
    }

    def has_permission(self, request: Request, view: APIView) -> bool:
        needed = self.NEEDED.get(getattr(view, "action", None) or "", "resilience.view_deadletter")
        return request.user.is_authenticated and request.user.has_perm(needed)


class LatestFailureFirst(pagination.CursorPagination):
    """Pages of 100, of 1,000 at most, latest failure first; without counting the table."""

    page_size = 100
    page_size_query_param = "limit"
    max_page_size = 1000
    ordering = ("-failed_at", "-id")

    def get_page_size(self, request: Request) -> int | None:
        """As the base has it, which would pass over what is no number. Raises ValidationError."""
        given = request.query_params.get("limit", "1")
        if not (given.isascii() and given.isdecimal() and len(given) < 10 and int(given) > 0):
            raise ValidationError({"limit": ["A number from 1 on is expected."]})
        return super().get_page_size(request)


@extend_schema_view(list=extend_schema(parameters=_FILTERS), retrieve=extend_schema(responses=LetterDetailSerializer))
class DeadLetterViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet[DeadLetter]):
    """Messages that could not be stored."""

    serializer_class = DeadLetterSerializer
    permission_classes = [DeadLetterPermission]
    pagination_class = LatestFailureFirst
    filter_backends = []  # a Selection does it, as everywhere else

    def get_queryset(self) -> QuerySet[DeadLetter]:
        """Narrowed by the query in the list; a page of the list needs nothing long."""
        if self.action == "list":
            return _selection(self.request).letters(timezone.now()).defer("context", "edited", "traceback", "history")
        return DeadLetter.objects.all()

    def get_serializer_class(self) -> type[DeadLetterSerializer]:
        """The detail says more."""
        return LetterDetailSerializer if self.action == "retrieve" else DeadLetterSerializer

    @extend_schema(request=None, responses=_RESULTS)
    @action(detail=True, methods=["post"])
    def retry(self, request: Request, pk: str) -> Response:
        """Replay it now. 200 says what became of it, 409 that it is closed or in other hands, 503 to try later."""
        letter = self.get_object()
        outcome = dead_letters.retry(letter.pk, request.user.get_username())
        audit.log(request.user, [letter], f"Retried: {outcome.result}, {outcome.detail or 'untouched'}.")
        return _answer(outcome)

    @extend_schema(request=EditSerializer, responses={**_RESULTS, 400: OpenApiResponse(description="Undecodable")})
    @action(detail=True, methods=["post"])
    def edit(self, request: Request, pk: str) -> Response:
        """Replay it with a mended message, once that can be decoded (else 400 with the reason). `raw` stays."""
        asked = EditSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        letter = self.get_object()
        try:
            message = editing.parse(asked.validated_data["message"], asked.validated_data["encoding"])
            outcome = editing.edit_and_retry(letter.pk, message, request.user.get_username())
        except (Undecodable, NoHandler) as error:
            raise ValidationError({"message": [error.reason]}) from error
        audit.log(request.user, [letter], f"Edited and retried: {outcome.result}, {outcome.detail or 'untouched'}.")
        return _answer(outcome)

    @extend_schema(
        request=ReasonSerializer,
        responses={200: ResultSerializer, 400: OpenApiResponse(description="No reason"), 409: ResultSerializer},
    )
    @action(detail=True, methods=["post"])
    def discard(self, request: Request, pk: str) -> Response:
        """Give it up, for a reason. 409 says that it is closed, in other hands, or of a kind that nobody handles."""
        asked = ReasonSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        letter, reason = self.get_object(), asked.validated_data["reason"]
        try:
            count = dead_letters.discard([letter.pk], request.user.get_username(), reason)
        except NoHandler as error:
            return Response({"result": "skipped", "detail": error.reason}, status=status.HTTP_409_CONFLICT)
        if not count:
            return Response({"result": "skipped", "detail": ""}, status=status.HTTP_409_CONFLICT)
        audit.log(request.user, [letter], f"Discarded: {reason}")
        return Response({"result": "discarded", "detail": ""})

    @extend_schema(operation_id="dead_letters_retry_all", request=BulkSerializer, responses={202: LetterJobSerializer})
    @action(detail=False, methods=["post"], url_path="retry", url_name="retry-all")
    def retry_all(self, request: Request) -> Response:
        """Retry all open and expired letters of a filter, as it is now, by a job."""
        asked = BulkSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        return _start(request, LetterJob.Action.RETRY, asked.validated_data["filter"])

    @extend_schema(
        operation_id="dead_letters_discard_all", request=BulkDiscardSerializer, responses={202: LetterJobSerializer}
    )
    @action(detail=False, methods=["post"], url_path="discard", url_name="discard-all")
    def discard_all(self, request: Request) -> Response:
        """Discard all open letters of a filter, as it is now, for a reason, by a job."""
        asked = BulkDiscardSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        given = asked.validated_data
        return _start(request, LetterJob.Action.DISCARD, given["filter"], given["reason"])

    @extend_schema(responses=LetterGroupSerializer(many=True))
    @action(detail=False, pagination_class=None)
    def groups(self, request: Request) -> Response:
        """Open letters by fingerprint, the largest group first, 200 groups at most."""
        _refuse_unknown(request, ())
        return Response([asdict(group) for group in letter_groups.groups()])

    @extend_schema(
        parameters=[*_FILTERS, OpenApiParameter("as", enum=list(exports.FORMATS), default="ndjson")],
        responses={(200, content_type): OpenApiTypes.BINARY for content_type, _ in exports.FORMATS.values()},
    )
    @action(detail=False, pagination_class=None)
    def export(self, request: Request) -> StreamingHttpResponse:
        """All letters of a filter as a file."""
        format_ = request.query_params.get("as", "ndjson")
        if format_ not in exports.FORMATS:
            raise ValidationError({"as": [f"one of {', '.join(exports.FORMATS)}"]})
        selection = _selection(request)
        audit.log_about(request.user, str(selection), f"Exported as {format_}: {selection}.")
        return exports.download(selection.letters(timezone.now(), frozen=True), format_, timezone.now())


def _selection(request: Request) -> Selection:
    _refuse_unknown(request, _KNOWN)
    try:
        return Selection.of(request.query_params.dict())
    except BadSelection as error:
        raise ValidationError({error.field: [error.problem]}) from error


def _refuse_unknown(request: Request, known: Collection[str]) -> None:
    """Raises ValidationError: a misspelt filter must not mean all letters."""
    text = f"no such parameter; there are {', '.join(sorted(known)) or 'none'}"
    if unknown := set(request.query_params) - {*known, "format"}:
        raise ValidationError({name: [text] for name in sorted(unknown)})


def _start(request: Request, what: LetterJob.Action, selection: Selection, reason: str = "") -> Response:
    job = redrive.start(what, selection, timezone.now(), request.user.get_username(), reason)
    audit.log(request.user, [job], f"Started: {what} {selection}." + (f" Reason: {reason}" if reason else ""))
    return Response(LetterJobSerializer(job).data, status=status.HTTP_202_ACCEPTED)


def _answer(outcome: LetterOutcome) -> Response:
    headers = {"Retry-After": str(_RETRY_AFTER_SECONDS)} if outcome.result is Result.UNAVAILABLE else None
    body = {"result": outcome.result, "detail": outcome.detail}
    return Response(body, status=_STATUS[outcome.result], headers=headers)
