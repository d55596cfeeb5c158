"""Dead letters for programs: list, detail, and per letter retry and discard. Each needs the permission of the admin's.

What is done is done by `resilience.dead_letters`; `closed_by` and `note` of the letter say who did it and why.
"""

from typing import ClassVar

from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import mixins, pagination, permissions, serializers, status, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from resilience import dead_letters, readable
from resilience.dead_letters import Result
from resilience.models import DeadLetter

_RETRY_AFTER_SECONDS = 30
_STATUS = {
    Result.RESOLVED: status.HTTP_200_OK,
    Result.FAILED: status.HTTP_200_OK,
    Result.EXHAUSTED: status.HTTP_200_OK,
    Result.SKIPPED: status.HTTP_409_CONFLICT,
    Result.UNAVAILABLE: status.HTTP_503_SERVICE_UNAVAILABLE,
}


class DeadLetterSerializer(serializers.ModelSerializer[DeadLetter]):
    """A letter; `raw` is the message itself where all of it is printable, otherwise its bytes in hexadecimal."""

    raw = serializers.SerializerMethodField()
    raw_encoding = serializers.SerializerMethodField(help_text="`utf-8` or `hex`")

    class Meta:
        model = DeadLetter
        fields = [
            *["id", "status", "kind", "batch_id", "ordinal", "source", "received_at", "raw", "raw_encoding", "stage"],
            *["reason", "sqlstate", "message", "attempts", "failed_at", "next_retry_at", "created_at", "closed_at"],
            *["closed_by", "note"],
        ]
        read_only_fields = fields

    def get_raw(self, letter: DeadLetter) -> str:
        raw = bytes(letter.raw)
        return raw.decode() if readable.is_text(raw) else raw.hex()

    def get_raw_encoding(self, letter: DeadLetter) -> str:
        return "utf-8" if readable.is_text(bytes(letter.raw)) else "hex"


class ReasonSerializer(serializers.Serializer[None]):
    """Why a letter is given up."""

    reason = serializers.CharField(max_length=300)


class ResultSerializer(serializers.Serializer[None]):
    """What became of a letter."""

    result = serializers.CharField(help_text="resolved, failed, exhausted, skipped, unavailable or discarded")
    detail = serializers.CharField(help_text="the outcome, or the reason of the failure", allow_blank=True)


class DeadLetterPermission(permissions.BasePermission):
    """Seeing, retrying and discarding are three permissions, none of them implied by another."""

    NEEDED: ClassVar[dict[str, str]] = {
        "retry": "resilience.retry_deadletter",
        "discard": "resilience.discard_deadletter",
    }

    def has_permission(self, request: Request, view: APIView) -> bool:
        needed = self.NEEDED.get(getattr(view, "action", None) or "", "resilience.view_deadletter")
        return request.user.is_authenticated and request.user.has_perm(needed)


class LatestFirst(pagination.CursorPagination):
    """Pages of 100, of 1,000 at most, latest failure first; without counting the table."""

    page_size = 100
    page_size_query_param = "limit"
    max_page_size = 1000
    ordering = "-failed_at"


class DeadLetterViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet[DeadLetter]):
    """Messages that could not be stored."""

    serializer_class = DeadLetterSerializer
    permission_classes = [DeadLetterPermission]
    pagination_class = LatestFirst
    filterset_fields = ["status", "reason", "source", "batch_id"]  # the indexed ones

    def get_queryset(self) -> QuerySet[DeadLetter]:
        return DeadLetter.objects.defer("context")

    @extend_schema(request=None, responses={code: ResultSerializer for code in (200, 409, 503)})
    @action(detail=True, methods=["post"])
    def retry(self, request: Request, pk: str) -> Response:
        """Replay it now. 200 says what became of it, 409 that it is closed or in other hands, 503 to try later."""
        outcome = dead_letters.retry(self.get_object().pk, request.user.get_username())
        headers = {"Retry-After": str(_RETRY_AFTER_SECONDS)} if outcome.result is Result.UNAVAILABLE else None
        body = {"result": outcome.result, "detail": outcome.detail}
        return Response(body, status=_STATUS[outcome.result], headers=headers)

    @extend_schema(
        request=ReasonSerializer,
        responses={200: ResultSerializer, 400: OpenApiResponse(description="No reason"), 409: ResultSerializer},
    )
    @action(detail=True, methods=["post"])
    def discard(self, request: Request, pk: str) -> Response:
        """Give it up, for a reason. 409 says that it is closed, in other hands, or of a kind that nobody handles."""
        reason = ReasonSerializer(data=request.data)
        reason.is_valid(raise_exception=True)
        letter_id, by = self.get_object().pk, request.user.get_username()
        try:
            count = dead_letters.discard([letter_id], by, reason.validated_data["reason"])
        except dead_letters.NoHandler as error:
            return Response({"result": "skipped", "detail": error.reason}, status=status.HTTP_409_CONFLICT)
        if not count:
            return Response({"result": "skipped", "detail": ""}, status=status.HTTP_409_CONFLICT)
        return Response({"result": "discarded", "detail": ""})
