"""What the tests of the spool share: a queue that takes what it is given, and waiting for a claim to hold."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import redis

from resilience.spool.spool import Spool
from tests.support.patience import PATIENCE_SECONDS

ROOT = Path(__file__).resolve().parents[2]


class Queue:
    """Takes what is drained, in this process; refuses while `is_away`."""

    def __init__(self) -> None:
        self.taken: list[tuple[str, str]] = []
        self.keys: dict[str, str] = {}
        self.is_away = False
        self.asked = threading.Event()

    def send(self, stream: str, packages: Sequence[str], alongside: Mapping[str, str]) -> None:
        self.asked.set()
        if self.is_away:
            raise redis.ConnectionError("refused")
        self.taken += [(stream, package) for package in packages]
        self.keys |= alongside


def wait_for(claim: Callable[[], object], what: str) -> None:
    end = time.monotonic() + PATIENCE_SECONDS
    while not claim():
        assert time.monotonic() < end, f"not within {PATIENCE_SECONDS:g} s: {what}"
        time.sleep(0.01)


def drained(spool: Spool) -> list[str]:
    queue = Queue()
    assert spool.drain(queue.send, threading.Event())
    return [package for _, package in queue.taken]


def start(children: list[subprocess.Popen[str]], program: str, *arguments: str) -> subprocess.Popen[str]:
    environment = os.environ | {"DJANGO_SETTINGS_MODULE": "tests.settings"}
    command = [sys.executable, "-c", program, *arguments]
    child = subprocess.Popen(command, cwd=ROOT, env=environment, text=True, stdout=subprocess.PIPE)
    children.append(child)
    return child
