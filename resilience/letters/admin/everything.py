"""What is done with everything that the list's filter shows: retry and discard as jobs, export as a file; and the page
of groups, which leads to filters.

The filter is in the address, the moment in the form: both are frozen when the question is answered. Nothing is done
here but to start a job or to send a file.
"""

from dataclasses import dataclass
from urllib.parse import urlencode

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from unfold.decorators import action

from resilience.letters import audit, exports, redrive
from resilience.letters import groups as letter_groups
from resilience.letters.selection import BadSelection, Selection, count_up_to
from resilience.models import DeadLetter, LetterJob
from resilience.pages.confirmation import Question, ask
from resilience.pages.forms import DiscardForm, FrozenForm
from resilience.pages.readable import moment

LIST = "admin:resilience_deadletter_changelist"
_GROUP_HEADINGS = ["Letters", "Reason", "Message", "Stage", "First seen (UTC)", "Last seen (UTC)"]
_ABOUT = {
    LetterJob.Action.RETRY: (
        "Retry {count} dead letters?",
        "A job replays them, open and expired ones, after live traffic. A failure counts as one of their attempts.",
        "Retry {count}",
    ),
    LetterJob.Action.DISCARD: (
        "Discard {count} dead letters?",
        "A job discards the open ones. Nothing of them will be stored; they stay in the list and in the accounts.",
        "Discard {count}",
    ),
}


@dataclass(frozen=True, slots=True)
class Button:
    """A link above the list."""

    label: str
    url: str
    icon: str


class Everything:
    """For the ModelAdmin of letters, in front of its base."""

    list_before_template = "admin/resilience/letter_bar.html"

    def has_export_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """Of its own."""
        return request.user.has_perm("resilience.export_deadletter")

    def get_urls(self) -> list[URLPattern]:
        """Pages beside the list."""
        view = self.admin_site.admin_view  # type: ignore[attr-defined]
        return [
            path("groups/", view(self.groups_page), name="resilience_deadletter_groups"),
            path("everything/retry/", view(self.retry_page), name="resilience_deadletter_retry_all"),
            path("everything/discard/", view(self.discard_page), name="resilience_deadletter_discard_all"),
            path("everything/export/<str:format_>/", view(self.export_page), name="resilience_deadletter_export"),
            *super().get_urls(),  # type: ignore[misc]
        ]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, object] | None = None) -> HttpResponse:
        """The list, with the buttons for everything that it shows."""
        context = {**(extra_context or {}), "letter_buttons": self._buttons(request)}
        return super().changelist_view(request, context)  # type: ignore[misc,no-any-return]

    def _buttons(self, request: HttpRequest) -> list[Button]:
        try:
            query = urlencode(Selection.of(request.GET.dict()).as_dict())
        except BadSelection:
            return []
        buttons = [Button("Groups", reverse("admin:resilience_deadletter_groups"), "stacks")]
        if self.has_retry_permission(request):  # type: ignore[attr-defined]
            buttons.append(Button("Retry all shown…", _url("retry_all", query), "replay"))
        if self.has_discard_permission(request):  # type: ignore[attr-defined]
            buttons.append(Button("Discard all shown…", _url("discard_all", query), "delete"))
        if self.has_export_permission(request):
            for format_ in exports.FORMATS:
                buttons.append(Button(f"Export {format_.upper()}", _url("export", query, format_), "download"))
        return [*buttons, Button("Jobs", reverse("admin:resilience_letterjob_changelist"), "pending_actions")]

    # --- jobs ---------------------------------------------------------------------------------------------------------
    def retry_page(self, request: HttpRequest) -> HttpResponse:
        """Ask, then have everything retried."""
        self._need(request, self.has_retry_permission(request))  # type: ignore[attr-defined]
        return self._job_page(request, LetterJob.Action.RETRY, FrozenForm)

    def discard_page(self, request: HttpRequest) -> HttpResponse:
        """Ask why, then have everything discarded."""
        self._need(request, self.has_discard_permission(request))  # type: ignore[attr-defined]
        return self._job_page(request, LetterJob.Action.DISCARD, DiscardForm)

    def _job_page(self, request: HttpRequest, what: LetterJob.Action, form_class: type[FrozenForm]) -> HttpResponse:
        selection, now = _selection(request), timezone.now()
        form = form_class(request.POST or None, initial={"asked_at": now.isoformat()})
        if request.method == "POST" and form.is_valid():
            frozen_at = min(form.cleaned_data["asked_at"], now)
            by, reason = request.user.get_username(), form.cleaned_data.get("reason", "")
            job = redrive.start(what, selection, frozen_at, by, reason)
            audit.log(request.user, [job], f"Started: {what} {selection}." + (f" Reason: {reason}" if reason else ""))
            messages.success(request, "The job is in the queue. This page shows how far it is.")
            return redirect("admin:resilience_letterjob_change", job.pk)
        return ask(self, request, _job_question(what, selection, form, now))  # type: ignore[arg-type]

    # --- files --------------------------------------------------------------------------------------------------------
    def export_page(self, request: HttpRequest, format_: str) -> HttpResponseBase:
        """Everything that the filter shows, as a file."""
        self._need(request, self.has_export_permission(request))
        if format_ not in exports.FORMATS:
            raise Http404(f"no format {format_}; known are {', '.join(exports.FORMATS)}")
        selection, now = _selection(request), timezone.now()
        audit.log_about(request.user, str(selection), f"Exported as {format_}: {selection}.")
        return exports.download(selection.letters(now, frozen=True), format_, now)

    @action(description="Export NDJSON", permissions=["view", "export"])  # type: ignore[untyped-decorator]
    def export_ndjson(self, request: HttpRequest, letters: QuerySet[DeadLetter]) -> HttpResponseBase:
        """The ticked ones, a JSON object a line."""
        return _export_ticked(request, letters, "ndjson")

    @action(description="Export CSV", permissions=["view", "export"])  # type: ignore[untyped-decorator]
    def export_csv(self, request: HttpRequest, letters: QuerySet[DeadLetter]) -> HttpResponseBase:
        """The ticked ones, for a spreadsheet."""
        return _export_ticked(request, letters, "csv")

    # --- groups -------------------------------------------------------------------------------------------------------
    def groups_page(self, request: HttpRequest) -> HttpResponse:
        """Open letters by fingerprint, a line each."""
        self._need(request, True)
        found = letter_groups.groups()
        context = {
            **self.admin_site.each_context(request),  # type: ignore[attr-defined]
            "opts": self.opts,  # type: ignore[attr-defined]
            "title": "Groups of open dead letters",
            "headings": _GROUP_HEADINGS,
            "groups": [(group, moment(group.first_seen), moment(group.last_seen)) for group in found],
            "limit": letter_groups.GROUPS if len(found) == letter_groups.GROUPS else None,
        }
        return TemplateResponse(request, "admin/resilience/letter_groups.html", context)

    def _need(self, request: HttpRequest, permitted: bool) -> None:
        if not (permitted and self.has_view_permission(request)):  # type: ignore[attr-defined]
            raise PermissionDenied


