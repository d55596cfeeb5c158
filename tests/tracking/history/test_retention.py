"""Retention: whole days go when they are old enough, beside readers and writers, and nothing breaks without them."""

import datetime as dt
import threading
from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest
from django.core.checks import run_checks
from django.db import connection, transaction
from django.test import Client
from django.urls import reverse

from tests.support.patience import PATIENCE_SECONDS
from tests.support.reports import NOON, Report, drop_partitions, side_by_side, stored, upsert
from tracking import tasks
from tracking.history import partitions, retention
from tracking.models import Aircraft, Vessel

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "direct"])
DAY = NOON.date()
VESSELS, AIRCRAFT = partitions.TABLES


@pytest.fixture(autouse=True)
def no_partitions(transactional_db: None) -> Iterator[None]:
    """Only the default partitions, before and after."""
    drop_partitions()
    yield
    drop_partitions()


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever wants a lock gets it, on however slow a machine."""
    monkeypatch.setattr(partitions, "LOCK_TIMEOUT", "60s")
    monkeypatch.setattr(partitions, "DROP_LOCK_TIMEOUT", "60s")


def days(*offsets: int) -> list[dt.date]:
    return [DAY + dt.timedelta(days=offset) for offset in offsets]


def at(offset: float) -> dt.datetime:
    return NOON + dt.timedelta(days=offset)


def drop(before: dt.date, **arguments: Any) -> partitions.Dropped:
    return partitions.drop_before(VESSELS, before, **arguments)


def test_as_many_whole_days_stay_as_the_setting_says(settings: Any) -> None:
    settings.KEEP_VESSEL_POSITIONS_DAYS, settings.KEEP_AIRCRAFT_POSITIONS_DAYS = 3, 1
    partitions.make(days(*range(-5, 2)))
    assert retention.apply(DAY) == (2 + 4, 0, 0)
    assert partitions.existing(VESSELS) == set(days(-3, -2, -1, 0, 1))
    assert partitions.existing(AIRCRAFT) == set(days(-1, 0, 1))
    assert retention.apply(DAY) == (0, 0, 0)


def test_nought_days_keep_everything(settings: Any) -> None:
    settings.KEEP_VESSEL_POSITIONS_DAYS = settings.KEEP_AIRCRAFT_POSITIONS_DAYS = 0
    partitions.make(days(-900))
    upsert(Report(timestamp=at(-2000)))
    assert retention.apply(DAY) == (0, 0, 0)
    assert partitions.existing(VESSELS) == set(days(-900)) and len(stored()) == 1


def test_more_days_than_the_calendar_has_keep_everything(settings: Any) -> None:
    settings.KEEP_VESSEL_POSITIONS_DAYS = 10**9
    partitions.make(days(-900))
    assert retention.apply(DAY) == (0, 0, 0)


def test_housekeeping_makes_days_ahead_drops_old_ones_and_says_how_many(settings: Any) -> None:
    settings.KEEP_VESSEL_POSITIONS_DAYS = 2
    partitions.make(days(0))  # of 2026-05, long past
    upsert(Report(timestamp=at(-400)))
    said = tasks.keep_house()
    assert said.startswith("18 partitions made, 1 dropped, 0 left") and "1 rows" in said
    assert len(partitions.existing(VESSELS)) == 9 and stored() == {}


def test_expired_rows_of_the_default_go_block_by_block_and_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(partitions, "DEFAULT_BLOCKS", 1)
    old = [Report(vessel_id=number, timestamp=at(-1)) for number in range(1, 501)]
    edge = Report(vessel_id=501, timestamp=dt.datetime(2026, 5, 1, tzinfo=dt.UTC))
    upsert(*old, edge, Report(vessel_id=502))
    assert retention.expired(VESSELS, DAY) == ([], 500)
    assert drop(DAY) == (0, 500, 0)
    assert {vessel for vessel, _ in stored()} == {501, 502}


def test_a_row_that_a_batch_is_writing_is_left_for_the_next_time() -> None:
    upsert(Report(vessel_id=1, timestamp=at(-1)), Report(vessel_id=2, timestamp=at(-1)))
    deleted: list[partitions.Dropped] = []
    with transaction.atomic():
        upsert(Report(vessel_id=1, timestamp=at(-1), speed=3.0))
        side_by_side(lambda: deleted.append(drop(DAY)))
    assert deleted == [(0, 1, 0)]
    assert [vessel for vessel, _ in stored()] == [1]
    assert drop(DAY) == (0, 1, 0)


def test_a_table_in_use_keeps_its_days_without_an_error_and_writers_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(partitions, "DROP_LOCK_TIMEOUT", "50ms")
    partitions.make(days(-2, -1, 0))
    pauses: list[float] = []
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"LOCK TABLE {VESSELS} IN ACCESS SHARE MODE")  # as a long query does
        assert drop(DAY, sleep=pauses.append) == (0, 0, 2)
        side_by_side(lambda: upsert(Report()) and None)
    assert pauses == list(partitions.DROP_PAUSES), "the first day was tried often, the others not at all"
    assert len(stored()) == 1 and partitions.existing(VESSELS) == set(days(-2, -1, 0))
    assert drop(DAY) == (2, 0, 0)


def test_writers_at_work_lose_no_row_of_today_while_old_days_are_dropped(patient: None) -> None:
    partitions.make(days(*range(-20, 1)))
    upsert(*(Report(timestamp=at(day)) for day in range(-20, 0)))
    together, refused = threading.Barrier(3, timeout=PATIENCE_SECONDS), []

    def write(vessel: int) -> None:
        together.wait()
        for minute in range(120):
            upsert(Report(vessel_id=vessel, timestamp=at(minute / 1440)))

    def remove() -> None:
        together.wait()
        refused.append(drop(DAY))

    side_by_side(lambda: write(1), lambda: write(2), remove)
    assert refused == [(20, 0, 0)]
    assert sorted(stored()) == sorted((vessel, at(minute / 1440)) for vessel in (1, 2) for minute in range(120))


def test_two_at_once_share_the_days(patient: None) -> None:
    partitions.make(days(*range(-20, 0)))
    together, dropped = threading.Barrier(2, timeout=PATIENCE_SECONDS), []

    def remove() -> None:
        together.wait()
        dropped.append(drop(DAY))

    side_by_side(remove, remove)
    assert partitions.existing(VESSELS) == set() and all(done.left == 0 for done in dropped)


def test_nothing_is_begun_after_the_time_is_over() -> None:
    partitions.make(days(-3, -2, -1))
    upsert(Report(timestamp=at(-9)))
    clock = count().__next__
    assert drop(DAY, seconds=2, clock=clock) == (1, 0, 2)
    assert partitions.existing(VESSELS) == set(days(-2, -1))


@pytest.mark.usefixtures("live_redis")
def test_pages_and_answers_about_targets_without_positions_stay_whole(admin_client: Client) -> None:
    seen = {"first_seen": NOON, "last_seen": NOON}
    ship = Vessel.objects.create(mmsi=211000001, kind="ship", **seen)
    plane = Aircraft.objects.create(icao="3c6444", **seen)
    partitions.make(days(0))
    upsert(Report(vessel_id=ship.mmsi))
    for table in partitions.TABLES:
        partitions.drop_before(table, days(1)[0])
    for path, target in (("vessels", ship.pk), ("aircraft", plane.pk)):
        shown = admin_client.get(f"/api/{path}/{target}/")
        assert (shown.status_code, shown.json()["position"]) == (200, None)
        track = admin_client.get(f"/api/{path}/{target}/track/")
        assert (track.status_code, track.json()["points"]) == (200, [])
        kind = type(ship if path == "vessels" else plane)._meta.model_name
        assert admin_client.get(reverse(f"admin:tracking_{kind}_change", args=[target])).status_code == 200
        assert admin_client.get(reverse(f"admin:tracking_{kind}_changelist")).status_code == 200


@pytest.mark.parametrize("name", ["KEEP_VESSEL_POSITIONS_DAYS", "KEEP_AIRCRAFT_POSITIONS_DAYS", "KEEP_LEDGER_DAYS"])
def test_a_negative_number_of_days_is_an_error_of_the_settings(settings: Any, name: str) -> None:
    setattr(settings, name, -1)
    [error] = [found for found in run_checks() if found.id == "tracking.E005"]
    assert name in error.msg and error.hint and "0" in error.hint
    setattr(settings, name, 0)
    assert [found for found in run_checks() if found.id == "tracking.E005"] == []
