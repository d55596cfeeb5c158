"""A spool whose disk is full, closed or damaged: it refuses or begins anew, says so, and deletes nothing unsent."""

import resource
import sqlite3
import subprocess
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from resilience.spool import file as spool_file
from resilience.spool.spool import Spool, SpoolUnusable
from tests.support.patience import PATIENCE_SECONDS
from tests.support.spools import Queue, drained, start

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
