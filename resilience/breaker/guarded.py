"""How PostgreSQL is called for dead letters and their jobs: behind the breaker "database", within a deadline."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings
from django.db import transaction

from resilience.breaker.registry import CircuitOpen, get_breaker
from resilience.database.deadline import deadline
from resilience.database.sqlstate import Verdict, classify

BREAKER = "database"
# One letter is at most one batch, a tenth of a second. With 45 s of retries it stays below the queue's time-out of 60.
LONGEST_SECONDS = 10.0


@contextmanager
def guarded() -> Iterator[None]:
    """Statements on the default database. Raises CircuitOpen, and what the database raises."""
    with get_breaker(BREAKER).guard(), short_deadline():
        yield


@contextmanager
def guarded_transaction() -> Iterator[None]:
    """The same, as one transaction that is no part of another."""
    with guarded(), transaction.atomic(durable=True):
        yield


@contextmanager
def short_deadline() -> Iterator[None]:
    """At most LONGEST_SECONDS, and no more than any call may take."""
    with deadline(min(LONGEST_SECONDS, float(settings.DATABASE_DEADLINE_SECONDS))):
        yield


def is_away(error: Exception) -> bool:
    """Whether `error` says that PostgreSQL does not answer or must not be asked."""
    return isinstance(error, CircuitOpen) or classify(error) is Verdict.INFRASTRUCTURE
