"""A backfill as a process that is killed or stopped in the middle: the same command again, and it is as if once."""

import contextlib
import json
import signal
import subprocess

import psutil
import pytest

from ingest.models import Batch
from tests.faults.processes import wait_until
from tests.faults.schema import held_back
from tests.ingest.feeds.test_ingest_command import manage
from tests.support.dumps import dump
from tests.support.patience import PATIENCE_SECONDS
from tracking.models import Vessel, VesselPosition

pytestmark = [pytest.mark.django_db(transaction=True, databases=["default", "direct"])]

ROWS = 120_000


@pytest.fixture
def csv(tmp_path):
    path = tmp_path / "dump.csv"
    path.write_bytes(dump(ROWS, ships=2_000))
    return str(path)


def start(csv):
    return manage(
        "backfill", csv, "--processes", "2", "--json", stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0
    )


@contextlib.contextmanager
def in_the_middle(csv):
    """A running backfill of which some batches are stored and the others are not before the body is left."""
    with held_back(after=3):
        process = start(csv)
        wait_until(lambda: process.poll() is not None or Batch.objects.count() >= 3, PATIENCE_SECONDS, "work has begun")
        assert process.poll() is None, "it ended before it could be disturbed"
        yield process, psutil.Process(process.pid).children()


def account(process):
    out, said = process.communicate(timeout=2 * PATIENCE_SECONDS)
    assert process.returncode == 0, said
    return json.loads(out.splitlines()[-1]), said


def as_if_once(said):
    assert (said["messages"], said["stored"], said["merged"] + said["duplicate"]) == (ROWS, ROWS, 0)
    assert (said["lines"], said["batches"], said["whole"]) == (ROWS + 1, ROWS / 5_000, True)
    assert VesselPosition.objects.count() == ROWS
    assert Vessel.objects.filter(draught=5.0, name__startswith="SHIP ").count() == 2_000
    assert not Batch.objects.filter(index=None).exists()


def test_a_killed_backfill_goes_on_where_it_was_and_leaves_no_worker(csv):
    with in_the_middle(csv) as (process, workers):
        process.kill()
    process.communicate(timeout=PATIENCE_SECONDS)
    _, alive = psutil.wait_procs(workers, timeout=PATIENCE_SECONDS)
    assert not alive
    said, _ = account(start(csv))
    as_if_once(said)
    assert 0 < said["already"] < ROWS


def test_workers_that_are_killed_are_replaced(csv):
    with in_the_middle(csv) as (process, workers):
        for worker in workers:
            worker.kill()
    said, words = account(process)
    as_if_once(said)
    assert "a worker died (signal 9)" in words


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_finishes_what_is_in_hand_and_says_how_to_go_on(csv, number):
    with in_the_middle(csv) as (process, _):
        process.send_signal(number)
    said, words = account(process)
    assert not said["whole"]
    assert said["stored"] == said["messages"] == VesselPosition.objects.count() < ROWS
    assert "the same command goes on from there" in words
    assert not Batch.objects.filter(index=None).exists()
    as_if_once(account(start(csv))[0])
