"""A disk that fills up under PostgreSQL: an outage like any other, over when there is room again."""

import errno
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from resilience.breaker.registry import Phase
from tests.faults.processes import unprivileged
from tests.faults.rig import CLOSING_SECONDS, Rig

SIZE = "6m"
CAP_SYS_ADMIN = 21


def may_mount() -> bool:
    """Whether this process has CAP_SYS_ADMIN."""
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return bool(int(status["CapEff"], 16) >> CAP_SYS_ADMIN & 1)


pytestmark = [
    pytest.mark.fault,
    pytest.mark.skipif(not may_mount(), reason="a small disk must be mounted, which needs CAP_SYS_ADMIN"),
]


@pytest.fixture
def disk() -> Iterator[Path]:
    """A disk of a few megabytes that belongs to PostgreSQL's user."""
    where = Path(tempfile.mkdtemp(prefix="full-"))
    owner = unprivileged()
    identity = f",uid={owner['user']},gid={owner['group']}" if owner else ""
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SIZE},mode=700{identity}", "tmpfs", str(where)]
    done = subprocess.run(mount, capture_output=True, text=True, check=False)
    if done.returncode:
        where.rmdir()
        pytest.skip(f"a small disk could not be mounted: {done.stderr.strip()}")
    try:
        yield where
    finally:
        subprocess.run(["umount", "--lazy", str(where)], check=True)
        shutil.rmtree(where)


@contextmanager
def ledger_on(disk: Path, url: str) -> Iterator[None]:
    """The ledger's table lies on the small disk."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"CREATE TABLESPACE small LOCATION '{disk}'")
        connection.execute("ALTER TABLE ingest_batch SET TABLESPACE small")
        try:
            yield
        finally:
            connection.execute("ALTER TABLE ingest_batch SET TABLESPACE pg_default")
            connection.execute("DROP TABLESPACE small")


def fill(disk: Path) -> Path:
    """A file that takes what is left; remove it to make room."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file, suppress_full():
        while True:
            file.write(bytes(4096))
    return filler


@contextmanager
def suppress_full() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise


def test_a_full_disk_opens_the_breaker_and_costs_nothing_once_there_is_room_again(rig: Rig, disk: Path) -> None:
    with ledger_on(disk, rig.servers.postgres.url()):
        rig.start_workers()
        with rig.steady_traffic(pause=0.05):
            rig.wait(lambda: rig.booked() >= 5, "work has begun")
            filler = fill(disk)
            rig.wait_for_phase(Phase.OPEN)
            opened = next(one for one in rig.snapshot().history if one.to_phase is Phase.OPEN)
            assert "No space left on device" in opened.reason
            assert not rig.fate().check().dead
            filler.unlink()
            assert rig.wait_for_phase(Phase.CLOSED) < CLOSING_SECONDS
        assert not rig.drain().dead
        rig.kill_workers()
