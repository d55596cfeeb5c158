"""The accounts of a feed in the admin: a section below its form, in total and for each of the last fourteen days.

Enters a feed; leaves its page with the equations of `ingest/ledger/accounts.py`, each with a tick or a red mark. A
ledger too long to be added up while somebody waits says so and names the command that takes its time.
"""

from __future__ import annotations

import datetime as dt
import logging
from typing import Any

from django.db import OperationalError, connection, transaction
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from ingest.ledger.accounts import EQUATIONS, Account, AccountSelection, amount, by_day, right_side, total, violations
from ingest.models import Feed

logger = logging.getLogger(__name__)

DAYS_SHOWN = 14
PATIENCE = "5s"
TITLES = {"lines": "Lines", "messages": "Messages", "positions": "Positions"}
BESIDES = ("rejected", "malformed", "duplicate", "dead")


class AccountPages:
    """For the ModelAdmin of feeds, in front of its base."""

    change_form_after_template = "admin/ingest/feed_accounts.html"

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The page of a feed, with its accounts."""
        feed = self.get_object(request, object_id)  # type: ignore[attr-defined]
        context = {"accounts": section(feed, timezone.now().date())} if feed is not None else {}
        return super().change_view(request, object_id, form_url, {**(extra_context or {}), **context})  # type: ignore[misc,no-any-return]


def section(feed: Feed, today: dt.date) -> dict[str, Any]:
    """What the page of a feed shows of its accounts."""
    command = f"manage.py accounts --source {feed.source} --by-day"
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f"SET LOCAL statement_timeout = '{PATIENCE}'")
            days = by_day(AccountSelection(feed.source)).get(feed.source, {})
            cursor.execute("SET LOCAL statement_timeout = DEFAULT")
    except OperationalError as error:
        logger.warning("the accounts of feed %s cannot be added up: %s", feed.source, error)
        return {"command": command, "unknown": True}
    since = today - dt.timedelta(days=DAYS_SHOWN - 1)
    wrong = [day for day, booked in days.items() if violations(booked)]
    sums = total(days.values())
    return {
        "command": command,
        "batches": f"{sums.batches:,}",
        "first": min(days, default=None),
        "wrong": sorted(wrong, reverse=True)[:DAYS_SHOWN],
        "equations": [_equation(sums, left) for left in EQUATIONS],
        "reasons": [_reasons(sums, name) for name in ("malformed", "rejected", "remarks") if getattr(sums, name)],
        "headings": [*TITLES.values(), *(name.capitalize() for name in BESIDES)],
        "days": [_row(day, days[day]) for day in sorted(days, reverse=True) if day >= since],
        "days_shown": DAYS_SHOWN,
    }


def _equation(booked: Account, left: str) -> dict[str, Any]:
    """One equation with its numbers; `right` only where it is not what `left` says."""
    said, right = amount(booked, left), right_side(booked, left)
    return {
        "name": TITLES[left],
        "said": f"{said:,}",
        "holds": said == right,
        "right": f"{right:,}",
        "terms": [(term, f"{amount(booked, term):,}") for term in EQUATIONS[left]],
    }


def _row(day: dt.date, booked: Account) -> dict[str, Any]:
    return {
        "day": day,
        "equations": [_equation(booked, left) for left in EQUATIONS],
        "besides": [f"{amount(booked, name):,}" for name in BESIDES],
    }


def _reasons(booked: Account, name: str) -> dict[str, Any]:
    """Counts by reason, the most frequent first."""
    counts: dict[str, int] = getattr(booked, name)
    ordered = sorted(counts, key=lambda reason: (-counts[reason], reason))
    return {
        "name": {"malformed": "Malformed lines", "rejected": "Rejected messages", "remarks": "Remarks"}[name],
        "sum": f"{sum(counts.values()):,}",
        "counts": [(reason, f"{counts[reason]:,}") for reason in ordered],
    }
