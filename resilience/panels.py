"""What the operator's desk shows of the queue, the breakers and the dead letters, and the numbers in the side bar.

Plain data leave, in the form that `tracking/desk/panels.py` describes. These are for staff who may see the pages that
they lead to. Ages are seconds.
"""

from __future__ import annotations

import time
from typing import Any
from urllib.parse import urlencode

from django.urls import reverse

from resilience.breaker.admin import KNOWN
from resilience.breaker.registry import Phase, Snapshot, all_snapshots, get_breaker
from resilience.letters.groups import LetterGroup, groups
from resilience.models import DeadLetter
from resilience.queue.broker import LIVE, STREAMS, StreamsBroker
from resilience.queue.streams import PARKED
from resilience.spool.file import SpoolUnusable
from resilience.spool.spool import get_spool
from resilience.status import LATE_SECONDS, ROOM_BYTES

GROUPS_SHOWN = 6
LETTERS_COUNTED = 1000  # of a group
MOST_LETTERS = 10_000  # beside the entry in the side bar

_RETRY = "resilience.retry_deadletter"
_LETTERS = "admin:resilience_deadletter_changelist"


def panels() -> list[dict[str, Any]]:
    """Those of this app."""
    return [
        {"name": "queue", "permission": "resilience.view_parked", "ask": queue},
        {"name": "breakers", "permission": "resilience.view_breaker", "ask": breakers},
        {"name": "letters", "permission": "resilience.view_deadletter", "ask": letters, "rights": [_RETRY]},
    ]


def badges() -> list[dict[str, Any]]:
    """Open breakers, open letters and parked entries."""
    breaker, letter, parked = "resilience_switchboard", "resilience_deadletter", "resilience_parkedentry"
    return [
        {"page": breaker, "permission": "resilience.view_breaker", "variant": "danger", "ask": _count_refusing},
        {"page": letter, "permission": "resilience.view_deadletter", "variant": "warning", "ask": _count_letters},
        {"page": parked, "permission": "resilience.view_parked", "variant": "danger", "ask": _count_parked},
    ]


def queue(window: str) -> dict[str, Any]:
    """What waits in the queue and in the spool of this host. Raises redis.RedisError."""
    depths = StreamsBroker().depths()
    spooled = _spool()
    parked, oldest = depths[PARKED].waiting, depths[LIVE].oldest_seconds
    page = reverse("admin:resilience_parkedentry_changelist")
    troubles = []
    if parked:
        troubles.append(_trouble(f"{parked:,} parked {'entry waits' if parked == 1 else 'entries wait'} for you", page))
    if (oldest or 0.0) > LATE_SECONDS:
        troubles.append(_trouble(f"the oldest live batch has waited for {oldest:.0f} s: do workers run?"))
    if spooled is None:
        troubles.append(_trouble("the spool of this host cannot be used"))
    elif spooled["is_full"]:
        troubles.append(_trouble("the spool of this host is full", state="down"))
    elif spooled["entries"]:
        troubles.append(_trouble(f"{spooled['entries']:,} batches are in the spool: the queue did not take them"))
    return {
        "waiting": sum(depths[stream].waiting for stream in STREAMS),
        "in_hand": sum(depths[stream].pending for stream in STREAMS),
        "oldest_seconds": oldest,
        "parked": parked,
        "spool": spooled,
        "troubles": troubles,
    }


def _spool() -> dict[str, Any] | None:
    """None where its directory cannot be used."""
    try:
        found = get_spool()
        depth = found.depth()
    except SpoolUnusable:
        return None
    is_full = bool(depth.entries) and found.max_bytes - depth.bytes < ROOM_BYTES
    return {"entries": depth.entries, "bytes": depth.bytes, "is_full": is_full}


def breakers(window: str) -> dict[str, Any]:
    """Every breaker and its state, those that are not closed first; `shared` is False while Redis is away."""
    used = {snapshot.name: snapshot for snapshot in all_snapshots()}
    found = [used.get(name) or get_breaker(name).snapshot() for name in sorted(KNOWN.keys() | used.keys())]
    found.sort(key=lambda snapshot: snapshot.state.phase is Phase.CLOSED)
    shown = [_breaker(snapshot) for snapshot in found]
    troubles = [
        _trouble(f"the breaker {each['name']} is {each['state']}", each["url"])
        for each in shown
        if each["state"] != "closed"
    ]
    return {"breakers": shown, "shared": all(snapshot.shared for snapshot in found), "troubles": troubles}


def _breaker(snapshot: Snapshot) -> dict[str, Any]:
    state = snapshot.state
    return {
        "name": snapshot.name,
        "purpose": KNOWN.get(snapshot.name, ""),
        "state": state.phase.value.replace("_", " "),
        "since_seconds": max(0.0, time.time() - state.changed_at) if state.changed_at else None,
        "opened": state.opened_total,
        "url": reverse("admin:resilience_switchboard_change", args=[snapshot.name]),
    }


def letters(window: str) -> dict[str, Any]:
    """The largest groups of open dead letters, each with the address of its retry. Raises django.db errors."""
    found = groups(LETTERS_COUNTED)
    return {
        "open": sum(group.count for group in found),
        "counted_all": all(group.counted_all for group in found),
        "groups": [_group(group) for group in found[:GROUPS_SHOWN]],
        "more": max(0, len(found) - GROUPS_SHOWN),
        "url": reverse(_LETTERS),
    }


def _group(group: LetterGroup) -> dict[str, Any]:
    query = urlencode({"fingerprint": group.fingerprint})
    return {
        "reason": group.reason,
        "message": group.message,
        "count": group.count,
        "counted_all": group.counted_all,
        "last_seen": group.last_seen,
        "url": f"{reverse(_LETTERS)}?{query}",
        "retry": f"{reverse('admin:resilience_deadletter_retry_all')}?{query}",
    }


def _count_refusing() -> int:
    """Breakers that are not closed, while all processes share what is known of them."""
    return sum(snapshot.shared and snapshot.state.phase is not Phase.CLOSED for snapshot in all_snapshots())


def _count_letters() -> int:
    return DeadLetter.objects.filter(status__in=DeadLetter.OPEN).order_by()[:MOST_LETTERS].count()


def _count_parked() -> int:
    broker = StreamsBroker()
    return broker.depths()[PARKED].waiting


def _trouble(text: str, url: str = "", state: str = "degraded") -> dict[str, Any]:
    return {"state": state, "text": text, "url": url}
