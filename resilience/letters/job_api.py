"""Jobs over many dead letters, for programs: list, detail, cancel. `resilience.letters.api` starts them."""

from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import mixins, pagination, permissions, status, viewsets
from rest_framework.decorators import action
from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from resilience.letters import audit, redrive
from resilience.letters.redrive import NEEDED
from resilience.letters.serializers import LetterJobSerializer
from resilience.models import LetterJob


class MaySee(permissions.BasePermission):
    """Whoever may see dead letters; cancelling needs what starting such a job needs instead."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        if getattr(view, "action", None) == "cancel":
            return request.user.is_authenticated
        return request.user.is_authenticated and request.user.has_perm("resilience.view_deadletter")


class LatestJobFirst(pagination.CursorPagination):
    """Pages of 100, latest first."""

    page_size = 100
    ordering = ("-created_at", "-id")


class LetterJobViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet[LetterJob]):
    """Jobs that work through the dead letters of a filter."""

    queryset = LetterJob.objects.all()
    serializer_class = LetterJobSerializer
    permission_classes = [MaySee]
    pagination_class = LatestJobFirst
    filterset_fields = ["status", "action"]

    @extend_schema(
        request=None, responses={200: LetterJobSerializer, 409: OpenApiResponse(description="It had ended already")}
    )
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, pk: str) -> Response:
        """Stop it before its next letter. What it has done stays done."""
        job = self.get_object()
        if not request.user.has_perm(NEEDED[LetterJob.Action(job.action)]):
            raise PermissionDenied
        if not redrive.cancel(job.pk):
            return Response({"detail": "the job had ended already"}, status=status.HTTP_409_CONFLICT)
        audit.log(request.user, [job], "Cancelled.")
        job.refresh_from_db()
        return Response(LetterJobSerializer(job).data)
