"""How a feed is connected, in the admin: lines for its receivers below its form, and a page that tries it.

Trying connects to addresses, so it is for those who may change feeds, and only by POST. What comes is shown where its
format is known; what is of no format is shown to superusers only (`ingest/feeds/trial.py`).
"""

from __future__ import annotations

from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from unfold.decorators import action

from ingest.feeds import trial
from ingest.feeds.senders import senders
from ingest.models import Feed, Format
from ingest.sources.common import urls as feed_urls


class ConnectingPages:
    """For the ModelAdmin of feeds, in front of its base."""

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The page of a feed, with lines to copy and the address of its minutes."""
        feed = self.get_object(request, object_id)  # type: ignore[attr-defined]
        context = {} if feed is None else {"senders": _senders(request, feed), "minutes_of": feed.pk}
        return super().change_view(request, object_id, form_url, {**(extra_context or {}), **context})  # type: ignore[misc,no-any-return]

    @action(description="Try it…", permissions=["change"], url_path="try", icon="network_check")  # type: ignore[untyped-decorator]
    def try_it(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask, then connect for a few seconds and show what came."""
        feed = self.get_object(request, object_id)  # type: ignore[attr-defined]
        if feed is None or not trial.can_try(feed):
            raise Http404(f"no feed {object_id} to which we connect")
        found = trial.attempt(feed) if request.method == "POST" else None
        context = {
            **self.admin_site.each_context(request),  # type: ignore[attr-defined]
            "opts": self.opts,  # type: ignore[attr-defined]
            "title": f"Try {feed}",
            "address": feed_urls.masked(feed.url),
            "seconds": trial.SECONDS,
            "result": None if found is None else _result(request, feed, found),
            "feed_url": reverse("admin:ingest_feed_change", args=[feed.pk]),
        }
        return TemplateResponse(request, "admin/ingest/trial.html", context)


def _senders(request: HttpRequest, feed: Feed) -> list[Any]:
    site = request.get_host().rpartition(":")[0] or request.get_host()
    return senders(feed, site.strip("[]"), request.build_absolute_uri(reverse("push", args=[feed.source])))


def _result(request: HttpRequest, feed: Feed, found: trial.Trial) -> dict[str, Any]:
    is_known = found.found is not None or trial.fits(None, feed)
    return {
        "colour": "danger" if found.problem else "success" if trial.fits(found.found, feed) else "warning",
        "label": "nothing came" if found.problem else "it works" if trial.fits(found.found, feed) else "look again",
        "sentence": _sentence(feed, found),
        "shown": found.shown if is_known or request.user.is_superuser else "",
    }


def _sentence(feed: Feed, found: trial.Trial) -> str:
    if found.problem:
        return f"{found.problem[:1].upper()}{found.problem[1:]}."
    came = f"{found.size:,} bytes came within {found.seconds:.1f} s"
    if found.found is None:
        return f"{came}, of no format that is known here. Nothing was saved."
    name = Format(found.found).label
    if trial.fits(found.found, feed):
        return f"{came}. They are what the feed says: {name}. Nothing was saved."
    return f"{came}. They look like {name}, and the feed says {feed.get_format_display()}. Nothing was saved."
