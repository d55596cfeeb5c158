"""A spool that several processes share: what was acknowledged outlives them, and one of them drains at a time."""

import os
import signal
import subprocess
import threading
import time
from pathlib import Path

import pytest

from resilience.spool.lease import Lease, leased
from resilience.spool.spool import Spool
from tests.support.patience import PATIENCE_SECONDS
from tests.support.spools import Queue, drained, start, wait_for


def test_threads_and_forks_share_one_spool(spool: Spool) -> None:
    spool.append("live", ["parent"], {})

    def append(name: str) -> None:
        for number in range(20):
            spool.append("live", [f"{name}{number}"], {})

    threads = [threading.Thread(target=append, args=(name,)) for name in "ab"]
    for thread in threads:
        thread.start()
    pid = os.fork()
    if pid == 0:
        try:
            append("child")
        finally:
            os._exit(0)
    for thread in threads:
        thread.join()
    os.waitpid(pid, 0)
    spool.append("live", ["last"], {})
    found = drained(spool)
    assert len(found) == 62
    assert [name for name in found if name.startswith("child")] == [f"child{number}" for number in range(20)]


# --- what goes wrong --------------------------------------------------------------------------------------------------
WRITER = """
import sys
from pathlib import Path
from resilience.spool.spool import Spool
spool = Spool(Path(sys.argv[1]), 10**9)
number = 0
while True:
    spool.append("live", [f"{number}:" + "x" * 20000], {"place": str(number)})
    print(number, flush=True)
    number += 1
"""


@pytest.mark.fault
@pytest.mark.parametrize("torn", [b"", b"\x00" * 4096, os.urandom(3000)], ids=["clean", "zeros", "half a frame"])
def test_everything_that_a_killed_writer_had_acknowledged_is_there(
    spool: Spool, children: list[subprocess.Popen[str]], torn: bytes
) -> None:
    writer = start(children, WRITER, str(spool.directory))
    assert writer.stdout is not None
    acknowledged = [writer.stdout.readline() for _ in range(25)]
    writer.send_signal(signal.SIGKILL)
    acknowledged += writer.stdout.readlines()
    with Path(f"{spool.directory}/spool.sqlite3-wal").open("ab") as log:
        log.write(torn)
    count = len(acknowledged)
    found = [int(package.partition(":")[0]) for package in drained(spool)]
    assert found in (list(range(count)), list(range(count + 1)))  # killed after the commit, before it could say so
    spool.append("live", ["after"], {})
    assert drained(spool) == ["after"]


DRAINER = """
import os, sys, threading, time
from pathlib import Path
from resilience.spool.spool import Spool
from resilience.spool.drain import Drainer
def send(stream, packages, alongside):
    with open(sys.argv[2], "a") as log:
        log.write("".join(f"{os.getpid()} {package}\\n" for package in packages))
    time.sleep(60 if len(sys.argv) > 3 else 0.01)
spool = Spool(Path(sys.argv[1]), 10**9)
drainer = Drainer(spool, send)
drainer.wake()
print("running", flush=True)
end = Path(sys.argv[2] + ".end")
while not (end.exists() and spool.is_empty()):
    time.sleep(0.01)
    drainer.wake()
drainer.stop()
"""


@pytest.mark.fault
def test_of_two_draining_processes_each_entry_is_sent_once_and_in_order(
    spool: Spool, children: list[subprocess.Popen[str]], tmp_path: Path
) -> None:
    for number in range(300):
        spool.append("live", [str(number)], {})
    log = tmp_path / "log"
    drainers = [start(children, DRAINER, str(spool.directory), str(log)) for _ in range(2)]
    for drainer in drainers:
        assert drainer.stdout is not None
        drainer.stdout.readline()
    for number in range(300, 400):
        spool.append("live", [str(number)], {})
    (tmp_path / "log.end").touch()
    assert [drainer.wait(20) for drainer in drainers] == [0, 0]
    assert [int(line.split()[1]) for line in log.read_text().splitlines()] == list(range(400))


