"""Has deliveries sent soon: a task is added to the queue; where that fails, the schedule sends them within a minute."""

from __future__ import annotations

import logging

import redis

from resilience.queue.broker import HOUSEKEEPING
from resilience.queue.resubmission import resubmit

logger = logging.getLogger(__name__)

TASK = "tracking.tasks.send_notifications"


def wake() -> None:
    """Add the task. Raises nothing of Redis."""
    try:
        resubmit(TASK, stream=HOUSEKEEPING)
    except (redis.RedisError, OSError) as error:
        logger.warning("notifications are sent by the schedule: %s", error)
