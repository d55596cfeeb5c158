"""Sends what is due, by apprise: each event to each target at most once.

A delivery goes from WAITING to SENDING in one statement, which is committed before a byte leaves; what follows is
committed after. So

    accepted by the service                         SENT
    refused, or nothing was listening               WAITING again, later each time, MOST_ATTEMPTS times; then GIVEN_UP
    no answer, or the connection broke after        UNKNOWN: it may have arrived, and is not sent again by itself
    the worker died in between                      UNKNOWN, once SENDING is older than a task may be
    several recipients in one address, one failed   UNKNOWN: the others have it

At most once was chosen over at least once: an event is still in the admin and the API, but whoever is woken twice by
one alarm stops believing it. A person may send an UNKNOWN one again. Each target has a breaker of its own, so that one
that is away holds up nobody else.
"""

from __future__ import annotations

import datetime as dt
import logging
import random
import re
import time
from typing import NamedTuple

from django.db import connection
from django.db.models import F

from resilience import clocks
from resilience.breaker.registry import NOTIFY_PREFIX, CircuitOpen, get_breaker
from tracking.events.models.notices import Delivery
from tracking.events.notices import addresses, messages

logger = logging.getLogger(__name__)

RUN_SECONDS = 30.0  # of the minute that the task has; one plugin takes 8 s at most for connecting and for an answer
STALE_SECONDS = 180  # longer than any task
MOST_ATTEMPTS = 8
_FIRST_DELAY_SECONDS = 20.0
_LONGEST_DELAY_SECONDS = 3600.0
_PROBLEM_CHARACTERS = 200
# How requests and smtplib say that something had been sent when it went wrong.
_UNCERTAIN = re.compile(
    r"read timed out|timed out(?!.*connect)|connection aborted|reset by peer|remote end closed|unexpectedly closed"
    r"|remotedisconnected|incompleteread|broken pipe",
    re.IGNORECASE,
)
_NOT_REACHED = re.compile(r"connect timeout|connecttimeout|failed to establish|connection refused", re.IGNORECASE)

_CLAIM = f"""
UPDATE {Delivery._meta.db_table} SET state = 'sending', began_at = now(), attempts = attempts + 1
WHERE id = (
    SELECT id FROM {Delivery._meta.db_table} WHERE state = 'waiting' AND next_retry_at <= now()
    ORDER BY next_retry_at, id LIMIT 1 FOR UPDATE SKIP LOCKED
)
RETURNING id
"""


class NotTaken(Exception):
    """The service took nothing: it may be tried again."""


class Uncertain(Exception):
    """It may have arrived."""


class Summary(NamedTuple):
    """What became of the deliveries that were due."""

    sent: int = 0
    later: int = 0
    unknown: int = 0
    given_up: int = 0


def send_due(seconds: float = RUN_SECONDS) -> Summary:
    """Send what is due until nothing is, or the time is over. Raises django.db errors."""
    until = time.monotonic() + seconds
    counts = {state: 0 for state in Delivery.State}
    counts[Delivery.State.UNKNOWN] += leave_the_stale()
    while time.monotonic() < until and (delivery := _claim()) is not None:
        counts[_attempt(delivery)] += 1
    state = Delivery.State
    return Summary(counts[state.SENT], counts[state.WAITING], counts[state.UNKNOWN], counts[state.GIVEN_UP])


def leave_the_stale() -> int:
    """Mark what a worker left in the middle as unknown; how many it were."""
    before = clocks.database_now() - dt.timedelta(seconds=STALE_SECONDS)
    stale = Delivery.objects.filter(state=Delivery.State.SENDING, began_at__lt=before)
    return stale.update(
        state=Delivery.State.UNKNOWN, ended_at=F("began_at"), problem="the worker ended while it was sending"
    )


def send_again(deliveries: list[int]) -> int:
    """Have unknown or given-up deliveries sent once more, because a person says so; how many it were."""
    again = Delivery.objects.filter(pk__in=deliveries, state__in=(Delivery.State.UNKNOWN, Delivery.State.GIVEN_UP))
    return again.update(
        state=Delivery.State.WAITING, attempts=0, next_retry_at=clocks.database_now(), ended_at=None, problem=""
    )


