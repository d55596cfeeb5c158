"""One started process with everything it has forked: wait, signal, kill -9, freeze and thaw, all by process id.

A command enters, a `Process` leaves. Only what was started here is ever signalled: children are found through the
process that started them, never by name. It does not restart anything.
"""

from __future__ import annotations

import os
import pwd
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

from tests.support.patience import PATIENCE_SECONDS
from tracking.embedded import paths

BASE_DIR = Path(__file__).resolve().parent.parent.parent
STOP_SECONDS = PATIENCE_SECONDS
POLL_SECONDS = 0.02
_LOWEST_PORT, _PORTS, _SHARES = 12_000, 20_000, 8


def wait_until(condition: Callable[[], bool], seconds: float, what: str, poll: float = POLL_SECONDS) -> None:
    """Ask `condition` until it holds. Raises TimeoutError that names `what` after `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {seconds:.0f} s: {what}")
        time.sleep(poll)


def free_port(kind: int = socket.SOCK_STREAM) -> int:
    """A loopback port on which nobody listens, below those that the kernel gives to outgoing connections.

    Among those a client that reconnects to a dead server would sooner or later be given the server's own port and
    talk to itself, or hold it while the server wants to come back. Each of pytest-xdist's workers has a share of its
    own: what one of them has chosen and not bound yet, the others do not choose.
    """
    share = _PORTS // _SHARES
    first = _LOWEST_PORT + share * (int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:]) % _SHARES)
    for _ in range(200):
        port = random.SystemRandom().randrange(first, first + share)
        with socket.socket(socket.AF_INET, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with suppress(OSError):
                probe.bind(("127.0.0.1", port))
                return port
    raise RuntimeError(f"no free port between {first} and {first + share}")


def listens(port: int) -> bool:
    """Whether someone accepts connections on the loopback `port`; a frozen server still does."""
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1.0):
        return True
    return False


class Process:
    """A started program: its process id, its log, and everything it forked."""

    def __init__(
        self, command: Sequence[str | Path], log: Path, environment: Mapping[str, str] | None = None, **identity: Any
    ) -> None:
        """Start `command` in a session of its own, its output appended to `log`.

        `environment` is added to ours (None: ours); `identity` is what subprocess.Popen takes: cwd, user, group.
        """
        self.log = log
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [str(word) for word in command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, **(environment or {})},
                start_new_session=True,
                **identity,
            )

    @property
    def pid(self) -> int:
        """The main process's id, also after its end."""
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        """How it ended, as subprocess has it: negative for a signal; None while it runs."""
        return self._process.poll()

    @property
    def is_running(self) -> bool:
        """Whether the main process lives; a frozen one does."""
        return self._process.poll() is None

    def children(self) -> list[psutil.Process]:
        """Everything below the main process, in no order; empty after its end."""
        with suppress(psutil.NoSuchProcess):
            return list(psutil.Process(self.pid).children(recursive=True))
        return []

    def send(self, number: int) -> None:
        """Send a signal to the main process only; nothing happens after its end."""
        self._process.send_signal(number)

    def kill(self) -> None:
        """SIGKILL to the main process and all it forked, and wait until none is left.

        All are stopped before they are listed: what forks meanwhile would escape.
        """
        family = self.freeze()
        for process in family:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        self._process.kill()
        self._process.wait(STOP_SECONDS)
        wait_until(lambda: not any(map(lives, family)), STOP_SECONDS, f"the children of {self.pid} end")

    def kill_main(self) -> None:
        """SIGKILL to the main process alone: what it forked becomes orphans."""
        self._process.kill()
        self._process.wait(STOP_SECONDS)

    def freeze(self) -> list[psutil.Process]:
        """SIGSTOP to the main process and all it forked; the latter are returned."""
        self.send(signal.SIGSTOP)
        family, known = self.children(), set[int]()
        while {process.pid for process in family} - known:
            for process in family:
                with suppress(psutil.NoSuchProcess):
                    process.suspend()
            known |= {process.pid for process in family}
            family = self.children()
        return family

    def thaw(self) -> None:
        """SIGCONT to all that `freeze` stopped, the main process last."""
        for process in self.children():
            with suppress(psutil.NoSuchProcess):
                process.resume()
        self.send(signal.SIGCONT)

    def stop(self, number: int = signal.SIGTERM, seconds: float = STOP_SECONDS) -> bool:
        """A signal to the main process alone and `seconds` to end, then kill -9 of all; False when that was needed."""
        self.send(number)
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            return False
        return True

    def last_lines(self, characters: int = 2000) -> str:
        """The end of its log, for an error message."""
        return self.log.read_text(errors="replace")[-characters:]


def lives(process: psutil.Process) -> bool:
    """Whether a process still does something: a zombie only waits for somebody to read its exit status."""
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def manage(*arguments: str) -> list[str]:
    """The command line of `manage.py` with this Python."""
    return [sys.executable, str(BASE_DIR / "manage.py"), *arguments]


def unprivileged() -> dict[str, Any]:
    """How PostgreSQL and PgBouncer are started: for root as POSTGRES_USER, otherwise as ourselves."""
    if not paths.is_root():
        return {}
    entry = pwd.getpwnam(paths.POSTGRES_USER)
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
