"""Closing the books changes no account, whatever the ledger holds, whoever is killed and however many do it."""

import datetime as dt
import os
import random
import signal
import threading
import time
import uuid
from collections.abc import Callable

import pytest
from django.core.management import call_command
from django.db import IntegrityError, connection, connections, transaction
from django.db.models import F
from django.utils import timezone
from django_q.models import Schedule

from ingest import pipeline, tasks
from ingest.acceptance.inline import InlineAcceptance
from ingest.ledger import closed_days
from ingest.ledger.accounts import REASONS, AccountSelection, by_day, total, violations
from ingest.models import Batch, DayAccount
from ingest.replay import MessageHandler
from resilience.models import DeadLetter
from tests.ingest.ledger.test_accounts import WHOLE, book
from tests.support.letters import make_letter
from tests.support.messages import batch, position
from tests.support.patience import PATIENCE_SECONDS
from tests.support.reports import side_by_side
from tracking.models import VesselPosition

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "direct"])
TODAY = dt.date(2026, 5, 20)
EDGE = dt.datetime(2026, 5, 13, tzinfo=dt.UTC)
CLEAN = WHOLE | {"dead": 0, "duplicate": 2}


def at(days: float, **counts) -> Batch:
    """A line booked so many days after the edge between what is rolled up and what stays."""
    return book(**CLEAN | {"booked_at": EDGE + dt.timedelta(days=days), "accepted_at": EDGE} | counts)


def random_line(chance: random.Random) -> Batch:
    """Any line that the ledger may hold, its equations right or wrong."""
    values = {name: chance.randrange(1000) for name in ("lines", "foreign", "sentences", "messages", "static", "other")}
    kinds = ("stored", "merged", "duplicate", "discarded")
    split = {name: chance.randrange(300) for name in kinds} | {"dead": chance.choice([0, 0, 0, 0, 3])}
    reasons = {
        name: {f"reason_{chance.randrange(4)}": chance.randrange(1, 9) for _ in range(chance.randrange(4))}
        for name in REASONS
    }
    origin = f"file:{chance.randrange(3)}"
    place = {"origin": origin, "offset": chance.randrange(9), "index": 1} if chance.random() < 0.3 else {}
    return at(
        chance.uniform(-4, 2),
        **{"source": chance.choice(["north", "south"]), **values, **split, **reasons, **place},
        positions=sum(split.values()),
    )


