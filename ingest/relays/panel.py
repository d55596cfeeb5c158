"""Relays on the operator's desk: those that are enabled and not well, as troubles and as a number in the side bar.

Nothing enters; plain data leave, in the form that `tracking/desk/panels.py` describes.
"""

from __future__ import annotations

from typing import Any

from django.urls import reverse

from ingest.models import Relay
from ingest.relays.account import told_of
from ingest.relays.standing import JudgedRelay, RelayState, judge
from tracking.desk.panels import Panel, Trouble, Window, trouble

NOT_WELL = (RelayState.FAILING, RelayState.OFF)


def panels() -> list[Panel]:
    """The one of relays."""
    return [{"name": "relays", "permission": "ingest.view_relay", "ask": relays}]


def badges() -> list[dict[str, Any]]:
    """Relays that are not well."""
    return [{"page": "ingest_relay", "permission": "ingest.view_relay", "variant": "danger", "ask": _count_ill}]


def relays(window: Window) -> dict[str, Any]:
    """How many are enabled, and which do not send. Raises redis.RedisError and django.db errors."""
    found = _judged()
    return {"enabled": len(found), "troubles": _troubles(found)}


def _troubles(found: dict[Relay, JudgedRelay]) -> list[Trouble]:
    """One sentence where no process runs any of them."""
    page = reverse("admin:ingest_relay_changelist")
    if found and all(judged.state is RelayState.OFF for judged in found.values()):
        return [trouble("no process runs the relays: start `manage.py relay`", page)]
    return [
        trouble(
            f"relay {relay.name} does not send ({judged.reason})",
            reverse("admin:ingest_relay_change", args=[relay.pk]),
        )
        for relay, judged in found.items()
        if judged.state in NOT_WELL
    ]


def _count_ill() -> int:
    return sum(judged.state in NOT_WELL for judged in _judged().values())


def _judged() -> dict[Relay, JudgedRelay]:
    enabled = {relay.pk: relay for relay in Relay.objects.filter(enabled=True)}
    return {enabled[key]: judge(told) for key, told in told_of(list(enabled)).items()}
