"""Retrying and discarding dead letters, on a real PostgreSQL and the breaker in a real Redis."""

import logging
import random
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from django.db import OperationalError, connection, connections, transaction

from resilience import tasks
from resilience.breaker.registry import Phase, get_breaker
from resilience.letters import dead_letters
from resilience.letters.dead_letters import NoHandler, Result, next_retry, retry, retry_due
from resilience.letters.failures import MAX_ATTEMPTS
from resilience.models import DeadLetter
from tests.support.letters import HEARD_AT, RecordingHandler, Refusal, fail_with, make_letter
from tests.support.patience import PATIENCE_SECONDS

NOW = datetime(2026, 3, 1, 13, tzinfo=UTC)
Status = DeadLetter.Status


pytestmark = pytest.mark.usefixtures("closed_breakers")


def reload(letter: DeadLetter) -> DeadLetter:
    return DeadLetter.objects.get(pk=letter.pk)


# --- when ------------------------------------------------------------------------------------------------------------
def test_retries_begin_after_five_minutes_and_double_up_to_six_hours() -> None:
    class Middle(random.Random):
        def uniform(self, a: float, b: float) -> float:
            return (a + b) / 2

    delays = [next_retry(attempts, NOW, Middle()) - NOW for attempts in range(8)]
    assert [delay.total_seconds() / 60 for delay in delays] == [5, 10, 20, 40, 80, 160, 320, 360]
    assert next_retry(8, NOW, Middle()) is None


def test_retries_spread_between_half_and_one_and_a_half_of_the_delay() -> None:
    seconds = [(next_retry(0, NOW, random.Random(seed)) - NOW).total_seconds() for seed in range(200)]
    assert 150 <= min(seconds) < 200
    assert 400 < max(seconds) <= 450


# --- one letter -------------------------------------------------------------------------------------------------------
@pytest.mark.django_db
def test_a_replay_that_succeeds_closes_the_letter_with_its_outcome(handler: RecordingHandler) -> None:
    letter = make_letter()
    assert retry(letter.pk, "ada") == dead_letters.LetterOutcome(letter.pk, Result.RESOLVED, "stored")
    letter = reload(letter)
    assert (letter.status, letter.closed_by, letter.note, letter.next_retry_at) == ("resolved", "ada", "stored", None)
    assert letter.closed_at is not None


@pytest.mark.django_db
def test_a_replay_that_fails_again_is_put_off_and_says_why(handler: RecordingHandler) -> None:
    handler.act = fail_with(Refusal("latitude_out_of_range"))
    letter = make_letter()
    assert retry(letter.pk, "ada", NOW).detail == "latitude_out_of_range"
    letter = reload(letter)
    assert (letter.status, letter.attempts, letter.reason) == ("pending", 1, "latitude_out_of_range")
    assert (letter.message, letter.sqlstate, letter.failed_at) == ("refused: latitude_out_of_range", "", NOW)
    assert NOW + timedelta(minutes=5) <= letter.next_retry_at <= NOW + timedelta(minutes=15)


@pytest.mark.django_db
def test_what_postgresql_refuses_carries_its_code_and_leaves_nothing_of_the_replay(handler: RecordingHandler) -> None:
    def store_and_be_refused(letter: DeadLetter) -> str:
        make_letter(ordinal=77)
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1 / 0")
        return "stored"

    handler.act = store_and_be_refused
    letter = make_letter()
    assert retry(letter.pk, "ada").result is Result.FAILED
    letter = reload(letter)
    assert (letter.reason, letter.sqlstate) == ("division_by_zero", "22012")
    assert not DeadLetter.objects.filter(ordinal=77).exists()


@pytest.mark.django_db
@pytest.mark.parametrize("text", ["a\0b", "\ud800"], ids=["NUL", "surrogate"])
def test_an_error_whose_text_postgresql_cannot_store_is_kept_all_the_same(
    handler: RecordingHandler, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL, "resilience.letters.dead_letters")  # pytest-xdist cannot send a surrogate either
    handler.act = fail_with(ValueError(text))
    letter = make_letter()
    assert retry(letter.pk, "ada").detail == "unexpected"
    assert reload(letter).attempts == 1


