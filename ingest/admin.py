"""Feeds, which operators make and change, and the ledger of batches, which nobody can.

Addresses of feeds are checked when they are saved, and shown without their secrets to whoever may not change them. A
new key for receivers that push is shown once, in the answer to the request that made it, and kept nowhere.
"""

import uuid
from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin import SimpleListFilter
from django.contrib.admin.models import CHANGE, LogEntry
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html
from unfold.admin import ModelAdmin
from unfold.decorators import action, display
from unfold.widgets import UnfoldAdminSelectWidget

from ingest.feeds import trial
from ingest.feeds.connecting_admin import ConnectingPages
from ingest.formats.registry import refusal
from ingest.health.shown.admin import HealthPages
from ingest.ledger.admin import AccountPages
from ingest.models import Batch, Feed, RefusedMessage
from ingest.push import receivers
from ingest.relays.admin import RelayAdmin
from ingest.scorecards.admin import ScorePages
from ingest.sources.common import options
from ingest.sources.common import urls as feed_urls
from resilience.pages import readable
from resilience.pages.confirmation import Question, ask
from tracking import theme

__all__ = ["BatchAdmin", "FeedAdmin", "RefusedMessageAdmin", "RelayAdmin"]

CLOCKS = (
    ("auto", "judged by the seconds that ships send, and corrected"),
    ("own", "as the stations say"),
    ("arrival", "not believed: the moment of arrival counts"),
)


class FeedForm(forms.ModelForm):  # type: ignore[type-arg]  # not subscriptable at run time
    """A feed whose address has a known scheme and what that scheme needs; `clock` is one of its options."""

    clock = forms.ChoiceField(
        choices=CLOCKS,
        required=False,
        widget=UnfoldAdminSelectWidget,
        help_text="of the stations of a live AIS feed: which times are believed",
    )

    class Meta:
        model = Feed
        fields = (
            "name",
            "url",
            "format",
            "source",
            "score",
            "enabled",
            "stands_in_for",
            "poll_seconds",
            "clock",
            "options",
            "receiver_latitude",
            "receiver_longitude",
        )
        labels = {"url": "URL"}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial["clock"] = (self.instance.options or {}).get("clock", "auto")

    def clean_stands_in_for(self) -> Feed | None:
        """Not itself, and none that stands in for another. Raises ValidationError."""
        other: Feed | None = self.cleaned_data["stands_in_for"]
        if other is not None and (other == self.instance or other.stands_in_for_id is not None):
            raise forms.ValidationError("A feed stands in for another one, which itself stands in for none.")
        return other

    def clean_options(self) -> dict[str, Any]:
        """Known options of the right types. Raises ValidationError that names the key."""
        given = self.cleaned_data["options"] or {}
        try:
            options.parse(given if isinstance(given, dict) else {"options": given})
        except options.BadOptions as error:
            raise forms.ValidationError(str(error)) from error
        return dict(given)

    def clean(self) -> dict[str, Any]:
        """Raises ValidationError where the format cannot travel that way."""
        cleaned = super().clean() or self.cleaned_data
        if "clock" in self.changed_data and cleaned.get("clock") and "options" in cleaned:
            cleaned["options"] = {**cleaned["options"], "clock": cleaned["clock"]}
        scheme = str(cleaned.get("url", "")).partition("://")[0]
        if reason := refusal(str(cleaned.get("format", "")), scheme):
            raise forms.ValidationError({"format": reason})
        return dict(cleaned)

    def clean_url(self) -> str:
        """The address without blanks around it. Raises ValidationError, with an example of a right one."""
        url: str = self.cleaned_data["url"].strip()
        try:
            feed_urls.check(url)
        except feed_urls.BadFeedUrl as error:
            raise forms.ValidationError(str(error)) from error
        return url


@admin.register(Feed)
class FeedAdmin(HealthPages, ScorePages, AccountPages, ConnectingPages, ModelAdmin):  # type: ignore[misc]  # unfold has no types
    """Sources that `manage.py ingest` without arguments keeps running."""

    icon = "sensors"
    form = FeedForm
    show_full_result_count = False
    list_display = (
        "name",
        theme.column("source", "Source (label)"),
        "state",
        "last_message",
        "rate",
        "rejected",
        "delay",
        "address",
    )
    search_fields = ("name", "source")
    search_help_text = "Part of the name or of the label"
    actions_detail = ("try_it", "new_key")

    def get_fields(self, request: HttpRequest, obj: Feed | None = None) -> tuple[str, ...]:
        """Address and options in full for those who may change them, without secrets for those who may only look."""
        fields: tuple[str, ...] = FeedForm.Meta.fields
        if obj is not None and not self.has_change_permission(request, obj):
            return tuple("address" if name == "url" else name for name in fields if name not in ("clock", "options"))
        return fields

    def get_readonly_fields(self, request: HttpRequest, obj: Feed | None = None) -> tuple[str, ...]:
        """The masked address is no field of the form."""
        return ("address",)

    @display(description="URL")  # type: ignore[untyped-decorator]
    def address(self, feed: Feed) -> str:
        """The address without its secrets."""
        return feed_urls.masked(feed.url)

    def get_actions_detail(self, request: HttpRequest, object_id: str) -> list[object]:
        """Only feeds that receivers push to have keys, and only those to which we connect can be tried."""
        feed = self.get_object(request, object_id)
        wanted = {"try_it": feed and trial.can_try(feed), "new_key": feed and feed.only_receives}
        offered = super().get_actions_detail(request, object_id)
        return [each for each in offered if wanted[each.action_name.removeprefix("ingest_feed_")]]

    @action(description="New key…", permissions=["change"], url_path="new-key", icon="key")  # type: ignore[untyped-decorator]
    def new_key(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask, then replace the key and show the new one."""
        feed = self.get_object(request, object_id)
        if feed is None or not feed.only_receives:
            raise Http404(f"no feed {object_id} that receivers push to")
        if request.method != "POST":
            return ask(self, request, _key_question(feed))
        key = receivers.new_key()
        feed.key_hash = receivers.hashed(key)
        feed.save(update_fields=["key_hash"])
        LogEntry.objects.log_actions(str(request.user.pk), [feed], CHANGE, "Made a new key.", single_object=True)
        return self._show_key(request, feed, key)

    def _show_key(self, request: HttpRequest, feed: Feed, key: str) -> HttpResponse:
        """The page with the key: the only place where it ever is."""
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": f"New key of {feed}",
            "key": key,
            "push_url": request.build_absolute_uri(reverse("push", args=[feed.source])),
            "feed_url": reverse("admin:ingest_feed_change", args=[feed.pk]),
        }
        return TemplateResponse(request, "admin/ingest/new_key.html", context)


def _key_question(feed: Feed) -> Question:
    loss = "Receivers that push with the present key are refused from then on." if feed.key_hash else ""
    return Question(
        title=f"Make a new key for {feed}?",
        explanation=f"The key is shown once and cannot be shown again. {loss}".strip(),
        submit="Make a new key",
        cancel_url=reverse("admin:ingest_feed_change", args=[feed.pk]),
        danger=bool(feed.key_hash),
    )


class SourceFilter(SimpleListFilter):
    """By label: those of the feeds, because listing the ledger's would read all of it."""

    title = "source"
    parameter_name = "source"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """The feeds' labels."""
        return [(label, label) for label in Feed.objects.order_by("source").values_list("source", flat=True)]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Batch]) -> QuerySet[Batch]:
        """Batches of the label."""
        return queryset.filter(source=self.value()) if self.value() else queryset


