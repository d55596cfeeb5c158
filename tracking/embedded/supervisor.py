"""Keeps a few long-running programs alive: starts them, restarts what dies, stops them in order.

Programs enter, lines about what happened to them leave through `report`. Each program runs in a session of its own,
so Ctrl-C in the terminal reaches only the supervising process, which then signals main processes one after the other:
django-q2 never ends when SIGTERM reaches its whole group. On Linux the kernel sends SIGTERM to every main process when
the supervisor itself is killed. It does not know what the programs do, and sleeps nowhere but in `stop`.
"""

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from tracking.embedded.errors import EmbeddedError

STOP_SECONDS = 20.0
SHORTEST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 30.0
# Who has run this long is healthy: its next death is restarted as quickly as the first.
HEALTHY_SECONDS = 60.0
REPORT_SECONDS = 60.0  # between two lines about servers that die again and again
_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


@dataclass(frozen=True)
class Program:
    """A command that should always run: its name in messages, its arguments, additions to our environment."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass
class _Child:
    """A program and its present process; `process` is None while it waits for its next start at `start_at`."""

    program: Program
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    start_at: float = 0.0
    pause_seconds: float = SHORTEST_PAUSE_SECONDS


class Supervisor:
    """Runs `programs`, listed in the order in which they are stopped; started in the reverse order.

    `report` takes one line for the operator. Times are monotonic seconds that the caller passes in. Use it from the
    main thread only: Linux ties a child's life to the thread that started it.
    """

    def __init__(self, programs: Sequence[Program], report: Callable[[str], None]) -> None:
        self._children = [_Child(program) for program in programs]
        self._report = report

    def start(self, now: float) -> None:
        """Start every program."""
        for child in reversed(self._children):
            self._start(child, now)

    def pids(self) -> dict[str, int]:
        """Process ids of the main processes by name; a program that waits for its restart is missing."""
        return {child.program.name: child.process.pid for child in self._children if child.process}

    def restart_dead(self, now: float) -> None:
        """Notice what has ended, and start again what has waited long enough. Call it a few times a second.

        The pause before a restart doubles from 1 to 30 s while a program dies young (within 60 s).
        """
        for child in self._children:
            if child.process is not None and child.process.poll() is not None:
                self._note_end(child, child.process, now)
            elif child.process is None and now >= child.start_at:
                self._start(child, now)

    def stop(self, seconds: float = STOP_SECONDS) -> None:
        """End the programs one after the other: SIGTERM to the main process, `seconds` to end, then SIGKILL to all."""
        for child in self._children:
            if child.process is not None:
                self._stop(child.program.name, child.process, seconds)
                child.process = None

    def _start(self, child: _Child, now: float) -> None:
        child.started_at = now
        try:
            child.process = _spawn(child.program)
        except OSError as error:
            self._plan_restart(child, f"cannot be started: {error}", now)

    def _note_end(self, child: _Child, process: subprocess.Popen[bytes], now: float) -> None:
        _kill_session(process.pid)  # orphans of a killed main process would keep its port
        child.process = None
        if now - child.started_at >= HEALTHY_SECONDS:
            child.pause_seconds = SHORTEST_PAUSE_SECONDS
        self._plan_restart(child, f"ended: {how_it_ended(process.returncode)}", now)

    def _plan_restart(self, child: _Child, what: str, now: float) -> None:
        self._report(f"{child.program.name} {what}; starting it again in {child.pause_seconds:.0f} s")
        child.start_at = now + child.pause_seconds
        child.pause_seconds = min(2 * child.pause_seconds, LONGEST_PAUSE_SECONDS)

    def _stop(self, name: str, process: subprocess.Popen[bytes], seconds: float) -> None:
        process.terminate()
        try:
            process.wait(seconds)
            result = how_it_ended(process.returncode)
        except subprocess.TimeoutExpired:
            result = f"killed, it did not end within {seconds:.0f} s"
        _kill_session(process.pid)
        process.wait()
        self._report(f"{name} stopped ({result})")


class Revival:
    """Starts dead servers again, later and later while they die at once, as on a full disk.

    `restart` starts what is dead and names it; what it raises as EmbeddedError is told. The first death is told at
    once, the same again once a minute, with how often it was. Times are monotonic seconds that the caller passes in.
    """

    def __init__(self, restart: Callable[[], list[str]], report: Callable[[str], None]) -> None:
        self._restart, self._report = restart, report
        self._pause = SHORTEST_PAUSE_SECONDS
        self._next_at = self._died_at = self._report_at = float("-inf")
        self._deaths, self._what = 0, ""

    def look(self, now: float) -> None:
        """Call it a few times a second."""
        if now < self._next_at:
            return
        try:
            revived = self._restart()
            what = f"{', '.join(revived)} died and was started again" if revived else ""
        except EmbeddedError as error:
            what = str(error)
        if what:
            self._note(what, now)

    def _note(self, what: str, now: float) -> None:
        if now - self._died_at > HEALTHY_SECONDS:
            self._pause = SHORTEST_PAUSE_SECONDS
        self._died_at, self._next_at = now, now + self._pause
        self._pause = min(2 * self._pause, LONGEST_PAUSE_SECONDS)
        self._deaths += 1
        if now >= self._report_at or what != self._what:
            self._what = what
            self._report(what if self._deaths == 1 else f"{what}; {self._deaths} times since it was told last")
            self._deaths, self._report_at = 0, now + REPORT_SECONDS


def how_it_ended(returncode: int) -> str:
    """An exit status in words: "exit code 1", "killed by SIGKILL"."""
    if returncode >= 0:
        return f"exit code {returncode}"
    with suppress(ValueError):
        return f"killed by {signal.Signals(-returncode).name}"
    return f"killed by signal {-returncode}"


def _spawn(program: Program) -> subprocess.Popen[bytes]:
    """Start a program without our terminal's input, as the leader of a session of its own."""
    parent = os.getpid()
    return subprocess.Popen(
        program.command,
        stdin=subprocess.DEVNULL,
        env={**os.environ, **program.environment},
        start_new_session=True,
        preexec_fn=lambda: _end_with(parent),
    )


def _end_with(parent: int) -> None:
    """Runs in the child before its program: have the kernel send it SIGTERM when `parent` ends, however it ends."""
    if _libc is not None:
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # it ended before the kernel was asked
            os._exit(1)


def _kill_session(pid: int) -> None:
    """End everything left in the process group of a main process; by then usually nothing."""
    with suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)
