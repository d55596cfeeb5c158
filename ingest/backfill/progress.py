"""How far a backfill is: a bar on a terminal, a plain line now and then elsewhere.

Shows messages stored, their rate, the share of the file that was read, and when it will be done at this pace.
"""

from __future__ import annotations

import datetime as dt
import sys
import time
from collections.abc import Callable
from typing import Any

from tqdm import tqdm

from ingest.feeds.progress import LINE_SECONDS, Output

tqdm.monitor_interval = 0  # no thread of its own: workers are forked


class BackfillProgress:
    """One file after the other."""

    def __init__(self, output: Output, quiet: bool = False, clock: Callable[[], float] = time.monotonic) -> None:
        self._output, self._quiet, self._clock = output, quiet, clock
        self._bar: tqdm[Any] | None = None
        self._name = ""
        self._began = self._shown_at = clock()

    def begin(self, name: str) -> None:
        """The next file."""
        self.close()
        self._name = name
        self._began = self._shown_at = self._clock()

    def show(self, stored: int, place: tuple[int, int] | None) -> None:
        """Called often: messages stored of this file, and (bytes read, bytes there are)."""
        if self._quiet:
            return
        rate = stored / max(self._clock() - self._began, 1e-3)
        if sys.stderr.isatty():
            self._move_bar(f"{stored:,} stored, {rate:,.0f}/s", place)
        elif self._clock() - self._shown_at >= LINE_SECONDS:
            self._shown_at = self._clock()
            self._output.write(f"{self._name}: {stored:,} messages stored, {rate:,.0f}/s{self._outlook(place)}")

    def say(self, text: str) -> None:
        """A line for a person, which does not break the bar."""
        if self._bar is not None:
            self._bar.clear()
        self._output.write(text)

    def close(self) -> None:
        """Leave the line."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def _outlook(self, place: tuple[int, int] | None) -> str:
        """How much of the file was read, and the time that is left."""
        if not place or not place[0] or not place[1]:
            return ""
        share = min(1.0, place[0] / place[1])
        left = dt.timedelta(seconds=round((self._clock() - self._began) * (1 - share) / share))
        return f", {share:.0%} read, {left} left"

    def _move_bar(self, text: str, place: tuple[int, int] | None) -> None:
        if self._bar is None:
            self._bar = tqdm(desc=self._name, total=place[1] if place else None, unit="B", unit_scale=True)
        if place:
            self._bar.n = place[0]
        self._bar.set_postfix_str(text, refresh=False)
        self._bar.update(0)