def _claim() -> Delivery | None:
    """The delivery that is due longest, taken and committed; None where nothing is due."""
    with connection.cursor() as cursor:
        cursor.execute(_CLAIM)
        row = cursor.fetchone()
    return Delivery.objects.select_related("event", "target").get(pk=row[0]) if row else None


def _attempt(delivery: Delivery) -> Delivery.State:
    """Send it, and say what became of it."""
    name = f"{NOTIFY_PREFIX}{delivery.target_id}"
    if not delivery.target.enabled:
        return _end(delivery, Delivery.State.GIVEN_UP, "the target was switched off")
    try:
        with get_breaker(name, is_unreached).guard():
            send(delivery)
    except CircuitOpen as error:
        return _put_off(delivery, error.retry_after_seconds)
    except NotTaken as error:
        return _retry(delivery, str(error))
    except addresses.BadTarget as error:
        return _end(delivery, Delivery.State.GIVEN_UP, str(error))
    except Uncertain as error:
        return _end(delivery, Delivery.State.UNKNOWN, str(error))
    except Exception:
        # A bug of a plugin: nobody knows how far it got.
        logger.exception("delivery %d ended unexpectedly", delivery.pk)
        return _end(delivery, Delivery.State.UNKNOWN, "an unexpected error; the log has it")
    return _end(delivery, Delivery.State.SENT, "")


def send(delivery: Delivery) -> None:
    """One attempt. Raises NotTaken, Uncertain and BadTarget."""
    import apprise  # when first needed: it brings an HTTP client into each process

    plugin = addresses.opened(delivery.target.url)
    addresses.check_host(plugin)
    event = delivery.event
    # At DEBUG, because only there plugins say how a connection ended; the log itself goes nowhere.
    with apprise.LogCapture(level=apprise.logging.DEBUG, fmt="%(message)s") as captured:
        taken = plugin.notify(
            body=messages.text(event), title=messages.title(event), body_format=apprise.NotifyFormat.TEXT
        )
        said = captured.getvalue()
    if taken:
        return
    if len(plugin) > 1:
        raise Uncertain("one of several recipients was not reached")
    if _UNCERTAIN.search(said) and not _NOT_REACHED.search(said):
        raise Uncertain("no answer came, or the connection broke")
    raise NotTaken(_problem(said))


def is_unreached(error: BaseException) -> bool:
    """Whether an error speaks against the target."""
    return isinstance(error, NotTaken | Uncertain)


def _problem(said: str) -> str:
    """What a person may know of it: whether nobody listened, or the status of the answer. Never a line of the plugin,
    which may hold the address."""
    if status := re.search(r"error=(\d{3})", said):
        return f"the service answered {status[1]}"
    return "the service was not reached" if _NOT_REACHED.search(said) else "the service did not take it"


def _retry(delivery: Delivery, problem: str) -> Delivery.State:
    if delivery.attempts >= MOST_ATTEMPTS:
        return _end(delivery, Delivery.State.GIVEN_UP, problem)
    seconds = min(_LONGEST_DELAY_SECONDS, _FIRST_DELAY_SECONDS * 2**delivery.attempts) * random.uniform(0.5, 1.5)
    at = clocks.database_now() + dt.timedelta(seconds=seconds)
    _change(delivery, state=Delivery.State.WAITING, next_retry_at=at, problem=problem[:_PROBLEM_CHARACTERS])
    return Delivery.State.WAITING


def _put_off(delivery: Delivery, seconds: float) -> Delivery.State:
    """Nothing was tried: the breaker is open."""
    at = clocks.database_now() + dt.timedelta(seconds=max(1.0, seconds))
    _change(delivery, state=Delivery.State.WAITING, next_retry_at=at, attempts=F("attempts") - 1)
    return Delivery.State.WAITING


def _end(delivery: Delivery, state: Delivery.State, problem: str) -> Delivery.State:
    if problem:
        logger.warning("delivery %d to %s: %s, %s", delivery.pk, delivery.target, state.label, problem)
    _change(
        delivery,
        state=state,
        next_retry_at=None,
        ended_at=clocks.database_now(),
        problem=problem[:_PROBLEM_CHARACTERS],
    )
    return state


def _change(delivery: Delivery, **values: object) -> None:
    """Only what is still ours: another worker may have called it stale."""
    Delivery.objects.filter(pk=delivery.pk, state=Delivery.State.SENDING, began_at=delivery.began_at).update(**values)
