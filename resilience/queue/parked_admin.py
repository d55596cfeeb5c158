"""Parked entries of the queue in the admin: which there are, what the last attempt raised; return and discard.

Entries come from the queue's Redis (`resilience.queue.streams`); there is no table. Both actions ask first, need a
permission and are kept in the admin's log. While that Redis is away the page says so.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from django.contrib import messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from redis import RedisError

from resilience.models import ParkedEntry
from resilience.pages.confirmation import Question, ask
from resilience.pages.readable import as_text, moment
from resilience.pages.tableless_admin import TablelessAdmin
from resilience.queue.admission import signed_anew
from resilience.queue.broker import StreamsBroker
from resilience.queue.streams import Parked, Streams

MOST_SHOWN = 200
_LIST = "admin:resilience_parkedentry_changelist"


@dataclass(frozen=True, slots=True)
class ParkedRow:
    """An entry as the page shows it."""

    entry_id: str
    at: str
    stream: str
    subject: str
    attempts: int
    size: str
    reason: str
    traceback: str


class ParkedAdmin(TablelessAdmin):
    """The page of parked entries, in the place of lists and forms of a model without a table."""

    icon = "pause_circle"

    looking, operating = "resilience.view_parked", "resilience.operate_parked"

    def get_urls(self) -> list[URLPattern]:
        page = self.admin_site.admin_view
        return [
            path("", page(self.list_page), name="resilience_parkedentry_changelist"),
            path("<str:entry_id>/return/", page(self.return_page), name="resilience_parkedentry_return"),
            path("<str:entry_id>/discard/", page(self.discard_page), name="resilience_parkedentry_discard"),
        ]

    def list_page(self, request: HttpRequest) -> HttpResponse:
        """All entries, the oldest first."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        try:
            entries = StreamsBroker().streams.parked(MOST_SHOWN)
        except RedisError:
            entries = None
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": "Parked entries",
            "entries": [_row(entry, request) for entry in entries or []],
            "is_away": entries is None,
            "most_shown": MOST_SHOWN if entries and len(entries) == MOST_SHOWN else None,
            "can_operate": self.has_operate_permission(request),
        }
        return TemplateResponse(request, "admin/resilience/parked.html", context)

    def return_page(self, request: HttpRequest, entry_id: str) -> HttpResponse:
        """Ask, then put the entry back into its stream."""
        explanation = "It goes to the end of its stream and begins with no attempts. Mend the cause first."
        return self._operate(request, entry_id, "return", explanation)

    def discard_page(self, request: HttpRequest, entry_id: str) -> HttpResponse:
        """Ask, then throw the entry away."""
        return self._operate(request, entry_id, "discard", "Its messages are lost for good, and in no account.")

    def _operate(self, request: HttpRequest, entry_id: str, verb: str, explanation: str) -> HttpResponse:
        if not (self.has_view_permission(request) and self.has_operate_permission(request)):
            raise PermissionDenied
        try:
            streams = StreamsBroker().streams
            entry = _found(streams, entry_id)
            if request.method == "POST":
                self._do(request, streams, entry, verb)
                return redirect(_LIST)
        except RedisError:
            messages.error(request, "The queue's Redis does not answer: nothing was done.")
            return redirect(_LIST)
        question = Question(
            title=f"{verb.capitalize()} the parked entry {entry_id}?",
            explanation=explanation,
            submit=verb.capitalize(),
            cancel_url=reverse(_LIST),
            items=[f"{entry.subject or entry.stream}: {as_text(entry.reason.encode())}"],
            danger=verb == "discard",
        )
        return ask(self, request, question)

    def _do(self, request: HttpRequest, streams: Streams, entry: Parked, verb: str) -> None:
        if verb == "discard":
            done = streams.discard_parked(entry)
        elif package := signed_anew(entry.payload):
            done = streams.unpark(entry, package)
        else:
            messages.error(request, "It stays parked: no key of this host signed it. See manage.py parked.")
            return
        if not done:
            messages.error(request, "Somebody else was faster: the entry is gone.")
            return
        LogEntry.objects.create(
            user_id=str(request.user.pk),
            content_type=ContentType.objects.get_for_model(ParkedEntry),
            object_id=entry.entry_id,
            object_repr=f"{entry.subject or entry.stream} {entry.entry_id}"[:200],
            action_flag=CHANGE,
            change_message=verb.capitalize(),
        )
        messages.success(request, f"{entry.entry_id}: {'returned to its stream' if verb == 'return' else 'discarded'}.")


def _found(streams: Streams, entry_id: str) -> Parked:
    entry = next((entry for entry in streams.parked(1_000_000) if entry.entry_id == entry_id), None)
    if entry is None:
        raise Http404(f"no parked entry {entry_id}")
    return entry


def _row(entry: Parked, request: HttpRequest) -> ParkedRow:
    """The traceback only for who may see those of dead letters."""
    return ParkedRow(
        entry.entry_id,
        moment(datetime.fromtimestamp(entry.parked_at, UTC)),
        entry.stream,
        entry.subject or "-",
        entry.deliveries,
        f"{len(entry.payload):,}",
        as_text(entry.reason.encode()),
        as_text(entry.traceback.encode()) if request.user.has_perm("resilience.view_traceback") else "",
    )
