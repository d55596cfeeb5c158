"""Recordings: a file, plain, gzip or zip with one file in it, or standard input.

Offsets are bytes of the uncompressed text, so a recording can be resumed at a line whichever form it has.
"""

from __future__ import annotations

import asyncio
import gzip
import lzma
import os
import sys
import zipfile
import zlib
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, BinaryIO, cast

from ingest.sources import Chunk, SourceError

CHUNK_BYTES = 64 * 1024
HEAD_BYTES = 8192
_GZIP_MAGIC = b"\x1f\x8b"
_ZIP_MAGICS = (b"PK\x03\x04", b"PK\x05\x06")  # the second: nothing in it
_NAMED_MEMBERS = 5


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
        with self._text() as (raw, reader):
            self._raw = raw
            self._size = os.fstat(raw.fileno()).st_size
            try:
                if offset:
                    reader.seek(offset)
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
    def _text(self) -> Iterator[tuple[BinaryIO, IO[bytes]]]:
        """The file as it lies on disk, and its text."""
        with self._open() as raw:
            magic = self._magic(raw)
            try:
                if magic in _ZIP_MAGICS:
                    with zipfile.ZipFile(raw) as archive, archive.open(self._only_member(archive)) as member:
                        yield raw, member
                elif magic.startswith(_GZIP_MAGIC):
                    yield raw, cast(IO[bytes], gzip.GzipFile(fileobj=raw))
                else:
                    yield raw, raw
            except NotImplementedError as error:
                raise SourceError(f"{self._path}: {error}: unpack it first") from error
            except (EOFError, gzip.BadGzipFile, zipfile.BadZipFile, zlib.error, lzma.LZMAError) as error:
                raise SourceError(f"{self._path}: the compressed data are damaged or cut off: {error}") from error

    def _only_member(self, archive: zipfile.ZipFile) -> zipfile.ZipInfo:
        """The file in a zip. Raises SourceError unless there is exactly one and it is not encrypted."""
        # macOS puts a file of its own beside each
        members = [one for one in archive.infolist() if not (one.is_dir() or one.filename.startswith("__MACOSX/"))]
        if len(members) != 1:
            names = [member.filename for member in members[:_NAMED_MEMBERS]]
            more = f" and {len(members) - _NAMED_MEMBERS} more" if len(members) > _NAMED_MEMBERS else ""
            held = f"{len(members)} files, {', '.join(names)}{more}" if members else "no file"
            raise SourceError(f"{self._path} holds {held}: a zip must hold exactly one; unpack it and name one of them")
        if members[0].flag_bits & 1:
            raise SourceError(f"{self._path}: {members[0].filename} is encrypted: unpack it first")
        return members[0]

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
    def _magic(raw: BinaryIO) -> bytes:
        """The first bytes on disk; a pipe cannot be rewound, so it is taken as plain."""
        if not raw.seekable():
            return b""
        magic = raw.read(4)
        raw.seek(0)
        return magic

    @staticmethod
    async def _stdin() -> AsyncGenerator[Chunk, None]:
        """Standard input: read1 returns what is there, so a slow pipe is not held back."""
        while data := await asyncio.to_thread(sys.stdin.buffer.read1, CHUNK_BYTES):  # type: ignore[union-attr]
            yield Chunk(data, None)
