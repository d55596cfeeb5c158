"""Clocks of hosts: who is ahead of whom is seen, and nothing is deleted while nobody can tell which is right."""

import datetime as dt
import time
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone
from django_q.models import Schedule
from redis.exceptions import ConnectionError as RedisConnectionError

from resilience import clocks, status, tasks
from resilience.letters import expiry
from resilience.models import DeadLetter
from resilience.queue import schedules
from tests.support.letters import RecordingHandler, age, make_letter
from tests.support.wrong_clocks import database_ahead, host_ahead

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "direct"])
Status = DeadLetter.Status


@pytest.fixture(autouse=True)
def unbound(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody says when something was last received."""
    monkeypatch.setattr(clocks, "_bound", None)


def test_clocks_of_one_machine_agree_and_now_is_the_database_s() -> None:
    before = dt.datetime.now(dt.UTC)
    found = clocks.read()
    assert len(found.ahead) == 4 and found.apart < clocks.MOST_SECONDS_APART
    assert abs(clocks.settled_now() - before) < timedelta(seconds=clocks.MOST_SECONDS_APART)


@pytest.mark.parametrize("days", [40.0, -40.0, 0.001])
def test_a_host_whose_clock_is_wrong_is_found(monkeypatch: pytest.MonkeyPatch, days: float) -> None:
    host_ahead(monkeypatch, days)
    assert clocks.read().ahead[clocks.HOST] == pytest.approx(days * 86400, abs=30)
    with pytest.raises(clocks.ClocksDiffer, match=clocks.HOST):
        clocks.settled_now()


def test_a_database_whose_clock_is_wrong_is_found() -> None:
    with database_ahead(20), pytest.raises(clocks.ClocksDiffer):
        clocks.settled_now()


def test_a_redis_whose_clock_is_wrong_is_found_and_one_that_is_away_has_no_opinion(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def wrong(alias: str) -> float:
        if alias == "live":
            raise RedisConnectionError("away")
        return time.time() + 300

    monkeypatch.setattr(clocks, "_of_redis", wrong)
    assert set(clocks.read().ahead) == {clocks.HOST, clocks.DATABASE, "Redis of the queue"}
    with pytest.raises(clocks.ClocksDiffer, match="Redis of the queue"):
        clocks.settled_now()


def test_now_is_never_later_than_the_newest_reception() -> None:
    newest = dt.datetime(2026, 5, 1, tzinfo=dt.UTC)
    clocks.bound_by(lambda: newest)
    assert clocks.settled_now() == newest
    clocks.bound_by(lambda: newest + timedelta(days=36500))
    assert clocks.settled_now() < newest + timedelta(days=36500)


def test_no_dead_letter_expires_or_is_deleted_by_a_wrong_clock(
    handler: RecordingHandler, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = timezone.now()
    make_letter(ordinal=1)
    age(make_letter(ordinal=2, status=Status.RESOLVED, closed_at=now), timedelta(days=1))
    with monkeypatch.context() as patch:
        host_ahead(patch, 100)
        assert tasks.expire_dead_letters() == "0 expired, 0 deleted; stopped: clocks"
    with database_ahead(100):
        assert expiry.expire().stopped == "clocks"
    assert sorted(DeadLetter.objects.values_list("status", flat=True)) == [Status.PENDING, Status.RESOLVED]


def test_the_status_page_and_the_metrics_show_which_clock_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clocks, "_of_redis", lambda alias: time.time() + 3600 * (alias == "live"))
    found = status.compared_clocks()
    assert (found["state"], found["columns"]) == ("degraded", ["clock", "ahead"])
    ahead = {sample["labels"]["clock"]: sample["value"] for sample in found["metrics"][0]["samples"]}
    assert ahead["Redis of live state"] == pytest.approx(3600, abs=30)
    monkeypatch.undo()
    page = Client().get("/status?format=json").json()
    assert "clocks" in page["sections"]


def test_a_schedule_that_a_wrong_clock_put_off_is_due_again_and_one_of_tomorrow_is_not() -> None:
    Schedule.objects.all().delete()
    now = timezone.now()
    for name, ahead, repeats in (("wrong", 40, -1), ("tomorrow", 1, -1), ("paused", 40, 0)):
        values = {"schedule_type": "I", "minutes": 60, "repeats": repeats}
        Schedule.objects.create(name=name, func="x", next_run=now + timedelta(days=ahead), **values)
    Schedule.objects.create(name="monthly", func="x", schedule_type="M", next_run=now + timedelta(days=31))
    assert schedules.bring_back() == 1
    assert [schedule.name for schedule in Schedule.objects.filter(next_run__lte=timezone.now())] == ["wrong"]


@pytest.mark.parametrize(("days", "may"), [(-40, True), (0, True), (0.5, True), (40, False)])
def test_a_host_whose_clock_is_days_ahead_queues_no_scheduled_task(
    monkeypatch: pytest.MonkeyPatch, days: float, may: bool
) -> None:
    now = time.time
    monkeypatch.setattr(time, "time", lambda: now() + days * 86400)
    assert schedules.may_queue() is may
