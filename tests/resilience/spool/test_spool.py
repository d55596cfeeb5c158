"""The spool: durable once appended, in order, bounded, drained by one process at a time, never deleted when damaged."""

import logging
import os
import resource
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import pytest
import redis

from resilience.spool import drain
from resilience.spool import file as spool_file
from resilience.spool.drain import Drainer
from resilience.spool.lease import Lease, leased
from resilience.spool.spool import Spool, SpoolDepth, SpoolFull, SpoolUnusable
from tests.support.patience import PATIENCE_SECONDS

ROOT = Path(__file__).resolve().parents[3]


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


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path / "spool", 10_000_000)


@pytest.fixture
def children() -> Iterator[list[subprocess.Popen[str]]]:
    started: list[subprocess.Popen[str]] = []
    yield started
    for child in started:
        child.kill()
        child.communicate(timeout=PATIENCE_SECONDS)


def drained(spool: Spool) -> list[str]:
    queue = Queue()
    assert spool.drain(queue.send, threading.Event())
    return [package for _, package in queue.taken]


# --- what goes in comes out -------------------------------------------------------------------------------------------
def test_entries_leave_in_their_order_with_their_keys(spool: Spool) -> None:
    spool.append("live", ["a", "b"], {})
    spool.append("replay", ["c"], {"place": "1"})
    spool.append("replay", ["d"], {"place": "2", "other": "x"})
    spool.append("live", ["e"], {})
    queue = Queue()
    assert spool.drain(queue.send, threading.Event())
    assert queue.taken == [("live", "a"), ("live", "b"), ("replay", "c"), ("replay", "d"), ("live", "e")]
    assert queue.keys == {"place": "2", "other": "x"}
    assert (spool.is_empty(), spool.depth()) == (True, SpoolDepth(0, 0, None))


def test_much_is_sent_in_parts_and_a_stop_leaves_the_rest(spool: Spool) -> None:
    packages = [f"{number:04d}" * 10_000 for number in range(100)]
    spool.append("live", packages, {})
    sizes: list[int] = []
    stop = threading.Event()

    def send(stream: str, some: Sequence[str], alongside: Mapping[str, str]) -> None:
        sizes.append(len(some))
        stop.set()

    assert spool.drain(send, stop)
    assert sizes == [26]  # of 40 kB each, at most one more than 1 MiB
    assert spool.depth()[:2] == (74, 74 * 40_000)
    assert drained(spool) == packages[26:]


def test_the_depth_tells_entries_bytes_and_the_age_of_the_oldest(spool: Spool) -> None:
    before = time.time()
    spool.append("live", ["abc"], {})
    spool.append("live", ["de", ""], {})
    entries, size, oldest_at = spool.depth()
    assert (entries, size, spool.is_empty()) == (3, 5, False)
    assert oldest_at is not None
    assert before <= oldest_at <= time.time()


def test_the_newest_value_of_a_key_is_found(spool: Spool) -> None:
    assert spool.newest("place") is None
    for number in range(3):
        spool.append("replay", ["x"], {"place": str(number), f"only{number}": "y"})
    assert (spool.newest("place"), spool.newest("only0"), spool.newest("nothing")) == ("2", "y", None)


def test_looking_makes_nothing_and_what_is_made_is_for_its_owner_only(spool: Spool) -> None:
    assert spool.is_empty()
    assert spool.depth() == SpoolDepth(0, 0, None)
    assert spool.newest("x") is None
    assert spool.drain(Queue().send, threading.Event())
    assert not spool.directory.exists()
    spool.append("live", ["a"], {})
    spool.drain(Queue().send, threading.Event())
    assert stat.S_IMODE(spool.directory.stat().st_mode) == 0o700
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in spool.directory.iterdir()}
    assert set(modes) >= {"spool.sqlite3", "drain.lock"}
    assert set(modes.values()) == {0o600}


