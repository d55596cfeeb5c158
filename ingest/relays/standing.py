"""How relays are, for people: a state, and why.

What their processes told enters (`account.py`); leaves the state of each by the time at which it was told last: a relay
whose process says nothing any more is not run, whatever it said.
"""

from __future__ import annotations

import enum
import time
from typing import NamedTuple

from ingest.relays.account import ToldRelay

SILENT_MS = 30_000  # its process tells every few seconds, and waits for a connection for ten


class RelayState(enum.StrEnum):
    """From the worst to the best."""

    FAILING = "failing"
    OFF = "off"
    STARTING = "starting"
    OK = "ok"


class JudgedRelay(NamedTuple):
    """A state and one sentence about it, empty where there is nothing to say."""

    state: RelayState
    reason: str = ""


def judge(told: ToldRelay, now_ms: int | None = None) -> JudgedRelay:
    """The state of a relay that is meant to run."""
    now = time.time_ns() // 1_000_000 if now_ms is None else now_ms
    if told.standing.state == "stopped" or now - told.told_at > SILENT_MS:
        return JudgedRelay(RelayState.OFF, "no process runs it: `manage.py relay` does")
    if told.standing.state == "failing":
        return JudgedRelay(RelayState.FAILING, told.standing.error or "it cannot send")
    return JudgedRelay(RelayState.OK if told.standing.state == "ok" else RelayState.STARTING)
