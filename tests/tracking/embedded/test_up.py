"""`manage.py up` for real: a data directory of its own, real servers, a free port; stopped in every way there is."""

import json
import os
import pty
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import psutil
import pytest
from django.core.management import CommandError
from django.urls import resolve

from tests.faults.processes import free_port
from tests.support.patience import PATIENCE_SECONDS
from tracking import embedded
from tracking.embedded.installation import AlreadyRunning, Installation
from tracking.management.commands import up

pytestmark = pytest.mark.system

PROJECT = Path(__file__).resolve().parents[3]
READY_SECONDS = 2 * PATIENCE_SECONDS
STOP_SECONDS = PATIENCE_SECONDS  # three programs have twenty seconds each, then the servers


class Run:
    """One `manage.py up`: its process, where it listens, what it printed so far."""

    def __init__(self, data_dir: Path, port: int, *, terminal: int | None = None) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self._log: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  lives as long as the run
        unset = {"DJANGO_SETTINGS_MODULE", "DATABASE_URL", "REDIS_URL", "QUEUE_REDIS_URL", "LIVE_REDIS_URL"}
        environment = {name: value for name, value in os.environ.items() if name not in unset}
        self.process = subprocess.Popen(
            [sys.executable, "manage.py", "up", f"--port={port}", f"--stream-port={free_port()}", "--workers=1"],
            cwd=PROJECT,
            env={**environment, "DATA_DIR": str(data_dir)},
            stdin=subprocess.DEVNULL if terminal is None else None,
            stdout=self._log if terminal is None else None,
            stderr=self._log if terminal is None else None,
            start_new_session=terminal is None,
            preexec_fn=lambda: as_from_a_shell(terminal),
        )

    def printed(self) -> str:
        self._log.seek(0)
        return self._log.read().decode()

    def wait_until_it_answers(self) -> "Run":
        wait_until(lambda: self.status() == 200, READY_SECONDS, self.printed)
        return self

    def status(self) -> int | None:
        """HTTP status of the log-in page, None while nobody answers."""
        assert self.process.poll() is None, self.printed()
        try:
            with urllib.request.urlopen(f"{self.url}/admin/login/", timeout=PATIENCE_SECONDS) as response:
                return int(response.status)
        except OSError:
            return None

    def vessels(self) -> int:
        """How many simulated ships the live API shows to anybody."""
        url = f"{self.url}/api/live/vessels/?bbox=-180,-90,180,90"
        with urllib.request.urlopen(url, timeout=PATIENCE_SECONDS) as response:
            return len(json.load(response)["results"])

    def child(self, word: str) -> psutil.Process:
        """The program that `up` started with this word on its command line."""
        return next(child for child in psutil.Process(self.process.pid).children() if word in child.cmdline())

    def stop(self, number: int = signal.SIGINT) -> int:
        self.process.send_signal(number)
        return self.process.wait(STOP_SECONDS)


def as_from_a_shell(terminal: int | None) -> None:
    """In the child: the terminal is its own, and SIGHUP means what it usually does, also where tests run by nohup."""
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    if terminal is not None:
        os.login_tty(terminal)


def wait_until(condition: Callable[[], object], seconds: float, explain: Callable[[], str] = str) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, explain()
        time.sleep(0.1)


def processes_of(data_dir: Path) -> list[list[str]]:
    """Command lines of everything that has to do with the data directory."""
    found = []
    for process in psutil.process_iter():
        try:
            words = process.cmdline()
            ours = str(data_dir) in " ".join(words) or process.environ().get("DATA_DIR") == str(data_dir)
            if process.status() != psutil.STATUS_ZOMBIE and (ours or Path(process.cwd()).is_relative_to(data_dir)):
                found.append(words)
        except psutil.Error:  # it ended while we looked
            continue
    return found


@contextmanager
def directory() -> Iterator[Path]:
    """A directory that PostgreSQL's user may pass through, emptied of servers and removed afterwards."""
    made = Path(tempfile.mkdtemp(prefix="up-", dir="/tmp"))
    made.chmod(0o711)
    yield made
    embedded.stop(made)
    shutil.rmtree(made)


@pytest.fixture
def empty() -> Iterator[Path]:
    """A data directory in which nothing ever ran."""
    with directory() as made:
        yield made


@pytest.fixture(scope="module")
def data_dir() -> Iterator[Path]:
    """A data directory that the tests share, because only its first run is slow; nothing runs there between them."""
    with directory() as made:
        yield made


@pytest.fixture
def start() -> Iterator[Callable[..., Run]]:
    runs: list[Run] = []

    def begin(data_dir: Path, *, terminal: int | None = None) -> Run:
        runs.append(Run(data_dir, free_port(), terminal=terminal))
        return runs[-1]

    yield begin
    for run in runs:
        if run.process.poll() is None:
            run.process.kill()
            run.process.wait()


