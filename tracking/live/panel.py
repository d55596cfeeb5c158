"""What the operator's desk shows of live state.

Nothing enters; plain data leave, in the form that `tracking/desk/panels.py` describes.
"""

from __future__ import annotations

from typing import Any

from tracking.live.state import LiveKind, LiveState


def panels() -> list[dict[str, Any]]:
    """The one of live state."""
    return [{"name": "live", "permission": "tracking.view_vessel", "ask": live}]


def live(window: str) -> dict[str, Any]:
    """How many targets live, by kind. Raises redis.RedisError."""
    return {"counts": {kind.value: LiveState(kind).count() for kind in LiveKind}}
