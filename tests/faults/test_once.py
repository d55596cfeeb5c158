"""Deliveries that come twice, at once, or against each other: rows and accounts as if once, and no deadlock."""

import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from django.db import connection, connections

from ingest import pipeline
from ingest.acceptance.queue import enqueue
from ingest.consumption import make_dead_letter
from ingest.reports import MessageBatch
from ingest.stages.storing import store
from ingest.stages.work import Work
from resilience import memory
from resilience.breaker.registry import get_breaker
from resilience.queue.streams import LIVE
from tests.faults.invariants import Traffic, fate, here, mmsis
from tests.faults.processes import wait_until
from tests.faults.schema import refused_ships
from tests.ingest.acceptance.test_queue import payloads, work
from tests.support.messages import batch
from tests.support.patience import PATIENCE_SECONDS

pytestmark = [
    pytest.mark.fault,
    pytest.mark.django_db(transaction=True, databases=["default", "direct"]),
    pytest.mark.usefixtures("breakers"),
]


@pytest.fixture
def contended(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """SQLSTATEs of what storing has raised."""
    raised: list[str] = []
    book = store.book

    def noting(work: Work) -> None:
        try:
            book(work)
        except Exception as error:
            raised.append(getattr(error.__cause__, "sqlstate", None) or type(error).__name__)
            raise

    monkeypatch.setattr(store, "book", noting)
    return raised


def at_once(*works: Callable[[], object]) -> None:
    """Each in a thread with connections of its own, all begun together; the first error is raised."""
    together, errors = threading.Barrier(len(works)), list[BaseException]()

    def run(work: Callable[[], object]) -> None:
        try:
            together.wait(PATIENCE_SECONDS)
            work()
        except BaseException as error:
            errors.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=[work]) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_SECONDS)
        assert not thread.is_alive()
    if errors:
        raise errors[0]


# --- delivered again --------------------------------------------------------------------------------------------------
def test_every_batch_delivered_three_times_in_any_order_counts_once(traffic: Traffic, queue: Any) -> None:
    accepted = list(traffic.batches(20, size=25))
    deliveries = accepted * 3
    random.Random(1).shuffle(deliveries)
    for parcel in deliveries:
        enqueue(parcel)
    assert work(LIVE) == 60
    assert len(fate(accepted).settled().stored) == 500


def test_one_batch_delivered_to_four_workers_at_once_is_booked_by_one(traffic: Traffic) -> None:
    accepted = list(traffic.batches(5, size=25))
    repeated: list[bool] = []
    for parcel in accepted:
        at_once(*[lambda parcel=parcel: repeated.append(pipeline.process(parcel).repeated)] * 4)
    assert (repeated.count(False), repeated.count(True)) == (5, 15)
    fate(accepted).settled()


def test_redelivered_and_dead_at_once_is_not_counted_twice(traffic: Traffic, queue: Any) -> None:
    """A worker that everybody believed dead comes back and books its batch while it is being buried."""
    accepted = list(traffic.batches(8, size=10))
    for parcel in accepted:
        enqueue(parcel)
    packages = payloads(LIVE)
    for parcel, package in zip(accepted, packages, strict=True):
        at_once(lambda: pipeline.process(parcel), lambda: make_dead_letter(package, LIVE, 5))  # noqa: B023 (both end in this round)
    fate(accepted).settled()


# --- against each other -----------------------------------------------------------------------------------------------
def same_ships(parcel: MessageBatch, messages: list[Any]) -> MessageBatch:
    """Another batch with messages of `parcel`."""
    return batch([], messages=messages, recorded=False, accepted_at=parcel.accepted_at)


def write_in_both_orders(parcel: MessageBatch, ships: bool = False) -> None:
    """Two writers store the same messages twelve times, one of them backwards; `ships`: those each time, too."""
    pipeline.process(parcel)

    def write(messages: list[Any]) -> None:
        for _ in range(12):
            if ships:
                memory.forget()
            pipeline.process(same_ships(parcel, messages))

    at_once(lambda: write(parcel.messages), lambda: write(parcel.messages[::-1]))


@pytest.mark.parametrize("ships", [True, False], ids=["ships and positions", "positions only"])
def test_two_writers_with_the_same_ships_in_opposite_order_never_deadlock(
    traffic: Traffic, contended: list[str], ships: bool
) -> None:
    parcel = traffic.batch(400)
    write_in_both_orders(parcel, ships)
    assert contended == []
    assert here("SELECT count(*), count(DISTINCT vessel_id) FROM tracking_vesselposition") == [(400, 400)]
    assert here("SELECT sum(messages), sum(stored), sum(duplicate) FROM ingest_batch") == [(10000, 400, 9600)]


def test_nor_do_they_when_a_poison_row_makes_each_write_in_parts(traffic: Traffic, contended: list[str]) -> None:
    parcel = traffic.batch(400)
    with refused_ships(400):
        write_in_both_orders(parcel)
    assert contended == []
    assert here("SELECT count(*) FROM tracking_vesselposition") == [(399,)]
    assert here("SELECT sum(messages), sum(stored), sum(duplicate), sum(dead) FROM ingest_batch") == [
        (10000, 399, 9576, 25)
    ]


@contextmanager
def held(mmsi: int) -> Iterator[psycopg.Cursor[Any]]:
    """Somebody else's transaction holds the row of a ship, and is never the victim of a deadlock."""
    parameters = {**connection.get_connection_params(), "cursor_factory": psycopg.Cursor}
    parameters.pop("context", None)
    with psycopg.connect(**parameters) as other, other.cursor() as cursor:
        cursor.execute("SET LOCAL deadlock_timeout = '1h'")
        lock(cursor, mmsi)
        yield cursor
        other.commit()


def lock(cursor: psycopg.Cursor[Any], mmsi: int) -> None:
    cursor.execute("SELECT FROM tracking_vesselposition WHERE vessel_id = %s FOR UPDATE", [mmsi])


def test_a_deadlock_with_somebody_else_is_tried_again_and_the_breaker_knows_nothing_of_it(
    traffic: Traffic, contended: list[str]
) -> None:
    """The worker has the first ship and wants the last, the other has the last and wants the first.

    PostgreSQL looks for a deadlock once, a second after a wait began: the worker must begin to wait for the last when
    the other waits already. So a third one holds the worker up in the middle until then.
    """
    parcel = traffic.batch(50)
    pipeline.process(parcel)
    first, *_, last = ships = sorted(mmsis(parcel))
    again = same_ships(parcel, parcel.messages)
    with held(last) as other:
        worker = threading.Thread(target=lambda: (pipeline.process(again), connections.close_all()))
        wanting = threading.Thread(target=lock, args=[other, first])
        with held(ships[25]):
            worker.start()
            wait_for_waiters(1)
            wanting.start()
            wait_for_waiters(2)
        wanting.join(PATIENCE_SECONDS)
    worker.join(PATIENCE_SECONDS)
    assert contended == ["40P01"]
    state = get_breaker("database").snapshot().state
    assert (state.failures, state.failed_total) == (0, 0)
    assert here("SELECT sum(messages), sum(stored), sum(duplicate) FROM ingest_batch") == [(100, 50, 50)]


def wait_for_waiters(number: int) -> None:
    """Until so many backends of this database wait for a row."""
    question = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    wait_until(lambda: here(question) == [(number,)], PATIENCE_SECONDS, f"{number} wait for a row")
