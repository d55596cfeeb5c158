"""The jobs that work through many dead letters: how far they are, and cancel. Whoever may see letters may see them."""

# mypy: disable-error-code="untyped-decorator"

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from unfold.admin import ModelAdmin
from unfold.decorators import action, display
from unfold.paginator import InfinitePaginator

from resilience.letters import audit, redrive
from resilience.letters.selection import Selection
from resilience.models import LetterJob
from resilience.pages import readable
from resilience.pages.confirmation import Question, ask

REFRESH_SECONDS = 3
_COLOURS = {"queued": "info", "running": "warning", "done": "success", "cancelled": "danger"}


class LetterJobAdmin(ModelAdmin):  # type: ignore[misc]  # unfold is not typed
    """Jobs, latest first."""

    icon = "pending_actions"
    list_display = ("started", "action", "state", "what", "progress", "resolved", "failed", "created_by")
    list_display_links = ("started",)
    paginator = InfinitePaginator
    show_full_result_count = False
    list_per_page = 50
    sortable_by = ()
    actions = None
    actions_detail = ("cancel_job",)
    change_form_before_template = "admin/resilience/letter_job.html"
    fieldsets = (
        ("Job", {"fields": ("action", "what", "created_by", "started", "frozen", "ended")}),
        ("Letters", {"fields": ("total", "done", "resolved", "failed", "skipped")}),
    )

    def has_view_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return request.user.has_perm("resilience.view_deadletter")

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def get_fieldsets(self, request: HttpRequest, job: LetterJob | None = None) -> Any:
        """Only a discard has a reason."""
        fieldsets = super().get_fieldsets(request, job)
        return [*fieldsets, ("Why", {"fields": ("reason",)})] if job is not None and job.reason else fieldsets

    def has_cancel_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        """Whoever could have started it; one that does not exist is not found rather than forbidden."""
        job = self.get_object(request, object_id) if object_id else None
        return job is None or may_cancel(request, job)

    def get_actions_detail(self, request: HttpRequest, object_id: str) -> list[Any]:
        """What has ended has no buttons."""
        job = self.get_object(request, object_id)
        return super().get_actions_detail(request, object_id) if job is not None and job.is_active else []

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The page of a job; the browser asks again while it goes on."""
        job = self.get_object(request, object_id)
        context = {**(extra_context or {}), "job": job, "colour": _COLOURS.get(job.status) if job else ""}
        context["percent"] = percent(job) if job else 0
        response: HttpResponse = super().change_view(request, object_id, form_url, context)
        if job is not None and job.is_active:
            response["Refresh"] = str(REFRESH_SECONDS)
        return response

    @display(description="Started (UTC)")
    def started(self, job: LetterJob) -> str:
        """When it was asked for."""
        return readable.moment(job.created_at)

    @display(description="Frozen at (UTC)")
    def frozen(self, job: LetterJob) -> str:
        """Letters that died or failed later are not meant."""
        return readable.moment(job.frozen_at)

    @display(description="Ended (UTC)")
    def ended(self, job: LetterJob) -> str:
        """Done or cancelled."""
        return readable.moment(job.finished_at)

    @display(description="Status", label=_COLOURS)
    def state(self, job: LetterJob) -> str:
        """The badge."""
        return job.status

    @display(description="Filter")
    def what(self, job: LetterJob) -> str:
        """In words."""
        return str(Selection(**job.selection))

    @display(description="Letters")
    def progress(self, job: LetterJob) -> str:
        """Done, of all."""
        return f"{job.done:,} of {job.total:,}" if job.total is not None else "not begun"

    @action(description="Cancel…", permissions=["view", "cancel"], url_path="cancel", icon="cancel")
    def cancel_job(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask, then stop before the next letter."""
        job: LetterJob | None = self.get_object(request, object_id)
        if job is None:
            raise Http404(f"no job {object_id}")
        if not may_cancel(request, job):
            raise PermissionDenied
        page = reverse("admin:resilience_letterjob_change", args=[job.pk])
        if request.method == "POST":
            if redrive.cancel(job.pk):
                audit.log(request.user, [job], "Cancelled.")
                messages.success(request, "The job is cancelled. What it has done stays done.")
            else:
                messages.warning(request, "The job had ended already.")
            return redirect(page)
        question = Question(
            title="Cancel this job?",
            explanation="It stops before its next letter. What it has done stays done.",
            submit="Cancel the job",
            cancel_url=page,
            items=[f"{job.action.capitalize()}: {self.what(job)}", self.progress(job)],
            danger=True,
        )
        return ask(self, request, question)


def may_cancel(request: HttpRequest, job: LetterJob) -> bool:
    """Whether the user could have started such a job."""
    return request.user.has_perm(redrive.NEEDED[LetterJob.Action(job.action)])


def percent(job: LetterJob) -> int:
    """How far it is, 0 to 100."""
    if job.status == LetterJob.Status.DONE:
        return 100
    return min(100, 100 * job.done // job.total) if job.total else 0
