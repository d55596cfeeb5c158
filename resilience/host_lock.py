"""One process of a host at a time: a lock on a file, which the kernel frees when its process dies, however it dies."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_POLL_SECONDS = 0.01


@contextmanager
def locked(path: Path, patience_seconds: float = 0.0) -> Iterator[bool]:
    """Whether the lock on `path` was had within `patience_seconds`; if so, it is kept for the body.

    The file is made if it is missing, for its owner only, and stays. Two locks of one process exclude each other as
    well. Raises OSError when the file cannot be opened.
    """
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        yield _lock(descriptor, time.monotonic() + patience_seconds)
    finally:
        os.close(descriptor)


def _lock(descriptor: int, until: float) -> bool:
    """flock itself can wait only for ever."""
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= until:
                return False
            time.sleep(_POLL_SECONDS)
        else:
            return True
