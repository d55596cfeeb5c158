"""How a running task gives its own work back to the queue: now, for later, or put aside for a person.

In: the call to be made again. Out: an entry of the queue; the task then ends normally, which acknowledges the old one.
A crash between the two leaves both, so the call must be harmless when it is made twice. What counts as an attempt is
for the caller, who keeps the count in the call's own arguments.
"""

import logging
import os
from collections.abc import Callable
from typing import Any, NoReturn

import redis

from resilience.queue.broker import StreamsBroker, parse_ack

__all__ = ["end_worker", "park", "resubmit", "resubmit_later", "signed", "working_on"]

logger = logging.getLogger(__name__)

HOST_FAILED = 75  # exit code of a worker whose host lacks something: EX_TEMPFAIL of sysexits.h

_in_work = ""  # acknowledgement id of the task that this process runs


def working_on(task_id: str) -> None:
    """Tell which task this worker runs, "" for none: `resubmit` may have to give it back."""
    global _in_work
    _in_work = task_id


def signed(func: str, *args: Any) -> str:
    """The package of a call as django-q2 signs it, not added to any stream."""
    from django_q.tasks import async_task  # imports models: the apps must be ready

    broker = _Signing()
    async_task(func, *args, broker=broker)
    return broker.package


def resubmit(func: str, *args: Any, stream: str) -> None:
    """Add a call to the end of `stream`: how a running task gives its own batch back.

    Durable once it returns. Raises redis.RedisError when the queue does not answer, and the task must raise too, so
    that its entry stays.
    """
    package = signed(func, *args)
    _add(lambda broker: broker.streams.add(stream, package, {}))


def resubmit_later(seconds: float, func: str, *args: Any, stream: str) -> None:
    """As `resubmit`, in so many seconds; until then nobody holds it, and it counts as waiting."""
    package = signed(func, *args)
    _add(lambda broker: broker.streams.delay(stream, package, seconds))


def park(func: str, *args: Any, stream: str, reason: str, attempts: int, subject: str, traceback: str) -> None:
    """Put a call aside for a person, who may return it to `stream`; `subject`: whose it is. Raises as `resubmit`."""
    package = signed(func, *args)
    _add(lambda broker: broker.streams.add_parked(stream, package, reason, attempts, subject, traceback))


def end_worker(error: BaseException) -> NoReturn:
    """End this worker, because its host failed, not its task: that is delivered again, to another host if there is one.

    Raises `error` where no worker runs.
    """
    if not _in_work:
        raise error
    logger.critical("this host failed, its worker ends and %s is delivered again: %r", _in_work, error)
    logging.shutdown()
    os._exit(HOST_FAILED)


def _add(add: Callable[[StreamsBroker], object]) -> None:
    broker = StreamsBroker()
    try:
        add(broker)
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


class _Signing(StreamsBroker):
    """Keeps the package that django-q2 signs instead of adding it."""

    package = ""

    def enqueue(self, task: str) -> str:
        """Nothing is added."""
        self.package = task
        return "signed"