def _export_ticked(request: HttpRequest, letters: QuerySet[DeadLetter], format_: str) -> HttpResponseBase:
    ids = list(letters.values_list("id", flat=True)[:1000])
    audit.log_about(request.user, f"{len(ids)} ticked dead letters", f"Exported as {format_}: {len(ids)} ticked.")
    return exports.download(DeadLetter.objects.filter(id__in=ids), format_, timezone.now())


def _selection(request: HttpRequest) -> Selection:
    try:
        return Selection.of(request.GET.dict())
    except BadSelection as error:
        raise Http404(str(error)) from error


def _url(page: str, query: str, *args: str) -> str:
    address = reverse(f"admin:resilience_deadletter_{page}", args=args)
    return f"{address}?{query}" if query else address


def _job_question(what: LetterJob.Action, selection: Selection, form: FrozenForm, now: object) -> Question:
    asked_at = form.cleaned_data.get("asked_at") if form.is_bound and hasattr(form, "cleaned_data") else None
    number, is_all = count_up_to(redrive.meant(what, selection, asked_at or now))  # type: ignore[arg-type]
    count = f"{number:,}" if is_all else f"more than {number:,}"
    title, explanation, submit = _ABOUT[what]
    back = reverse(LIST)
    query = urlencode(selection.as_dict())
    return Question(
        title=title.format(count=count),
        explanation=f"{explanation} Letters that die or fail again from now on are not meant.",
        submit=submit.format(count=count),
        cancel_url=f"{back}?{query}" if query else back,
        form=form,
        items=[f"Filter: {selection}" if selection.as_dict() else "No filter: all dead letters"],
        danger=what == LetterJob.Action.DISCARD,
    )