@pytest.mark.django_db
def test_an_attribute_that_is_prose_is_no_reason(handler: RecordingHandler) -> None:
    handler.act = lambda letter: "\ud800".encode().decode()  # UnicodeEncodeError.reason: "surrogates not allowed"
    letter = make_letter()
    assert retry(letter.pk, "ada").detail == "unicode_encode_error"


@pytest.mark.django_db
def test_the_eighth_failure_exhausts_a_letter_and_keeps_it(handler: RecordingHandler) -> None:
    handler.act = fail_with(Refusal("still_bad"))
    letter = make_letter(attempts=7)
    assert retry(letter.pk, "schedule", NOW).result is Result.EXHAUSTED
    letter = reload(letter)
    assert (letter.status, letter.attempts, letter.next_retry_at) == ("exhausted", 8, None)
    assert retry_due(NOW + timedelta(days=9)).outcomes == []


@pytest.mark.django_db
def test_a_person_may_still_retry_an_exhausted_letter(handler: RecordingHandler) -> None:
    letter = make_letter(attempts=8, status=Status.EXHAUSTED, next_retry_at=None)
    assert retry(letter.pk, "ada").result is Result.RESOLVED


@pytest.mark.django_db
@pytest.mark.parametrize("status", [Status.RESOLVED, Status.DISCARDED])
def test_a_closed_letter_is_not_replayed(handler: RecordingHandler, status: Status) -> None:
    letter = make_letter(status=status)
    assert retry(letter.pk, "ada").result is Result.SKIPPED
    assert handler.replayed == []


@pytest.mark.django_db
def test_a_letter_nobody_can_replay_fails_with_no_handler(handler: RecordingHandler) -> None:
    letter = make_letter(kind="unheard_of")
    assert retry(letter.pk, "ada") == dead_letters.LetterOutcome(letter.pk, Result.FAILED, "no_handler")
    assert reload(letter).attempts == 1


@pytest.mark.django_db
def test_an_outage_leaves_the_letter_untouched_and_counts_for_the_breaker(handler: RecordingHandler) -> None:
    handler.act = fail_with(OperationalError("server closed the connection"))
    letter = make_letter()
    assert retry(letter.pk, "ada").result is Result.UNAVAILABLE
    assert reload(letter).attempts == 0
    assert get_breaker("database").snapshot().state.failures == 1


@pytest.mark.django_db
def test_a_deadlock_costs_the_letter_no_attempt_and_the_run_goes_on(handler: RecordingHandler) -> None:
    def deadlock_once(letter: DeadLetter) -> str:
        if letter.ordinal == 0:
            raise OperationalError("deadlock detected") from psycopg.errors.DeadlockDetected("deadlock detected")
        return "stored"

    handler.act = deadlock_once
    letter = make_letter()
    make_letter(ordinal=1, next_retry_at=HEARD_AT + timedelta(seconds=1))
    assert str(retry_due(NOW)) == "1 resolved, 1 skipped"
    assert reload(letter).attempts == 0
    assert get_breaker("database").snapshot().state.failures == 0


@pytest.mark.django_db
def test_an_open_breaker_leaves_the_letter_untouched(handler: RecordingHandler) -> None:
    get_breaker("database").trip("ada", "maintenance")
    letter = make_letter()
    assert retry(letter.pk, "ada").result is Result.UNAVAILABLE
    assert handler.replayed == []


@pytest.mark.django_db(transaction=True)
def test_a_letter_in_other_hands_is_left_to_them(handler: RecordingHandler) -> None:
    letter = make_letter()
    with held_elsewhere(letter):
        assert retry(letter.pk, "ada").result is Result.SKIPPED
        assert dead_letters.discard([letter.pk], "ada", "rubbish") == 0
    assert reload(letter).status == "pending"


@pytest.mark.django_db(transaction=True)
def test_a_backend_killed_in_the_middle_of_a_replay_leaves_the_letter_untouched(handler: RecordingHandler) -> None:
    def lose_the_connection(letter: DeadLetter) -> str:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")
        return "stored"

    handler.act = lose_the_connection
    letter = make_letter()
    assert retry(letter.pk, "ada").result is Result.UNAVAILABLE
    assert (reload(letter).status, reload(letter).attempts) == ("pending", 0)


