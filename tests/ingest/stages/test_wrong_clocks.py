"""Wrong clocks: of a worker, of PostgreSQL, of both. No day of the recent past is dropped, no open book is closed."""

import datetime as dt
import time
import uuid
from collections.abc import Iterator
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from ingest import tasks
from ingest.health import webhook
from ingest.ledger import closed_days, reckoning
from ingest.ledger.accounts import AccountSelection, by_day
from ingest.models import Batch, DayAccount
from ingest.pipeline import process
from resilience import clocks
from tests.ingest.ledger.test_accounts import book
from tests.support.messages import batch, position
from tests.support.reports import Report, drop_partitions, stored, upsert
from tests.support.wrong_clocks import database_ahead, host_ahead
from tracking import tasks as tracking_tasks
from tracking.history import partitions, retention
from tracking.models import VesselPosition

pytestmark = [pytest.mark.django_db(transaction=True, databases=["default", "direct"])]
VESSELS, _ = partitions.TABLES


@pytest.fixture
def month(settings: Any) -> Iterator[list[dt.date]]:
    """Thirty days with a position each, of which as many are to be kept, and a batch that was just accepted."""
    drop_partitions()
    settings.KEEP_VESSEL_POSITIONS_DAYS = settings.KEEP_AIRCRAFT_POSITIONS_DAYS = 30
    now = timezone.now()
    days = [now.date() - dt.timedelta(days=age) for age in range(30)]
    partitions.make(days)
    upsert(*(Report(timestamp=now - dt.timedelta(days=age)) for age in range(30)))
    book()
    yield days
    drop_partitions()


def agree(monkeypatch: pytest.MonkeyPatch) -> None:
    """All clocks are equally wrong, so none contradicts another."""
    monkeypatch.setattr(clocks, "MOST_SECONDS_APART", float("inf"))


def accepted_now() -> Any:
    return batch([position()], accepted_at=round(time.time() * 1000))


def test_a_worker_whose_clock_is_40_days_ahead_drops_nothing(
    month: list[dt.date], monkeypatch: pytest.MonkeyPatch
) -> None:
    host_ahead(monkeypatch, 40)
    assert "nothing dropped" in tracking_tasks.keep_house()
    monkeypatch.undo()
    assert set(month) <= partitions.existing(VESSELS) and len(stored()) == 30


def test_it_makes_the_partitions_of_the_right_days_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    drop_partitions()
    today = dt.datetime.now(dt.UTC).date()
    host_ahead(monkeypatch, 40)
    tracking_tasks.keep_house()
    assert partitions.existing(VESSELS) == set(partitions.days_ahead(today))
    drop_partitions()


def test_a_database_whose_clock_is_40_days_ahead_drops_nothing(month: list[dt.date]) -> None:
    with database_ahead(40):
        assert "nothing dropped" in tracking_tasks.keep_house()
    assert set(month) <= partitions.existing(VESSELS) and len(stored()) == 30


def test_clocks_that_are_wrong_together_drop_nothing_that_was_received_lately(
    month: list[dt.date], monkeypatch: pytest.MonkeyPatch
) -> None:
    agree(monkeypatch)
    with database_ahead(40):
        assert ", 0 dropped," in tracking_tasks.keep_house()
    assert set(month) <= partitions.existing(VESSELS) and len(stored()) == 30


def test_what_is_older_than_the_setting_goes_by_clocks_that_are_right(month: list[dt.date], settings: Any) -> None:
    settings.KEEP_VESSEL_POSITIONS_DAYS = 10
    assert ", 19 dropped," in tracking_tasks.keep_house()
    assert min(partitions.existing(VESSELS)) == month[10] and len(stored()) == 11


def test_a_refusal_is_an_alarm(monkeypatch: pytest.MonkeyPatch) -> None:
    posted: list[dict[str, Any]] = []
    monkeypatch.setattr(webhook, "post", posted.append)
    host_ahead(monkeypatch, 40)
    with pytest.raises(retention.RetentionRefused, match=clocks.HOST):
        retention.today()
    assert [(notice["event"], notice["state"]) for notice in posted] == [("raised", "clocks_differ")]


def test_the_command_obeys_the_clocks_and_leaves_a_named_day_to_the_person(
    month: list[dt.date], monkeypatch: pytest.MonkeyPatch
) -> None:
    host_ahead(monkeypatch, 40)
    with pytest.raises(CommandError, match="--drop-before"):
        call_command("partitions", "--retention", "--yes", stdout=StringIO())
    assert set(month) <= partitions.existing(VESSELS)
    warned = StringIO()
    call_command("partitions", "--drop-before", month[5].isoformat(), "--yes", stdout=StringIO(), stderr=warned)
    assert "your decision" in warned.getvalue() and min(partitions.existing(VESSELS)) == month[5]


def redelivered_after(close: Any) -> None:
    """A batch is booked, the books are closed, and it comes once more: it must count once."""
    again = accepted_now()
    process(again)
    before = by_day(AccountSelection())
    close()
    assert DayAccount.objects.count() == 0
    assert process(again).repeated
    assert by_day(AccountSelection()) == before and VesselPosition.objects.count() == 1


def test_a_worker_20_days_ahead_closes_no_open_book(monkeypatch: pytest.MonkeyPatch) -> None:
    def close() -> None:
        with monkeypatch.context() as patch:
            host_ahead(patch, 20)
            assert tasks.close_books().startswith("0 lines rolled up")

    redelivered_after(close)


@pytest.mark.parametrize("all_agree", [False, True])
def test_a_database_20_days_ahead_closes_no_open_book(monkeypatch: pytest.MonkeyPatch, all_agree: bool) -> None:
    if all_agree:
        agree(monkeypatch)

    def close() -> None:
        with database_ahead(20):
            assert tasks.close_books().startswith("0 lines rolled up")

    redelivered_after(close)


@pytest.mark.parametrize("days", [-20, 20])
def test_a_line_booked_by_a_worker_with_a_wrong_clock_is_as_old_as_it_is(
    monkeypatch: pytest.MonkeyPatch, days: float
) -> None:
    began, again = timezone.now(), accepted_now()
    with monkeypatch.context() as patch:
        host_ahead(patch, days)
        process(again)
    assert abs(Batch.objects.get().booked_at - began) < dt.timedelta(minutes=5)
    assert closed_days.close(reckoning.today()).lines == 0 and process(again).repeated


def test_a_collector_whose_clock_is_ahead_moves_nothing_but_one_that_is_behind_keeps_more() -> None:
    now = timezone.now()
    book(accepted_at=now + dt.timedelta(days=40), run=uuid.uuid4())
    assert reckoning.today() == now.date()
    Batch.objects.all().delete()
    book(accepted_at=now - dt.timedelta(days=40), run=uuid.uuid4())
    assert reckoning.today() == (now - dt.timedelta(days=40)).date()


def test_when_all_books_are_closed_the_last_day_of_them_is_the_newest_reception() -> None:
    assert reckoning.newest_reception() is None
    DayAccount.objects.create(source="test", day=dt.date(2026, 5, 1))
    assert reckoning.newest_reception() == dt.datetime(2026, 5, 1, tzinfo=dt.UTC)


def test_the_newest_reception_is_found_by_an_index() -> None:
    for _ in range(20):
        book(run=uuid.uuid4())
    with connection.cursor() as cursor:
        cursor.execute("SET enable_seqscan = off")
        cursor.execute(f"EXPLAIN {reckoning._NEWEST}")
        plan = "\n".join(line for (line,) in cursor.fetchall())
        cursor.execute("RESET enable_seqscan")
    assert "batch_booked" in plan
