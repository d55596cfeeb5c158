"""Dead letters in the admin: a list, a read-only page for each, and two actions on both, retry and discard.

Clicks go in; what is done is done by `resilience.dead_letters`, and each letter touched gets an entry in the admin's
log. Nothing here adds, edits or deletes a letter. The circuit breakers are in `resilience.breaker_admin`.
"""

# mypy: disable-error-code="untyped-decorator"
# (unfold's decorators have no types)

import uuid
from collections import defaultdict
from collections.abc import Iterable, Sequence

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.models import CHANGE, LogEntry
from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.admin import ModelAdmin
from unfold.decorators import action, display

from resilience import breaker_admin, dead_letters, readable
from resilience.confirmation import Question, ask
from resilience.dead_letters import Result, RetrySummary
from resilience.forms import DiscardForm, ReasonForm
from resilience.models import DeadLetter, Switchboard

# In-process retries of one request, and the seconds they may take: below the web server's 30 s.
_RETRIES_AT_ONCE = 100
_RETRY_SECONDS = 15
_LETTERS_AT_ONCE = 2000
_RAW_BYTES_SHOWN = 8192
_STOPPED = {
    "breaker": "Stopped: the breaker of the database is not closed.",
    "unavailable": "Stopped: PostgreSQL does not answer.",
    "time": "Stopped: the time of one request is over. Repeat for the rest.",
}
_SELECTION = ("action", "select_across", "index", ACTION_CHECKBOX_NAME)
_COLOURS = {"pending": "warning", "exhausted": "danger", "resolved": "success", "discarded": "info"}


