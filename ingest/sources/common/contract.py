"""What every source of bytes is: its contract, the bytes it gives, and what it raises.

`chunks()` raises SourceError for what no waiting cures, with a message that names the fix, and waits out what waiting
cures, saying so; leaving it (aclose) releases everything; memory is bounded whatever the other side sends. What the
bytes mean is not known to a source.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from typing import NamedTuple, Protocol

from ingest.formats.common.splitting import Splitter


class SourceError(Exception):
    """The source cannot be used as it was given; the message says what would help."""


class Chunk(NamedTuple):
    """Bytes and when they arrived (ms since 1970; None: the arrival says nothing, as with recordings).

    `broken`: the stream was cut in front of these bytes, so the beginning of a line that is pending is lost. `whole`:
    the bytes are a document, and what they begin ends with them.
    """

    data: bytes
    at: int | None
    broken: bool = False
    whole: bool = False


class Source(Protocol):
    """One place that bytes come from. `recorded`: its times are of the past unless the user says otherwise."""

    recorded: bool
    origin: str

    def chunks(self, offset: int = 0) -> AsyncGenerator[Chunk, None]:
        """The bytes from `offset` on (recordings; live sources begin now)."""

    def head(self) -> bytes:
        """The first bytes of a recording that can be read twice, else none. Raises SourceError as `chunks` does."""

    def progress(self) -> tuple[int, int] | None:
        """Bytes read and bytes there are, None where nobody can know."""

    def dropped(self) -> int:
        """Datagrams that came faster than they were taken."""

    def split_by(self, make: Callable[[bool], Splitter]) -> None:
        """How the stream of each of several senders is cut, from the next sender on; True asks for datagrams."""


class LiveSource:
    """What sources have in common that begin now and have no end, and lose nothing that was not lost before them."""

    recorded = False

    def split_by(self, make: Callable[[bool], Splitter]) -> None:
        """One sender is read as it comes; who has several overrides this."""

    def head(self) -> bytes:
        """What is over cannot be read again."""
        return b""

    def progress(self) -> tuple[int, int] | None:
        """There is no end to compare with."""
        return None

    def dropped(self) -> int:
        """Nothing; who can lose something says how much."""
        return 0
