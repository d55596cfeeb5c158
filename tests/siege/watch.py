"""What people and operators see meanwhile: pages over HTTP, memory of each program.

A running `System` enters; seconds that pages took, failures, and bytes of resident memory a program leave.
"""

from __future__ import annotations

import http.client
import threading
import time
from collections import defaultdict
from contextlib import closing, suppress

import psutil

from tests.faults.system import System

PAGES = ("/status?format=json", "/api/live/vessels/?bbox=0,50,2,52", "/admin/login/", "/health/ready")
_PAUSE_SECONDS = 1.0
_TIMEOUT_SECONDS = 20.0


class Visitor(threading.Thread):
    """Asks for one page after the other."""

    def __init__(self, port: int, stop: threading.Event) -> None:
        super().__init__(name="visitor", daemon=True)
        self.seconds: dict[str, list[float]] = defaultdict(list)
        self.failures: list[str] = []
        self._port, self._ended = port, stop

    def run(self) -> None:
        while not self._ended.wait(_PAUSE_SECONDS):
            for page in PAGES:
                began = time.monotonic()
                try:
                    status = self._get(page)
                except (OSError, http.client.HTTPException) as error:
                    self.failures.append(f"{page}: {type(error).__name__}: {error}")
                else:
                    self.seconds[page].append(time.monotonic() - began)
                    if status != http.HTTPStatus.OK:
                        self.failures.append(f"{page}: {status}")

    def slowest(self) -> tuple[float, str]:
        """The longest answer in seconds, and the page."""
        return max(((max(times), page) for page, times in self.seconds.items()), default=(0.0, ""))

    def share_within(self, seconds: float) -> float:
        """How many of the answers took at most so long, 0 to 1."""
        times = [took for page in self.seconds.values() for took in page]
        return sum(took <= seconds for took in times) / len(times) if times else 0.0

    def _get(self, page: str) -> int:
        with closing(http.client.HTTPConnection("127.0.0.1", self._port, timeout=_TIMEOUT_SECONDS)) as connection:
            connection.request("GET", page)
            answer = connection.getresponse()
            answer.read()
            return answer.status


class MemoryWatch(threading.Thread):
    """Resident memory of each program with its children, every five seconds."""

    def __init__(self, system: System, stop: threading.Event) -> None:
        super().__init__(name="memory", daemon=True)
        self.bytes: dict[str, list[int]] = defaultdict(list)
        self._system, self._ended = system, stop

    def run(self) -> None:
        while not self._ended.wait(5.0):
            for name, child in list(self._system.children.items()):
                if child.is_running:
                    self.bytes[name].append(_resident(child.process.pid))

    def growth(self, name: str) -> float:
        """The greatest of the last third over the greatest of the first; 1 where too little was seen."""
        seen = self.bytes[name]
        third = len(seen) // 3
        return max(seen[-third:]) / max(1, max(seen[:third])) if third else 1.0


def _resident(pid: int) -> int:
    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        return sum(_own(one) for one in (process, *process.children(recursive=True)))
    return 0


def _own(process: psutil.Process) -> int:
    with suppress(psutil.NoSuchProcess):
        return int(process.memory_info().rss)
    return 0
