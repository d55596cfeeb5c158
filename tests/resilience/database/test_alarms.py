"""Alarms: called once when their time is over, by one thread, not when they were taken back."""

import os
import threading
import time

import pytest

from resilience.database.alarms import Alarms
from tests.support.patience import PATIENCE_SECONDS


def test_alarms_go_off_in_the_order_in_which_they_are_due_in_one_thread() -> None:
    alarms, heard, done = Alarms(), list[tuple[str, str]](), threading.Event()

    def hear(name: str) -> None:
        heard.append((name, threading.current_thread().name))

    alarms.set(1.5, done.set)  # so far apart that a busy machine does not turn the order round
    alarms.set(1.0, lambda: hear("late"))
    alarms.set(0.5, lambda: hear("early"))  # sooner than what the thread sleeps for
    assert done.wait(PATIENCE_SECONDS)
    assert heard == [("early", "alarms"), ("late", "alarms")]


def test_an_alarm_that_was_taken_back_never_goes_off() -> None:
    alarms, heard, done = Alarms(), list[int](), threading.Event()
    entered, taken_back = threading.Event(), threading.Event()
    alarms.set(0.0, lambda: (entered.set(), taken_back.wait(PATIENCE_SECONDS)))  # type: ignore[arg-type,return-value]
    assert entered.wait(PATIENCE_SECONDS)  # the one thread is held up until some are taken back
    kept = [alarms.set(0.0, lambda number=number: heard.append(number)) for number in range(10)]  # type: ignore[misc]
    for alarm in kept[::2]:
        alarms.take_back(alarm)
        alarms.take_back(alarm)
    taken_back.set()
    alarms.set(0.0, done.set)
    assert done.wait(PATIENCE_SECONDS)
    assert heard == [1, 3, 5, 7, 9]


def test_what_fails_keeps_no_other_alarm_from_going_off(caplog: pytest.LogCaptureFixture) -> None:
    alarms, done = Alarms(), threading.Event()
    alarms.set(0.0, lambda: 1 / 0)  # type: ignore[arg-type]
    alarms.set(0.05, done.set)
    assert done.wait(PATIENCE_SECONDS)
    assert "ZeroDivisionError" in caplog.text


def test_a_thousand_alarms_need_one_thread() -> None:
    alarms, before = Alarms(), threading.active_count()
    for _ in range(1000):
        alarms.take_back(alarms.set(60.0, lambda: None))
    assert threading.active_count() <= before + 1


def test_a_forked_child_has_alarms_of_its_own() -> None:
    from resilience.database.alarms import alarms

    heard = threading.Event()
    alarms.set(0.0, heard.set)
    assert heard.wait(PATIENCE_SECONDS)  # the thread runs
    child = os.fork()
    if child == 0:
        own = threading.Event()
        alarms.set(0.0, own.set)
        os._exit(0 if own.wait(PATIENCE_SECONDS) else 1)
    until = time.monotonic() + 2 * PATIENCE_SECONDS
    while time.monotonic() < until:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            assert os.waitstatus_to_exitcode(status) == 0
            return
        time.sleep(0.01)
    pytest.fail("the child does not end")
