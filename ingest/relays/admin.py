"""Relays in the admin: made and changed there, with their state, and the account of each on its page.

Figures come from one look at both Redis servers a page. While these are away the pages work and say that nothing is
known.
"""

from __future__ import annotations

import datetime as dt
import logging
from typing import Any

import redis
from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from unfold.admin import ModelAdmin
from unfold.decorators import display
from unfold.views import ChangeList

from ingest.models import Relay
from ingest.relays import account, stream
from ingest.relays.account import ToldRelay
from ingest.relays.addresses import BadRelayUrl, check
from ingest.relays.standing import JudgedRelay, judge
from resilience.pages.readable import moment
from tracking import theme

logger = logging.getLogger(__name__)

COLOURS = {"ok": "success", "starting": "info", "off": "info", "failing": "danger", "unknown": "warning"}
UNKNOWN = "-"
REASONS = {
    "duplicate": "said already, or heard by another station too",
    "foreign": "the relay's format has no message for it",
    "interrupted": "was being sent when the relay was killed; nobody knows whether it went out",
    "late": "too old by the time it could have been sent",
    "no_client": "nobody was connected",
    "other_feed": "of a feed that the relay does not pass on",
    "other_kind": "of a kind that the relay does not pass on",
    "overrun": "forgotten by the stream before the relay could read it, or never in it",
    "rate_limit": "more than the relay may send in a second",
    "simulated": "of a simulator or a replay, which is passed on only where its feed is named",
    "undecodable": "could not be written in the relay's format",
    "unreachable": "there was no way to the address",
}


class RelayForm(forms.ModelForm):  # type: ignore[type-arg]  # not subscriptable at run time
    """A relay whose address has a known scheme and goes with the format."""

    class Meta:
        model = Relay
        fields = (
            *("name", "url", "format", "enabled", "feeds", "positions", "static", "stations", "other"),
            *("messages_per_second", "max_age_seconds"),
        )
        labels = {"url": "URL"}

    def clean(self) -> dict[str, Any]:
        """Raises ValidationError, with an example of a right address."""
        cleaned = dict(super().clean() or self.cleaned_data)
        cleaned["url"] = str(cleaned.get("url", "")).strip()
        if "url" not in self.errors:
            try:
                check(cleaned["url"], str(cleaned.get("format", "")))
            except BadRelayUrl as error:
                raise forms.ValidationError({"url": str(error)}) from error
        return cleaned


class ToldChangeList(ChangeList):  # type: ignore[misc]  # unfold has no types
    """A list whose relays carry what is `told` of them, None where it is not known."""

    def get_results(self, request: HttpRequest) -> None:
        """The page's relays, all asked about at once."""
        super().get_results(request)
        attach(list(self.result_list))


def attach(relays: list[Relay]) -> None:
    """Give each relay what is `told` of it; a Redis that is away tells nothing."""
    try:
        told: dict[int, ToldRelay] = account.told_of([relay.pk for relay in relays])
    except redis.RedisError as error:
        logger.warning("what relays told cannot be read: %s", error)
        told = {}
    for relay in relays:
        relay.told = told.get(relay.pk)  # type: ignore[attr-defined]


def told_of(relay: Relay) -> ToldRelay | None:
    """What was attached."""
    return getattr(relay, "told", None)


