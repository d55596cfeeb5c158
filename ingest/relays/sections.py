"""What the status page and the metrics say of relays, from the queue's Redis alone.

Plain data leave, in the form that `tracking/status/sections.py` describes. Which relays there are is told by what is
kept of them: one is listed for a day after its process told of it last. Why one fails is never said here, since that
may hold an address.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Any

from ingest.relays.account import ToldRelay, known_keys, told_of
from ingest.relays.standing import RelayState, judge

LISTED_MS = 86_400_000
MOST_ROWS = 50


def sections() -> list[dict[str, Any]]:
    """Those of relays."""
    return [
        {
            "name": "relays",
            "title": "Relays",
            "ask": relays,
            "without": "Their accounts are kept in the queue's Redis; relays wait for it, and nothing else does.",
        }
    ]


def relays() -> dict[str, Any]:
    """How each relay is, the worst first; one that was switched off is not listed. Raises redis.RedisError."""
    now = time.time_ns() // 1_000_000
    told = {key: one for key, one in told_of(known_keys()).items() if one.account.id and now - one.told_at < LISTED_MS}
    states = {key: judge(one, now).state for key, one in told.items()}
    ill = sum(state in (RelayState.FAILING, RelayState.OFF) for state in states.values())
    summary = f"{len(told)} relays" if told else "none has run lately"
    order = list(RelayState)
    worst = sorted(told, key=lambda key: (order.index(states[key]), told[key].name))
    return {
        "state": "degraded" if ill else "ok",
        "summary": summary + (f"; {ill} not well" if ill else ""),
        "columns": ["relay", "state", "accepted", "sent", "dropped", "mostly because"],
        "rows": [_row(told[key], states[key]) for key in worst[:MOST_ROWS]],
        "metrics": _metrics(told, states),
    }


def _row(told: ToldRelay, state: RelayState) -> list[str]:
    account = told.account
    reasons = account.dropped.most_common(1)
    why = reasons[0][0].replace("_", " ") if reasons else "-"
    return [
        told.name,
        state.value,
        f"{account.accepted:,}",
        f"{account.sent:,}",
        f"{account.dropped.total():,}",
        why,
    ]


def _metrics(told: Mapping[int, ToldRelay], states: Mapping[int, RelayState]) -> list[dict[str, Any]]:
    return [
        _metric(
            "tracking_relay_state",
            "gauge",
            "1 for the state in which the relay is, 0 for the others.",
            (
                ({"relay": one.name, "state": state.value}, states[key] is state)
                for key, one in told.items()
                for state in RelayState
            ),
        ),
        _metric(
            "tracking_relay_messages_total",
            "counter",
            "Messages by what became of them: sent, or the reason for which they were dropped.",
            (
                ({"relay": one.name, "outcome": outcome}, count)
                for one in told.values()
                for outcome, count in {"sent": one.account.sent, **one.account.dropped}.items()
            ),
        ),
    ]


def _metric(name: str, kind: str, text: str, samples: Iterable[tuple[dict[str, str], float]]) -> dict[str, Any]:
    listed = [{"labels": labels, "value": float(value)} for labels, value in samples]
    return {"name": name, "type": kind, "help": text, "samples": listed}
