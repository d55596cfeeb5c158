"""Bytes to lines: a pure function of the bytes, however they are cut into chunks.

Enters any chunk; leaves the complete lines in it, without line ends, and the number of bytes each took, so that a
recording can be resumed at a line. A line over MAX_LINE_BYTES is dropped up to its end and leaves as TOO_LONG; nothing
is buffered beyond that length. What the lines mean is not known here.
"""

MAX_LINE_BYTES = 1024

# Stands for a line that was cut off: no sentence can look like it.
TOO_LONG = b"\x00too long"


class LineFramer:
    """Cuts a byte stream at line feeds (a carriage return in front is part of the line end)."""

    def __init__(self, max_line_bytes: int = MAX_LINE_BYTES) -> None:
        self._max = max_line_bytes
        self._rest = b""
        self._dropped = 0  # bytes of the line being dropped

    def feed(self, chunk: bytes) -> list[tuple[bytes, int]]:
        """The lines that `chunk` completes, each with the bytes it took from the stream, its end included."""
        *complete, rest = chunk.split(b"\n")
        if not complete:
            self._keep(self._rest + rest if self._rest else rest)
            return []
        first = self._rest + complete[0]
        taken = self._dropped + len(first) + 1
        too_long = self._dropped > 0
        self._rest, self._dropped = b"", 0
        lines = [(TOO_LONG if too_long else self._line(first), taken)]
        lines += [(TOO_LONG if len(line) > self._max else line.rstrip(b"\r"), len(line) + 1) for line in complete[1:]]
        self._keep(rest)
        return lines

    def flush(self) -> list[tuple[bytes, int]]:
        """The last line, if the stream ended without a line end."""
        if not self._rest and not self._dropped:
            return []
        ((line, taken),) = self.feed(b"\n")
        return [(line, taken - 1)]

    def _line(self, line: bytes) -> bytes:
        return line.rstrip(b"\r") if len(line) <= self._max else TOO_LONG

    def _keep(self, rest: bytes) -> None:
        """Remember the beginning of a line, or only its length once it is too long."""
        if self._dropped or len(rest) > self._max:
            self._dropped += len(rest)
            rest = b""
        self._rest = rest