@admin.register(DeadLetter)
class DeadLetterAdmin(ModelAdmin):  # type: ignore[misc]  # unfold is not typed
    """Letters, latest failure first."""

    icon = "mail"
    list_display = ["status_label", "reason", "source", "stage", "received", "attempts", "next_retry", "excerpt"]
    list_display_links = ["reason"]
    list_filter = ["status", ("reason", admin.AllValuesFieldListFilter), ("source", admin.AllValuesFieldListFilter)]
    search_fields = ["batch_id"]  # get_search_results does it: a UUID, compared as one
    search_help_text = "Id of a batch or of a letter"
    show_full_result_count = False
    actions = ["retry_selected", "discard_selected"]
    actions_detail = ["retry_letter", "discard_letter"]
    fieldsets = [
        (None, {"fields": ["status_label", "reason", "stage", "message", "sqlstate"]}),
        ("Message as received", {"fields": ["raw_text", "raw_hex", "context"]}),
        ("Origin", {"fields": ["source", "received", "kind", "batch_id", "ordinal"]}),
        ("Retries", {"fields": ["attempts", "failed", "next_retry"]}),
        ("Closed", {"fields": ["closed", "closed_by", "note"]}),
    ]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: DeadLetter | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: DeadLetter | None = None) -> bool:
        return False

    def has_retry_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return request.user.has_perm("resilience.retry_deadletter")

    def has_discard_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return request.user.has_perm("resilience.discard_deadletter")

    def get_queryset(self, request: HttpRequest) -> QuerySet[DeadLetter]:
        """The list needs neither the messages nor what the handlers keep with them; a page fetches its own."""
        letters: QuerySet[DeadLetter] = super().get_queryset(request)
        return letters.defer("raw", "context")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[DeadLetter], search_term: str
    ) -> tuple[QuerySet[DeadLetter], bool]:
        if not search_term:
            return queryset, False
        try:
            wanted = uuid.UUID(search_term.strip())
        except ValueError:
            return queryset.none(), False
        return queryset.filter(Q(batch_id=wanted) | Q(id=wanted)), False

    def get_actions_detail(self, request: HttpRequest, object_id: str) -> list[object]:
        """A closed letter has no buttons."""
        letter = self.get_object(request, object_id)
        return super().get_actions_detail(request, object_id) if letter and letter.is_open else []

    # --- columns and fields -------------------------------------------------------------------------------------------
    @display(description="Status", ordering="status", label=_COLOURS)
    def status_label(self, letter: DeadLetter) -> str:
        return letter.status

    @display(description="Received (UTC)", ordering="received_at")
    def received(self, letter: DeadLetter) -> str:
        return readable.moment(letter.received_at)

    @display(description="Next retry (UTC)", ordering="next_retry_at")
    def next_retry(self, letter: DeadLetter) -> str:
        return readable.moment(letter.next_retry_at)

    @display(description="Failed (UTC)")
    def failed(self, letter: DeadLetter) -> str:
        return readable.moment(letter.failed_at)

    @display(description="Closed (UTC)")
    def closed(self, letter: DeadLetter) -> str:
        return readable.moment(letter.closed_at)

    @display(description="Message")
    def excerpt(self, letter: DeadLetter) -> str:
        return letter.message if len(letter.message) <= 60 else f"{letter.message[:59]}…"

    @display(description="Text")
    def raw_text(self, letter: DeadLetter) -> SafeString:
        return _preformatted(readable.as_text(bytes(letter.raw[:_RAW_BYTES_SHOWN])), len(letter.raw))

    @display(description="Bytes")
    def raw_hex(self, letter: DeadLetter) -> SafeString | str:
        if readable.is_text(bytes(letter.raw)):
            return "all printable"
        return _preformatted(readable.as_hex(bytes(letter.raw[:_RAW_BYTES_SHOWN])), len(letter.raw))

    # --- actions ------------------------------------------------------------------------------------------------------
    @action(description="Retry now", permissions=["view", "retry"])
    def retry_selected(self, request: HttpRequest, letters: QuerySet[DeadLetter]) -> None:
        ids = list(letters.values_list("id", flat=True)[: _LETTERS_AT_ONCE + 1])
        if len(ids) > _RETRIES_AT_ONCE:
            self._leave_to_the_schedule(request, ids)
        else:
            self._retry(request, ids)

    @action(description="Discard…", permissions=["view", "discard"])
    def discard_selected(self, request: HttpRequest, letters: QuerySet[DeadLetter]) -> HttpResponse | None:
        confirmed = "confirmed" in request.POST
        form = DiscardForm(request.POST if confirmed else None, initial={"asked_at": timezone.now().isoformat()})
        letters = letters.filter(status__in=DeadLetter.OPEN)
        if confirmed and form.is_valid():
            letters = letters.filter(created_at__lte=form.cleaned_data["asked_at"])
            ids = list(letters.values_list("id", flat=True)[: _LETTERS_AT_ONCE + 1])
            self._discard(request, ids, form.cleaned_data["reason"])
            return None
        hidden = [(name, value) for name in _SELECTION for value in request.POST.getlist(name)]
        question = _discard_question(form, letters[:20], letters.count(), request.get_full_path(), hidden)
        return ask(self, request, question)

    @action(description="Retry now", permissions=["view", "retry"], url_path="retry", icon="replay")
    def retry_letter(self, request: HttpRequest, object_id: str) -> HttpResponse:
        letter = self._letter(request, object_id)
        if request.method == "POST":
            self._retry(request, [letter.id])
            return redirect(_page(letter))
        question = Question(
            title="Retry this dead letter now?",
            explanation="It is replayed at once. A failure counts as one of its attempts.",
            submit="Retry now",
            cancel_url=_page(letter),
            items=[str(letter)],
        )
        return ask(self, request, question)

    @action(description="Discard…", permissions=["view", "discard"], url_path="discard", icon="delete")
    def discard_letter(self, request: HttpRequest, object_id: str) -> HttpResponse:
        letter = self._letter(request, object_id)
        form = ReasonForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            self._discard(request, [letter.id], form.cleaned_data["reason"])
            return redirect(_page(letter))
        return ask(self, request, _discard_question(form, [letter], 1, _page(letter)))

    def _letter(self, request: HttpRequest, object_id: str) -> DeadLetter:
        letter: DeadLetter | None = self.get_object(request, object_id)
        if letter is None:
            raise Http404(f"no dead letter {object_id}")
        return letter

    def _retry(self, request: HttpRequest, ids: Sequence[uuid.UUID]) -> None:
        summary = dead_letters.retry_many(ids, request.user.get_username(), _RETRY_SECONDS)
        _log_retries(request, summary)
        everything_went = summary.count(Result.RESOLVED) == len(ids)
        messages.add_message(request, messages.SUCCESS if everything_went else messages.WARNING, _report(summary))

    def _leave_to_the_schedule(self, request: HttpRequest, ids: Sequence[uuid.UUID]) -> None:
        letters = DeadLetter.objects.filter(id__in=ids[:_LETTERS_AT_ONCE])
        count = dead_letters.make_due(letters)
        _log(request, letters.filter(status=DeadLetter.Status.PENDING), "Made due for the schedule.")
        text = f"{count} letters are due now; the schedule, every 5 minutes, retries up to 500 of them a time."
        messages.info(request, text + _rest(ids))

    def _discard(self, request: HttpRequest, ids: Sequence[uuid.UUID], reason: str) -> None:
        by, begun = request.user.get_username(), timezone.now()
        try:
            count = dead_letters.discard(ids[:_LETTERS_AT_ONCE], by, reason)
        except dead_letters.NoHandler as error:
            messages.error(request, f"Nothing was discarded: {error}.")
            return
        done = DeadLetter.objects.filter(
            id__in=ids, status=DeadLetter.Status.DISCARDED, closed_by=by, closed_at__gte=begun
        )
        _log(request, done, f"Discarded: {reason}")
        level = messages.SUCCESS if count == len(ids) else messages.WARNING
        messages.add_message(request, level, f"{count} of {len(ids)} discarded." + _rest(ids))


