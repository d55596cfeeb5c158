"""The spool: what goes in comes out, in order and within bounds; the thread that drains it."""

import logging
import stat
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from resilience.spool import drain
from resilience.spool.drain import Drainer
from resilience.spool.spool import Spool, SpoolDepth, SpoolFull
from tests.support.patience import PATIENCE_SECONDS
from tests.support.spools import Queue, drained, wait_for


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
