"""How far a run is: a bar on a terminal, a plain line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from typing import Any, Protocol

from tqdm import tqdm

from ingest.sources.common.contract import Source

LINE_SECONDS = 10.0


class Output(Protocol):
    """A command's stdout or stderr."""

    def write(self, msg: str) -> Any:
        """Write one line."""


class Progress:
    """Shows bytes of a recording where its size is known, else messages; `quiet` shows nothing."""

    def __init__(self, source: Source, output: Output, quiet: bool = False) -> None:
        self._source, self._output, self._quiet = source, output, quiet
        self._bar: tqdm[Any] | None = None
        self._shown_at = time.monotonic()

    def show(self, messages: int) -> None:
        """Called after each chunk."""
        if self._quiet:
            return
        if sys.stderr.isatty():
            self._move_bar(messages)
        elif time.monotonic() - self._shown_at >= LINE_SECONDS:
            self._shown_at = time.monotonic()
            place = self._source.progress()
            share = f", {place[0] / place[1]:.0%}" if place and place[1] else ""
            self._output.write(f"{messages:,} messages{share}")

    def close(self) -> None:
        """Leave the line."""
        if self._bar is not None:
            self._bar.close()

    def _move_bar(self, messages: int) -> None:
        place = self._source.progress()
        if self._bar is None:
            self._bar = tqdm(total=place[1] if place else None, unit="B" if place else " messages", unit_scale=True)
        self._bar.n = place[0] if place else messages
        self._bar.set_postfix_str(f"{messages:,} messages", refresh=False)
        self._bar.update(0)
