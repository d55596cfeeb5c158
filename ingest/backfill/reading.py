"""A recording to batches that are the same in every run of the same command.

Enters a file and how it is read; leaves MessageBatches of BATCH_MESSAGES messages whose ids follow from the file's size
and its first and last bytes, the format, the source label and all else that decides what is stored. Where the file lies
and when it was written play no part. So the ledger knows a batch again, and a run that was killed is repeated without
loss or repetition. Reading, framing and assembling is what the format's own Assembly does.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

from ingest.clocks import Clock
from ingest.feeds.collector import Options
from ingest.feeds.sniffing import sniff
from ingest.formats.common.contract import Setup
from ingest.formats.registry import FORMATS
from ingest.reports import Message, MessageBatch
from ingest.sources.common.contract import SourceError
from ingest.sources.file import FileSource

BATCH_MESSAGES = 5_000
_EDGE_BYTES = 64 * 1024


class Reading:
    """One file, read from its beginning, as often as wanted. `messages` counts what became part of a batch."""

    def __init__(self, path: str, options: Options, clock: Callable[[], Clock], made_by: str) -> None:
        """`clock`: makes the clock of one reading. `made_by`: what else decides which rows are made.

        Raises SourceError for anything but a file that can be read twice.
        """
        if path == "-" or "://" in path or Path(path).is_fifo():
            raise SourceError(f"{path} cannot be read twice, so a backfill of it could not go on: name a file")
        self.source = FileSource(path)
        self.messages = 0
        self._path, self._options, self._clock, self._made_by = path, options, clock, made_by

    def open(self) -> uuid.UUID:
        """Look at the file; the id of its run. Raises SourceError and UnknownFormat."""
        options = self._options
        self._format = options.format or asyncio.run(_recognise(self.source))
        parts = (options.source, _identity(self._path), self._format, BATCH_MESSAGES, options.trust, self._made_by)
        self.run = uuid.uuid5(uuid.NAMESPACE_URL, f"tracking:backfill:{':'.join(map(str, parts))}")
        return self.run

    def batches(self) -> Iterator[MessageBatch | None]:
        """The batches in their order, and None now and then, so that the caller can do something else.

        What was read when the file turns out to be damaged is a batch too; then SourceError is raised. Raises
        UnknownTime when nobody knows when a message was heard.
        """
        options = self._options
        setup = Setup(
            self._clock(), receiver=options.receiver, recorded=True, columns=options.columns, zone=options.zone
        )
        self._assembly = FORMATS[self._format].assembly(setup)
        self.messages = 0
        taken: list[Message] = []
        failure = None
        try:
            for chunk in self.source.read():
                for message in self._assembly.feed(chunk.data, None):
                    taken.append(message)
                    if len(taken) == BATCH_MESSAGES:
                        yield self._batch(taken)
                        taken = []
                yield None
        except SourceError as error:
            failure = error
        except OSError as error:
            failure = SourceError(f"{self._path} cannot be read: {error.strerror}")
        for message in self._assembly.flush(None):
            taken.append(message)
            if len(taken) == BATCH_MESSAGES:
                yield self._batch(taken)
                taken = []
        if taken or self._assembly.lines:
            yield self._batch(taken)
        if failure is not None:
            raise failure

    def _batch(self, messages: list[Message]) -> MessageBatch:
        """A batch with the lines that were read for it; its `index` is the number of the message after it."""
        options, first = self._options, self.messages
        self.messages += len(messages)
        batch = MessageBatch(
            id=uuid.uuid5(self.run, f"{first}+{len(messages)}"),
            run=self.run,
            source=options.source,
            format=self._format,
            trust=options.trust,
            accepted_at=time.time_ns() // 1_000_000,
            origin=self.source.origin,
            recorded=True,
            invented=options.invented,
            live=False,
            messages=messages,
            counts=self._assembly.counts(),
            index=self.messages,
        )
        self._assembly.reset_counts()
        return batch


async def _recognise(source: FileSource) -> str:
    """The format that the first bytes show. Raises UnknownFormat and SourceError."""
    found, sniffed = await sniff(source, 0)
    await sniffed.chunks().aclose()
    return found


def _identity(path: str) -> str:
    """What tells this file from others, wherever it lies. Raises SourceError."""
    try:
        with Path(path).open("rb") as file:
            edges = file.read(_EDGE_BYTES)
            size = file.seek(0, 2)
            file.seek(max(0, size - _EDGE_BYTES))
            edges += file.read(_EDGE_BYTES)
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error.strerror}") from error
    return f"{size}:{hashlib.sha256(edges).hexdigest()}"
