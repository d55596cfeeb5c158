"""Deadlines on a real PostgreSQL: they end a call, and they leave nothing behind."""

import os
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from django.db import OperationalError, connection, transaction

from resilience.database.deadline import DeadlineExceeded, deadline
from resilience.database.sqlstate import Verdict, classify
from tests.support.patience import SLACK_SECONDS

pytestmark = pytest.mark.django_db(transaction=True)


def query(sql: str = "SELECT 1") -> Any:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchone()[0]


def open_descriptors() -> int:
    return len(list(Path(f"/proc/{os.getpid()}/fd").iterdir()))


def test_a_slow_call_fails_at_its_deadline_and_the_next_query_gets_a_new_connection() -> None:
    before = query("SELECT pg_backend_pid()")
    begun = time.monotonic()
    with pytest.raises(OperationalError) as raised, deadline(0.3):
        query("SELECT pg_sleep(5)")
    assert 0.25 < time.monotonic() - begun < 0.3 + SLACK_SECONDS
    assert classify(raised.value) is Verdict.INFRASTRUCTURE
    assert query("SELECT pg_backend_pid()") != before


def test_the_error_names_the_deadline_as_its_deepest_cause() -> None:
    with pytest.raises(OperationalError) as raised, deadline(0.1):
        query("SELECT pg_sleep(5)")
    cause: BaseException = raised.value
    while cause.__cause__:
        cause = cause.__cause__
    assert isinstance(cause, DeadlineExceeded)
    assert cause.seconds == 0.1


def test_a_transaction_that_meets_its_deadline_is_rolled_back_and_the_next_one_works() -> None:
    with pytest.raises(OperationalError), deadline(0.2), transaction.atomic():
        query("SELECT pg_sleep(5)")
    with transaction.atomic():
        assert query() == 1


def test_a_finished_call_leaves_no_timer_and_no_descriptor() -> None:
    query()
    threads, descriptors = set(threading.enumerate()), open_descriptors()
    for _ in range(20):
        with deadline(60):
            query()
    assert set(threading.enumerate()) <= threads  # those of other tests may end meanwhile
    assert open_descriptors() <= descriptors


def test_a_missed_deadline_leaves_no_timer_and_no_descriptor() -> None:
    query()
    threads, descriptors = set(threading.enumerate()), open_descriptors()
    for _ in range(3):
        with pytest.raises(OperationalError), deadline(0.05):
            query("SELECT pg_sleep(5)")
        query()
    assert set(threading.enumerate()) <= threads
    assert open_descriptors() <= descriptors


def test_an_error_of_the_body_within_its_time_is_left_as_it_is() -> None:
    with pytest.raises(KeyError) as raised, deadline(60):
        raise KeyError("mine")
    assert raised.value.__cause__ is None


def test_a_body_that_outlives_its_deadline_between_queries_fails_at_the_next_one() -> None:
    with pytest.raises(OperationalError), deadline(0.05):
        time.sleep(0.2)  # the clock under test is the timer's own
        query()
    assert query() == 1


def test_the_deadline_holds_for_the_connection_that_replaces_a_broken_one() -> None:
    """Django checks a kept connection at its first use in a new request and replaces it if the server has gone."""
    query()
    connection.health_check_enabled = True
    connection.close_if_unusable_or_obsolete()
    assert query_elsewhere(f"SELECT pg_terminate_backend({connection.connection.info.backend_pid})")
    with pytest.raises(OperationalError), deadline(0.3):
        query("SELECT pg_sleep(5)")


def query_elsewhere(sql: str) -> Any:
    other = connection.copy()
    try:
        with other.cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetchone()[0]
    finally:
        other.close()
