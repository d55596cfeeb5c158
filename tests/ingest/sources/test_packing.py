"""Files as they are packed: the text in them, whatever wraps it, and what is said of damage."""

from __future__ import annotations

import asyncio
import bz2
import gzip
import io
import lzma
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard

from ingest.sources import label_of
from ingest.sources.common.contract import SourceError
from ingest.sources.file import FileSource

TEXT = b"".join(b"line %d of many\n" % number for number in range(20_000))


def read(path: Path, offset: int = 0) -> bytes:
    async def whole() -> bytes:
        return b"".join([chunk.data async for chunk in FileSource(str(path)).chunks(offset)])

    return asyncio.run(whole())


def written(tmp_path: Path, data: bytes, name: str = "day.packed") -> Path:
    path = tmp_path / name
    path.write_bytes(data)
    return path


def tarred(mode: str = "w", **members: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:
        for name, data in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return buffer.getvalue()


def zipped(**members: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return buffer.getvalue()


PACKED: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "zstd": zstandard.compress,
    "two frames of zstd": lambda text: zstandard.compress(text[:7]) + zstandard.compress(text[7:]),
    "two members of gzip": lambda text: gzip.compress(text[:7]) + gzip.compress(text[7:]),
    "zip": lambda text: zipped(day=text),
    "zip of two": lambda text: zipped(one=text[:-8], two=text[-8:]),
    "tar": lambda text: tarred(day=text),
    "tar.gz": lambda text: gzip.compress(tarred(one=text[: len(text) // 2], two=text[len(text) // 2 :])),
    "tar.xz": lambda text: lzma.compress(tarred(day=text)),
    "tar.zst": lambda text: zstandard.compress(tarred(day=text)),
    "zip of gzip": lambda text: zipped(day=gzip.compress(text)),
    "UTF-8 with a mark": lambda text: b"\xef\xbb\xbf" + text,
    "UTF-16": lambda text: text.decode().encode("utf-16"),
    "UTF-16 big endian": lambda text: b"\xfe\xff" + text.decode().encode("utf-16-be"),
    "UTF-16 without a mark": lambda text: text.decode().encode("utf-16-le"),
    "zstd of UTF-16": lambda text: zstandard.compress(text.decode().encode("utf-16")),
}


@pytest.mark.parametrize("packing", PACKED)
def test_whatever_the_packing_the_text_is_the_same_from_any_offset(tmp_path: Path, packing: str) -> None:
    halves = packing in ("zip of two", "tar.gz")  # a member begins a line
    text = TEXT if not halves else TEXT[: len(TEXT) // 2].rpartition(b"\n")[0] + b"\n"
    text = text + text if packing == "tar.gz" else TEXT
    path = written(tmp_path, PACKED[packing](text))
    whole = read(path)
    assert whole.replace(b"\n", b"") == text.replace(b"\n", b"")
    assert read(path, 100_003) == whole[100_003:]
    assert FileSource(str(path)).head(50) == whole[:50]


@pytest.mark.parametrize("packing", ["gzip", "bzip2", "xz", "zstd", "tar.gz", "tar.zst"])
def test_what_is_cut_off_is_read_so_far_and_said(tmp_path: Path, packing: str) -> None:
    path = written(tmp_path, PACKED[packing](TEXT)[:-9])
    with pytest.raises(SourceError, match="damaged or cut off"):
        read(path)


def test_the_last_line_of_a_member_ends_before_the_next_begins(tmp_path: Path) -> None:
    path = written(tmp_path, zipped(**{"a.csv": b"one", "b.csv": b"two\n", "._a.csv": b"x", "c.csv": b"three"}))
    assert read(path) == b"one\ntwo\nthree"


def test_an_archive_without_files_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="holds no file"):
        read(written(tmp_path, tarred()[:0] or tarred(**{"._x": b"1"})))


def test_binary_recordings_stay_as_they_are(tmp_path: Path) -> None:
    frames = b"\x1a2" + bytes(range(14)) * 3
    assert read(written(tmp_path, frames)) == frames
    assert read(written(tmp_path, tarred(a=frames, b=frames))) == frames * 2


def test_progress_goes_over_the_whole_file(tmp_path: Path) -> None:
    source = FileSource(str(written(tmp_path, zipped(one=TEXT, two=TEXT))))

    async def shares() -> list[float]:
        return [place[0] / place[1] async for _ in source.chunks() if (place := source.progress())]

    seen = asyncio.run(shares())
    assert seen == sorted(seen) and seen[-1] > 0.9


@pytest.mark.parametrize("name", ["day.csv.zst", "day.csv.tar.gz", "day.csv.tgz", "day.csv.xz", "day.csv.bz2"])
def test_the_label_does_not_name_the_packing(name: str) -> None:
    assert label_of(f"/data/{name}") == "day.csv"
