"""Other hosts' workers that share the queue: one whose clock is wrong, one that is short of memory.

A running `System` enters; children of it leave. The clock is libfaketime's where the machine has it (NO_FAKETIME says
where not); memory is taken from running workers by their limit of address space, so that they fail in the middle of
their work.
"""

from __future__ import annotations

import resource
import shutil
import threading
from contextlib import suppress

import psutil

from tests.chaos.stage import Stage
from tests.faults.processes import BASE_DIR, Process, manage, wait_until
from tests.faults.system import Child

NO_FAKETIME = "no host with a wrong clock: faketime is not installed (Debian's package faketime)"
DAYS_AHEAD = 40
_SPARE_BYTES = 2 * 1024 * 1024
_STARVE_SECONDS = 20.0
_START_SECONDS = 120.0
_PROCESSES = 4  # the sentinel, its pusher, its monitor and one worker


def has_faketime() -> bool:
    """Whether a process can be given another clock here."""
    return shutil.which("faketime") is not None


def start_ahead(stage: Stage) -> Child:
    """Workers of a host whose clock is forty days ahead; its monotonic clock is right."""
    command = ["faketime", "-f", f"+{DAYS_AHEAD}d", *manage("workers")]
    return _start(stage, "workers-ahead", command, FAKETIME_DONT_FAKE_MONOTONIC="1")


def start_starved(stage: Stage) -> Child:
    """Workers of a host that `Starvation` takes memory from."""
    return _start(stage, "workers-starved", manage("workers"))


class Starvation(threading.Thread):
    """Every 20 s the workers of a child may have no more memory than they have."""

    def __init__(self, child: Child, stop: threading.Event) -> None:
        super().__init__(name="starvation", daemon=True)
        self.times = 0
        self._child, self._ended = child, stop

    def run(self) -> None:
        while not self._ended.wait(_STARVE_SECONDS):
            for process in self._child.process.children():
                with suppress(psutil.NoSuchProcess, OSError):
                    limit = process.memory_info().vms + _SPARE_BYTES
                    resource.prlimit(process.pid, resource.RLIMIT_AS, (limit, limit))
                    self.times += 1


def _start(stage: Stage, name: str, command: list[str], **variables: str) -> Child:
    system = stage.system
    environment = system.environment | {"WORKERS": "1"} | variables

    def spawn() -> Process:
        return Process(command, system.log(name), environment, cwd=BASE_DIR)

    child = system.children[name] = Child(name, spawn)
    child.start()
    wait_until(
        lambda: len(child.process.children()) >= _PROCESSES, _START_SECONDS, f"{name} work; see {system.log(name)}"
    )
    return child
