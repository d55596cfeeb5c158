"""One sentence for all: does everything flow, and if not, what is the matter?

The answers of panels enter; a Verdict leaves. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tracking.desk.panels import Trouble

_ORDER = ("down", "degraded")


def verdict(answers: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """`state` (ok, degraded, down, unknown), `headline`, and the `troubles`, the worst first."""
    troubles = sorted(_troubles(answers.values()), key=lambda each: _ORDER.index(each["state"]))
    silent = [name for name, answer in answers.items() if "error" in answer]
    if not troubles and silent:
        return {"state": "unknown", "headline": _unknown(silent), "troubles": []}
    state = troubles[0]["state"] if troubles else "ok"
    return {"state": state, "headline": _headline(state, len(troubles)), "troubles": troubles}


def _troubles(answers: Iterable[Mapping[str, Any]]) -> list[Trouble]:
    return [each for answer in answers for each in answer.get("troubles", ())]


def _headline(state: str, number: int) -> str:
    if state == "ok":
        return "Everything flows."
    if state == "down":
        return "Messages do not get through."
    return "Flowing, but one thing needs a look." if number == 1 else f"Flowing, but {number} things need a look."


def _unknown(silent: Sequence[str]) -> str:
    return f"Not everything can be asked: no answer about {', '.join(silent)}."
