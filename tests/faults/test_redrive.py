"""A process killed in the middle of retrying dead letters: every message ends once, stored or dead."""

import multiprocessing
import os
import signal
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, connections
from django.utils import timezone

from ingest import pipeline
from resilience.letters import dead_letters
from resilience.letters.dead_letters import Result
from resilience.models import DeadLetter
from tests.faults.invariants import Traffic, fate
from tests.faults.schema import refused_ships
from tests.support.patience import PATIENCE_SECONDS

pytestmark = [
    pytest.mark.fault,
    pytest.mark.django_db(transaction=True, databases=["default", "direct"]),
    pytest.mark.usefixtures("breakers"),
]

KILLS = 20
LETTERS = 30


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class Assassin:
    """Kills its process at the n-th statement that holds all of `words`, before or after PostgreSQL has run it."""

    def __init__(self, words: Sequence[str], after: bool, number: int) -> None:
        self._words, self._after, self._left = words, after, number

    def __call__(self, execute: Callable[..., Any], sql: str, *args: Any) -> Any:
        found = all(word in sql for word in self._words)
        self._left -= found
        if found and self._left == 0 and not self._after:
            die()
        result = execute(sql, *args)
        if found and self._left == 0 and self._after:
            die()
        return result


LOCK, LEDGER, CLOSE = ("resilience_deadletter", "FOR UPDATE"), ('UPDATE "ingest_batch"',), ('UPDATE "resilience_dead',)
STAGES = {
    "the letter is locked, nothing is written": (LOCK, True),
    "the row is written": (LEDGER, False),
    "the row and the ledger are written, the letter is open": (CLOSE, False),
    "all is written, nothing is committed": (CLOSE, True),
    "all is committed and nobody has heard of it": None,
}


def retry_and_die(stage: tuple[Sequence[str], bool] | None, number: int) -> None:
    """In a process of its own: retry what is due, killed at `stage` (None: after the commit) of the n-th letter."""
    connections.close_all()
    if stage is None:
        _die_after_commit(number)
        dead_letters.retry_due()
    else:
        with connection.execute_wrapper(Assassin(*stage, number)):
            dead_letters.retry_due()


def _die_after_commit(number: int) -> None:
    """The n-th commit that closes a letter is the last thing that the process does."""
    closing = 0

    def note(execute: Callable[..., Any], sql: str, *args: Any) -> Any:
        nonlocal closing
        closing += CLOSE[0] in sql
        return execute(sql, *args)

    commit = connection._commit

    def commit_and_die() -> None:
        commit()
        if closing >= number:
            die()

    connection._commit = commit_and_die
    connection.execute_wrappers.append(note)


def killed_while_retrying(number: int) -> int:
    """The exit code of the process that was killed for the n-th time."""
    stage = list(STAGES.values())[number % len(STAGES)]
    fork = multiprocessing.get_context("fork")
    connections.close_all()
    process = fork.Process(target=retry_and_die, args=(stage, 1 + number // len(STAGES) % 2))
    process.start()
    process.join(PATIENCE_SECONDS)
    return process.exitcode or 0


def test_twenty_kills_in_the_middle_of_retries_lose_nothing_and_store_nothing_twice(traffic: Traffic) -> None:
    parcel = traffic.batch(300)
    with refused_ships(300 // LETTERS):
        pipeline.process(parcel)
    assert len(fate([parcel]).settled().dead) == LETTERS
    DeadLetter.objects.update(next_retry_at=timezone.now())

    for number in range(KILLS):
        assert killed_while_retrying(number) == -signal.SIGKILL
        fate([parcel]).settled()
    left = dead_letters.open_count()
    assert 0 < left < LETTERS
    later = timezone.now() + timedelta(days=1)  # those that were begun are put off
    assert dead_letters.retry_due(later).count(Result.RESOLVED) == left
    result = fate([parcel]).settled()
    assert (len(result.stored), result.dead) == (300, set())
    assert DeadLetter.objects.filter(status="resolved").count() == LETTERS
