"""Bytes to whole JSON documents: a pure function of the bytes, however they are cut into chunks.

Enters any chunk; leaves the documents (objects, `{` to `}`) it completes: one a file, one after the other, or one a
line, indented or not. What a document says is not known here, only where it ends: brackets are matched outside of
strings. A document that is broken (a character or a bracket out of place, too long, too deep, too dense, or cut off by
the head of the next) and what lies between documents leave once, with a reason; both end where the next document
begins. To find that in bytes that make no sense, the framer is told the keys with which a document of the format, and
none of the objects in it, begins.
"""

from __future__ import annotations

import re
from typing import NamedTuple

MAX_DOCUMENT_BYTES = 32 * 1024 * 1024
MAX_STRING = 4096  # characters of a string, an escaped one counts once
MAX_DEPTH = 64
# Of a document. The densest that there are, the whole world's aircraft, have a fifth of it.
MAX_BRACKETS = 500_000
MAX_VALUES = 2_000_000

_LONGEST_HEAD = 64  # bytes: brace, white space, key
_ESCAPED_OR_NOT = rb'(?:[^"\\\x00-\x1f]|\\[^\x00-\x1f]){0,%d}+' % MAX_STRING
_SPACE = re.compile(rb"(?:[ \t\r\n,]|\xef\xbb\xbf)*+")
_LIST = re.compile(rb"\[[ \t\r\n]{0,16}+(?:\{|\Z)")
# Anything but brackets: numbers, true, false, null, what separates them, and whole strings.
_RUN = re.compile(rb'(?:[ \t\r\n0-9,:.+\-eEtrufalsn]++|"%b")*+' % _ESCAPED_OR_NOT)
_BEGUN_STRING = re.compile(rb'"%b\\?\Z' % _ESCAPED_OR_NOT)
_BEGUN_HEAD = re.compile(rb'\{[ \t\r\n]{0,16}+(?:"[^"]{0,24}+)?\Z')
_OPENING, _CLOSING = b"{[", b"}]"


class DocumentFrame(NamedTuple):
    """A document, or why the bytes are none: then `reason` is not empty. `size`: bytes of the stream it took.

    What was skipped in front of it is part of the size, so a recording can be resumed behind a frame.
    """

    size: int
    document: bytes
    reason: str = ""


class DocumentFramer:
    """Cuts a byte stream into JSON documents; `keys` as told above, each at most 24 characters.

    `lists`: a list of objects is a document too. `nested`: objects in a document begin as documents do; then only one
    that follows nothing which a value may follow is a document of its own.
    """

    def __init__(
        self,
        keys: tuple[bytes, ...],
        max_bytes: int = MAX_DOCUMENT_BYTES,
        lists: bool = False,
        nested: bool = False,
    ) -> None:
        self._lists, self._nested = lists, nested
        self._head = re.compile(rb'\{[ \t\r\n]{0,16}+"(?:%b)"' % b"|".join(keys))
        self._max = max_bytes
        self._buffer = bytearray()
        self._begin()

    def feed(self, chunk: bytes) -> list[DocumentFrame]:
        """The frames that `chunk` completes."""
        self._buffer += chunk
        frames = []
        while (frame := self._next()) is not None:
            frames.append(frame)
        return frames

    def flush(self) -> list[DocumentFrame]:
        """The stream ended or was cut: what is begun is no document any more."""
        if not self._lost and not self._buffer:
            return []
        return [self._none(len(self._buffer), self._lost or "document_cut_off")]

    def _begin(self) -> None:
        """Between documents."""
        self._skipped = 0  # bytes dropped that no frame has counted yet
        self._at = 0  # scanned up to here
        self._open = bytearray()  # the brackets that are
        self._brackets = self._values = 0  # opening brackets, commas
        self._lost = ""  # why what is skipped is no document

    def _next(self) -> DocumentFrame | None:
        """The next frame, None when it takes more bytes."""
        while True:
            if self._lost:
                return self._find_head()
            if not self._open:
                self._drop(self._end_of(_SPACE, 0))
                if not self._buffer:
                    return None
                if self._buffer[:1] != b"{" and not (self._lists and _LIST.match(self._buffer)):
                    self._lose("no_document")
                    continue
                if self._buffer[:1] == b"[" and b"{" not in self._buffer[:_LONGEST_HEAD]:
                    return None
            frame = self._scan()
            if frame is not None or not self._lost:
                return frame

    def _scan(self) -> DocumentFrame | None:
        """Match brackets up to the end of the document or of the bytes."""
        while self._at < len(self._buffer):
            character = self._buffer[self._at]
            if character in _OPENING:
                if self._open and not self._is_value(self._at) and self._head_at(self._at):
                    return self._none(self._at, "document_cut_off")
                if self._open and not self._is_value(self._at) and self._may_be_head():
                    break
                self._open.append(character)
                self._brackets += 1
                self._at += 1
            elif character in _CLOSING:
                if self._open.pop() != character - 2:  # each closing bracket stands two behind its opening one
                    self._lose("document_broken")
                    return None
                self._at += 1
                if not self._open:
                    return self._whole()
            elif not self._pass_run():
                break
            if len(self._open) > MAX_DEPTH:
                self._lose("document_too_deep")
                return None
            if self._brackets > MAX_BRACKETS or self._values > MAX_VALUES:
                self._lose("document_too_dense")
                return None
        if not self._lost and len(self._buffer) > self._max:
            self._lose("document_too_long")
        return None

    def _pass_run(self) -> bool:
        """Go on behind what is no bracket; False where that takes more bytes, or is no JSON and so lost."""
        end = self._end_of(_RUN, self._at)
        if end == self._at:
            if _BEGUN_STRING.match(self._buffer, end) is None:
                self._lose("document_broken")
            return False
        self._values += self._buffer.count(b",", self._at, end)
        self._at = end
        return True

    def _whole(self) -> DocumentFrame | None:
        if self._at > self._max:
            self._lose("document_too_long")
            return None
        frame = DocumentFrame(self._skipped + self._at, bytes(self._buffer[: self._at]))
        del self._buffer[: self._at]
        self._begin()
        return frame

    def _find_head(self) -> DocumentFrame | None:
        """Skip to where a document begins; only as many bytes are kept as a head may take."""
        found = self._head.search(self._buffer)
        start = found.start() if found else -1
        del found  # the buffer cannot shrink while a match points into it
        if start >= 0:
            return self._none(start, self._lost)
        self._drop(max(0, len(self._buffer) - _LONGEST_HEAD))
        return None

    def _none(self, end: int, reason: str) -> DocumentFrame:
        """The bytes up to `end` are no document."""
        frame = DocumentFrame(self._skipped + end, b"", reason)
        del self._buffer[:end]
        self._begin()
        return frame

    def _lose(self, reason: str) -> None:
        """What begins here is no document: look for the next one behind its first byte."""
        self._lost = reason
        self._drop(1)

    def _drop(self, count: int) -> None:
        del self._buffer[:count]
        self._skipped += count

    def _end_of(self, pattern: re.Pattern[bytes], start: int) -> int:
        found = pattern.match(self._buffer, start)
        return found.end() if found else start

    def _is_value(self, at: int) -> bool:
        """Whether what begins at `at` is part of the document in hand, though it looks like another's beginning."""
        return self._nested and bytes(self._buffer[max(0, at - _LONGEST_HEAD) : at]).rstrip()[-1:] in (b",", b"[", b":")

    def _head_at(self, at: int) -> bool:
        return self._head.match(self._buffer, at) is not None

    def _may_be_head(self) -> bool:
        return _BEGUN_HEAD.match(self._buffer, self._at) is not None
