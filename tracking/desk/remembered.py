"""Answers that take longer than a page may wait: asked in a thread of their own, and remembered.

A question enters; its latest answer leaves with its age. Whoever asks first waits for a moment; afterwards nobody does.
A question is asked again when its answer is older than `seconds`, and than so many times as long as it took to find,
so that a large installation spends a bounded part of its time on it. The memory is this process's own.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Generic, TypeVar

from resilience import memory
from tracking.status.inquiry import Inquiry

logger = logging.getLogger(__name__)

T = TypeVar("T")

WAIT_SECONDS = 0.5
SHARE = 20  # of the time, one part at most


class RememberedAnswer(Generic[T]):
    """One question with its latest answer. Times are monotonic seconds."""

    def __init__(self, name: str, question: Callable[[], T], seconds: float) -> None:
        self._name, self._question, self._seconds = name, question, seconds
        self.forget()
        memory.forgotten_by(self.forget)

    def forget(self) -> None:
        """As at the beginning."""
        self._answer: T | None = None
        self._answered_at: float | None = None
        self._took = 0.0
        self._failed_at: float | None = None

    def latest(self, wait_seconds: float = WAIT_SECONDS) -> tuple[T | None, float | None]:
        """(the answer, its age in seconds); None where there is none yet."""
        if self._is_due(time.monotonic()):
            inquiry = Inquiry.start(f"desk-{self._name}", self._find)
            if self._answered_at is None:
                inquiry.wait(wait_seconds)
        age = None if self._answered_at is None else time.monotonic() - self._answered_at
        return self._answer, age

    def _is_due(self, now: float) -> bool:
        latest = max(self._answered_at or 0.0, self._failed_at or 0.0)
        return not latest or now - latest >= max(self._seconds, SHARE * self._took)

    def _find(self) -> None:
        started = time.monotonic()
        try:
            self._answer = self._question()
        except Exception as error:  # what is remembered stays, with its age
            logger.warning("the desk could not ask about %s: %s", self._name, error)
            self._failed_at = time.monotonic()
            return
        self._answered_at = time.monotonic()
        self._took = self._answered_at - started