def _page(letter: DeadLetter) -> str:
    return reverse("admin:resilience_deadletter_change", args=[letter.pk])


def _discard_question(
    form: ReasonForm, letters: Iterable[DeadLetter], count: int, cancel_url: str, hidden: Sequence[tuple[str, str]] = ()
) -> Question:
    items = [f"{letter}, received {readable.moment(letter.received_at)}" for letter in letters]
    return Question(
        title="Discard this dead letter?" if count == 1 else f"Discard {count} dead letters?",
        explanation="Nothing of it will be stored. What is discarded stays in the list and in the accounts.",
        submit="Discard",
        cancel_url=cancel_url,
        form=form,
        items=items,
        more=count - len(items),
        hidden=hidden,
        danger=True,
    )


def _report(summary: RetrySummary) -> str:
    counts = ", ".join(f"{summary.count(result)} {result}" for result in Result if summary.count(result))
    reasons = {outcome.detail for outcome in summary.outcomes if outcome.result in (Result.FAILED, Result.EXHAUSTED)}
    text = f"Retried: {counts or 'none'}." + (f" Reasons: {', '.join(sorted(reasons))}." if reasons else "")
    return f"{text} {_STOPPED.get(summary.stopped, '')}".strip()


def _rest(ids: Sequence[uuid.UUID]) -> str:
    return (
        f" That is all for one request ({_LETTERS_AT_ONCE}): repeat for the rest."
        if len(ids) > _LETTERS_AT_ONCE
        else ""
    )


def _log_retries(request: HttpRequest, summary: RetrySummary) -> None:
    letters = DeadLetter.objects.in_bulk([outcome.letter_id for outcome in summary.outcomes])
    by_text: dict[str, list[DeadLetter]] = defaultdict(list)
    for outcome in summary.outcomes:
        by_text[f"Retried: {outcome.result}, {outcome.detail or 'untouched'}."].append(letters[outcome.letter_id])
    for text, touched in by_text.items():
        _log(request, touched, text)


def _log(request: HttpRequest, letters: Iterable[DeadLetter], text: str) -> None:
    LogEntry.objects.log_actions(str(request.user.pk), letters, CHANGE, text)


def _preformatted(text: str, length: int) -> SafeString:
    cut = f"\n… {length - _RAW_BYTES_SHOWN} bytes more" if length > _RAW_BYTES_SHOWN else ""
    return format_html('<pre style="white-space: pre-wrap; overflow-wrap: anywhere">{}{}</pre>', text, cut)


admin.site.register(Switchboard, breaker_admin.BreakerAdmin)
