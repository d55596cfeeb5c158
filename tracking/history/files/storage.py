"""Where archived days lie: ARCHIVE_URL, a directory or a bucket of S3, through Arrow's own file systems.

Enters names such as `kind=vessel/day=2026-05-01/positions.parquet`; leaves files, written under another name first and
renamed when they are whole and on the disk. Nothing is known here of what is in them. Errors are OSError.

    /srv/archive    file:///srv/archive    s3://bucket/prefix?region=eu-central-1
    s3://bucket/prefix?scheme=http&endpoint_override=minio:9000    (keys: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY)
"""

from __future__ import annotations

import datetime as dt
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from pyarrow import fs

CONNECT_SECONDS = 5.0
REQUEST_SECONDS = 30.0
ATTEMPTS = 3
_UNFINISHED = ".writing-"  # in front of names: no tool takes hidden files for data


@dataclass(frozen=True)
class Storage:
    """A file system and the directory in it."""

    files: Any
    root: str

    @property
    def is_local(self) -> bool:
        """Whether it is a directory of this host."""
        return isinstance(self.files, fs.LocalFileSystem)

    def path(self, name: str) -> str:
        """The file's path in the file system."""
        return f"{self.root}/{name}"

    @contextmanager
    def written(self, name: str) -> Iterator[str]:
        """A path to write to; it becomes `name` when the block ends well and is removed otherwise. Raises OSError."""
        folder, _, last = self.path(name).rpartition("/")
        unfinished = f"{folder}/{_UNFINISHED}{secrets.token_hex(6)}-{last}"
        self.files.create_dir(folder, recursive=True)
        try:
            yield unfinished
            self._flush(unfinished)
            self.files.move(unfinished, self.path(name))
            self._flush(folder)
        except BaseException:
            with suppress(OSError):
                self.files.delete_file(unfinished)
            raise

    def _flush(self, path: str) -> None:
        """Have the disk take what was written: a renamed file must not be empty after a power cut."""
        if self.is_local:
            descriptor = os.open(path, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)

    def remove(self, name: str) -> None:
        """Remove the file, if it is there. Raises OSError."""
        with suppress(FileNotFoundError):
            self.files.delete_file(self.path(name))
        folder = self.path(name).rpartition("/")[0]
        if self.is_local:
            with suppress(OSError):
                Path(folder).rmdir()

    def size(self, name: str) -> int:
        """The file's size in bytes. Raises OSError."""
        found = self.files.get_file_info(self.path(name))
        if found.type != fs.FileType.File:
            raise FileNotFoundError(name)
        return int(found.size)

    def has(self, name: str) -> bool:
        """Whether the file is there. Raises OSError."""
        return self.files.get_file_info(self.path(name)).type == fs.FileType.File

    def sweep(self, older_than: dt.timedelta) -> int:
        """Remove what killed writers left; how many files. Raises OSError."""
        edge = dt.datetime.now(dt.UTC) - older_than
        selector = fs.FileSelector(self.root, recursive=True, allow_not_found=True)
        left = [
            info.path
            for info in self.files.get_file_info(selector)
            if info.base_name.startswith(_UNFINISHED) and info.mtime is not None and info.mtime < edge
        ]
        for path in left:
            self.files.delete_file(path)
        return len(left)


def storage() -> Storage:
    """The one of ARCHIVE_URL. Raises ImproperlyConfigured for an address that leads nowhere."""
    return _storage(settings.ARCHIVE_URL)


@lru_cache(maxsize=4)
def _storage(url: str) -> Storage:
    parts = urlsplit(url)
    if parts.scheme in ("", "file"):
        return Storage(fs.LocalFileSystem(), str(Path(parts.path).resolve()))
    if parts.scheme != "s3" or not parts.netloc:
        raise ImproperlyConfigured(f"ARCHIVE_URL is a directory or s3://bucket/prefix, not {parts.scheme}:")
    return Storage(_s3(dict(parse_qsl(parts.query))), f"{parts.netloc}{parts.path}".rstrip("/"))


def _s3(options: dict[str, str]) -> Any:
    try:
        return fs.S3FileSystem(
            **options,
            connect_timeout=CONNECT_SECONDS,
            request_timeout=REQUEST_SECONDS,
            retry_strategy=fs.AwsStandardS3RetryStrategy(max_attempts=ATTEMPTS),
        )
    except TypeError as error:
        raise ImproperlyConfigured(f"ARCHIVE_URL: {error}") from error
