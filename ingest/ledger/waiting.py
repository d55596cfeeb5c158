"""The end of a run: wait until the ledger has booked what was accepted, then read the run's account.

A finished Collector and the batches that were Outstanding enter, what is still waiting and the account of the rest
leave. A database that is away is waited for, however long; the spool is drained meanwhile (`resilience.spool.drain`).
Being stopped ends the wait, never what was accepted. What is worth telling a person goes to `say`, line by line.
"""

from __future__ import annotations

import logging
import signal
import threading
import time
import uuid
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.db import Error as DatabaseError
from django.db.models import Q

from ingest.acceptance.contract import ledger_deadline
from ingest.feeds.collector import Collector
from ingest.ledger.accounts import Account, account
from ingest.models import Batch
from ingest.reports import MessageBatch
from resilience.database.sqlstate import is_outage
from resilience.spool.spool import SpoolRefusal, get_spool

logger = logging.getLogger(__name__)

Say = Callable[[str], object]

POLL_SECONDS = 0.2
HINT_SECONDS = 15.0
READINGS = 5
LOOK_EVERY = 2_000  # batches: about every ten minutes of a busy feed
IDS_A_QUESTION = 1_000


class Unread(Exception):
    """The ledger cannot be read; the message says what is known all the same."""


class Outstanding:
    """The accepted batches that were not seen in the ledger yet, as ids with their messages.

    `add` is for `Collector(on_accepted=…)`. A run may last for months, so it looks into the ledger now and then: only
    what waits is kept.
    """

    def __init__(self) -> None:
        self.batches: dict[uuid.UUID, int] = {}
        self._look_at = LOOK_EVERY

    def add(self, batch: MessageBatch, skews: list[int]) -> None:
        """A batch was accepted."""
        self.batches[batch.id] = len(batch.messages)
        if len(self.batches) >= self._look_at:
            self._forget_booked()

    def _forget_booked(self) -> None:
        try:
            self.messages()
        except DatabaseError as error:
            if not is_outage(error):
                raise
            logger.debug("the ledger is looked into later: %s", error)
        self._look_at = len(self.batches) + LOOK_EVERY

    def messages(self) -> int:
        """Messages of the batches that are not booked yet; the booked ones are forgotten.

        Raises django.db.Error when PostgreSQL does not answer, within the deadline.
        """
        ids = list(self.batches)
        for start in range(0, len(ids), IDS_A_QUESTION):
            with ledger_deadline():
                found = list(
                    Batch.objects.filter(id__in=ids[start : start + IDS_A_QUESTION]).values_list("id", flat=True)
                )
            for booked in found:
                self.batches.pop(booked, None)
        return sum(self.batches.values())


def close(collector: Collector, outstanding: Outstanding, give_up: threading.Event, say: Say) -> tuple[int, Account]:
    """The messages that the ledger lacks, and its account of the others; waits for both until `give_up` is set.

    Raises Unread when the database is away and it is stopped.
    """
    waiter = _Waiter(say)
    with interruptible(give_up):
        while True:
            try:
                left = outstanding.messages()
                if left == 0 or give_up.is_set():
                    left, booked = _read(collector, outstanding)
                    break
                waiter.lacks(left)
            except DatabaseError as error:
                if not is_outage(error):
                    raise
                if give_up.is_set():
                    tell_of_the_spool(say)
                    raise Unread(
                        f"{collector.accepted} messages were accepted and are safe; the database is away, "
                        f"so what became of them cannot be read now: {error}"
                    ) from error
                waiter.is_away(error)
            give_up.wait(POLL_SECONDS)
    if left:
        tell_of_the_spool(say)
    return left, booked


def outlived_the_ledger(seconds: float) -> bool:
    """Whether a run of so many seconds has lines that are only in the sums of closed days by now."""
    days: int = settings.KEEP_LEDGER_DAYS
    return days > 0 and seconds >= days * 86_400


class _Waiter:
    """Tells why it takes so long, once."""

    def __init__(self, say: Say) -> None:
        self._say = say
        self._latest, self._progressed_at = -1, time.monotonic()
        self._told = False

    def lacks(self, left: int) -> None:
        """The ledger lacks `left` messages."""
        self._told = False
        if left != self._latest:
            self._latest, self._progressed_at = left, time.monotonic()
        elif time.monotonic() - self._progressed_at > HINT_SECONDS:
            self._say(f"{left} messages wait for a worker: is `manage.py workers` running?")
            tell_of_the_spool(self._say)
            self._progressed_at = time.monotonic()

    def is_away(self, error: DatabaseError) -> None:
        """The ledger cannot be read."""
        if not self._told:
            self._say(f"the database is away, waiting for it; what was accepted is safe, Ctrl-C ends the wait: {error}")
        self._told, self._progressed_at = True, time.monotonic()


def _read(collector: Collector, outstanding: Outstanding) -> tuple[int, Account]:
    """Both at one moment: a batch that is booked between two readings would be in neither or in both."""
    left = outstanding.messages()
    for _ in range(READINGS):
        with ledger_deadline():
            booked = account(Q(run=collector.run_id))
        before, left = left, outstanding.messages()
        if before == left:
            break
    return left, booked


def tell_of_the_spool(say: Say) -> None:
    """What the workers cannot book yet, because it waits on this host's disk."""
    spool = get_spool()
    try:
        entries = spool.depth().entries
    except SpoolRefusal as error:
        say(str(error))
        return
    if entries:
        say(
            f"{entries} batches wait on disk in {spool.directory}; any `manage.py ingest` and the web processes of "
            "this host pass them on when the queue takes batches"
        )


class interruptible:
    """While a wait lasts, Ctrl-C and SIGTERM set the event instead of ending the process."""

    def __init__(self, event: threading.Event) -> None:
        self._event = event
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> None:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, lambda *_: self._event.set())

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