@pytest.mark.fault
def test_when_the_draining_process_is_killed_another_goes_on(
    spool: Spool, children: list[subprocess.Popen[str]], tmp_path: Path
) -> None:
    for number in range(100):
        spool.append("live", [str(number)], {})
    log = tmp_path / "log"
    first = start(children, DRAINER, str(spool.directory), str(log), "hang")
    wait_for(log.exists, "the first one drains")
    second = start(children, DRAINER, str(spool.directory), str(log))
    assert second.stdout is not None
    second.stdout.readline()
    assert not spool.is_empty()
    (tmp_path / "log.end").touch()
    first.send_signal(signal.SIGKILL)
    assert second.wait(20) == 0
    lines = [line.split() for line in log.read_text().splitlines()]
    assert {pid for pid, _ in lines} == {str(first.pid), str(second.pid)}
    assert [int(number) for pid, number in lines if pid == str(second.pid)] == list(range(100))  # the first ones again


FROZEN = """
import sys, threading, time
from pathlib import Path
from resilience.spool.spool import Spool
def send(stream, packages, alongside):
    print(*packages, flush=True)
    time.sleep(0.5)
print(Spool(Path(sys.argv[1]), 10**9).drain(send, threading.Event()), flush=True)
"""


@pytest.mark.fault
def test_a_frozen_process_that_drains_is_not_waited_for_and_does_no_harm_when_it_wakes_up(
    spool: Spool,
    children: list[subprocess.Popen[str]],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    packages = [str(number) for number in range(200)]
    spool.append("live", packages, {})
    frozen = start(children, FROZEN, str(spool.directory))
    assert frozen.stdout is not None
    assert frozen.stdout.readline().split() == packages[:64]
    frozen.send_signal(signal.SIGSTOP)
    queue = Queue()
    assert not spool.drain(queue.send, threading.Event())  # for now it might only be slow
    monkeypatch.setattr("resilience.spool.spool.STALE_SECONDS", 0.2)
    wait_for(lambda: spool.drain(queue.send, threading.Event()), "another goes on without it")
    assert [package for _, package in queue.taken] == packages
    assert f"process {frozen.pid} has had the spool" in caplog.text
    spool.append("live", ["later", "and later"], {})
    frozen.send_signal(signal.SIGCONT)
    assert frozen.communicate(timeout=PATIENCE_SECONDS)[0] == "False\n"  # it sent no more
    assert spool.depth()[:2] == (2, len("later" + "and later"))
    assert drained(spool) == ["later", "and later"]


def test_a_lease_goes_to_another_only_if_it_is_not_renewed(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    path.touch()
    os.utime(path, (0, 0))  # as of the last time that anybody needed it
    with leased(path, 60) as first:
        assert first is not None
        assert (first.renew(), first.taken_from) == (True, "")
        with leased(path, 60) as other:
            assert other is None
        os.utime(path, (0, 0))
        with leased(path, 60) as second, leased(path, 60) as third:
            assert second is not None
            assert (second.taken_from, second.renew(), third) == (f"process {os.getpid()}", True, None)
            assert not first.renew()
    with leased(path, 60) as last:
        assert last is not None
        assert last.renew()
    assert list(tmp_path.iterdir()) == [path]


def test_of_many_that_find_a_stale_lease_one_gets_it(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    begin, end = threading.Barrier(8), threading.Barrier(8)
    found: list[Lease | None] = []

    def take() -> None:
        begin.wait(PATIENCE_SECONDS)
        with leased(path, 60) as lease:
            found.append(lease)
            end.wait(PATIENCE_SECONDS)

    with leased(path, 60):
        os.utime(path, (0, 0))
        threads = [threading.Thread(target=take) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE_SECONDS)
    assert [lease is not None for lease in found].count(True) == 1


def test_a_child_that_was_forked_meanwhile_keeps_no_lock(tmp_path: Path) -> None:
    with leased(tmp_path / "lock", 60) as lease:
        assert lease is not None
        pid = os.fork()
        if pid == 0:
            time.sleep(PATIENCE_SECONDS)
            os._exit(0)
    try:
        with leased(tmp_path / "lock", 60) as again:
            assert again is not None
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