# --- the schedule's run -----------------------------------------------------------------------------------------------
@pytest.mark.django_db
def test_a_run_takes_the_longest_due_first_and_nothing_that_is_not_due(handler: RecordingHandler) -> None:
    for minutes in (30, 50, 10, -1):
        make_letter(ordinal=minutes, next_retry_at=NOW - timedelta(minutes=minutes))
    make_letter(ordinal=99, next_retry_at=None)
    assert retry_due(NOW).count(Result.RESOLVED) == 3
    assert handler.replayed == [50, 30, 10]


class Died(BaseException):
    """The worker ends here, as of SIGKILL: nothing of the transaction in hand stays."""


@pytest.mark.django_db(transaction=True)
def test_a_letter_that_kills_its_worker_holds_back_nobody_and_uses_up_an_attempt(handler: RecordingHandler) -> None:
    def kill(letter: DeadLetter) -> str:
        if letter.ordinal == 1:
            raise Died
        return "stored"

    handler.act = kill
    deadly = make_letter(ordinal=1)
    other = make_letter(ordinal=2, next_retry_at=HEARD_AT + timedelta(minutes=1))
    with pytest.raises(Died):
        retry_due(NOW)
    assert reload(deadly).next_retry_at > NOW, "it is not the first of the next run"
    assert retry_due(NOW).count(Result.RESOLVED) == 1
    assert reload(other).status == Status.RESOLVED

    now = NOW
    for attempt in range(1, MAX_ATTEMPTS):
        now += timedelta(days=1)
        with pytest.raises(Died):
            retry_due(now)
        assert reload(deadly).attempts == attempt
    assert retry_due(now + timedelta(days=1)).count(Result.RESOLVED) == 0
    assert reload(deadly).status == Status.EXHAUSTED


@pytest.mark.django_db
def test_a_run_is_bounded_in_letters_and_in_time(handler: RecordingHandler) -> None:
    for ordinal in range(5):
        make_letter(ordinal=ordinal)
    assert retry_due(NOW, limit=2).count(Result.RESOLVED) == 2
    assert retry_due(NOW, seconds=0) == dead_letters.RetrySummary([], "time")
    assert len(handler.replayed) == 2


@pytest.mark.django_db
def test_a_run_stops_as_soon_as_the_breaker_is_not_closed(handler: RecordingHandler) -> None:
    def trip(letter: DeadLetter) -> str:
        get_breaker("database").trip("ada", "maintenance")
        return "stored"

    for ordinal in range(3):
        make_letter(ordinal=ordinal)
    handler.act = trip
    summary = retry_due(NOW)
    assert (summary.count(Result.RESOLVED), summary.stopped) == (1, "breaker")
    assert str(retry_due(NOW)) == "nothing to do; stopped: breaker"


@pytest.mark.django_db
def test_an_outage_stops_the_run_at_the_second_letter(handler: RecordingHandler) -> None:
    handler.act = fail_with(OperationalError("no route to host"))
    for ordinal in range(5):
        make_letter(ordinal=ordinal)
    summary = retry_due(NOW)
    assert (summary.count(Result.UNAVAILABLE), summary.stopped) == (2, "unavailable")
    assert get_breaker("database").snapshot().state.phase is Phase.CLOSED


@pytest.mark.django_db
def test_one_letter_that_always_looks_like_an_outage_does_not_hold_back_the_others(handler: RecordingHandler) -> None:
    handler.act = lambda letter: fail_with(OperationalError("timed out"))(letter) if letter.ordinal == 0 else "stored"
    for ordinal in range(4):
        make_letter(ordinal=ordinal, next_retry_at=HEARD_AT + timedelta(seconds=ordinal))
    assert str(retry_due(NOW)) == "3 resolved, 1 unavailable"


@pytest.mark.django_db
def test_one_bad_letter_does_not_stop_the_run(handler: RecordingHandler) -> None:
    handler.act = lambda letter: fail_with(Refusal("bad"))(letter) if letter.ordinal == 1 else "stored"
    for ordinal in range(3):
        make_letter(ordinal=ordinal, next_retry_at=HEARD_AT + timedelta(seconds=ordinal))
    assert str(retry_due(NOW)) == "2 resolved, 1 failed"


@pytest.mark.django_db
def test_a_letter_that_another_run_has_put_off_meanwhile_is_not_retried_twice(handler: RecordingHandler) -> None:
    first, second = make_letter(ordinal=1), make_letter(ordinal=2, next_retry_at=HEARD_AT + timedelta(seconds=1))

    def another_run_fails_the_second(letter: DeadLetter) -> str:
        DeadLetter.objects.filter(pk=second.pk).update(next_retry_at=NOW + timedelta(hours=1), attempts=1)
        return "stored"

    handler.act = another_run_fails_the_second
    assert [outcome.result for outcome in retry_due(NOW).outcomes] == [Result.RESOLVED, Result.SKIPPED]
    assert handler.replayed == [first.ordinal]


