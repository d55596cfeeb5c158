"""Files as they are packed: what lies on disk becomes the text in it, whatever wraps it.

Enters an open file; leaves a stream of the bytes of its text, read from the beginning on. Compression is recognised by
its first bytes: gzip, bzip2, xz, zstd. Archives, zip and tar (compressed or not), give all their files, in their order,
one after the other, each of which may be compressed for itself. A byte order mark goes, UTF-16 becomes UTF-8; nothing
else is changed. Memory is bounded. Raises Damaged for what ends too early or is no such data.
"""

from __future__ import annotations

import bz2
import codecs
import gzip
import io
import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from typing import IO, cast

import zstandard

PEEKED_BYTES = 1024
_READ_BYTES = 64 * 1024
_ZIP = (b"PK\x03\x04", b"PK\x05\x06")  # the second: nothing in it
_TAR_AT, _TAR = 257, b"ustar"
_MARKS = {codecs.BOM_UTF8: "utf-8", codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}
_BINARY = (b"\0", b"\x1a")  # bytes of no text: such members are put together as they are

_DAMAGES = (EOFError, gzip.BadGzipFile, zipfile.BadZipFile, zlib.error, lzma.LZMAError, tarfile.TarError)


class Damaged(Exception):
    """The packed data are cut off, or not what their first bytes say; the text says what is wrong."""


class Unusable(Exception):
    """The packing cannot be read here; the text says what to do."""


def parts(raw: IO[bytes]) -> Iterator[bytes]:
    """The text of a file, in pieces. Raises Damaged and Unusable."""
    try:
        yield from _plain(raw)
    except _DAMAGES as error:
        raise Damaged(str(error)) from error
    except zstandard.ZstdError as error:
        raise Damaged(str(error)) from error
    except OSError as error:
        if error.errno is not None:
            raise
        raise Damaged(str(error)) from error  # bzip2's
    except (NotImplementedError, RuntimeError) as error:
        raise Unusable(f"{error}: unpack it first") from error