@admin.register(RefusedMessage)
class RefusedMessageAdmin(theme.Uncounted, theme.ReadOnly):
    """What was refused before it became a row: samples of each feed and reason, as they were received."""

    icon = "report"
    list_display = (
        theme.moment("received_at", "Received"),
        theme.column("source", "Source"),
        theme.column("reason", "Reason"),
        theme.column("format", "Format"),
        "beginning",
    )
    fields = readonly_fields = (*list_display[:-1], "message", "dump")
    list_filter = (SourceFilter,)
    search_fields = ("=reason", "=source")
    search_help_text = "Reason or feed"

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[RefusedMessage], search_term: str
    ) -> tuple[QuerySet[RefusedMessage], bool]:
        """(samples of that reason or feed, False: no row twice)."""
        text = search_term.strip()
        return (queryset.filter(reason=text) | queryset.filter(source=text) if text else queryset), False

    @display(description="Message")  # type: ignore[untyped-decorator]
    def beginning(self, sample: RefusedMessage) -> str:
        """The first characters."""
        text = readable.one_line(readable.as_text(bytes(sample.raw)))
        return text if len(text) <= 80 else text[:79] + "…"

    @display(description="Message")  # type: ignore[untyped-decorator]
    def message(self, sample: RefusedMessage) -> str:
        """As text."""
        return format_html('<pre class="overflow-x-auto">{}</pre>', readable.as_text(bytes(sample.raw)))

    @display(description="Bytes")  # type: ignore[untyped-decorator]
    def dump(self, sample: RefusedMessage) -> str:
        """In hexadecimal."""
        return format_html('<pre class="overflow-x-auto">{}</pre>', readable.as_hex(bytes(sample.raw)))


ACCEPTED = theme.moment("accepted_at", "Accepted")
BOOKED = theme.moment("booked_at", "Booked")


@admin.register(Batch)
class BatchAdmin(theme.Uncounted, theme.ReadOnly):
    """The ledger. It is an account: nothing in it can be added, changed or deleted by hand."""

    icon = "receipt_long"
    list_display = (
        BOOKED,
        theme.column("source", "Source"),
        theme.column("lines", "Lines", "{:,}"),
        theme.column("messages", "Messages", "{:,}"),
        theme.column("positions", "Positions", "{:,}"),
        theme.column("stored", "Stored", "{:,}"),
        "refused",
        theme.column("dead", "Dead letters", "{:,}"),
    )
    fieldsets = (
        (None, {"fields": (("id", "run"), ("source", "format"), (ACCEPTED, BOOKED))}),
        ("Lines", {"fields": (("lines", "sentences"), ("foreign", "malformed"), "remarks")}),
        ("Messages", {"fields": (("messages", "positions"), ("static", "stations"), ("other", "rejected"))}),
        ("Positions", {"fields": (("stored", "merged"), ("duplicate", "dead"), "discarded")}),
        ("Where a recording goes on", {"fields": (("offset", "index"),)}),
    )
    readonly_fields = (ACCEPTED, BOOKED)
    list_filter = (SourceFilter,)
    search_fields = ("id",)
    search_help_text = "Id of a batch, id of a run, or a whole source label"

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Batch], search_term: str
    ) -> tuple[QuerySet[Batch], bool]:
        """(batches with that id, of that run or of that source, False: no row twice)."""
        text = search_term.strip()
        if not text:
            return queryset, False
        try:
            key = uuid.UUID(text)
        except ValueError:
            return queryset.filter(source=text), False
        return queryset.filter(id=key) | queryset.filter(run=key), False

    @display(description="Refused (lines + messages)")  # type: ignore[untyped-decorator]
    def refused(self, batch: Batch) -> str:
        """Malformed lines and rejected messages."""
        return f"{sum(batch.malformed.values()) + sum(batch.rejected.values()):,}"