@pytest.mark.django_db(transaction=True)
def test_two_runs_at_once_replay_each_letter_once(handler: RecordingHandler) -> None:
    for ordinal in range(30):
        make_letter(ordinal=ordinal)
    in_threads(lambda: retry_due(NOW), lambda: retry_due(NOW))
    assert sorted(handler.replayed) == list(range(30))
    assert dead_letters.open_count() == 0


@pytest.mark.django_db
def test_the_task_reports_what_it_did(handler: RecordingHandler) -> None:
    make_letter()
    assert tasks.retry_dead_letters() == "1 resolved"


# --- giving up --------------------------------------------------------------------------------------------------------
@pytest.mark.django_db
def test_discarding_keeps_the_letter_and_tells_its_handler(handler: RecordingHandler) -> None:
    letters = [make_letter(ordinal=ordinal) for ordinal in (4, 2)]
    assert dead_letters.discard([letter.pk for letter in letters], "ada", " a broken station ") == 2
    letter = reload(letters[0])
    assert (letter.status, letter.closed_by, letter.note) == ("discarded", "ada", "a broken station")
    assert sorted(handler.given_up) == [2, 4]
    assert dead_letters.open_count() == 0


@pytest.mark.django_db
@pytest.mark.parametrize("reason", ["", "  \n"])
def test_discarding_needs_a_reason(handler: RecordingHandler, reason: str) -> None:
    letter = make_letter()
    with pytest.raises(ValueError, match="reason"):
        dead_letters.discard([letter.pk], "ada", reason)
    assert reload(letter).status == "pending"


@pytest.mark.django_db
def test_a_letter_without_a_handler_cannot_be_discarded_nor_can_its_neighbours(handler: RecordingHandler) -> None:
    letters = [make_letter(), make_letter(kind="unheard_of")]
    with pytest.raises(NoHandler):
        dead_letters.discard([letter.pk for letter in letters], "ada", "rubbish")
    assert dead_letters.open_count() == 2


@pytest.mark.django_db
def test_a_handler_that_cannot_do_the_accounts_keeps_the_letter_open(
    handler: RecordingHandler, monkeypatch: pytest.MonkeyPatch
) -> None:
    letter = make_letter()
    monkeypatch.setattr(handler, "discarded", fail_with(Refusal("no_such_batch")))
    with pytest.raises(Refusal):
        dead_letters.discard([letter.pk], "ada", "rubbish")
    assert reload(letter).status == "pending"


@pytest.mark.django_db
def test_only_open_letters_are_discarded_and_counted(handler: RecordingHandler) -> None:
    resolved = make_letter(status=Status.RESOLVED)
    assert dead_letters.discard([resolved.pk, uuid.uuid4()], "ada", "rubbish") == 0
    assert reload(resolved).status == "resolved"


@pytest.mark.django_db
def test_many_letters_are_discarded_in_several_transactions(handler: RecordingHandler) -> None:
    ids = [make_letter(ordinal=ordinal).pk for ordinal in range(401)]
    assert dead_letters.discard(ids, "ada", "rubbish") == 401


# --- threads with connections of their own ----------------------------------------------------------------------------
def in_threads(*works: Callable[[], object]) -> None:
    def run(work: Callable[[], object]) -> None:
        try:
            work()
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=[work]) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=PATIENCE_SECONDS)
        assert not thread.is_alive()


@contextmanager
def held_elsewhere(letter: DeadLetter) -> Iterator[None]:
    """Another transaction holds the letter's row while the body runs."""
    held, done = threading.Event(), threading.Event()

    def hold() -> None:
        with transaction.atomic():
            DeadLetter.objects.select_for_update().get(pk=letter.pk)
            held.set()
            done.wait(timeout=PATIENCE_SECONDS)

    thread = threading.Thread(target=in_threads, args=[hold])
    thread.start()
    assert held.wait(timeout=PATIENCE_SECONDS)
    yield
    done.set()
    thread.join(timeout=PATIENCE_SECONDS)
