"""Questions to dependencies, each asked in a thread of its own, because no driver bounds all of its waits.

A name and a callable enter; an Inquiry leaves, for whose end anybody waits as long as they like. Who asks what is being
asked already joins: pages and probes must not pile up threads before a server that hangs. What the answers mean is
for the callers (`tracking/status/probes.py`, `tracking/status/survey.py`, `tracking/access/copies.py`).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any, ClassVar, Generic, TypeVar

from django.db import connections

T = TypeVar("T")

PATIENCE_SECONDS = 10.0
LINGERING = 4


class Inquiry(Generic[T]):
    """One question while it is asked and afterwards. `started` is monotonic seconds."""

    _asking: ClassVar[dict[str, Inquiry[Any]]] = {}
    _lock = threading.Lock()

    def __init__(self, name: str, question: Callable[[], T], given_up: int = 0) -> None:
        self.name = name
        self.started = time.monotonic()
        self._question = question
        self._given_up = given_up
        self._done = threading.Event()
        self._answer: T | None = None
        self._error: Exception | None = None

    @classmethod
    def start(cls, name: str, question: Callable[[], T]) -> Inquiry[T]:
        """Ask, or join who is asking under this name.

        An inquiry that has hung for PATIENCE_SECONDS is left to itself and the question asked anew, because its server
        may have been replaced meanwhile; LINGERING such threads a name at most.
        """
        with cls._lock:
            running = cls._asking.get(name)
            if running is not None and not running._hangs():
                return running
            given_up = 0 if running is None else running._given_up + 1
            inquiry = cls._asking[name] = Inquiry(name, question, given_up)
        threading.Thread(target=inquiry._run, name=f"inquiry-{name}", daemon=True).start()
        return inquiry

    def wait(self, seconds: float) -> bool:
        """Whether it has ended, after `seconds` at most."""
        return self._done.wait(max(0.0, seconds))

    def answer(self) -> T:
        """What the question returned; raises what it raised. Only after `wait` has said True."""
        if self._error is not None:
            raise self._error
        return self._answer  # type: ignore[return-value]  # None only where T says so

    def _hangs(self) -> bool:
        return time.monotonic() - self.started > PATIENCE_SECONDS and self._given_up < LINGERING

    def _run(self) -> None:
        try:
            self._answer = self._question()
        except Exception as error:
            self._error = error
        finally:
            connections.close_all()
            with self._lock:
                if self._asking.get(self.name) is self:
                    del self._asking[self.name]
            self._done.set()
