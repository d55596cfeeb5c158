"""Circuit breakers in the admin: all of them on one page, one with its history, and by hand trip and reset.

States come from `resilience.breaker.registry`, which reads them from the queue's Redis; there is no table. A trip or
reset asks for a reason, is kept in the breaker's own history and in the admin's log. While Redis is away the page says
so and offers neither: what this web process knows alone would reach no worker. (While PostgreSQL is away there is no
admin.)
"""

from dataclasses import dataclass
from datetime import UTC, datetime

from django.conf import settings
from django.contrib import messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse

from resilience.breaker.registry import FEED_PREFIX, Breaker, Phase, Snapshot, Transition, all_snapshots, get_breaker
from resilience.models import Switchboard
from resilience.pages.confirmation import Question, ask
from resilience.pages.forms import ReasonForm
from resilience.pages.readable import moment
from resilience.pages.tableless_admin import TablelessAdmin

# Those that exist before anybody used them.
KNOWN = {"database": "Storing batches in PostgreSQL", "live": "Writing live state to Redis"}

_COLOURS = {
    Phase.CLOSED: "success",
    Phase.HALF_OPEN: "warning",
    Phase.OPEN: "danger",
    Phase.FORCED_OPEN: "danger",
}
_MEANINGS = {
    Phase.CLOSED: "Calls pass.",
    Phase.HALF_OPEN: "One probe at a time passes.",
    Phase.OPEN: "No call passes until the retry time; then one probe does.",
    Phase.FORCED_OPEN: "Tripped by hand: no call passes until somebody resets it.",
}
_LATEST = 5


@dataclass(frozen=True, slots=True)
class View:
    """A snapshot as the pages show it."""

    name: str
    purpose: str
    state: str
    colour: str
    meaning: str
    tripped: bool
    numbers: list[tuple[str, str]]
    transitions: list[list[str]]


class BreakerAdmin(TablelessAdmin):
    """The pages of the breakers, in the place of lists and forms of a model without a table."""

    icon = "electrical_services"

    looking, operating = "resilience.view_breaker", "resilience.operate_breaker"

    def get_urls(self) -> list[URLPattern]:
        site = self.admin_site
        return [
            path("", site.admin_view(self.list_page), name="resilience_switchboard_changelist"),
            path("<str:name>/", site.admin_view(self.breaker_page), name="resilience_switchboard_change"),
            path("<str:name>/trip/", site.admin_view(self.trip_page), name="resilience_switchboard_trip"),
            path("<str:name>/reset/", site.admin_view(self.reset_page), name="resilience_switchboard_reset"),
        ]

    def list_page(self, request: HttpRequest) -> HttpResponse:
        """All breakers, each with its latest transitions."""
        return self._page(request, _snapshots(), "Circuit breakers", _LATEST)

    def breaker_page(self, request: HttpRequest, name: str) -> HttpResponse:
        """One breaker with its whole history."""
        return self._page(request, [_known(name).snapshot()], name, None)

    def trip_page(self, request: HttpRequest, name: str) -> HttpResponse:
        """Ask for a reason, then stop all calls."""
        explanation = "No call passes until somebody resets it: what depends on it waits."
        return self._operate(request, name, "trip", explanation)

    def reset_page(self, request: HttpRequest, name: str) -> HttpResponse:
        """Ask for a reason, then let all calls pass."""
        return self._operate(request, name, "reset", "It closes at once and calls pass again.")

    def _page(self, request: HttpRequest, snapshots: list[Snapshot], title: str, latest: int | None) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        shared = all(snapshot.shared for snapshot in snapshots)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": title,
            "breakers": [_view(snapshot, latest) for snapshot in snapshots],
            "headings": ["At (UTC)", "Change", "Reason"],
            "is_list": latest is not None,
            "shared": shared,
            "can_operate": shared and self.has_operate_permission(request),
        }
        return TemplateResponse(request, "admin/resilience/breakers.html", context)

    def _operate(self, request: HttpRequest, name: str, verb: str, explanation: str) -> HttpResponse:
        if not (self.has_view_permission(request) and self.has_operate_permission(request)):
            raise PermissionDenied
        breaker = _known(name)
        form = ReasonForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            self._do(request, breaker, verb, form.cleaned_data["reason"])
            return redirect("admin:resilience_switchboard_changelist")
        question = Question(
            title=f"{verb.capitalize()} the breaker {name}?",
            explanation=explanation,
            submit=verb.capitalize(),
            cancel_url=reverse("admin:resilience_switchboard_changelist"),
            form=form,
            danger=verb == "trip",
        )
        return ask(self, request, question)

    def _do(self, request: HttpRequest, breaker: Breaker, verb: str, reason: str) -> None:
        if not breaker.snapshot().shared:
            messages.error(request, f"{breaker.name} was left as it is: the queue's Redis does not answer.")
            return
        after = {"trip": breaker.trip, "reset": breaker.reset}[verb](request.user.get_username(), reason)
        LogEntry.objects.create(
            user_id=str(request.user.pk),
            content_type=ContentType.objects.get_for_model(Switchboard),
            object_id=breaker.name,
            object_repr=f"breaker {breaker.name}",
            action_flag=CHANGE,
            change_message=f"{verb.capitalize()}: {reason}",
        )
        if after.shared:
            messages.success(request, f"{breaker.name} is {_label(after.state.phase)}.")
        else:
            messages.error(request, f"Redis went away meanwhile: see whether {breaker.name} was reached.")


