"""Retention: open letters expire and stay, closed ones are deleted, nothing unresolved ever is."""

from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.utils import timezone
from django_q.models import Schedule

from resilience import tasks
from resilience.breaker.registry import get_breaker
from resilience.letters import dead_letters, expiry
from resilience.letters.dead_letters import Result
from resilience.models import DeadLetter
from tests.support.letters import RecordingHandler, Refusal, age, fail_with, make_letter

pytestmark = pytest.mark.django_db
OLD, YOUNG = timedelta(days=91), timedelta(days=89)
Status = DeadLetter.Status


def test_open_letters_past_their_time_expire_and_keep_their_message(handler: RecordingHandler) -> None:
    letters = [
        age(make_letter(ordinal=number, status=status), old)
        for number, (status, old) in enumerate(
            [(Status.PENDING, OLD), (Status.EXHAUSTED, OLD), (Status.PENDING, YOUNG)]
        )
    ]
    assert str(expiry.expire()) == "2 expired, 0 deleted"
    for letter in letters:
        letter.refresh_from_db()
    assert [letter.status for letter in letters] == ["expired", "expired", "pending"]
    assert (bytes(letters[0].raw), letters[0].next_retry_at) == (bytes(letters[2].raw), None)
    assert (letters[0].closed_by, letters[0].note) == ("schedule", "not resolved within 90 days")
    assert sorted(handler.given_up) == [0, 1]


def test_closed_letters_are_deleted_by_the_time_they_were_closed(handler: RecordingHandler) -> None:
    now = timezone.now()
    for status in (Status.RESOLVED, Status.DISCARDED, Status.EXPIRED):
        for old in (OLD, YOUNG):
            age(make_letter(status=status, closed_at=now - old), OLD)
    assert str(expiry.expire()) == "0 expired, 2 deleted"
    assert DeadLetter.objects.filter(status=Status.EXPIRED).count() == 2


def test_an_expired_letter_may_be_retried_by_a_person_and_never_by_the_schedule(handler: RecordingHandler) -> None:
    letter = age(make_letter(), OLD)
    expiry.expire()
    assert dead_letters.retry_due().outcomes == []
    handler.act = fail_with(Refusal("still_bad"))
    assert dead_letters.retry(letter.pk, "ada").result is Result.EXHAUSTED
    letter.refresh_from_db()
    assert (letter.status, letter.attempts, letter.next_retry_at) == ("expired", 1, None)
    handler.act = lambda letter: "stored"
    assert dead_letters.retry(letter.pk, "ada").result is Result.RESOLVED


def test_a_letter_nobody_can_account_for_stays_open_and_is_counted(handler: RecordingHandler) -> None:
    letter = age(make_letter(kind="unheard_of"), OLD)
    assert str(expiry.expire()) == "0 expired, 0 deleted, 1 overdue without a handler"
    letter.refresh_from_db()
    assert letter.is_open


def test_zero_days_mean_for_ever(handler: RecordingHandler, settings: Any) -> None:
    settings.KEEP_DEAD_LETTERS_DAYS = 0
    age(make_letter(), timedelta(days=9999))
    assert str(expiry.expire()) == "0 expired, 0 deleted"


def test_a_run_is_bounded_in_time_and_what_is_left_follows(
    handler: RecordingHandler, queue: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(expiry, "_AT_ONCE", 2)
    for number in range(3):
        age(make_letter(ordinal=number), OLD)
    assert str(expiry.expire(seconds=0)) == "2 expired, 0 deleted; stopped: time"
    assert tasks.expire_dead_letters() == "1 expired, 0 deleted"


def test_after_the_migrations_it_runs_once_a_day() -> None:
    schedule = Schedule.objects.get(func="resilience.tasks.expire_dead_letters")
    assert (schedule.schedule_type, schedule.minutes) == ("I", 24 * 60)
    assert schedule.func in settings.QUEUE_ALLOWED_TASKS


def test_an_open_breaker_stops_it(handler: RecordingHandler) -> None:
    age(make_letter(), OLD)
    get_breaker("database").trip("ada", "maintenance")
    assert expiry.expire().stopped == "unavailable"
    assert dead_letters.open_count() == 1
