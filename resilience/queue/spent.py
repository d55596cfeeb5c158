"""Tasks whose deliveries are spent: they were delivered too often without a verdict, and somebody has to take them.

In: what the broker will not deliver again. Out: a call of whoever registered for it. Does not touch the queue.
"""

import logging
from collections.abc import Callable

from django.db import close_old_connections

from resilience.database.sqlstate import is_outage
from resilience.queue.streams import StreamDelivery

__all__ = ["hand_over", "on_spent"]

logger = logging.getLogger(__name__)

SpentHook = Callable[[str, str, int], None]
_hook: SpentHook | None = None


def on_spent(hook: SpentHook | None) -> None:
    """Register who takes spent tasks: `hook(task_payload, stream, deliveries)`.

    `task_payload` is the signed package, `stream` one of STREAMS. The entry is removed when the hook returns, and
    parked when it raises or when there is none (None). It runs in the pusher process and must be idempotent.
    """
    global _hook
    _hook = hook


def hand_over(entry: StreamDelivery, attempts: int) -> bool:
    """Whether somebody took `entry` after so many `attempts`; raises what the hook raises in an outage."""
    if _hook is None or entry.payload is None:
        return False
    close_old_connections()  # the pusher has no requests that would do it, and its connection may be hours old
    try:
        _hook(entry.payload.decode(), entry.stream, attempts)
    except Exception as error:
        if is_outage(error):
            raise
        logger.exception("nobody took the spent %s entry %s, it is parked", entry.stream, entry.entry_id)
        return False
    return True