def _snapshots() -> list[Snapshot]:
    used = {snapshot.name: snapshot for snapshot in all_snapshots()}
    return [used.get(name) or get_breaker(name).snapshot() for name in sorted(KNOWN.keys() | used.keys())]


def _known(name: str) -> Breaker:
    """Looking at a breaker, or tripping it, must not make one of any name that somebody types into the URL."""
    if name not in KNOWN and name not in {snapshot.name for snapshot in all_snapshots()}:
        raise Http404(f"no breaker {name}")
    return get_breaker(name)


def _view(snapshot: Snapshot, latest: int | None) -> View:
    state = snapshot.state
    return View(
        name=snapshot.name,
        purpose=_purpose(snapshot.name),
        state=_label(state.phase),
        colour=_COLOURS[state.phase],
        meaning=_MEANINGS[state.phase],
        tripped=state.phase is not Phase.CLOSED,
        numbers=_numbers(snapshot),
        transitions=[_row(transition) for transition in snapshot.history[:latest]],
    )


def _purpose(name: str) -> str:
    """What a breaker guards; empty for one that nobody has described."""
    if name.startswith(FEED_PREFIX):
        return f"Requests of the polled feed {name.removeprefix(FEED_PREFIX)}"
    return KNOWN.get(name, "")


def _numbers(snapshot: Snapshot) -> list[tuple[str, str]]:
    state = snapshot.state
    wait = f"{snapshot.retry_after_seconds:.0f} s" if snapshot.retry_after_seconds else "now, one probe"
    waits = {Phase.CLOSED: "-", Phase.FORCED_OPEN: "after a reset"}
    return [
        ("Since (UTC)", moment(datetime.fromtimestamp(state.changed_at, UTC)) if state.changed_at else "the beginning"),
        ("Failures", f"{state.failures} of {settings.BREAKER_FAILURES}"),
        ("Probes succeeded", f"{state.successes} of {settings.BREAKER_SUCCESSES}"),
        ("Retry after", waits.get(state.phase, wait)),
        ("Times opened", str(state.opened_total)),
        ("Calls rejected", str(state.rejected_total)),
        ("Calls succeeded", str(state.succeeded_total)),
        ("Calls failed", str(state.failed_total)),
    ]


def _row(transition: Transition) -> list[str]:
    at = moment(datetime.fromtimestamp(transition.at, UTC))
    return [at, f"{_label(transition.from_phase)} → {_label(transition.to_phase)}", transition.reason]


def _label(phase: Phase) -> str:
    return phase.value.replace("_", " ")
