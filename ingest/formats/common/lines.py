"""What assemblies of line formats share: framing, offsets, counts.

Enters bytes; each line goes to `take`, which a format implements and which returns the message it completes, None, or
raises Malformed; it calls `count_foreign` or `count_part` for a line that is well-formed. Not for formats whose frames
are no lines.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator

from ingest.clocks import Clock, UnknownTime, possible
from ingest.errors import Malformed
from ingest.formats.common.counting import Counting
from ingest.formats.common.framing import MAX_LINE_BYTES, TOO_LONG, LineFramer
from ingest.reports import Message


class LineAssembly(Counting, ABC):
    """Base of assemblies that read lines.

    `index` is the number of the next message, `offset` the end of what was read.
    """

    max_line_bytes = MAX_LINE_BYTES

    def __init__(self, clock: Clock, offset: int = 0, index: int = 0) -> None:
        super().__init__()
        self.offset = offset
        self.index = index
        self._clock = clock
        self._framer = LineFramer(self.max_line_bytes)

    def resume_at(self) -> tuple[int, int]:
        """Behind the last line: a format that holds lines back overrides this."""
        return self.offset, self.index

    def feed(self, data: bytes, arrival: int | None) -> Iterator[Message]:
        """The messages that these bytes complete."""
        return self._each(self._framer.feed(data), arrival)

    def cut(self, arrival: int | None) -> Iterator[Message]:
        """The line in hand ends here."""
        return self._each(self._framer.flush(), arrival)

    def flush(self, arrival: int | None) -> Iterator[Message]:
        """The last line, if it has no end."""
        return self._each(self._framer.flush(), arrival)

    def parts(self, line: bytes) -> list[bytes]:
        """What stands in a line one behind the other, all bytes of it; a format that knows several overrides this."""
        return [line]

    @abstractmethod
    def take(self, line: bytes, arrival: int | None) -> Message | None:
        """One line to the message it completes. Raises Malformed."""

    def count_foreign(self) -> None:
        """The line is of another protocol, or says nothing: a header, a comment, a blank."""
        self.foreign += 1

    def count_part(self) -> None:
        """The line is, or became part of, a message."""
        self.sentences += 1

    def message(self, raw: bytes, time: int | None, arrival: int | None, added: bytes = b"") -> Message:
        """A message heard at `time` (ms) if the line gives one, else when the clock says.

        Raises UnknownTime, and Malformed for a time that cannot be.
        """
        heard = possible(self._clock(self.index, time, arrival))
        self.index += 1
        return Message(heard, raw, added)

    def _each(self, lines: list[tuple[bytes, int]], arrival: int | None) -> Iterator[Message]:
        several = type(self).parts is not LineAssembly.parts
        for line, size in self._apart(lines) if several else lines:
            self.offset += size
            self.lines += 1
            before = self.foreign, self.sentences
            try:
                if line == TOO_LONG:
                    raise Malformed("line_too_long")
                message = self.take(line, arrival)
            except Malformed as error:
                self.refuse(error.reason, before)
                continue
            except UnknownTime:
                raise
            except Exception as error:
                self.unexpected(error, line, before)
                continue
            if message is not None:
                yield message

    def _apart(self, lines: list[tuple[bytes, int]]) -> Iterator[tuple[bytes, int]]:
        """The parts of each line with the bytes they took, its end with the last."""
        for line, size in lines:
            *others, last = self.parts(line)
            for part in others:
                yield part, len(part)
            yield last, size - sum(map(len, others))
