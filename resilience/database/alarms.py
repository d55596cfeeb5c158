"""Calls that are made when a time is over, by one thread for the whole process.

A thread for each call that has a deadline would cost more than most calls do. The thread is started by the first alarm
and stays; it sleeps until the earliest alarm is due, and most are taken back long before. A forked child begins without
alarms and without the thread.
"""

from __future__ import annotations

import logging
import math
import os
import threading
import time
from collections.abc import Callable

logger = logging.getLogger(__name__)


class Alarms:
    """All alarms of a process, for all its threads."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._due: dict[object, tuple[float, Callable[[], None]]] = {}
        self._wakes_at = math.inf  # monotonic seconds
        self._thread: threading.Thread | None = None

    def set(self, seconds: float, call: Callable[[], None]) -> object:
        """Have `call` made after so many seconds by the thread, which it must not hold up; what to take it back by."""
        alarm, due = object(), time.monotonic() + seconds
        with self._condition:
            self._due[alarm] = (due, call)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="alarms", daemon=True)
                self._thread.start()
            if due < self._wakes_at:
                self._condition.notify()
        return alarm

    def take_back(self, alarm: object) -> None:
        """The call need not be made; it may be under way. May be said again."""
        with self._condition:
            self._due.pop(alarm, None)

    def _run(self) -> None:
        while True:
            for call in self._wait():
                try:
                    call()
                except Exception:
                    logger.exception("what was to be done after a time failed")

    def _wait(self) -> list[Callable[[], None]]:
        """Sleep until some alarms are due, and forget them; what they call."""
        with self._condition:
            while True:
                now = time.monotonic()
                over = [alarm for alarm, (due, _) in self._due.items() if due <= now]
                if over:
                    return [self._due.pop(alarm)[1] for alarm in over]
                self._wakes_at = min((due for due, _ in self._due.values()), default=math.inf)
                self._condition.wait(None if self._wakes_at == math.inf else self._wakes_at - now)


alarms = Alarms()
os.register_at_fork(after_in_child=alarms.__init__)  # type: ignore[misc]
