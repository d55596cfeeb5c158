"""Streams of several senders to pieces that may be put together: what each sends ends where a line, frame or document
does, so that nothing of one sender stands within something of another.

Enters the chunks of one sender; leaves whole pieces, in the bytes of the format. What is begun waits for the next
chunk, up to a limit. What the pieces mean is not known here; how a format is split is told in the registry.
"""

from __future__ import annotations

import re
from typing import Protocol

from ingest.formats.common.document_framing import DocumentFramer
from ingest.formats.common.framing import MAX_LINE_BYTES, LineFramer

MAX_DATAGRAM_REST = 64 * 1024
_MAX_DOCUMENT = 4 * 1024 * 1024  # of a sender, of which there may be many
_NO_DOCUMENT = b"}\n"  # stands for bytes that are none, so that they are counted
_BEGUN_FRAME = re.compile(rb"(?:^|[ \t])[*@<][0-9A-Fa-f]*$")
_TIME_ALONE = re.compile(rb"[\d:.TZ+-]{1,40}")
_BASESTATION = re.compile(rb"(?:^|[ ,;\t])(?:MSG|MLAT)(?:,|$)")
_CHECKSUM = re.compile(rb"\*[0-9A-Fa-f]{2}")


class Splitter(Protocol):
    """Of one sender. `header`: what has to stand before its pieces once those of another came between."""

    header: bytes

    def feed(self, data: bytes) -> bytes:
        """The pieces that this chunk completes."""

    def flush(self) -> bytes:
        """What is begun when the sender is gone: it may be whole."""


class Lines:
    """Whole lines. `headed`: the first line says how the others are read."""

    def __init__(self, max_line_bytes: int = MAX_LINE_BYTES, headed: bool = False) -> None:
        self.header = b""
        self._headed = headed
        self._framer = LineFramer(max_line_bytes)

    def feed(self, data: bytes) -> bytes:
        """Whole lines, each with a line feed."""
        return self._joined(self._framer.feed(data))

    def flush(self) -> bytes:
        """The last line, though it has no end."""
        return self._joined(self._framer.flush())

    def _joined(self, lines: list[tuple[bytes, int]]) -> bytes:
        text = b"".join(line + b"\n" for line, _ in lines)
        if self._headed and not self.header:
            self.header = next((line + b"\n" for line, _ in lines if line), b"")
        return text


class Documents:
    """Whole JSON documents that begin with one of `keys`; see `document_framing`."""

    header = b""

    def __init__(self, keys: tuple[bytes, ...], lists: bool, nested: bool) -> None:
        self._framer = DocumentFramer(keys, _MAX_DOCUMENT, lists, nested)

    def feed(self, data: bytes) -> bytes:
        """Documents, a line feed behind each."""
        frames = self._framer.feed(data)
        return b"".join(_NO_DOCUMENT if frame.reason else frame.document + b"\n" for frame in frames)

    def flush(self) -> bytes:
        """What is begun is no document."""
        return _NO_DOCUMENT * len(self._framer.flush())


class Datagrams:
    """Datagrams of one sender, each of which ends a line unless the line is cut: then the next one goes on with it.

    `inner`: how a stream of the format is split; `begins`: how a line begins that goes on with nothing.
    """

    header = b""

    def __init__(self, inner: Splitter | None, begins: re.Pattern[bytes] | None) -> None:
        self._inner, self._begins = inner, begins
        self._rest = b""

    def feed(self, data: bytes) -> bytes:
        """The whole lines of a datagram, and of the one before whose end it brings."""
        if self._inner is not None:
            return self._inner.feed(data)
        rest, self._rest = self._rest, b""
        begins = self._begins is not None and self._begins.match(data) is not None
        if rest and begins and not _TIME_ALONE.fullmatch(rest.strip()):
            rest += b"\n"
        data = rest + data
        if data.endswith((b"\n", b"\r")):
            return data
        *lines, last = data.rpartition(b"\n")
        if self._begins is not None and len(last) <= MAX_DATAGRAM_REST and is_cut(last):
            self._rest = last
            return b"".join(lines)
        return data + b"\n"

    def flush(self) -> bytes:
        """The line that nothing went on with."""
        rest, self._rest = self._rest, b""
        return rest + b"\n" if rest else b""


def is_cut(line: bytes) -> bool:
    """Whether a line without an end is the beginning of one: a sentence without its checksum, and the like."""
    text = line.strip()
    if text[:1] in (b"{", b"["):
        return not text.endswith((b"}", b"]"))
    if _BEGUN_FRAME.search(text) or _TIME_ALONE.fullmatch(text):
        return True
    if (message := _BASESTATION.search(text)) is not None:
        return text.count(b",", message.start()) < 21
    start = max(text.rfind(b"!"), text.rfind(b"$"))
    if start < 0:
        return text.count(b"\\") % 2 == 1
    return _CHECKSUM.search(text, start) is None
