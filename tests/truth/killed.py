"""A judge that is killed in the middle of a pass: `python -m tests.truth.killed DATABASE`, told by lines.

Enters a line of JSON [notes a pass, module, function] for each judge; a process of its own judges, and stops inside its
transaction right after that function of `tracking.truth`. Leaves "stopped PID" or "ended", and "over" when it is gone.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

# Behind each of these something is written and nothing committed.
PLACES = [("notes", "take"), ("verdicts", "_write_disputes"), ("verdicts", "_write_numbers"), ("notes", "forget")]


class Killer:
    """Starts judges and kills them."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def kill_a_judge(self, limit: int, module: str, function: str) -> bool:
        """Whether a judge came to that function and was killed there with SIGKILL."""
        self._tell(json.dumps([limit, module, function]))
        said, *pid = self._answer().split()
        if pid:
            os.kill(int(pid[0]), signal.SIGKILL)
        assert self._answer() == "over"
        return said == "stopped"

    def _tell(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    def _answer(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()


@contextmanager
def killer(database: str) -> Iterator[Killer]:
    """A Killer of judges of a database."""
    command = [sys.executable, "-m", "tests.truth.killed", database]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield Killer(process)
        process.kill()


def _judge(limit: int, module: str, function: str) -> None:
    from tracking.truth import judge

    room = import_module(f"tracking.truth.{module}")
    original = getattr(room, function)

    def stop(*arguments: Any) -> Any:
        result = original(*arguments)
        _say(f"stopped {os.getpid()}")
        time.sleep(600)
        return result

    setattr(room, function, stop)
    judge.judge(limit)
    _say("ended")


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _main(database: str) -> None:
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
    import django

    django.setup()
    from django.db import connection

    connection.settings_dict["NAME"] = database
    for line in sys.stdin:
        child = os.fork()  # before anything is connected
        if child == 0:
            _judge(*json.loads(line))
            os._exit(0)
        os.waitpid(child, 0)
        _say("over")


if __name__ == "__main__":
    _main(sys.argv[1])
