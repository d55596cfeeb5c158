"""Bytes to lines: a pure function of the bytes, however they are cut into chunks.

Enters any chunk; leaves the complete lines in it, without line ends, and the number of bytes each took, so that a
recording can be resumed at a line. A line over MAX_LINE_BYTES is dropped up to its end and leaves as TOO_LONG; nothing
is buffered beyond that length. A line ends at a line feed, with carriage returns in front of it or not, or at carriage
returns alone. What the lines mean is not known here.
"""

import re
from collections.abc import Iterable

MAX_LINE_BYTES = 1024

# Stands for a line that was cut off: no sentence can look like it.
TOO_LONG = b"\x00too long"


_END = re.compile(rb"\r+\n?|\n")


class LineFramer:
    """Cuts a byte stream at line feeds and carriage returns; those that follow each other, a feed last, are one end."""

    def __init__(self, max_line_bytes: int = MAX_LINE_BYTES) -> None:
        self._max = max_line_bytes
        self._rest = b""
        self._returns = 0  # carriage returns behind it, which a line feed may follow
        self._dropped = 0  # bytes of the line being dropped

    def feed(self, chunk: bytes) -> list[tuple[bytes, int]]:
        """The lines that `chunk` completes, each with the bytes it took from the stream, its end included."""
        if self._returns or chunk.count(b"\r") != chunk.count(b"\r\n"):
            return self._feed_any(chunk)
        *complete, rest = chunk.split(b"\n")
        if not complete:
            self._keep(self._rest + rest if self._rest else rest)
            return []
        first = self._rest + complete[0]
        taken = self._dropped + len(first) + 1
        lines = [(self._line(first), taken)]
        self._rest, self._dropped = b"", 0
        if b"\r" in chunk:
            lines += [(self._line(line), len(line) + 1) for line in complete[1:]]
        elif len(complete) > 1:  # nothing to strip: of a file of short lines this is a tenth of the work
            lines += self._lines(complete[1:])
        self._keep(rest)
        return lines

    def flush(self) -> list[tuple[bytes, int]]:
        """The last line, if the stream ended without a line end."""
        if not (self._rest or self._dropped or self._returns):
            return []
        taken = self._dropped + len(self._rest) + self._returns
        line = self._line(self._rest)
        self._rest, self._dropped, self._returns = b"", 0, 0
        return [(line, taken)]

    def _feed_any(self, chunk: bytes) -> list[tuple[bytes, int]]:
        """The same where a carriage return may stand alone."""
        buffer = self._rest + (b"\r" if self._returns else b"") + chunk
        text = buffer.rstrip(b"\r")
        if len(text) < len(buffer) - len(chunk):  # nothing but more of them
            self._returns += len(chunk)
            return []
        lines, start, more = [], 0, max(0, self._returns - 1) + self._dropped
        for end in _END.finditer(text):
            lines.append((self._line(text[start : end.start()]), end.end() - start + more))
            self._dropped = more = 0
            start = end.end()
        self._returns = len(buffer) - len(text)
        self._rest = b""
        self._keep(text[start:])
        return lines

    def _lines(self, lines: list[bytes]) -> Iterable[tuple[bytes, int]]:
        """Lines that end at a line feed alone, each with its size."""
        lengths = list(map(len, lines))
        if max(lengths) > self._max:
            lines = [line if length <= self._max else TOO_LONG for line, length in zip(lines, lengths, strict=True)]
        return zip(lines, [length + 1 for length in lengths], strict=True)

    def _line(self, line: bytes) -> bytes:
        line = line.rstrip(b"\r")
        return TOO_LONG if self._dropped or len(line) > self._max else line

    def _keep(self, rest: bytes) -> None:
        """Remember the beginning of a line, or only its length once it is too long."""
        if self._dropped or len(rest) > self._max:
            self._dropped += len(rest)
            rest = b""
        self._rest = rest
