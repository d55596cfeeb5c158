"""Rows and schemas that PostgreSQL refuses: which rows die, which batches stay, and who is not blamed for it."""

import math
import uuid
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django_q.conf import Conf

from ingest import consumption, pipeline
from ingest.acceptance.queue import enqueue
from ingest.reports import Message, MessageBatch
from ingest.stages import fusion
from ingest.stages.work import Fused
from resilience.breaker.registry import Phase, get_breaker
from resilience.models import DeadLetter
from resilience.queue.streams import LIVE, Streams
from tests.faults.invariants import FIRST_MMSI, Traffic, fate, mmsis, queued
from tests.faults.processes import wait_until
from tests.faults.schema import broken_ships, changed_schema, refused_ships
from tests.ingest.acceptance.test_queue import work
from tests.support.patience import PATIENCE_SECONDS
from tracking.models import VesselPosition
from tracking.postgresql import arrays

pytestmark = [
    pytest.mark.fault,
    pytest.mark.django_db(transaction=True, databases=["default", "direct"]),
    pytest.mark.usefixtures("breakers"),
]


@pytest.fixture
def upserts(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """One entry for each batch statement: they bypass Django's cursor, so its captured queries lack them."""
    sent: list[int] = []
    execute = arrays.execute
    monkeypatch.setattr(arrays, "execute", lambda *args: (sent.append(1), execute(*args))[1])
    return sent


def waiting(client: Any) -> list[Any]:
    return queued(Streams(client, Conf.CLUSTER_NAME), client)


# --- rows -------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("poison", "statements"), [(1, 70), (5, 300), (50, 1500)])
def test_of_a_thousand_rows_exactly_the_refused_ones_die_and_their_neighbours_are_stored(
    traffic: Traffic, upserts: list[int], poison: int, statements: int
) -> None:
    parcel = traffic.batch(1000)
    with refused_ships(1000 // poison), CaptureQueriesContext(connection) as captured:
        pipeline.process(parcel)
    result = fate([parcel]).settled()
    step = 1000 // poison
    assert result.dead == set(range(FIRST_MMSI + step - 1, FIRST_MMSI + 1000, step))
    assert len(result.stored) == 1000 - poison
    assert upserts
    assert len(captured) + len(upserts) <= statements
    assert get_breaker("database").snapshot().state.failures == 0


def test_ships_that_were_refused_before_are_tried_apart_until_they_are_accepted(
    traffic: Traffic, upserts: list[int]
) -> None:
    parcel, spent = traffic.batch(1000), []

    def process_later(minutes: int) -> None:
        before = len(upserts)
        messages = [Message(given.received_at + 60_000 * (minutes - 5), given.raw) for given in parcel.messages]
        pipeline.process(msgspec.structs.replace(parcel, id=uuid.uuid4(), messages=messages))
        spent.append(len(upserts) - before)

    with refused_ships(250):
        process_later(0)
        process_later(1)
    process_later(2)
    process_later(3)
    searched, apart, accepted, healed = spent
    assert apart == accepted == healed + 4
    assert searched > 4 * apart
    assert (DeadLetter.objects.count(), VesselPosition.objects.count()) == (8, 4000 - 8)


SPOILED: dict[str, Callable[[Any], None]] = {
    "NUL": lambda report: setattr(report, "source", "a\0b"),
    "surrogate": lambda report: setattr(report, "source", "a\ud800b"),
    "NaN": lambda report: setattr(report, "latitude", math.nan),
    "infinity": lambda report: setattr(report, "speed", math.inf),
    "too long": lambda report: setattr(report, "source", "x" * 33),
    "too large": lambda report: setattr(report, "heading", 40_000),
}


def spoil(monkeypatch: pytest.MonkeyPatch, changes: dict[int, Callable[[Any], None]]) -> None:
    """A decoder with a fault: it lets through what PostgreSQL cannot hold, in these messages of a batch."""
    folded = fusion.folded

    def spoiled(decoded: Any) -> Fused:
        fused = folded(decoded)
        for ordinal, report in fused.positions:
            changes.get(ordinal, lambda _: None)(report)
        return fused

    monkeypatch.setattr(fusion, "folded", spoiled)


@pytest.mark.parametrize("kind", SPOILED)
def test_a_value_that_postgresql_cannot_hold_costs_its_own_row_only(
    traffic: Traffic, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    parcel = traffic.batch(30)
    spoil(monkeypatch, {17: SPOILED[kind]})
    pipeline.process(parcel)
    result = fate([parcel]).settled()
    assert result.dead == {mmsis(parcel)[17]}
    letter = DeadLetter.objects.get()
    assert (letter.ordinal, bytes(letter.raw)) == (17, parcel.messages[17].raw)


def test_all_kinds_of_poison_in_one_batch_die_each_for_itself(
    traffic: Traffic, monkeypatch: pytest.MonkeyPatch
) -> None:
    parcel = traffic.batch(200)
    spoil(monkeypatch, {30 * number: change for number, change in enumerate(SPOILED.values())})
    pipeline.process(parcel)
    assert len(fate([parcel]).settled().dead) == len(SPOILED)


# --- the whole batch --------------------------------------------------------------------------------------------------
def accept(traffic: Traffic, batches: int) -> list[MessageBatch]:
    accepted = list(traffic.batches(batches, size=10))
    for parcel in accepted:
        enqueue(parcel)
    return accepted


def come_due(client: Any) -> None:
    """What is delayed is due now."""
    streams = Streams(client, Conf.CLUSTER_NAME)
    for package in streams.delayed(LIVE):
        client.zadd(f"{streams.key(LIVE)}:delayed", {package: 0})
    streams.move_due(LIVE)


def test_a_schema_that_does_not_fit_kills_no_row_and_keeps_the_batch(traffic: Traffic, queue: Any) -> None:
    accepted = accept(traffic, 1)
    with changed_schema("RENAME COLUMN heading TO bow", "RENAME COLUMN bow TO heading"):
        work(LIVE)
        result = fate(accepted, waiting(queue)).check()
        assert (result.dead, len(result.waiting)) == (set(), 10)
        state = get_breaker("database").snapshot().state
        assert (state.phase, state.failures) == (Phase.CLOSED, 0)
    come_due(queue)
    work(LIVE)
    assert len(fate(accepted).settled().stored) == 10


def test_a_schema_that_fits_no_feed_suspends_consumption_which_heals_by_itself(
    traffic: Traffic, queue: Any, caplog: pytest.LogCaptureFixture
) -> None:
    accepted = [traffic.batch(10, source=f"feed-{number % 2}") for number in range(consumption.FAILING_BATCHES)]
    for parcel in accepted:
        enqueue(parcel)
    with changed_schema("RENAME COLUMN heading TO bow", "RENAME COLUMN bow TO heading"):
        work(LIVE)
        result = fate(accepted, waiting(queue)).check()
        assert (result.dead, len(result.waiting)) == (set(), 50)
    assert get_breaker("database").snapshot().state.phase is Phase.OPEN
    assert [record.levelname for record in caplog.records if "consumption is suspended" in record.message] == [
        "CRITICAL"
    ]
    come_due(queue)
    work(LIVE)
    assert len(fate(accepted, waiting(queue)).check().waiting) == 50, "a suspended queue was consumed"
    wait_until(lambda: get_breaker("database").permits() == 1, PATIENCE_SECONDS, "the breaker lets a probe through")
    work(LIVE)
    assert len(fate(accepted).settled().stored) == 50
    assert get_breaker("database").snapshot().state.phase is Phase.CLOSED


def test_rows_at_which_an_unexpected_error_occurs_die_and_their_neighbours_are_stored(
    traffic: Traffic, queue: Any
) -> None:
    accepted = [traffic.batch(100)]
    enqueue(accepted[0])
    with broken_ships(4):
        work(LIVE)
    result = fate(accepted).settled()
    assert (len(result.dead), len(result.stored)) == (25, 75)
    assert set(DeadLetter.objects.values_list("reason", flat=True)) == {"unexpected"}


def test_much_poison_costs_its_own_rows_only(traffic: Traffic, queue: Any) -> None:
    accepted = [traffic.batch(100)]
    enqueue(accepted[0])
    with refused_ships(2):
        work(LIVE)
    result = fate(accepted).settled()
    assert (len(result.dead), len(result.stored)) == (50, 50)
