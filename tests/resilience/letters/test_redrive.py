"""Jobs over all letters of a filter: frozen, paced, resumed after any death, each letter counted once."""

import threading
import uuid
from datetime import timedelta

import pytest
from django.conf import settings
from django.db import OperationalError, connections, transaction
from django.utils import timezone
from django_q.conf import Conf
from django_q.signing import SignedPackage
from django_redis import get_redis_connection

from resilience import tasks
from resilience.breaker.registry import get_breaker
from resilience.letters import redrive
from resilience.letters.selection import Selection
from resilience.models import DeadLetter, LetterJob
from resilience.queue.streams import REPLAY, STREAMS, Streams
from tests.support.letters import RecordingHandler, Refusal, fail_with, make_letter
from tests.support.patience import PATIENCE_SECONDS

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("handler", "queue")]
Action, Status = LetterJob.Action, LetterJob.Status


class Time:
    """A clock that moves by what is paused."""

    def __init__(self) -> None:
        self.now = 0.0
        self.pauses: list[float] = []

    def __call__(self) -> float:
        return self.now

    def pause(self, seconds: float) -> None:
        self.now += seconds
        self.pauses.append(seconds)


def start(action: Action = Action.RETRY, **fields: str) -> LetterJob:
    return redrive.start(action, Selection.of(fields), timezone.now(), "ada", "rubbish")


def queued() -> list[dict[str, object]]:
    """The tasks on the replay stream."""
    streams = Streams(get_redis_connection("queue"), Conf.CLUSTER_NAME)
    entries = get_redis_connection("queue").xrange(streams.key(REPLAY))
    return [SignedPackage.loads(fields[b"t"].decode()) for _, fields in entries]


def work(job: LetterJob, time: Time | None = None) -> str:
    time = time or Time()
    return redrive.work(job.pk, time.pause, time)


def figures(job: LetterJob) -> tuple[int | None, int, int, int, int]:
    job.refresh_from_db()
    return job.total, job.done, job.resolved, job.failed, job.skipped


def test_a_job_waits_on_the_replay_stream_and_only_there() -> None:
    job = start()
    (task,) = queued()
    assert (task["func"], task["args"]) == ("resilience.tasks.retry_selection", (str(job.pk),))
    assert set(redrive.TASKS.values()) <= set(settings.QUEUE_ALLOWED_TASKS)
    streams = Streams(get_redis_connection("queue"), Conf.CLUSTER_NAME)
    assert [get_redis_connection("queue").xlen(streams.key(name)) for name in STREAMS] == [0, 0, 1]


def test_a_job_retries_what_the_filter_showed_and_nothing_that_died_since(handler: RecordingHandler) -> None:
    for number in range(3):
        make_letter(ordinal=number)
    make_letter(ordinal=10, reason="other")
    make_letter(ordinal=11, status=DeadLetter.Status.RESOLVED)
    make_letter(ordinal=3, status=DeadLetter.Status.EXPIRED)
    job = start(reason="check_violation")
    make_letter(ordinal=12)
    assert work(job) == "4 letters, ended"
    assert sorted(handler.replayed) == [0, 1, 2, 3]
    assert figures(job) == (4, 4, 4, 0, 0)
    assert (job.status, job.finished_at is not None) == (Status.DONE, True)
    assert set(DeadLetter.objects.filter(ordinal__lt=4).values_list("closed_by", flat=True)) == {"ada"}


def test_a_job_discards_for_its_reason_and_leaves_expired_letters(handler: RecordingHandler) -> None:
    letters = [make_letter(ordinal=0), make_letter(ordinal=1, kind="unheard_of")]
    make_letter(ordinal=2, status=DeadLetter.Status.EXPIRED)
    job = start(Action.DISCARD)
    assert queued()[0]["func"] == "resilience.tasks.discard_selection"
    tasks.discard_selection(str(job.pk))
    assert figures(job) == (2, 2, 1, 1, 0)
    assert handler.given_up == [0]
    letters[0].refresh_from_db()
    assert (letters[0].status, letters[0].note, letters[0].closed_by) == ("discarded", "rubbish", "ada")


def test_a_discard_needs_a_reason() -> None:
    with pytest.raises(ValueError, match="reason"):
        redrive.start(Action.DISCARD, Selection(), timezone.now(), "ada", " ")
    assert not LetterJob.objects.exists()


def test_letters_that_fail_again_are_counted_and_not_tried_twice(handler: RecordingHandler) -> None:
    handler.act = fail_with(Refusal("still_bad"))
    for number in range(3):
        make_letter(ordinal=number)
    job = start()
    work(job)
    assert figures(job) == (3, 3, 0, 3, 0)
    assert len(handler.replayed) == 3


def test_a_slice_is_bounded_by_rate_and_time_and_adds_the_next(handler: RecordingHandler, settings) -> None:
    settings.DEAD_LETTER_RETRIES_PER_SECOND = 2
    for number in range(25):
        make_letter(ordinal=number)
    job, time = start(), Time()
    get_redis_connection("queue").flushdb()
    assert work(job, time) == "10 letters, to be continued"
    assert time.now == pytest.approx(redrive.SLICE_SECONDS)
    assert [task["args"] for task in queued()] == [(str(job.pk),)]
    assert (figures(job), job.status) == ((25, 10, 10, 0, 0), Status.RUNNING)
    assert [work(job), work(job)] == ["10 letters, to be continued", "5 letters, ended"]
    assert figures(job) == (25, 25, 25, 0, 0)
    assert sorted(handler.replayed) == list(range(25))


