"""Rows are inserted without a look for conflicts where none was met lately, and are merged all the same if one is."""

import datetime as dt
import threading
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest
from django.db import connection, transaction

from tests.support.patience import PATIENCE_SECONDS
from tests.support.reports import NOON, Report, counts, side_by_side, stored, upsert
from tracking.models import VesselPosition
from tracking.positions import upsert as upsert_module
from tracking.positions.upsert import FEW, LATELY, Upsert, upsert_of
from tracking.postgresql import arrays


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The kinds of the statements that are sent from now on, by an upsert that has sent none."""
    monkeypatch.setitem(upsert_module._upserts, VesselPosition, Upsert(VesselPosition))
    execute, kinds, sql = arrays.execute, list[str](), upsert_of(VesselPosition).sql

    def noted(using: str, statement: str, columns: Sequence[Any]) -> Any:
        kinds.append({sql.insert: "insert", sql.upsert: "upsert"}[statement])
        return execute(using, statement, columns)

    monkeypatch.setattr(arrays, "execute", noted)
    return kinds


def rows(turn: int, count: int = FEW, **values: Any) -> list[Report]:
    at = NOON + dt.timedelta(minutes=turn)
    return [Report(vessel_id=211_000_000 + ship, timestamp=at, received_at=at, **values) for ship in range(count)]


@pytest.mark.django_db
def test_after_some_statements_without_a_conflict_rows_are_inserted_until_there_is_one(sent: list[str]) -> None:
    for turn in range(LATELY + 2):
        assert counts(upsert(*rows(turn))) == (FEW, 0, 0)
    assert sent == ["upsert"] * LATELY + ["insert"] * 2
    sent.clear()
    met = [*rows(LATELY + 1, count=1, speed=7.0), *rows(LATELY + 2)]
    assert counts(upsert(*met)) == (FEW, 1, 0)
    assert stored()[met[0].vessel_id, met[0].timestamp]["speed"] == 7.0
    assert counts(upsert(*rows(LATELY + 3))) == (FEW, 0, 0)
    assert sent == ["insert", "upsert", "upsert"]
    sent.clear()
    for turn in range(LATELY + 4, 3 * LATELY + 4):
        upsert(*rows(turn))
    assert sent == ["upsert"] * (2 * LATELY - 1) + ["insert"]  # twice as long
    assert VesselPosition.objects.count() == FEW * (3 * LATELY + 4)


@pytest.mark.django_db
def test_a_few_rows_are_not_worth_it(sent: list[str]) -> None:
    for turn in range(LATELY + 2):
        upsert(*rows(turn, count=FEW - 1))
    assert set(sent) == {"upsert"}


@pytest.mark.django_db
def test_what_the_transaction_did_before_stays_where_a_row_is_met(sent: list[str]) -> None:
    upsert_of(VesselPosition)._without_conflict = LATELY
    with transaction.atomic():
        upsert(*rows(0))
        upsert(*rows(0, speed=3.0), *rows(1))
    assert sent == ["insert", "insert", "upsert"]
    assert Counter(row["speed"] for row in stored().values()) == {3.0: FEW, None: FEW}


@pytest.mark.django_db
def test_what_is_refused_for_another_reason_is_not_sent_again(sent: list[str]) -> None:
    upsert_of(VesselPosition)._without_conflict = LATELY
    bad = [*rows(0), Report(vessel_id=211_999_999, latitude=None)]  # type: ignore[arg-type]
    with pytest.raises(Exception, match="null value"), transaction.atomic():
        upsert(*bad)
    assert sent == ["insert"] and VesselPosition.objects.count() == 0


@pytest.mark.django_db(transaction=True)
def test_a_row_that_another_writer_has_not_committed_yet_is_waited_for_and_merged() -> None:
    held, waited = threading.Event(), Upsert(VesselPosition)
    waited._without_conflict = LATELY
    found: list[tuple[int, int]] = []

    def first() -> None:
        with transaction.atomic():
            upsert(*rows(0, source="south"))
            held.set()
            until_somebody_waits()

    def second() -> None:
        assert held.wait(PATIENCE_SECONDS)
        found.append(waited.send([*rows(0, speed=5.0), *rows(1)], "default"))

    side_by_side(first, second)
    assert found == [(FEW, FEW)]
    assert {(row["source"], row["speed"]) for row in stored().values()} == {("south", 5.0), ("north", None)}


def until_somebody_waits() -> None:
    waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'transactionid' AND NOT granted"
    for _ in range(int(PATIENCE_SECONDS * 100)):
        with connection.cursor() as cursor:
            cursor.execute(waiting)
            if cursor.fetchone()[0]:
                return
            cursor.execute("SELECT pg_sleep(0.01)")
    pytest.fail("nobody waits for the rows")