def test_a_full_spool_takes_all_or_none_and_takes_again_when_drained(tmp_path: Path) -> None:
    spool = Spool(tmp_path, 10)
    spool.append("live", ["123456"], {})
    with pytest.raises(SpoolFull, match="SPOOL_MAX_BYTES"):
        spool.append("live", ["789", "01"], {"key": "value"})
    assert (spool.depth()[:2], spool.newest("key")) == ((1, 6), None)
    spool.append("live", ["7890"], {})
    assert drained(spool) == ["123456", "7890"]
    spool.append("live", ["1234567890"], {})


def test_a_drained_spool_gives_its_disk_back(tmp_path: Path) -> None:
    spool = Spool(tmp_path, 100_000_000)
    spool.append("live", ["x" * 1_000_000] * 20, {})
    drained(spool)
    spool.append("live", ["y"], {})
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) < 1_000_000
    assert drained(spool) == ["y"]


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


def start(children: list[subprocess.Popen[str]], program: str, *arguments: str) -> subprocess.Popen[str]:
    environment = os.environ | {"DJANGO_SETTINGS_MODULE": "tests.settings"}
    command = [sys.executable, "-c", program, *arguments]
    child = subprocess.Popen(command, cwd=ROOT, env=environment, text=True, stdout=subprocess.PIPE)
    children.append(child)
    return child


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


DISK_FULL = """
import resource, sys
from pathlib import Path
from resilience.spool.spool import Spool, SpoolUnusable
spool = Spool(Path(sys.argv[1]), 10**9)
spool.append("live", ["before"], {})
resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, resource.RLIM_INFINITY))
for _ in range(2):
    try:
        spool.append("live", ["x" * 1_000_000], {})
    except SpoolUnusable as error:
        print("refused", flush=True)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
spool.append("live", ["after"], {})
"""


@pytest.mark.fault
def test_a_disk_that_takes_no_more_refuses_and_loses_nothing(
    spool: Spool, children: list[subprocess.Popen[str]]
) -> None:
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[1] == resource.RLIM_INFINITY
    child = start(children, DISK_FULL, str(spool.directory))
    assert child.communicate(timeout=PATIENCE_SECONDS)[0] == "refused\nrefused\n"
    assert child.returncode == 0
    assert drained(spool) == ["before", "after"]