def test_a_cancelled_job_stops_before_its_next_letter(handler: RecordingHandler) -> None:
    for number in range(3):
        make_letter(ordinal=number)
    job = start()
    handler.act = lambda letter: "stored" if len(handler.replayed) < 2 else cancel(job)
    assert work(job) == "2 letters, ended"
    assert (figures(job), job.status) == ((3, 2, 2, 0, 0), Status.CANCELLED)
    assert not redrive.cancel(job.pk)
    assert work(job) == "0 letters, ended"


def cancel(job: LetterJob) -> str:
    """From another connection, which waits for the letter in hand: so it is asked for and not waited for."""
    thread = threading.Thread(target=in_thread, args=[lambda: redrive.cancel(job.pk)])
    thread.start()
    transaction.on_commit(lambda: thread.join(timeout=PATIENCE_SECONDS))
    return "stored"


def in_thread(call) -> None:
    try:
        call()
    finally:
        connections.close_all()


def test_a_death_in_the_middle_of_a_letter_neither_loses_nor_counts_it_twice(handler: RecordingHandler) -> None:
    class Killed(BaseException):
        """What no `except Exception` sees, like a kill: the transaction is gone, nothing else runs."""

    def die(letter: DeadLetter) -> str:
        if len(handler.replayed) == 2:
            raise Killed
        return "stored"

    for number in range(4):
        make_letter(ordinal=number)
    job = start()
    handler.act = die
    with pytest.raises(Killed):
        work(job)
    assert figures(job) == (4, 1, 1, 0, 0)
    assert work(job) == "3 letters, ended"
    assert figures(job) == (4, 4, 4, 0, 0)
    assert DeadLetter.objects.filter(status="resolved").count() == 4


def test_a_letter_that_kills_its_worker_each_time_is_left_out_after_three(handler: RecordingHandler) -> None:
    class Killed(BaseException):
        """As above."""

    killer = min((make_letter(ordinal=number) for number in range(3)), key=lambda letter: letter.pk)

    def die(letter: DeadLetter) -> str:
        if letter.pk == killer.pk:
            raise Killed
        return "stored"

    handler.act = die
    job = start()
    for _ in range(redrive.MAX_TRIES):
        with pytest.raises(Killed):
            work(job)
    assert work(job) == "3 letters, ended"
    assert figures(job) == (3, 3, 2, 0, 1)
    killer.refresh_from_db()
    assert killer.is_open


def test_an_outage_ends_the_slice_and_keeps_the_job(handler: RecordingHandler) -> None:
    handler.act = fail_with(OperationalError("no route to host"))
    make_letter()
    job, time = start(), Time()
    get_redis_connection("queue").flushdb()
    assert work(job, time) == "0 letters, to be continued"
    assert time.pauses == [1.0]  # no spinning
    assert len(queued()) == 1
    handler.act = lambda letter: "stored"
    assert work(job) == "1 letters, ended"
    assert figures(job) == (1, 1, 1, 0, 0)


def test_an_open_breaker_leaves_the_job_in_the_queue(handler: RecordingHandler) -> None:
    make_letter()
    job = start()
    get_breaker("database").trip("ada", "maintenance")
    assert work(job) == "0 letters, to be continued"
    assert (handler.replayed, figures(job)[1]) == ([], 0)


def test_a_later_slice_takes_over_and_the_earlier_one_adds_none(handler: RecordingHandler) -> None:
    """As after a redelivery of a task whose worker only hung."""
    for number in range(4):
        make_letter(ordinal=number)
    job = start()
    get_redis_connection("queue").flushdb()

    def overtaken(letter: DeadLetter) -> str:
        if len(handler.replayed) == 2:
            thread = threading.Thread(target=in_thread, args=[lambda: work(job)])
            transaction.on_commit(lambda: (thread.start(), thread.join(timeout=PATIENCE_SECONDS)))
        return "stored"

    handler.act = overtaken
    assert work(job) == "2 letters, ended"
    assert figures(job) == (4, 4, 4, 0, 0)
    assert sorted(handler.replayed) == [0, 1, 2, 3]
    assert queued() == []


def test_two_slices_at_once_count_each_letter_once(handler: RecordingHandler) -> None:
    for number in range(20):
        make_letter(ordinal=number)
    job = start()
    threads = [threading.Thread(target=in_thread, args=[lambda: work(job)]) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=PATIENCE_SECONDS)
        assert not thread.is_alive()
    work(job)
    assert figures(job) == (20, 20, 20, 0, 0)
    assert sorted(handler.replayed) == list(range(20))


def test_the_schedule_revives_a_job_that_nobody_has_and_no_other() -> None:
    abandoned, fresh, done = start(), start(), start()
    get_redis_connection("queue").flushdb()
    LetterJob.objects.filter(pk=abandoned.pk).update(progressed_at=timezone.now() - timedelta(minutes=11))
    LetterJob.objects.filter(pk=fresh.pk).update(progressed_at=timezone.now())
    LetterJob.objects.filter(pk=done.pk).update(status=Status.DONE, created_at=timezone.now() - timedelta(hours=1))
    tasks.retry_dead_letters()
    assert [task["args"] for task in queued()] == [(str(abandoned.pk),)]


def test_while_the_breaker_is_open_nothing_is_revived() -> None:
    job = start()
    get_redis_connection("queue").flushdb()
    LetterJob.objects.filter(pk=job.pk).update(progressed_at=timezone.now() - timedelta(minutes=11))
    get_breaker("database").trip("ada", "maintenance")
    assert tasks.retry_dead_letters().endswith("stopped: breaker")
    assert queued() == []


def test_a_job_that_is_gone_is_no_error() -> None:
    assert tasks.retry_selection(str(uuid.uuid4())) == "0 letters, ended"
