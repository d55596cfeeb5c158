"""The contract of a format's assembly: what it is told of its feed, and what it promises of every byte."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol

import msgspec

from ingest.clocks import Clock
from ingest.reports import LineCounts, Message, StationTime

SLICE_BYTES = 64 * 1024  # to feed at a time, after which other feeds have their turn


class Setup(msgspec.Struct, frozen=True):
    """What an assembly may need to know of its feed.

    `offset` and `index`: where a recording goes on. `receiver`: latitude and longitude of the antenna in degrees, None
    where unknown. `recorded`: the bytes are of the past. `head`: asks for the first bytes of a recording that goes on
    at `offset`, none where they cannot be had; raises SourceError. `columns`: names of the columns of a CSV whose
    header nobody knows, by what is in them. `zone`: of times that name none, by its name in the IANA database.
    `mend_clocks`: times that stations give are judged by what ships say of the time, where a format can.
    """

    clock: Clock
    offset: int = 0
    index: int = 0
    receiver: tuple[float, float] | None = None
    recorded: bool = False
    head: Callable[[], bytes] = bytes
    columns: dict[str, str] = {}
    zone: str = "UTC"
    mend_clocks: bool = False


class Assembly(Protocol):
    """Bytes of one feed to messages, every line (frame, row, entry) accounted for.

    `lines` counts those since `reset_counts`. For all of them: any cut of the bytes gives the same messages, garbage
    costs only itself, memory is bounded, and UnknownTime is raised when nobody knows when a message was heard.
    """

    lines: int

    def prepare(self, body: bytes) -> None:
        """All that will be fed, where it is known beforehand: some formats tell times by the last of it."""

    def feed(self, data: bytes, arrival: int | None) -> Iterable[Message]:
        """The messages that these bytes complete; `arrival` in ms, None for recordings. To be consumed at once."""

    def cut(self, arrival: int | None) -> Iterable[Message]:
        """The stream was cut: what is begun ends here."""

    def flush(self, arrival: int | None) -> Iterable[Message]:
        """The source ended: the messages that were still held back; what is incomplete is counted."""

    def counts(self) -> LineCounts:
        """What became of the lines since the last reset."""

    def reset_counts(self) -> None:
        """Begin a new account, for the next batch."""

    def clocks(self) -> list[StationTime]:
        """How the clocks of the stations heard last are used; safe to ask from another thread."""

    def resume_at(self) -> tuple[int, int]:
        """(offset, index) from which nothing is missed."""
