"""A command in a process of its own, measured from outside: wall time, CPU, peak memory."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

PROJECT = Path(__file__).resolve().parents[2]
POLL_SECONDS = 0.05
_ERROR_CHARACTERS = 1500


@dataclass(frozen=True)
class Ended:
    """A child that ended: exit code, seconds of wall time and of CPU, peak resident memory in bytes, what it wrote."""

    code: int
    wall: float
    cpu: float
    peak_bytes: int
    output: str
    errors: str


def run_child(command: Sequence[str], environment: Mapping[str, str], directory: Path, seconds: float) -> Ended:
    """Run `command` in the project with `environment` added to ours; its output passes through files in `directory`.

    Raises TimeoutError after `seconds`, the child being killed.
    """
    output, errors = directory / "child.out", directory / "child.err"
    with output.open("wb") as out, errors.open("wb") as err:
        began = time.perf_counter()
        child = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=out, stderr=err, cwd=PROJECT, env={**os.environ, **environment}
        )
        try:
            peak, cpu = _watch(child, began + seconds)
        finally:
            _end(child)
        wall = time.perf_counter() - began
    said = errors.read_text(errors="replace")[-_ERROR_CHARACTERS:]
    return Ended(child.returncode, wall, cpu, peak, output.read_text(errors="replace"), said)


def _watch(child: subprocess.Popen[bytes], deadline: float) -> tuple[int, float]:
    """Peak memory and CPU of the child, once it ended."""
    peak = 0
    while True:
        peak = max(peak, _peak_bytes(child.pid))
        pid, status, usage = os.wait4(child.pid, os.WNOHANG)
        if pid:
            child.returncode = os.waitstatus_to_exitcode(status)
            return peak, usage.ru_utime + usage.ru_stime
        if time.perf_counter() > deadline:
            raise TimeoutError(f"{child.args!r} did not end in time")
        time.sleep(POLL_SECONDS)


def _end(child: subprocess.Popen[bytes]) -> None:
    """A child that still runs, because it took too long or we are interrupted, does not outlive the measurement."""
    if child.returncode is None:
        child.kill()
        child.wait()


def _peak_bytes(pid: int) -> int:
    """The kernel's high-water mark, else what is resident now.

    Not ru_maxrss: Linux counts into it the memory of the parent, which the child has until it executes the command.
    """
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        try:
            return int(psutil.Process(pid).memory_info().rss)
        except psutil.Error:
            return 0
    marks = [text.split()[1] for text in status.splitlines() if text.startswith("VmHWM:")]
    return int(marks[0]) * 1024 if marks else 0  # a zombie has no memory