@pytest.mark.parametrize("seed", range(8))
def test_the_accounts_of_any_ledger_are_the_same_before_and_after(seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(150):
        random_line(chance)
    before = by_day(AccountSelection())
    assert any(violations(booked) for days in before.values() for booked in days.values())
    chunk = chance.choice([1, 7, 40, 1000])
    first = closed_days.close(TODAY, chunk=chunk)
    assert first.lines > 30 and not first.unfinished
    assert by_day(AccountSelection()) == before
    random_line(chance)
    Batch.objects.filter(dead__gt=0).update(dead=0, stored=F("stored") + F("dead"))
    before = by_day(AccountSelection())
    closed_days.close(TODAY, chunk=chunk)
    assert by_day(AccountSelection()) == before
    assert Batch.objects.filter(booked_at__lt=EDGE).count() <= 6, "the places of six recordings at most"


def test_a_broken_equation_is_found_in_a_day_that_was_rolled_up() -> None:
    at(-1)
    at(-1, foreign=CLEAN["foreign"] + 1)
    assert closed_days.close(TODAY).lines == 2
    [booked] = by_day(AccountSelection(source="test"))["test"].values()
    assert violations(booked) == ["lines = foreign + malformed + sentences: 24 is not 25"]


def test_only_whole_days_before_the_kept_ones_are_rolled_up() -> None:
    at(-0.0001)
    at(0)
    assert closed_days.close(TODAY) == (1, False)
    assert closed_days.close(TODAY) == (0, False)
    day = DayAccount.objects.get()
    assert (day.source, day.day, day.batches, day.malformed) == ("test", dt.date(2026, 5, 12), 1, CLEAN["malformed"])
    assert Batch.objects.get().booked_at == EDGE


@pytest.mark.parametrize("days", [0, 10**9])
def test_the_ledger_can_be_kept_for_ever(settings, days: int) -> None:
    settings.KEEP_LEDGER_DAYS = days
    at(-900)
    assert closed_days.close(TODAY) == (0, False)


def test_lines_with_dead_letters_stay_until_those_are_settled() -> None:
    line = at(-3, **WHOLE)
    letter = DeadLetter(batch_id=line.id)
    closed_days.close(TODAY)
    MessageHandler().discarded(letter)
    line.refresh_from_db()
    assert (line.dead, line.discarded) == (0, 1)
    assert closed_days.close(TODAY).lines == 1
    assert total(by_day(AccountSelection())["test"].values()).discarded == 1


def test_lines_whose_expired_letters_may_still_be_retried_stay_too() -> None:
    line = at(-3)
    letter = make_letter(batch_id=line.id, status=DeadLetter.Status.EXPIRED)
    assert closed_days.close(TODAY).lines == 0
    letter.delete()
    assert closed_days.close(TODAY).lines == 1


def test_a_line_in_the_hands_of_a_replay_is_waited_for_by_nobody() -> None:
    line = at(-3)
    closed: list[closed_days.Closed] = []
    with transaction.atomic():
        Batch.objects.select_for_update().get(id=line.id)
        side_by_side(lambda: closed.append(closed_days.close(TODAY)))
    assert closed == [(0, False)] and closed_days.close(TODAY).lines == 1


def test_a_recording_goes_on_where_it_was_however_long_ago() -> None:
    for number in range(5):
        for origin in ("a.nmea", "b.nmea"):
            when = EDGE - dt.timedelta(days=9, minutes=-number)
            at(-3, origin=origin, offset=number * 100, index=number, accepted_at=when)
    acceptance = InlineAcceptance(threading.Event())
    before = [acceptance.resume_point("test", origin) for origin in ("a.nmea", "b.nmea")]
    assert closed_days.close(TODAY, chunk=3).lines == 8
    assert [acceptance.resume_point("test", origin) for origin in ("a.nmea", "b.nmea")] == before
    assert before[0].offset == 400


def test_a_batch_delivered_again_within_the_kept_days_is_recognised() -> None:
    sent = batch([position()])
    pipeline.process(sent)
    booked = dt.datetime.combine(timezone.now().date() - dt.timedelta(days=7), dt.time(0, 0), dt.UTC)
    Batch.objects.update(booked_at=booked)
    tasks.close_books()
    before = by_day(AccountSelection())
    pipeline.process(sent)
    assert by_day(AccountSelection()) == before and VesselPosition.objects.count() == 1


def test_the_time_of_a_run_is_bounded_and_the_next_goes_on() -> None:
    for _ in range(10):
        at(-2)
    ticks = iter(range(100))
    assert closed_days.close(TODAY, chunk=2, seconds=2, clock=lambda: next(ticks)) == (4, True)
    assert closed_days.close(TODAY, chunk=2) == (6, False)
    assert DayAccount.objects.get().batches == 10


def test_two_at_once_count_each_line_once() -> None:
    for _ in range(60):
        at(-2)
    before = by_day(AccountSelection())
    together, lines = threading.Barrier(2, timeout=PATIENCE_SECONDS), []

    def close() -> None:
        together.wait()
        lines.append(closed_days.close(TODAY, chunk=4).lines)

    side_by_side(close, close)
    assert sum(lines) == 60 and by_day(AccountSelection()) == before and DayAccount.objects.count() == 1


def killed(work: Callable[[Callable[[], None]], None]) -> None:
    """Run `work` in a process of its own, and kill -9 it when it calls what it is given."""
    connections.close_all()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:

        def here() -> None:
            os.write(writing, b"!")
            threading.Event().wait(600)

        try:
            work(here)
        finally:
            os._exit(1)
    os.close(writing)
    try:
        assert os.read(reading, 1) == b"!", "it ended before it could be killed"
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(reading)


def test_killed_between_two_transactions_it_has_lost_and_doubled_nothing() -> None:
    for _ in range(30):
        at(-2)
    before = by_day(AccountSelection())

    def work(here: Callable[[], None]) -> None:
        calls = iter(range(100))
        closed_days.close(TODAY, chunk=10, clock=lambda: here() or 0.0 if next(calls) == 1 else 0.0)

    killed(work)
    assert (Batch.objects.count(), DayAccount.objects.get().batches) == (20, 10)
    assert by_day(AccountSelection()) == before
    assert closed_days.close(TODAY, chunk=10).lines == 20 and by_day(AccountSelection()) == before


def test_killed_within_a_transaction_it_has_done_nothing() -> None:
    for _ in range(30):
        at(-2)
    before = by_day(AccountSelection())

    def work(here: Callable[[], None]) -> None:
        with transaction.atomic():
            closed_days.close(TODAY)
            here()

    killed(work)
    until = time.monotonic() + PATIENCE_SECONDS  # PostgreSQL notices by itself, and lets go of the locks
    while not (closed := closed_days.close(TODAY).lines) and time.monotonic() < until:
        assert by_day(AccountSelection()) == before
    assert closed == 30 and by_day(AccountSelection()) == before


def test_whoever_reads_meanwhile_sees_every_line_once() -> None:
    for _ in range(200):
        at(-2)
    before, seen, done = by_day(AccountSelection()), [], threading.Event()

    def close() -> None:
        try:
            closed_days.close(TODAY, chunk=5)
        finally:
            done.set()

    def read() -> None:
        while not done.is_set():
            seen.append(by_day(AccountSelection()))

    side_by_side(close, read)
    assert seen and all(accounts == before for accounts in seen)


def test_the_database_refuses_a_day_whose_positions_do_not_add_up() -> None:
    with pytest.raises(IntegrityError, match="dayaccount_positions_add_up"):
        DayAccount.objects.create(source="test", day=TODAY, positions=2, stored=1)
    DayAccount.objects.create(source="test", day=TODAY)
    with pytest.raises(IntegrityError, match="dayaccount_once"):
        DayAccount.objects.create(source="test", day=TODAY)


def test_it_is_scheduled_and_says_what_it_did(settings) -> None:
    call_command("migrate", verbosity=0)
    assert Schedule.objects.filter(func="ingest.tasks.close_books").count() == 1
    assert "ingest.tasks.close_books" in settings.QUEUE_ALLOWED_TASKS
    book(**CLEAN | {"booked_at": timezone.now() - dt.timedelta(days=9), "run": uuid.uuid4()})
    assert tasks.close_books() == "1 lines rolled up"


def test_the_ledger_is_not_searched_for_each_line_of_a_recording() -> None:
    """The newest line of a recording is found by an index, however many lines it has."""
    for number in range(50):
        at(-2, origin="a.nmea", offset=number, index=number)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE ingest_batch")
        cursor.execute("SET enable_seqscan = off")
        cursor.execute(f"EXPLAIN {closed_days._CLOSE}", {"edge": EDGE, "lines": 10})
        plan = "\n".join(line for (line,) in cursor.fetchall())
        cursor.execute("RESET enable_seqscan")
    assert "batch_resume" in plan and "Sort" not in plan.partition("SubPlan")[2].partition("CTE")[0]
