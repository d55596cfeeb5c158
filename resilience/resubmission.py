"""How a running task gives its own work back to the queue: added anew, so that the attempt is not charged to it.

In: the call to be made again. Out: an entry at the end of a stream. The old entry is acknowledged by the task's end.
"""

import logging
from typing import Any

import redis

from resilience.broker import StreamsBroker, parse_ack

__all__ = ["resubmit", "working_on"]

logger = logging.getLogger(__name__)

_in_work = ""  # acknowledgement id of the task that this process runs


def working_on(task_id: str) -> None:
    """Tell which task this worker runs, "" for none: `resubmit` may have to give it back."""
    global _in_work
    _in_work = task_id


def resubmit(func: str, *args: Any, stream: str) -> str:
    """Add a task to the end of `stream` and return its id: how a running task gives its own batch back.

    Durable once it returns; the task then ends normally, which acknowledges the old entry. Raises redis.RedisError
    when the queue does not answer, and the task must raise too, so that its entry stays.
    """
    from django_q.tasks import async_task  # imports models: the apps must be ready

    broker = StreamsBroker.for_stream(stream)
    try:
        return str(async_task(func, *args, broker=broker))
    except redis.RedisError:
        if _in_work:
            _give_back(broker)
        raise


def _give_back(broker: StreamsBroker) -> None:
    """The task cannot be added, but no batch is charged for it: a queue without memory still lets go of an entry."""
    try:
        broker.streams.give_back(*parse_ack(_in_work))
    except redis.RedisError as error:
        logger.warning("%s is delivered again, which counts: %s", _in_work, error)
