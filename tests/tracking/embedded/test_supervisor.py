"""The supervisor with real processes: small programs that end, hang or leave children behind; time is passed in."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import psutil
import pytest

from tests.support.patience import PATIENCE_SECONDS
from tracking.embedded.errors import EmbeddedError
from tracking.embedded.supervisor import Program, Revival, Supervisor, how_it_ended

SLEEP = "import time; time.sleep(60)"
HANG = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); open({ready!r}, 'w'); time.sleep(60)"
PARENT = """
    import subprocess, sys, time
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    open({note!r} + ".new", "w").write(str(child.pid))
    import os; os.rename({note!r} + ".new", {note!r})
    time.sleep(60)
"""


def python(code: str, name: str = "program") -> Program:
    return Program(name, [sys.executable, "-c", textwrap.dedent(code)])


def wait_until(condition: Callable[[], object], seconds: float = PATIENCE_SECONDS) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def is_alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def wait_for_death(supervisor: Supervisor, name: str, now: float) -> None:
    """Let the supervisor look, at the time `now`, until it has noticed that the program ended."""

    def noticed() -> bool:
        supervisor.restart_dead(now)
        return name not in supervisor.pids()

    wait_until(noticed)


@pytest.fixture
def reports() -> list[str]:
    return []


@pytest.fixture
def supervise(reports: list[str]) -> Iterator[Callable[..., Supervisor]]:
    made: list[Supervisor] = []

    def start(*programs: Program, now: float = 0.0) -> Supervisor:
        supervisor = Supervisor(programs, reports.append)
        made.append(supervisor)
        supervisor.start(now)
        return supervisor

    yield start
    for supervisor in made:
        supervisor.stop(5.0)


def test_a_killed_program_is_started_again_after_a_second_and_the_report_says_why(
    supervise: Callable[..., Supervisor], reports: list[str]
) -> None:
    supervisor = supervise(python(SLEEP))
    first = supervisor.pids()["program"]
    os.kill(first, signal.SIGKILL)
    wait_for_death(supervisor, "program", now=10.0)
    assert reports == ["program ended: killed by SIGKILL; starting it again in 1 s"]
    supervisor.restart_dead(10.9)
    assert supervisor.pids() == {}
    supervisor.restart_dead(11.0)
    assert supervisor.pids()["program"] != first


def test_the_pause_doubles_up_to_thirty_seconds_and_is_short_again_after_a_healthy_minute(
    supervise: Callable[..., Supervisor], reports: list[str]
) -> None:
    now, supervisor = 0.0, supervise(python("raise SystemExit(3)"))
    for _ in range(7):
        wait_for_death(supervisor, "program", now)
        now += 30.0
        supervisor.restart_dead(now)
    assert [line.split()[-2] for line in reports] == ["1", "2", "4", "8", "16", "30", "30"]
    assert "exit code 3" in reports[0]
    wait_for_death(supervisor, "program", now + 60.0)
    assert reports[-1].endswith("in 1 s")


def test_a_program_that_does_not_exist_is_reported_and_tried_again(
    supervise: Callable[..., Supervisor], reports: list[str]
) -> None:
    supervisor = supervise(Program("web", ["/nowhere/gunicorn"]))
    supervisor.restart_dead(1.0)
    assert len(reports) == 2
    assert reports[0].startswith("web cannot be started: ")
    assert supervisor.pids() == {}


def test_programs_are_stopped_in_the_order_given(supervise: Callable[..., Supervisor], reports: list[str]) -> None:
    supervisor = supervise(*(python(SLEEP, name) for name in ("ingest", "workers", "web")))
    supervisor.stop()
    assert [line.split()[0] for line in reports] == ["ingest", "workers", "web"]
    assert supervisor.pids() == {}


def test_who_ignores_sigterm_is_killed_after_its_time(
    supervise: Callable[..., Supervisor], reports: list[str], tmp_path: Path
) -> None:
    ready = tmp_path / "ready"
    supervisor = supervise(python(HANG.format(ready=str(ready))))
    wait_until(ready.exists)
    pid = supervisor.pids()["program"]
    supervisor.stop(0.2)
    assert not is_alive(pid)
    assert "killed, it did not end" in reports[-1]


def test_children_of_a_killed_program_do_not_stay_behind(supervise: Callable[..., Supervisor], tmp_path: Path) -> None:
    note = tmp_path / "pid"
    supervisor = supervise(python(PARENT.format(note=str(note))))
    wait_until(note.exists)
    os.kill(supervisor.pids()["program"], signal.SIGKILL)
    wait_for_death(supervisor, "program", now=1.0)
    wait_until(lambda: not is_alive(int(note.read_text())))


def test_ctrl_c_in_the_terminal_does_not_reach_the_programs(supervise: Callable[..., Supervisor]) -> None:
    supervisor = supervise(python(SLEEP))
    pid = supervisor.pids()["program"]
    assert os.getsid(pid) == os.getpgid(pid) == pid


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child of its parent's end")
def test_programs_end_with_a_supervisor_that_is_killed(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    code = f"""
        import os, sys, time
        from tracking.embedded.supervisor import Program, Supervisor
        supervisor = Supervisor([Program("program", [sys.executable, "-c", {SLEEP!r}])], print)
        supervisor.start(0.0)
        open({str(note)!r} + ".new", "w").write(str(supervisor.pids()["program"]))
        os.rename({str(note)!r} + ".new", {str(note)!r})
        time.sleep(60)
    """
    parent = subprocess.Popen([sys.executable, "-c", textwrap.dedent(code)], cwd=Path(__file__).resolve().parents[3])
    try:
        wait_until(note.exists)
        assert is_alive(int(note.read_text()))
    finally:
        parent.kill()
        parent.wait()
    wait_until(lambda: not is_alive(int(note.read_text())))


@pytest.mark.parametrize(
    ("code", "words"), [(0, "exit code 0"), (-15, "killed by SIGTERM"), (-64 - 1, "killed by signal 65")]
)
def test_an_exit_status_is_told_in_words(code: int, words: str) -> None:
    assert how_it_ended(code) == words


def test_a_server_that_dies_again_and_again_is_started_later_and_later_and_told_of_once_a_minute() -> None:
    starts: list[float] = []
    told: list[str] = []
    now = 0.0

    def restart() -> list[str]:
        starts.append(now)
        return ["queue"]

    revival = Revival(restart, told.append)
    while now < 120.0:
        revival.look(now)
        now += 0.25
    assert [round(later - before) for before, later in pairwise(starts)] == [1, 2, 4, 8, 16, 30, 30]
    assert told[0] == "queue died and was started again"
    assert len(told) == 2 and "6 times" in told[1]


def test_a_server_that_ran_for_long_is_started_at_once() -> None:
    dead: list[str] = []
    starts: list[float] = []

    def restart() -> list[str]:
        found, dead[:] = list(dead), []
        starts.extend(now for _ in found)
        return found

    revival = Revival(restart, lambda line: None)
    for now in (0.0, 200.0, 400.0):
        dead.append("live")
        revival.look(now)
    assert starts == [0.0, 200.0, 400.0]


def test_a_server_that_does_not_come_up_is_told_and_tried_later() -> None:
    told: list[str] = []

    def restart() -> list[str]:
        raise EmbeddedError("no room on the disk")

    revival = Revival(restart, told.append)
    revival.look(0.0)
    revival.look(0.5)
    assert told == ["no room on the disk"]