@admin.register(Relay)
class RelayAdmin(ModelAdmin):  # type: ignore[misc]  # unfold has no types
    """Where accepted messages are sent on to."""

    icon = "outbound"
    form = RelayForm
    fieldsets = (
        (None, {"fields": (("name", "enabled"), ("url", "format"))}),
        ("What it passes on", {"fields": ("feeds", ("positions", "static"), ("stations", "other"))}),
        ("Limits", {"fields": (("messages_per_second", "max_age_seconds"),)}),
    )
    show_full_result_count = False
    list_display = (
        *("name", "state", theme.column("format", "Format")),
        *("sent", "dropped", "last_sent", "address"),
    )
    search_fields = ("name",)
    search_help_text = "Part of the name"
    change_form_before_template = "admin/ingest/relay_account.html"

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        """The list that knows how the relays are."""
        return ToldChangeList

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The page of a relay, with its account."""
        relay = self.get_object(request, object_id)
        context = {"relay_account": section(relay)} if relay is not None else {}
        return super().change_view(request, object_id, form_url, {**(extra_context or {}), **context})  # type: ignore[no-any-return]

    def delete_model(self, request: HttpRequest, obj: Relay) -> None:
        """Its account goes with it, as soon as Redis answers or it ends by itself."""
        key = obj.pk
        super().delete_model(request, obj)
        try:
            account.forget(key)
        except redis.RedisError as error:
            logger.warning("the account of relay %d is left to its end: %s", key, error)

    @display(description="State", label=COLOURS)  # type: ignore[untyped-decorator]
    def state(self, relay: Relay) -> str:
        """The badge."""
        found = judged(relay)
        return found.state.value if found else "unknown"

    @display(description="URL")  # type: ignore[untyped-decorator]
    def address(self, relay: Relay) -> str:
        """Where it sends; it holds no secret."""
        return relay.url

    @display(description="Sent")  # type: ignore[untyped-decorator]
    def sent(self, relay: Relay) -> str:
        """Messages."""
        told = told_of(relay)
        return f"{told.account.sent:,}" if told else UNKNOWN

    @display(description="Dropped")  # type: ignore[untyped-decorator]
    def dropped(self, relay: Relay) -> str:
        """Messages, for whatever reason."""
        told = told_of(relay)
        return f"{told.account.dropped.total():,}" if told else UNKNOWN

    @display(description="Last sent (UTC)")  # type: ignore[untyped-decorator]
    def last_sent(self, relay: Relay) -> str:
        """When."""
        told = told_of(relay)
        return _moment(told.account.sent_at) if told else UNKNOWN


def judged(relay: Relay) -> JudgedRelay | None:
    """How a relay is; None where nothing is known. One that is disabled is off, and that is no fault."""
    told = told_of(relay)
    if told is None:
        return None
    found = judge(told)
    return found._replace(reason="It is disabled.") if not relay.enabled and found.state == "off" else found


def section(relay: Relay) -> dict[str, Any]:
    """What the page of a relay shows of its account."""
    attach([relay])
    told, found = told_of(relay), judged(relay)
    if told is None or found is None:
        return {"state": "unknown", "colour": COLOURS["unknown"], "reason": "The queue's Redis does not answer."}
    books = told.account
    right = books.sent + books.dropped.total() + books.sending
    equation = f"{books.accepted:,} = {books.sent:,} + {books.dropped.total():,} + {books.sending:,}"
    reason = found.reason or "Messages go out as they should."
    return {
        "state": found.state.value,
        "colour": COLOURS[found.state],
        "reason": reason[:1].upper() + reason[1:],
        "numbers": _numbers(told),
        "equation": {"text": equation, "holds": books.adds_up(), "right": f"{right:,}"},
        "reasons": [(name, f"{count:,}", REASONS.get(name, "")) for name, count in books.dropped.most_common()],
    }


def _numbers(told: ToldRelay) -> list[tuple[str, str]]:
    books = told.account
    numbers = [
        ("Accepted", f"{books.accepted:,}"),
        ("Sent", f"{books.sent:,}"),
        ("Dropped", f"{books.dropped.total():,}"),
        ("Being sent", f"{books.sending:,}"),
        ("Waiting in the stream", _waiting(told)),
        ("Last sent (UTC)", _moment(books.sent_at)),
        ("Told (UTC)", _moment(told.told_at)),
    ]
    if told.standing.clients is not None:
        numbers.append(("Connected", f"{told.standing.clients:,}"))
    return numbers


def _waiting(told: ToldRelay) -> str:
    try:
        epoch, total = stream.total()
    except redis.RedisError as error:
        logger.warning("what waits for relays is not known: %s", error)
        return UNKNOWN
    return f"{max(0, total - told.account.total):,}" if epoch == told.account.epoch else UNKNOWN


def _moment(ms: int) -> str:
    return moment(dt.datetime.fromtimestamp(ms / 1000, dt.UTC) if ms else None)
