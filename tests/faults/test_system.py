"""The supervisor of fault tests: what dies is started again, and an unordered death is told from an ordered one."""

import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from tests.faults.processes import Process, wait_until
from tests.faults.system import RESTART_SECONDS, Child
from tests.support.patience import PATIENCE_SECONDS

pytestmark = pytest.mark.fault

SLEEPS = "import time; time.sleep(60)"
FORKS = f"import os, time; os.fork(); {SLEEPS}"


@pytest.fixture
def child(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Child]:
    """A started child; the parameters are its program and whether it is done when it has ended with 0."""
    program, until_done = getattr(request, "param", (SLEEPS, False))
    started = Child("child", lambda: Process([sys.executable, "-c", program], tmp_path / "log"), until_done)
    started.start()
    yield started
    started.kill()
    started.stop()


def tended(child: Child) -> None:
    """What the supervisor does when the main process has ended, without its pauses."""
    wait_until(lambda: not child.is_running, PATIENCE_SECONDS, "it has ended")
    now = time.monotonic()
    child.tend(now)
    child.tend(now + RESTART_SECONDS / 2)
    assert child.starts == 1
    child.tend(now + RESTART_SECONDS)


def test_a_child_that_dies_is_started_again_and_its_death_is_kept(child: Child) -> None:
    os.kill(child.process.pid, signal.SIGKILL)
    tended(child)
    assert child.starts == 2
    assert child.is_running
    assert child.unexpected == ["killed by SIGKILL"]


def test_a_child_that_was_killed_by_order_is_started_again_and_not_blamed(child: Child) -> None:
    child.kill()
    tended(child)
    assert child.starts == 2
    assert child.unexpected == []


@pytest.mark.parametrize("child", [("pass", True)], indirect=True)
def test_a_child_that_is_done_is_not_started_again(child: Child) -> None:
    tended(child)
    assert child.starts == 1
    assert child.done.is_set()


@pytest.mark.parametrize("child", [("raise SystemExit(3)", True)], indirect=True)
def test_a_child_that_failed_is_not_done(child: Child) -> None:
    tended(child)
    assert child.starts == 2
    assert child.unexpected == ["exit code 3"]


@pytest.mark.parametrize("child", [(FORKS, False)], indirect=True)
def test_what_a_killed_main_process_leaves_behind_is_killed_too(child: Child) -> None:
    wait_until(lambda: bool(child.process.children()), PATIENCE_SECONDS, "it has forked")
    [orphan] = child.process.children()
    child.kill_main()
    assert _lives(orphan)
    tended(child)
    wait_until(lambda: not _lives(orphan), PATIENCE_SECONDS, "the orphan has ended")


def _lives(process: psutil.Process) -> bool:
    with suppress(psutil.NoSuchProcess):
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    return False
