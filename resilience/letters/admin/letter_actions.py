"""Retry, edit and discard: one letter from its page, ticked ones from the list. Each has a permission of its own, and
each letter touched gets an entry in the admin's log."""

# mypy: disable-error-code="untyped-decorator"

import uuid
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from django.contrib import messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from unfold.decorators import action

from resilience.letters import audit, dead_letters, editing
from resilience.letters.admin.edit_form import EditForm
from resilience.letters.dead_letters import Result, RetrySummary
from resilience.models import DeadLetter
from resilience.pages import readable
from resilience.pages.confirmation import Question, ask
from resilience.pages.forms import DiscardForm, ReasonForm

# What one request does, and the seconds it may take: below the web server's 30 s. A page of the list is as long.
AT_ONCE = 100
_RETRY_SECONDS = 15
_STOPPED = {
    "breaker": "Stopped: the breaker of the database is not closed.",
    "unavailable": "Stopped: PostgreSQL does not answer.",
    "time": "Stopped: the time of one request is over. Repeat for the rest.",
}
_SELECTION = ("action", "select_across", "index", ACTION_CHECKBOX_NAME)


class LetterActions:
    """For the ModelAdmin of letters, in front of its base."""

    def has_retry_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """Of its own."""
        return request.user.has_perm("resilience.retry_deadletter")

    def has_discard_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """Of its own."""
        return request.user.has_perm("resilience.discard_deadletter")

    def has_edit_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """Of its own."""
        return request.user.has_perm("resilience.edit_deadletter")

    def get_actions_detail(self, request: HttpRequest, object_id: str) -> list[Any]:
        """A letter has buttons for what can still be done with it."""
        letter = self.get_object(request, object_id)  # type: ignore[attr-defined]
        if letter is None:
            return []
        possible = {"retry": letter.is_retriable, "edit": editing.is_editable(letter), "discard": letter.is_open}
        buttons = super().get_actions_detail(request, object_id)  # type: ignore[misc]
        return [button for button in buttons if possible[button.path]]

    # --- ticked ones --------------------------------------------------------------------------------------------------
    @action(description="Retry now", permissions=["view", "retry"])
    def retry_selected(self, request: HttpRequest, letters: QuerySet[DeadLetter]) -> None:
        """At once, in this request."""
        _retry(request, _ids(letters))

    @action(description="Discard…", permissions=["view", "discard"])
    def discard_selected(self, request: HttpRequest, letters: QuerySet[DeadLetter]) -> HttpResponse | None:
        """For a reason, which is asked first."""
        confirmed = "confirmed" in request.POST
        form = DiscardForm(request.POST if confirmed else None, initial={"asked_at": timezone.now().isoformat()})
        letters = letters.filter(status__in=DeadLetter.OPEN)
        if confirmed and form.is_valid():
            ids = _ids(letters.filter(created_at__lte=form.cleaned_data["asked_at"]))
            _discard(request, ids, form.cleaned_data["reason"])
            return None
        hidden = [(name, value) for name in _SELECTION for value in request.POST.getlist(name)]
        chosen = letters[: AT_ONCE + 1].count()
        question = _discard_question(form, letters[:20], min(chosen, AT_ONCE), request.get_full_path(), hidden)
        return ask(self, request, question)  # type: ignore[arg-type]

    # --- one ----------------------------------------------------------------------------------------------------------
    @action(description="Retry now", permissions=["view", "retry"], url_path="retry", icon="replay")
    def retry_letter(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """At once, after a question."""
        letter = self._letter(request, object_id)
        if request.method == "POST":
            _retry(request, [letter.id])
            return redirect(page_of(letter))
        question = Question(
            title="Retry this dead letter now?",
            explanation="It is replayed at once. A failure counts as one of its attempts.",
            submit="Retry now",
            cancel_url=page_of(letter),
            items=[str(letter)],
        )
        return ask(self, request, question)  # type: ignore[arg-type]

    @action(description="Edit and retry…", permissions=["view", "edit"], url_path="edit", icon="edit")
    def edit_letter(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """With the mended message, once it can be decoded. What was received stays."""
        letter = self._letter(request, object_id)
        if not editing.is_editable(letter):
            messages.error(request, "This letter cannot be edited: it is closed, or of a kind that nobody edits.")
            return redirect(page_of(letter))
        form = EditForm(letter, request.POST or None)
        if request.method == "POST" and form.is_valid():
            outcome = editing.edit_and_retry(letter.id, form.cleaned_data["message"], request.user.get_username())
            audit.log(request.user, [letter], f"Edited and retried: {outcome.result}, {outcome.detail or 'untouched'}.")
            _say(request, RetrySummary([outcome]), 1)
            return redirect(page_of(letter))
        question = Question(
            title="Edit this dead letter and retry it",
            explanation="The message below is decoded, then replayed at once. What was received is kept beside it.",
            submit="Save and retry",
            cancel_url=page_of(letter),
            form=form,
            quotes=[("As received", readable.as_text(bytes(letter.raw)))],
        )
        return ask(self, request, question)  # type: ignore[arg-type]

    @action(description="Discard…", permissions=["view", "discard"], url_path="discard", icon="delete")
    def discard_letter(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """For a reason, which is asked first."""
        letter = self._letter(request, object_id)
        form = ReasonForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            _discard(request, [letter.id], form.cleaned_data["reason"])
            return redirect(page_of(letter))
        return ask(self, request, _discard_question(form, [letter], 1, page_of(letter)))  # type: ignore[arg-type]

    def _letter(self, request: HttpRequest, object_id: str) -> DeadLetter:
        letter: DeadLetter | None = self.get_object(request, object_id)  # type: ignore[attr-defined]
        if letter is None:
            raise Http404(f"no dead letter {object_id}")
        return letter


def page_of(letter: DeadLetter) -> str:
    """The address of a letter's page."""
    return reverse("admin:resilience_deadletter_change", args=[letter.pk])


def _ids(letters: QuerySet[DeadLetter]) -> list[uuid.UUID]:
    """One more than a request deals with, to know that there are more."""
    return list(letters.values_list("id", flat=True)[: AT_ONCE + 1])


def _retry(request: HttpRequest, ids: Sequence[uuid.UUID]) -> None:
    summary = dead_letters.retry_many(ids[:AT_ONCE], request.user.get_username(), _RETRY_SECONDS)
    _log_retries(request, summary)
    _say(request, summary, len(ids))


def _say(request: HttpRequest, summary: RetrySummary, asked: int) -> None:
    counts = ", ".join(f"{summary.count(result)} {result}" for result in Result if summary.count(result))
    reasons = {outcome.detail for outcome in summary.outcomes if outcome.result in (Result.FAILED, Result.EXHAUSTED)}
    text = f"Retried: {counts or 'none'}." + (f" Reasons: {', '.join(sorted(reasons))}." if reasons else "")
    text = f"{text} {_STOPPED.get(summary.stopped, '')}".strip() + _rest(asked)
    level = messages.SUCCESS if summary.count(Result.RESOLVED) == asked else messages.WARNING
    messages.add_message(request, level, text)


def _discard(request: HttpRequest, ids: Sequence[uuid.UUID], reason: str) -> None:
    by, begun = request.user.get_username(), timezone.now()
    try:
        count = dead_letters.discard(ids[:AT_ONCE], by, reason)
    except dead_letters.NoHandler as error:
        messages.error(request, f"Nothing was discarded: {error}.")
        return
    done = DeadLetter.objects.filter(id__in=ids, status=DeadLetter.Status.DISCARDED, closed_by=by)
    audit.log(request.user, done.filter(closed_at__gte=begun), f"Discarded: {reason}")
    level = messages.SUCCESS if count == len(ids) else messages.WARNING
    messages.add_message(request, level, f"{count} of {min(len(ids), AT_ONCE)} discarded." + _rest(len(ids)))


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


def _rest(asked: int) -> str:
    return f" That is all for one request ({AT_ONCE}): repeat for the rest." if asked > AT_ONCE else ""


def _log_retries(request: HttpRequest, summary: RetrySummary) -> None:
    letters = DeadLetter.objects.in_bulk([outcome.letter_id for outcome in summary.outcomes])
    by_text: dict[str, list[DeadLetter]] = defaultdict(list)
    for outcome in summary.outcomes:
        if letter := letters.get(outcome.letter_id):
            by_text[f"Retried: {outcome.result}, {outcome.detail or 'untouched'}."].append(letter)
    for text, touched in by_text.items():
        audit.log(request.user, touched, text)