class Text:
    """The pieces as a file that is read forward."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._rest = b""

    def read(self, size: int) -> bytes:
        """At most `size` bytes, none at the end."""
        while not self._rest:
            piece = next(self._pieces, None)
            if piece is None:
                return b""
            self._rest = piece
        data, self._rest = self._rest[:size], self._rest[size:]
        return data

    def skip(self, size: int) -> None:
        """Leave out the next `size` bytes."""
        while size > 0 and (data := self.read(min(size, _READ_BYTES))):
            size -= len(data)


def _plain(raw: IO[bytes]) -> Iterator[bytes]:
    """What is in a file on disk, which may be an archive."""
    head = raw.read(PEEKED_BYTES) if raw.seekable() else b""
    if raw.seekable():
        raw.seek(0)
    if head.startswith(_ZIP):
        yield from _joined(_zip_members(raw))
        return
    unpacked = _unpacked(raw, head)
    inner = io.BufferedReader(cast(io.RawIOBase, unpacked), PEEKED_BYTES) if unpacked is not raw else None
    start = inner.peek(PEEKED_BYTES) if inner is not None else head
    if start[_TAR_AT : _TAR_AT + len(_TAR)] == _TAR:
        yield from _joined(_tar_members(inner or raw))
        while inner is not None and inner.read(_READ_BYTES):
            continue  # padding, behind which the data may be cut off
    else:
        yield from _text(inner or raw)


def _unpacked(raw: IO[bytes], head: bytes) -> IO[bytes]:
    """The file, or what is compressed in it."""
    if head.startswith(b"\x1f\x8b"):
        return cast(IO[bytes], gzip.GzipFile(fileobj=raw))
    if head.startswith(b"BZh"):
        return cast(IO[bytes], bz2.BZ2File(raw))
    if head.startswith(b"\xfd7zXZ\0"):
        return cast(IO[bytes], lzma.LZMAFile(raw))
    if head.startswith(b"\x28\xb5\x2f\xfd"):
        return cast(IO[bytes], _Zstd(raw))
    return raw


class _Zstd(io.RawIOBase):
    """Frames of zstd one after the other. Raises EOFError where the last is cut off."""

    def __init__(self, raw: IO[bytes]) -> None:
        self._raw = raw
        self._frame = zstandard.ZstdDecompressor().decompressobj()
        self._begun = False
        self._rest = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        while not self._rest:
            packed = self._frame.unused_data if self._frame.eof else b""
            if self._frame.eof:
                self._frame, self._begun = zstandard.ZstdDecompressor().decompressobj(), False
            packed = packed or self._raw.read(PEEKED_BYTES * 16)
            if not packed:
                if self._begun:
                    raise EOFError("the zstd stream ends too early")
                return 0
            self._begun = True
            self._rest = self._frame.decompress(packed)
        size = min(len(buffer), len(self._rest))
        buffer[:size], self._rest = self._rest[:size], self._rest[size:]
        return size


def _zip_members(raw: IO[bytes]) -> Iterator[IO[bytes]]:
    with zipfile.ZipFile(raw) as archive:
        wanted = [one for one in archive.infolist() if not one.is_dir() and _is_wanted(one.filename)]
        if not wanted:
            raise Unusable("the zip holds no file")
        for member in wanted:
            if member.flag_bits & 1:
                raise Unusable(f"{member.filename} is encrypted: unpack it first")
            with archive.open(member) as opened:
                yield opened


def _tar_members(raw: IO[bytes]) -> Iterator[IO[bytes]]:
    found = False
    with tarfile.open(fileobj=raw, mode="r|") as archive:
        for member in archive:
            opened = archive.extractfile(member) if member.isreg() and _is_wanted(member.name) else None
            if opened is not None:
                found = True
                yield opened
    if not found:
        raise Unusable("the tar holds no file")


def _is_wanted(name: str) -> bool:
    """macOS puts a file of its own beside each."""
    last = name.rpartition("/")[2]
    return not name.startswith("__MACOSX/") and not last.startswith("._") and last != ".DS_Store"


def _joined(members: Iterator[IO[bytes]]) -> Iterator[bytes]:
    """All files, each of which begins a line."""
    last = b"\n"
    binary = False
    for member in members:
        inner = io.BufferedReader(cast(io.RawIOBase, member), PEEKED_BYTES)
        packed = _unpacked(cast(IO[bytes], inner), inner.peek(PEEKED_BYTES))
        for number, piece in enumerate(_text(packed)):
            if number == 0:
                binary = any(byte in piece[:PEEKED_BYTES] for byte in _BINARY)
                if last != b"\n" and not binary:
                    yield b"\n"
            last = piece[-1:]
            yield piece
        inner.detach()


def _text(raw: IO[bytes]) -> Iterator[bytes]:
    """The bytes of one file, without a mark, UTF-16 as UTF-8."""
    first = raw.read(_READ_BYTES)
    mark = next((mark for mark in _MARKS if first.startswith(mark)), b"")
    encoding = _MARKS[mark] if mark else _unmarked(first[:PEEKED_BYTES])
    first = first[len(mark) :]
    if not encoding.startswith("utf-16"):
        while first:
            yield first
            first = raw.read(_READ_BYTES)
        return
    decoder = codecs.getincrementaldecoder(encoding)(errors="replace")
    while first:
        if decoded := decoder.decode(first).encode("utf-8", "replace"):
            yield decoded
        first = raw.read(_READ_BYTES)


def _unmarked(head: bytes) -> str:
    """UTF-16 without a mark: every other byte of ASCII text is zero, and no other one."""
    even, odd = head[0::2], head[1::2]
    if len(odd) < 16 or not ((any(even) and any(odd)) or 0 in head):
        return "utf-8"
    for zeros, others, name in ((odd, even, "utf-16-le"), (even, odd, "utf-16-be")):
        if not any(zeros) and all(byte in b"\t\r\n" or 32 <= byte < 127 for byte in others):
            return name
    return "utf-8"
