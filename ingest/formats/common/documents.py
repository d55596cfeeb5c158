"""JSON documents to messages: one message for each aircraft, state or point in a document.

Enters bytes; each entry of a document is one "line" of the account and becomes one message, to which is added what it
needs of the document. A document that is broken costs itself and is one line, malformed; a sound one of another kind
(an error of the server, receiver.json) is one foreign line; one without entries has no lines. The formats are in
`ingest/formats/documents/assemblies.py`; what an entry says is read by the decoders.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import ClassVar, NamedTuple

import msgspec

from ingest.clocks import LAST_MS, possible
from ingest.errors import Malformed
from ingest.formats.common.contract import Setup
from ingest.formats.common.counting import Counting
from ingest.formats.common.document_framing import DocumentFrame, DocumentFramer
from ingest.formats.common.json_values import BROKEN
from ingest.reports import Message

MAX_ENTRY_BYTES = 16 * 1024
MAX_BROKEN = 1000  # entries of a document: it is refused from there on
_FIRST_IN_MS = 1e11  # as seconds: year 5138, as milliseconds: 1973


class Entry(NamedTuple):
    """One message of a document: `raw` as it was received, empty where it is broken; `time` when it was heard (ms);
    `reason`: why it is refused, empty where it is not."""

    raw: bytes
    time: int | None
    added: bytes = b""
    reason: str = ""


def epoch_ms(value: float | None) -> int | None:
    """Seconds or milliseconds since 1970, told apart by their size, as milliseconds; None where no clock says that."""
    # Bounded before anything else: an int of JSON may have hundreds of digits, which no float can hold.
    if value is None or not 0 < value <= LAST_MS:
        return None
    ms = round(value) if value >= _FIRST_IN_MS else round(value * 1000)
    return ms if ms <= LAST_MS else None


class DocumentAssembly(Counting, ABC):
    """Base of assemblies that read documents.

    `keys`: those with which a document, and no object in it, begins. A run is resumed at the start of the document
    whose entries are being taken.
    """

    keys: ClassVar[tuple[bytes, ...]]
    lists: ClassVar[bool] = False  # whether a list of objects is a document
    nested: ClassVar[bool] = False  # whether objects in a document begin as documents do

    def __init__(self, setup: Setup) -> None:
        super().__init__()
        self.offset = setup.offset
        self.index = setup.index
        self._first = setup.index  # number of the first message of the document at `offset`
        self._clock = setup.clock
        self._framer = DocumentFramer(self.keys, lists=self.lists, nested=self.nested)

    @abstractmethod
    def entries(self, document: bytes) -> Iterator[Entry] | None:
        """What the document lists, None when it is none of this format. Raises Malformed, or what is in BROKEN."""

    def resume_at(self) -> tuple[int, int]:
        """The start of the document in hand, else the end of the last one."""
        return self.offset, self._first

    def feed(self, data: bytes, arrival: int | None) -> Iterator[Message]:
        """The messages of the documents that these bytes complete."""
        return self._each(self._framer.feed(data), arrival)

    def cut(self, arrival: int | None) -> Iterator[Message]:
        """The document in hand will not be completed."""
        return self._each(self._framer.flush(), arrival)

    def flush(self, arrival: int | None) -> Iterator[Message]:
        """The source ended."""
        return self._each(self._framer.flush(), arrival)

    def _each(self, frames: list[DocumentFrame], arrival: int | None) -> Iterator[Message]:
        for frame in frames:
            yield from self._messages(frame, arrival)
            self.offset += frame.size
            self._first = self.index

    def _messages(self, frame: DocumentFrame, arrival: int | None) -> Iterator[Message]:
        entries = self._entries(frame)
        broken = 0
        while (entry := self._next(entries, frame)) is not None:
            if reason := _why_not(entry):
                self._refuse(reason)
                broken += 1
                if broken >= MAX_BROKEN:
                    self._refuse("too_many_broken_entries")  # one line more, for all that is left
                    return
                continue
            try:
                message = self._message(entry, arrival)
            except Malformed as error:
                self._refuse(error.reason)
                continue
            self.lines += 1
            self.sentences += 1
            yield message

    def _entries(self, frame: DocumentFrame) -> Iterator[Entry]:
        """What a frame lists; what is no document of this format is counted, and lists nothing."""
        before = self.foreign, self.sentences
        try:
            entries = self._read(frame)
        except Malformed as error:
            self._refuse(error.reason)
        except Exception as error:
            self.unexpected(error, frame.document, before)
        else:
            if entries is not None:
                return entries
            self.lines += 1
            self.foreign += 1
        return iter(())

    def _next(self, entries: Iterator[Entry], frame: DocumentFrame) -> Entry | None:
        """The next entry, None at the end, or where our code fails: an iterator that raised has no more."""
        try:
            return next(entries, None)
        except Exception as error:
            self.unexpected(error, frame.document, (self.foreign, self.sentences))
            return None

    def _read(self, frame: DocumentFrame) -> Iterator[Entry] | None:
        """The entries of a document. Raises Malformed."""
        if frame.reason:
            raise Malformed(frame.reason)
        try:
            return self.entries(frame.document)
        except BROKEN as error:
            raise Malformed("document_broken") from error

    def _refuse(self, reason: str) -> None:
        self.lines += 1
        self.malformed[reason] += 1

    def _message(self, entry: Entry, arrival: int | None) -> Message:
        heard = possible(self._clock(self.index, entry.time, arrival))
        self.index += 1
        return Message(heard, entry.raw, entry.added)


def _why_not(entry: Entry) -> str:
    """Why an entry is no message, empty where it is one."""
    if entry.reason:
        return entry.reason
    return "" if 0 < len(entry.raw) <= MAX_ENTRY_BYTES else "entry_too_long" if entry.raw else "entry_broken"


def raw_of(entry: msgspec.Raw, opening: bytes) -> bytes:
    """The entry as it was received; empty where it is not the kind of value expected."""
    raw = bytes(entry)
    return raw if raw.startswith(opening) else b""
