"""Recordings: a file, plain or gzip, or standard input.

Offsets are bytes of the uncompressed text, so a recording can be resumed at a line whichever form it has.
"""

from __future__ import annotations

import asyncio
import gzip
import os
import sys
import zlib
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import BinaryIO

from ingest.sources import Chunk, SourceError

CHUNK_BYTES = 64 * 1024
_GZIP_MAGIC = b"\x1f\x8b"


class FileSource:
    """A path, or `-` for standard input."""

    recorded = True

    def __init__(self, path: str) -> None:
        self._path = path
        self._size = 0
        self._raw: BinaryIO | None = None
        self.origin = "-" if path == "-" else str(Path(path).absolute())[-200:]

    async def chunks(self, offset: int = 0) -> AsyncGenerator[Chunk, None]:
        """The file from `offset` on. Raises SourceError where it cannot be read, or ends within a gzip stream."""
        if self._path == "-":
            async for chunk in self._stdin():
                yield chunk
            return
        with self._open() as raw:
            self._raw = raw
            self._size = os.fstat(raw.fileno()).st_size
            reader = gzip.GzipFile(fileobj=raw) if self._is_gzip(raw) else raw
            try:
                if offset:
                    reader.seek(offset)
                while data := reader.read(CHUNK_BYTES):
                    yield Chunk(data, None)
            except (EOFError, gzip.BadGzipFile, zlib.error) as error:
                raise SourceError(f"{self._path}: the compressed data are damaged or cut off: {error}") from error
            finally:
                self._raw = None

    def progress(self) -> tuple[int, int] | None:
        """Bytes of the file, as it lies on disk."""
        return (self._raw.tell(), self._size) if self._raw is not None else None

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
    def _is_gzip(raw: BinaryIO) -> bool:
        """Look at the first bytes; a pipe cannot be rewound, so it is taken as plain."""
        if not raw.seekable():
            return False
        magic = raw.read(2)
        raw.seek(0)
        return magic == _GZIP_MAGIC

    @staticmethod
    async def _stdin() -> AsyncGenerator[Chunk, None]:
        """Standard input: read1 returns what is there, so a slow pipe is not held back."""
        while data := await asyncio.to_thread(sys.stdin.buffer.read1, CHUNK_BYTES):  # type: ignore[union-attr]
            yield Chunk(data, None)
