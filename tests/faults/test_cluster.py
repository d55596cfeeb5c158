"""Workers killed, stopped and worked to death, and the queue killed under them: nothing is lost."""

import signal
import time

import psycopg
import pytest

from resilience.queue.streams import PARKED
from tests.faults.rig import Rig
from tests.support.patience import SLACK_SECONDS

pytestmark = pytest.mark.fault

BATCHES = 120
QUICK = {"TEST_TIMEOUT": "2", "TEST_RETRY": "3"}  # so that what a killed cluster had is soon taken over


@pytest.mark.parametrize("kills", [1, 3])
def test_a_cluster_killed_in_the_middle_loses_nothing_and_books_nothing_twice(rig: Rig, kills: int) -> None:
    rig.accept(rig.traffic.batches(BATCHES, size=20))
    with rig.slow_line() as (line, url):
        rig.start_workers(**QUICK, DATABASE_URL=url)
        for number in range(kills):
            rig.wait(lambda number=number: rig.booked() >= BATCHES * (number + 1) // 10, "a tenth more is booked")
            rig.kill_workers()
            result = rig.fate().check()
            assert result.stored and result.waiting, "the kill did not come in the middle"
            rig.start_workers()
        line.set("ok")
        assert len(rig.drain().stored) == BATCHES * 20
        rig.kill_workers()


def test_sigterm_finishes_the_batches_in_hand_and_leaves_nothing_pending(rig: Rig) -> None:
    rig.accept(rig.traffic.batches(BATCHES, size=20))
    with rig.slow_line() as (line, url):
        workers = rig.start_workers(DATABASE_URL=url)
        rig.wait(lambda: rig.booked() >= BATCHES // 20, "work has begun")
        workers.send(signal.SIGTERM)
        rig.wait(lambda: not workers.is_running, "the workers end")
        assert workers.returncode == 0
        assert rig.broker.lock_size() == 0
        result = rig.fate().check()
        assert result.waiting, "SIGTERM came when all was done"
        line.set("ok")
        rig.start_workers()
        assert len(rig.drain().stored) == BATCHES * 20
        rig.kill_workers()


def test_the_queue_s_redis_killed_in_the_middle_loses_nothing_and_work_resumes_within_three_seconds(rig: Rig) -> None:
    rig.accept(rig.traffic.batches(BATCHES, size=20))
    rig.start_workers()
    with rig.steady_traffic(pause=0.02):
        rig.wait(lambda: rig.booked() >= BATCHES // 5, "work has begun")
        rig.servers.queue.kill()
        time.sleep(1.0)  # the length of the outage
        before = rig.booked()
        rig.servers.queue.start()
        back = time.monotonic()
        rig.wait(lambda: rig.booked() > before + 2, "work goes on")
        assert time.monotonic() - back < 3.0 + SLACK_SECONDS
    rig.drain()


def test_a_batch_that_kills_or_hangs_every_worker_is_a_dead_letter_and_all_others_are_stored(rig: Rig) -> None:
    killer, hanging = rig.traffic.batches(2, size=3)
    rig.accept([killer], task="tests.faults.deadly.kill_the_worker")
    rig.accept([hanging], task="tests.faults.deadly.hang")
    rig.accept(rig.traffic.batches(30, size=5))
    rig.start_workers(TEST_TIMEOUT="2", TEST_RETRY="3")
    rig.wait(lambda: rig.booked() >= 30, "the good ones are stored while the bad ones are tried")
    result = rig.drain()
    assert (len(result.stored), len(result.dead)) == (150, 6)
    with psycopg.connect(rig.servers.postgres.url()) as connection:
        letters = connection.execute("SELECT batch_id, reason, message FROM resilience_deadletter").fetchall()
    assert sorted(letters) == sorted(
        (parcel.id, "no_verdict", "no verdict in 5 deliveries") for parcel in (killer, hanging)
    )
    assert rig.broker.depths()[PARKED].waiting == 0
