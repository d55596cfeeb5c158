"""Recordings: a file, plain or packed (`packing.py`), or standard input.

Offsets are bytes of the unpacked text, of all files of an archive after one another, so a recording can be resumed at a
line whichever form it has.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from ingest.formats.common.splitting import Splitter
from ingest.sources.common.contract import Chunk, SourceError
from ingest.sources.packing import Damaged, Text, Unusable, parts

CHUNK_BYTES = 64 * 1024
HEAD_BYTES = 8192


class FileSource:
    """A path, or `-` for standard input."""

    recorded = True

    def __init__(self, path: str) -> None:
        self._path = path
        self._size = 0
        self._raw: BinaryIO | None = None
        self.origin = "-" if path == "-" else str(Path(path).absolute())[-200:]

    async def chunks(self, offset: int = 0) -> AsyncGenerator[Chunk, None]:
        """What `read` gives, or standard input. Raises SourceError as it does."""
        if self._path == "-":
            async for chunk in self._stdin():
                yield chunk
            return
        for chunk in self.read(offset):
            yield chunk

    def read(self, offset: int = 0) -> Iterator[Chunk]:
        """The file from `offset` on. Raises SourceError where it cannot be read, or ends within a gzip stream."""
        with self._text() as (raw, reader):
            self._raw = raw
            self._size = os.fstat(raw.fileno()).st_size
            try:
                if offset:
                    _skip(reader, offset)
                while data := reader.read(CHUNK_BYTES):
                    yield Chunk(data, None)
            finally:
                self._raw = None

    def head(self, size: int = HEAD_BYTES) -> bytes:
        """The first bytes of the text; none of standard input and of pipes, which cannot be read twice.

        Raises SourceError as `chunks` does.
        """
        if self._path == "-" or Path(self._path).is_fifo():
            return b""
        with self._text() as (_, reader):
            return reader.read(size)

    @contextmanager
    def _text(self) -> Iterator[tuple[BinaryIO, Text | BinaryIO]]:
        """The file as it lies on disk, and its text."""
        with self._open() as raw:
            try:
                yield raw, Text(parts(raw)) if raw.seekable() else raw
            except Unusable as error:
                raise SourceError(f"{self._path}: {error}") from error
            except Damaged as error:
                raise SourceError(f"{self._path}: the compressed data are damaged or cut off: {error}") from error

    def progress(self) -> tuple[int, int] | None:
        """Bytes of the file, as it lies on disk."""
        return (self._raw.tell(), self._size) if self._raw is not None else None

    def split_by(self, make: Callable[[bool], Splitter]) -> None:
        """A file has one writer."""

    def dropped(self) -> int:
        """Files wait."""
        return 0

    def _open(self) -> BinaryIO:
        path = Path(self._path)
        try:
            if path.is_dir():
                raise SourceError(f"{path} is a directory: name a file")
            return path.open("rb")
        except FileNotFoundError as error:
            raise SourceError(f"{path} does not exist") from error
        except OSError as error:
            raise SourceError(f"{path} cannot be read: {error.strerror}") from error

    @staticmethod
    async def _stdin() -> AsyncGenerator[Chunk, None]:
        """Standard input: read1 returns what is there, so a slow pipe is not held back."""
        while data := await asyncio.to_thread(sys.stdin.buffer.read1, CHUNK_BYTES):  # type: ignore[union-attr]
            yield Chunk(data, None)


def _skip(reader: Text | BinaryIO, size: int) -> None:
    """Go on behind what was read before. A pipe is read from where it is."""
    if isinstance(reader, Text):
        reader.skip(size)
