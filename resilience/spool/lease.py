"""One process of a host at a time: a lock on a file, which the kernel frees when its process dies, however it dies.

A path enters; whether, or as what, the lock was had leaves. `locked` waits for whoever has it. `leased` also gets by a
holder that is frozen (SIGSTOP, a debugger, a stopped container) and will not let go: who has not renewed its lease for
long loses the name of the file to another, and finds that out when it wakes up. For a moment two may then be at it, so
a lease is for work that may be done twice.
"""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_POLL_SECONDS = 0.01
_BEGIN_SECONDS = 0.1  # for who has just got the lock to renew its lease for the first time
_LOCKS = Path("/proc/locks")


@contextmanager
def locked(path: Path, patience_seconds: float = 0.0) -> Iterator[bool]:
    """Whether the lock on `path` was had within `patience_seconds`; if so, it is kept for the body.

    The file is made if it is missing, for its owner only, and stays. Two locks of one process exclude each other as
    well. Raises OSError when the file cannot be opened.
    """
    descriptor = _open(path)
    try:
        yield _lock(descriptor, time.monotonic() + patience_seconds)
    finally:
        _free(descriptor)


class Lease:
    """A lock that its holder has as long as it renews it. `taken_from`: who did not, for people, empty if nobody."""

    def __init__(self, path: Path, descriptor: int, taken_from: str = "") -> None:
        self._path, self._descriptor = path, descriptor
        self.taken_from = taken_from

    def renew(self) -> bool:
        """Show that its holder lives; False if another has taken it meanwhile: then stop. Raises OSError."""
        os.utime(self._descriptor)
        return _has_the_name(self._descriptor, self._path)


@contextmanager
def leased(path: Path, stale_seconds: float) -> Iterator[Lease | None]:
    """The lease of `path` for the body, None while another has it and renewed it within `stale_seconds`.

    The file is made if it is missing, for its owner only. Nothing is ever written to it: a full disk stops nobody.
    Raises OSError.
    """
    descriptor, taken_from = _open(path), ""
    try:
        is_mine = _lock(descriptor, 0.0)
        if not is_mine and _stays_stale(descriptor, stale_seconds):
            taken_from = _holder(descriptor)
            os.close(descriptor)
            descriptor = _open(_successor(path))
            is_mine = _lock(descriptor, 0.0) and _succeed(path, descriptor, stale_seconds)
        lease = Lease(path, descriptor, taken_from)
        yield lease if is_mine and lease.renew() else None
    finally:
        _free(descriptor)


def _successor(path: Path) -> Path:
    return path.with_suffix(".next")


def _succeed(path: Path, descriptor: int, stale_seconds: float) -> bool:
    """Give the name `path` to the successor, whose lock we have; False if another was faster.

    Only who has that lock may: another that opened it before finds that the name is gone, or a lease just renewed.
    """
    if not _has_the_name(descriptor, _successor(path)) or time.time() - path.stat().st_mtime <= stale_seconds:
        return False
    os.utime(descriptor)
    _successor(path).rename(path)
    return True


def _open(path: Path) -> int:
    return os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)


def _free(descriptor: int) -> None:
    """Not by closing alone: a child that was forked meanwhile has the file open, too, and would keep the lock."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_UN)
    finally:
        os.close(descriptor)


def _stays_stale(descriptor: int, seconds: float) -> bool:
    """By the time of the file, which is this host's; a clock that is set forward only costs work done twice."""
    began = time.time()
    if began - os.fstat(descriptor).st_mtime <= seconds:
        return False
    time.sleep(_BEGIN_SECONDS)
    return began - os.fstat(descriptor).st_mtime > seconds


def _holder(descriptor: int) -> str:
    """The process that has the lock, as the kernel knows it; containers and some file systems hide it."""
    found = os.fstat(descriptor)
    place = f"{os.major(found.st_dev):02x}:{os.minor(found.st_dev):02x}:{found.st_ino}"
    locks = (line.split() for line in _LOCKS.read_text("ascii").splitlines()) if _LOCKS.exists() else ()
    owners = [fields[4] for fields in locks if len(fields) > 5 and (fields[1], fields[5]) == ("FLOCK", place)]
    return f"process {owners[0]}" if owners else "a process"


def _has_the_name(descriptor: int, path: Path) -> bool:
    """Whether the file is still the one of this name."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return False
    ours = os.fstat(descriptor)
    return (found.st_dev, found.st_ino) == (ours.st_dev, ours.st_ino)


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
