"""Asks all sections of all apps at once, and says after a bounded time what is known of each.

Questions enter (`tracking/status/sections.py`), Sections leave. What has not answered in time is said to be silent,
with the latest answer of before and its age; the memory of answers is this process's own. Nothing is shown here: that
is for `tracking/status/page.py` and `tracking/status/metrics.py`.
"""

from __future__ import annotations

import functools
import logging
import threading
import time
from collections.abc import Callable, Iterable
from typing import NamedTuple

import msgspec
from django.apps import apps

from tracking.status.inquiry import Inquiry
from tracking.status.sections import SectionAnswer, SectionQuestion, State

logger = logging.getLogger(__name__)

# A busy machine may need longer than a page waits; a server that is away stays silent for longer than this.
SILENT_SECONDS = 1.0

_NOTHING: SectionAnswer = {"state": "unknown", "summary": "", "columns": [], "rows": [], "metrics": []}
_WORDS = {"state", "why"}  # columns of words, beside the first one


class Cell(NamedTuple):
    """A text below its heading; numbers stand on the right, words on the left."""

    heading: str
    text: str
    is_word: bool


class Section(msgspec.Struct, frozen=True):
    """What is known of one question now.

    `answered`: whether it answered this time; else `answer` is the latest one and `age_seconds` its age, None where
    there was none. `state` and `summary` are of now.
    """

    name: str
    title: str
    state: State
    summary: str
    meaning: str
    answered: bool
    age_seconds: float | None
    answer: SectionAnswer
    dependency: str | None = None
    accepts: bool = False

    @property
    def age(self) -> str:
        """`age_seconds` for people."""
        return span(self.age_seconds or 0.0)

    @property
    def is_wide(self) -> bool:
        """Whether its table needs the whole width."""
        return len(self.answer["columns"]) > 4

    @property
    def columns(self) -> list[Cell]:
        """The table's head."""
        return [_cell(heading, heading, place) for place, heading in enumerate(self.answer["columns"])]

    @property
    def rows(self) -> list[list[Cell]]:
        """The table's body."""
        headings = self.answer["columns"]
        return [
            [_cell(heading, text, place) for place, (heading, text) in enumerate(zip(headings, row, strict=True))]
            for row in self.answer["rows"]
        ]


class SurveyMemory:
    """What this process remembers of one question. Times are monotonic seconds."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.answer: SectionAnswer | None = None
        self.answered_at = 0.0
        self.silent_since: float | None = None
        self.error: str | None = None

    def keep(self, ask: Callable[[], SectionAnswer], name: str) -> SectionAnswer:
        """Ask and remember how it went; raises what `ask` raises."""
        started = time.monotonic()
        try:
            answer = ask()
        except Exception as error:
            with self._lock:
                if self.error is None:
                    logger.warning("status of %s: %s", name, error)
                self.silent_since = self.silent_since or started
                self.error = type(error).__name__
            raise
        with self._lock:
            self.answer, self.answered_at = answer, time.monotonic()
            self.silent_since = self.error = None
        return answer

    def age(self, now: float) -> float | None:
        """Seconds since the latest answer, None where there was none."""
        return round(now - self.answered_at, 1) if self.answer else None

    def silence(self, since: float, now: float) -> float:
        """Seconds without an answer to a question that was asked at `since` and is still open."""
        with self._lock:
            if self.answered_at >= since:  # while we looked
                return now - since
            self.silent_since = self.silent_since or since
            return now - self.silent_since


_memories: dict[str, SurveyMemory] = {}


def gather(wait_seconds: float) -> list[Section]:
    """Ask everything, and say after `wait_seconds` at most what is known."""
    deadline = time.monotonic() + wait_seconds
    asked = []
    for question in _questions():
        memory = _memories.setdefault(question["name"], SurveyMemory())
        keep = functools.partial(memory.keep, question["ask"], question["name"])
        asked.append((question, memory, Inquiry.start(f"status-{question['name']}", keep)))
    return [_section(question, memory, inquiry, deadline) for question, memory, inquiry in asked]


def overall(sections: Iterable[Section]) -> State:
    """`down` where no way in is left for messages, `ok` where all is well, else `degraded`."""
    sections = list(sections)
    ways_in = [section.state for section in sections if section.accepts]
    if ways_in and all(state == "down" for state in ways_in):
        return "down"
    return "ok" if all(section.state == "ok" for section in sections) else "degraded"


def span(seconds: float) -> str:
    """A span for people: `0.4 s`, `12 s`, `3 min 5 s`, `2 h 10 min`."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if minutes else f"{rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def _questions() -> list[SectionQuestion]:
    return [
        question
        for config in apps.get_app_configs()
        if hasattr(config, "status_sections")
        for question in config.status_sections()
    ]


def _section(
    question: SectionQuestion, memory: SurveyMemory, inquiry: Inquiry[SectionAnswer], deadline: float
) -> Section:
    ended = inquiry.wait(deadline - time.monotonic())
    now = time.monotonic()
    if ended:
        try:
            answer = inquiry.answer()
        except Exception as error:
            return _without(question, memory, now, f"cannot be used ({type(error).__name__})")
        return _made(question, answer, answer["state"], answer["summary"], age_seconds=0.0)
    silent = memory.silence(inquiry.started, now)
    if memory.error is not None or silent >= SILENT_SECONDS:
        return _without(question, memory, now, f"no answer for {span(silent)}")
    if memory.answer is None:
        return _made(question, _NOTHING, "unknown", "asked for the first time, no answer yet")
    # Slow is not silent: the latest answer stands, with its age.
    state, summary = memory.answer["state"], memory.answer["summary"]
    return _made(question, memory.answer, state, summary, memory.age(now), answered=False)


def _without(question: SectionQuestion, memory: SurveyMemory, now: float, summary: str) -> Section:
    """Down; or unknown, where another section stands for the server behind it."""
    state: State = "down" if "dependency" in question or "accepts" in question else "unknown"
    meaning = question.get("without", "")
    return _made(question, memory.answer or _NOTHING, state, summary, memory.age(now), answered=False, meaning=meaning)


def _made(
    question: SectionQuestion,
    answer: SectionAnswer,
    state: State,
    summary: str,
    age_seconds: float | None = None,
    answered: bool = True,
    meaning: str = "",
) -> Section:
    return Section(
        name=question["name"],
        title=question["title"],
        state=state,
        summary=summary,
        meaning=meaning,
        answered=answered and age_seconds is not None,
        age_seconds=age_seconds,
        answer=answer,
        dependency=question.get("dependency"),
        accepts=question.get("accepts", False),
    )


def _cell(heading: str, text: str, place: int) -> Cell:
    return Cell(heading, text, place == 0 or heading in _WORDS)
