"""Archiving and restoring as programs that are killed at any moment, beside late rows: no row is lost or doubled.

KILLS in the environment says how often (default 4).
"""

import datetime as dt
import os
import random
import signal
import subprocess
import time
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection

from tests.faults.processes import wait_until
from tests.ingest.feeds.test_ingest_command import manage
from tests.support.patience import PATIENCE_SECONDS
from tests.support.reports import Report, upsert
from tests.tracking.history.archived import DAY, MIDNIGHT, archive_dir, fill
from tracking.history import days, door
from tracking.history.door import HistorySpan
from tracking.models import ArchivedDay, VesselPosition

__all__ = ["archive_dir"]
pytestmark = [pytest.mark.fault, pytest.mark.django_db(transaction=True, databases=["default", "direct"])]

KILLS = int(os.environ.get("KILLS", "4"))
ROWS = 2_000
DAYS = [DAY + dt.timedelta(days=number) for number in range(4)]  # what so many rows fill
SPAN = HistorySpan(VesselPosition, MIDNIGHT, MIDNIGHT + dt.timedelta(days=len(DAYS)))
ARCHIVE = ("archive", "--before", "2026-06-01")
RESTORE = ("restore", *(day.isoformat() for day in DAYS))
_HELD = f"SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = {days._ONE_ARCHIVER}"


def history() -> dict[tuple[Any, Any], dict[str, Any]]:
    """All rows, by key, wherever they lie; a key that comes twice fails."""
    found: dict[tuple[Any, Any], dict[str, Any]] = {}
    for row in door.stream(SPAN):
        key = row["vessel_id"], row["timestamp"]
        assert key not in found, f"{key} comes twice"
        found[key] = row
    return found


def late_rows(number: int) -> Iterator[Report]:
    """Some rows of the archived day that nobody sent before."""
    for ship in range(5):
        at = MIDNIGHT + dt.timedelta(seconds=number * 60 + ship, microseconds=7)
        yield Report(vessel_id=212_000_000 + ship, timestamp=at, received_at=at, speed=float(number))


def works() -> bool:
    """Whether a program has the lock of the one archiver."""
    with connection.cursor() as cursor:
        cursor.execute(_HELD)
        return bool(cursor.fetchone()[0])


def seconds_of(*command: str) -> float:
    """How long a program works that nobody kills."""
    process = manage(*command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    wait_until(lambda: works() or process.poll() is not None, PATIENCE_SECONDS, "it works")
    began = time.monotonic()
    said, _ = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 0, said
    return time.monotonic() - began


def kill_within(seconds: float, *command: str) -> bool:
    """Start a program and kill it at some moment of its work; whether it was still at it."""
    process = manage(*command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_until(lambda: works() or process.poll() is not None, PATIENCE_SECONDS, "it works")
    time.sleep(seconds)
    process.send_signal(signal.SIGKILL)
    process.wait(PATIENCE_SECONDS)
    wait_until(lambda: not works(), PATIENCE_SECONDS, "PostgreSQL has noticed")
    return process.returncode == -signal.SIGKILL


def test_killed_anywhere_they_lose_and_double_nothing(archive_dir: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARCHIVE_URL", str(archive_dir))
    fill(rows=ROWS, ships=100)
    expected, chance = history(), random.Random(1)
    takes = {ARCHIVE: seconds_of(*ARCHIVE), RESTORE: seconds_of(*RESTORE)}
    killed = 0
    for number in range(KILLS):
        command = ARCHIVE if number % 2 == 0 else RESTORE
        killed += kill_within(chance.uniform(0.0, takes[command]), *command)
        upsert(*late_rows(number))
        expected |= {(row.vessel_id, row.timestamp): _whole(row.vessel_id, row.timestamp) for row in late_rows(number)}
        assert history() == expected
        if command == ARCHIVE:
            seconds_of(*ARCHIVE)  # so that there is something to restore
            assert history() == expected
    assert killed >= KILLS // 2, "too few were still at work to say anything"
    seconds_of(*ARCHIVE)
    assert ArchivedDay.objects.filter(kind="vessel", restored_at=None).count() == len(DAYS)
    assert VesselPosition.objects.count() == 0
    assert history() == expected
    assert not list(archive_dir.rglob("*.part*"))


def _whole(vessel: int, at: dt.datetime) -> dict[str, Any]:
    """A row of PostgreSQL as the door gives it."""
    (row,) = door.positions_of(HistorySpan(VesselPosition, at, at + dt.timedelta(milliseconds=1), vessel), 2)
    return row
