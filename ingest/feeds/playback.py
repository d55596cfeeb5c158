"""Recordings at their own pace: when it is a message's turn, and what of the account a waiting message does not change.

Messages of an assembly enter; they leave when it is their turn. A message that waits is in the assembly's counts and
behind its place already, but in no batch: a batch that closes meanwhile must not tell of it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator

from ingest.formats.common.contract import Assembly
from ingest.reports import LineCounts, Message

_GLANCE_SECONDS = 0.25  # how often a wait looks whether it was stopped, or a batch is due


class InHand:
    """The counts and the place of an assembly, as the batches see them that close one after the other."""

    def __init__(self, assembly: Assembly) -> None:
        self._assembly = assembly
        self._before: tuple[LineCounts, tuple[int, int]] | None = None  # as before the message in hand
        self._left = LineCounts(malformed={}, remarks={})  # what a batch left to the next one

    def marked(self, messages: Iterator[Message]) -> Iterator[Message]:
        """The same messages; each is in hand until `put_down` or the next."""
        while True:
            self._before = self._assembly.counts(), self._assembly.resume_at()
            message = next(messages, None)
            if message is None:
                self._before = None
                return
            yield message

    def put_down(self) -> None:
        """The message in hand has its turn: it belongs to the open batch."""
        self._before = None

    def lines(self) -> int:
        """Lines that no batch has told of, without those of the message in hand."""
        return self._before[0].lines if self._before else self._assembly.lines

    def is_counted(self) -> bool:
        """Whether batches have told of all lines."""
        return not (self._assembly.lines or self._left.lines)

    def settle(self) -> tuple[LineCounts, tuple[int, int]]:
        """The counts of the batch that closes now, and the place (offset, index) behind it."""
        counted, place = self._before or (self._assembly.counts(), self._assembly.resume_at())
        counts, self._left = self._left + counted, self._assembly.counts() - counted
        self.forget()
        if self._before:
            self._before = self._assembly.counts(), place
        return counts, place

    def forget(self) -> None:
        """Count anew."""
        self._assembly.reset_counts()


class Playback:
    """Turns by the times of the messages, counted from the first of them."""

    def __init__(self) -> None:
        self._began: tuple[int, float] | None = None

    async def turn(self, message: Message, stop: asyncio.Event, meanwhile: Callable[[], Awaitable[None]]) -> None:
        """Wait until it is the message's turn or `stop` is set, calling `meanwhile` a few times a second."""
        if self._began is None:
            self._began = (message.received_at, time.monotonic())
        first, began = self._began
        due = began + (message.received_at - first) / 1000
        while (left := due - time.monotonic()) > 0 and not stop.is_set():
            await meanwhile()
            await asyncio.sleep(min(left, _GLANCE_SECONDS))
