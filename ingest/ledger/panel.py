"""The accounts of today on the operator's desk: the equations with their numbers, and whether they hold.

Nothing enters; plain data leave, in the form that `tracking/desk/panels.py` describes. A day's ledger may be long, so
it is added up aside and remembered with its age.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.urls import reverse

from ingest.ledger.accounts import EQUATIONS, Account, AccountSelection, amount, by_day, right_side, total, violations
from tracking.desk.panels import Panel, Window, trouble
from tracking.desk.remembered import RememberedAnswer

FRESH_SECONDS = 10.0


def panels() -> list[Panel]:
    """The one of the ledger."""
    return [{"name": "accounts", "permission": "ingest.view_batch", "ask": accounts}]


def accounts(window: Window) -> dict[str, Any]:
    """Today's sums over all feeds; `equations` is None until they are added up for the first time."""
    found, age = _today.latest()
    if found is None:
        return {"equations": None, "age_seconds": None, "troubles": []}
    booked, wrong = found
    page = reverse("handbook-page", args=["accounts"])
    return {
        "batches": booked.batches,
        "equations": [_equation(booked, left) for left in EQUATIONS],
        "balanced": not wrong,
        "age_seconds": age,
        "troubles": [trouble(f"the accounts of {source} do not balance today", page) for source in wrong],
    }


def _equation(booked: Account, left: str) -> dict[str, Any]:
    return {
        "name": left,
        "value": amount(booked, left),
        "holds": amount(booked, left) == right_side(booked, left),
        "terms": [{"name": term, "value": amount(booked, term)} for term in EQUATIONS[left]],
    }


def _sums() -> tuple[Account, list[str]]:
    """(today's sums, the feeds whose equations do not hold). Raises django.db errors."""
    today = dt.datetime.now(dt.UTC).date()
    found = by_day(AccountSelection(since=today, until=today))
    wrong = [source for source, days in found.items() if any(violations(booked) for booked in days.values())]
    return total(booked for days in found.values() for booked in days.values()), wrong


_today = RememberedAnswer("accounts", _sums, FRESH_SECONDS)