def test_the_first_run_shows_ships_ctrl_c_leaves_nothing_and_the_second_run_keeps_the_data(
    start: Callable[..., Run], empty: Path
) -> None:
    first = start(empty).wait_until_it_answers()
    wait_until(lambda: "Ctrl-C stops" in first.printed(), READY_SECONDS, first.printed)
    assert len(re.findall(r"user admin, password \S{12,}", first.printed())) == 1
    assert f"{first.url}/admin/" in first.printed()
    assert first.child("web").environ()["LIVE_PUBLIC"] == "true"
    assert first.child("workers").environ()["WORKERS"] == "1"
    wait_until(lambda: _succeeds(first.vessels), READY_SECONDS, first.printed)
    assert first.stop() == 0, first.printed()
    assert processes_of(empty) == []
    second = start(empty).wait_until_it_answers()
    assert "password" not in second.printed()
    assert second.stop(signal.SIGTERM) == 0, second.printed()
    assert processes_of(empty) == []


def test_a_killed_web_server_is_restarted_on_the_same_port(start: Callable[..., Run], data_dir: Path) -> None:
    run = start(data_dir).wait_until_it_answers()
    killed = run.child("web")
    killed.kill()
    wait_until(lambda: "web ended: killed by SIGKILL" in run.printed(), READY_SECONDS, run.printed)
    run.wait_until_it_answers()
    assert run.child("web").pid != killed.pid
    assert run.stop() == 0


def test_killed_servers_are_started_again_and_ships_go_on(start: Callable[..., Run], data_dir: Path) -> None:
    run = start(data_dir).wait_until_it_answers()
    wait_until(lambda: _succeeds(run.vessels), READY_SECONDS, run.printed)
    for status in embedded.status(data_dir):
        assert status.pid is not None
        psutil.Process(status.pid).kill()
    killed = [status.name for status in embedded.status(data_dir)]

    def all_were_started_again() -> bool:
        lines = [line for line in run.printed().splitlines() if "started again" in line]
        return all(any(name in line for line in lines) for name in killed)

    wait_until(all_were_started_again, READY_SECONDS, run.printed)

    def stored_since_then() -> bool:
        with urllib.request.urlopen(f"{run.url}/health/ready", timeout=PATIENCE_SECONDS) as response:
            return response.status == 200 and run.vessels() > 0

    wait_until(lambda: _succeeds(stored_since_then), READY_SECONDS, run.printed)
    assert run.stop() == 0
    assert processes_of(data_dir) == []


def _succeeds(condition: Callable[[], object]) -> bool:
    try:
        return bool(condition())
    except OSError:  # it answers 503 until all is well
        return False


def test_what_a_killed_up_left_is_taken_over_and_stopped_by_the_next(start: Callable[..., Run], data_dir: Path) -> None:
    run = start(data_dir).wait_until_it_answers()
    programs = psutil.Process(run.process.pid).children(recursive=True)
    run.process.kill()
    _, alive = psutil.wait_procs(programs, timeout=STOP_SECONDS)
    assert alive == []
    assert all(status.running for status in embedded.status(data_dir))
    assert start(data_dir).wait_until_it_answers().stop(signal.SIGHUP) == 0
    assert processes_of(data_dir) == []


def test_servers_that_ran_before_stay(empty: Path) -> None:
    embedded.start(empty, ["queue"])
    with Installation.locked(empty) as installation:
        installation.start_servers(["queue", "live"])
        installation.stop_servers()
    assert [status.name for status in embedded.status(empty) if status.running] == ["queue"]


@pytest.mark.parametrize("way", ["closed", "ctrl-c twice"])
def test_the_terminal_stops_everything(start: Callable[..., Run], data_dir: Path, way: str) -> None:
    master, slave = pty.openpty()
    run = start(data_dir, terminal=slave)
    os.close(slave)
    run.wait_until_it_answers()
    if way == "closed":
        os.close(master)
    else:
        os.write(master, b"\x03")
        time.sleep(0.3)
        os.write(master, b"\x03")
    assert run.process.wait(STOP_SECONDS) == 0
    assert processes_of(data_dir) == []
    if way != "closed":
        os.close(master)


def test_a_second_up_in_one_data_directory_is_refused(tmp_path: Path) -> None:
    again = Installation.locked(tmp_path)
    with Installation.locked(tmp_path), pytest.raises(AlreadyRunning, match="set DATA_DIR"):
        again.__enter__()
    with Installation.locked(tmp_path):
        pass  # free again


def test_a_taken_port_is_refused_with_the_option_that_helps() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = int(taken.getsockname()[1])
        with pytest.raises(CommandError, match=rf"port {port} \(Address already in use\): .*--port"):
            up.require_free_port("127.0.0.1", port)
    up.require_free_port("127.0.0.1", port)


def test_a_port_that_no_server_can_have_is_refused() -> None:
    with pytest.raises(CommandError, match="--port"):
        up.require_free_port("127.0.0.1", 70000)


def test_live_public_is_the_operators_where_it_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIVE_PUBLIC", "false")
    *_, stream, web = up.programs("::1", 8000, None, 8001)
    assert "LIVE_PUBLIC" not in web.environment | stream.environment
    assert web.command[-3:] == ["web", "--host=::1", "--port=8000"]
    assert stream.command[-3:] == ["stream", "--host=::1", "--port=8001"]
    assert web.environment["STREAM_PORT"] == "8001"


@pytest.mark.parametrize("path", up.PAGES.values())
def test_the_pages_that_up_announces_exist(path: str) -> None:
    assert resolve(path)