def test_a_directory_that_cannot_be_made_is_told_of_once_with_the_fix(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    spool = Spool(tmp_path / "file" / "spool", 1000)
    for _ in range(3):
        with pytest.raises(SpoolUnusable, match="SPOOL_DIR"):
            spool.append("live", ["a"], {})
    assert caplog.text.count("SPOOL_DIR") == 1
    (tmp_path / "file").unlink()
    spool.append("live", ["a"], {})
    assert "can be used again" in caplog.text
    assert drained(spool) == ["a"]


def test_a_damaged_file_is_kept_aside_and_a_new_one_begun(spool: Spool, caplog: pytest.LogCaptureFixture) -> None:
    spool.append("live", ["a"], {})
    other = Spool(spool.directory, spool.max_bytes)
    assert not other.is_empty()
    damaged = b"this is no database" * 1000
    spool._file.path.write_bytes(damaged)
    Path(f"{spool._file.path}-wal").write_bytes(b"")
    fresh = Spool(spool.directory, spool.max_bytes)
    fresh.append("live", ["b"], {})
    (kept,) = spool.directory.glob("damaged-*Z.sqlite3")
    assert kept.read_bytes() == damaged
    assert [record.levelname for record in caplog.records] == ["CRITICAL"]
    assert str(kept) in caplog.text
    other.append("live", ["c"], {})  # it had the damaged one open
    assert drained(fresh) == ["b", "c"]


def test_a_file_whose_maker_was_killed_is_begun_anew(spool: Spool) -> None:
    spool.directory.mkdir()
    (spool.directory / "begun.sqlite3").write_bytes(b"half of it")
    spool.append("live", ["a"], {})
    assert drained(spool) == ["a"]
    assert not (spool.directory / "begun.sqlite3").exists()


def test_a_log_that_lost_its_file_is_not_replayed_into_a_new_one(spool: Spool) -> None:
    spool.append("live", ["a"], {})
    spool._file.path.unlink()
    assert spool.is_empty()
    spool.append("live", ["b"], {})
    assert drained(spool) == ["b"]
    assert list(spool.directory.glob("damaged-*-wal"))


def test_what_was_sent_and_cannot_be_deleted_yet_is_sent_once(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool_file, "BUSY_SECONDS", 0.05)
    spool = Spool(spool.directory, spool.max_bytes)
    spool.append("live", ["a"], {})
    holder = sqlite3.connect(spool._file.path, isolation_level=None)
    waits: list[float | None] = []

    class Patience(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            waits.append(timeout)
            if len(waits) == 3:
                holder.execute("ROLLBACK")
            return False

    queue = Queue()

    def send(stream: str, packages: Sequence[str], alongside: Mapping[str, str]) -> None:
        queue.send(stream, packages, alongside)
        holder.execute("BEGIN IMMEDIATE")

    assert spool.drain(send, Patience())
    assert (queue.taken, len(waits)) == ([("live", "a")], 3)
    holder.close()


def test_entries_of_another_file_are_not_deleted_by_their_numbers(spool: Spool) -> None:
    for number in range(5):
        spool.append("live", [str(number)], {})

    def send(stream: str, packages: Sequence[str], alongside: Mapping[str, str]) -> None:
        if packages[0] == "0":
            spool._file.path.rename(spool.directory / "elsewhere")
            spool.append("live", ["new"], {})
        else:
            found.extend(packages)

    found: list[str] = []
    assert spool.drain(send, threading.Event())
    assert found == ["new"]


# --- the thread -------------------------------------------------------------------------------------------------------
def test_the_thread_waits_for_the_queue_without_spinning_and_ends_when_done(
    spool: Spool, caplog: pytest.LogCaptureFixture
) -> None:
    queue = Queue()
    queue.is_away = True
    drainer = Drainer(spool, queue.send)
    spool.append("live", ["a"], {})
    drainer.wake()
    drainer.wake()
    began = time.process_time()
    for _ in range(2):
        queue.asked.clear()
        assert queue.asked.wait(PATIENCE_SECONDS)
    assert time.process_time() - began < 0.2
    assert [thread.name for thread in threading.enumerate()].count("spool-drain") == 1
    queue.is_away = False
    wait_for(lambda: drainer._thread is None, "the thread ends")
    assert queue.taken == [("live", "a")]
    assert [record.levelname for record in caplog.records] == ["WARNING", "WARNING"]
    spool.append("live", ["b"], {})
    drainer.wake()
    wait_for(spool.is_empty, "it begins again")
    drainer.stop()


def test_a_bug_in_sending_is_told_once_and_loses_nothing(spool: Spool, caplog: pytest.LogCaptureFixture) -> None:
    calls: list[int] = []

    def send(stream: str, packages: Sequence[str], alongside: Mapping[str, str]) -> None:
        calls.append(len(packages))
        raise TypeError("wrong")

    drainer = Drainer(spool, send)
    spool.append("live", ["a"], {})
    drainer.wake()
    wait_for(lambda: len(calls) >= 2, "it is tried again")
    drainer.stop()
    assert caplog.text.count("TypeError: wrong") == 1
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert drained(spool) == ["a"]


def test_stopping_waits_for_the_batch_in_hand_only_so_long(spool: Spool) -> None:
    go = threading.Event()
    begun = threading.Event()
    drainer = Drainer(spool, lambda stream, packages, alongside: begun.set() or go.wait(PATIENCE_SECONDS))  # type: ignore[func-returns-value]
    spool.append("live", ["a"], {})
    drainer.wake()
    assert begun.wait(PATIENCE_SECONDS)
    began = time.monotonic()
    drainer.stop(0.1)
    assert time.monotonic() - began < PATIENCE_SECONDS / 2
    go.set()
    wait_for(spool.is_empty, "what was sent is deleted")


def test_looking_wakes_nobody_for_an_empty_spool(tmp_path: Path, settings: object) -> None:
    settings.SPOOL_DIR = tmp_path / "spool"  # type: ignore[attr-defined]
    drain.look()
    assert "spool-drain" not in [thread.name for thread in threading.enumerate()]
    assert not (tmp_path / "spool").exists()
