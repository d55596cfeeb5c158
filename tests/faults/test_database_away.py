"""PostgreSQL killed, frozen and cut off under working workers: the breaker opens, the queue keeps, nothing is lost."""

import time

import pytest

from resilience.breaker.registry import Phase
from tests.faults.proxy import Proxy
from tests.faults.rig import CLOSING_SECONDS, RESET_SECONDS, Rig
from tests.faults.servers import NO_PGBOUNCER, PgBouncer, Servers

pytestmark = pytest.mark.fault
needs_pgbouncer = pytest.mark.skipif(not Servers.has_pgbouncer(), reason=NO_PGBOUNCER)

WORKERS = 2
AWAY_SECONDS = 8.0
FROZEN_SECONDS = 8.0
DEADLINE_SECONDS = 1.5


def test_postgresql_killed_for_eight_seconds_opens_the_breaker_and_loses_nothing(rig: Rig) -> None:
    rig.start_workers()
    with rig.steady_traffic():
        rig.wait(lambda: rig.booked() >= 5, "work has begun")
        rig.servers.postgres.kill()
        killed_at = time.monotonic()
        rig.wait_for_phase(Phase.OPEN)
        opening = rig.snapshot().state
        probes = opening.opened_total - 1  # each opens it anew
        assert 5 <= opening.failed_total - probes <= 5 + WORKERS - 1, "more calls failed before it opened"
        time.sleep(max(0.0, AWAY_SECONDS - (time.monotonic() - killed_at)))  # the length of the outage
        at_its_end, away = rig.snapshot().state, time.monotonic() - killed_at
        rig.servers.postgres.start()
        assert rig.wait_for_phase(Phase.CLOSED) < CLOSING_SECONDS
    # Probes apart nobody called a database that is known to be away.
    assert at_its_end.failed_total - opening.failed_total <= away / RESET_SECONDS + WORKERS
    assert not rig.drain().dead


@needs_pgbouncer
def test_a_frozen_postgresql_opens_the_breaker_and_leaves_the_pooler_alone(rig: Rig, pooler: PgBouncer) -> None:
    pid = pooler.pid
    rig.start_workers(pooled=True, DATABASE_DEADLINE_SECONDS=str(DEADLINE_SECONDS))
    with rig.steady_traffic():
        rig.wait(lambda: rig.booked() >= 5, "work has begun")
        rig.servers.postgres.freeze()
        taken = rig.wait_for_phase(Phase.OPEN)
        time.sleep(max(0.0, FROZEN_SECONDS - taken))  # the length of the outage
        assert rig.snapshot().state.phase is not Phase.CLOSED, "the breaker did not stay open"
        rig.servers.postgres.thaw()
        assert rig.wait_for_phase(Phase.CLOSED) < CLOSING_SECONDS
    assert (pooler.is_running, pooler.pid) == (True, pid)
    assert not rig.drain().dead


def test_a_black_hole_before_postgresql_opens_the_breaker_and_loses_nothing(rig: Rig) -> None:
    with Proxy(rig.servers.postgres.port) as proxy:
        url = rig.servers.postgres.url(port=proxy.port)
        rig.start_workers(DATABASE_URL=url, DATABASE_DEADLINE_SECONDS=str(DEADLINE_SECONDS))
        with rig.steady_traffic():
            rig.wait(lambda: rig.booked() >= 5, "work has begun")
            proxy.set("blackhole")
            rig.wait_for_phase(Phase.OPEN)  # two workers at a time wait for the deadline, then to connect
            assert not rig.fate().check().dead
            proxy.set("ok")
            assert rig.wait_for_phase(Phase.CLOSED) < CLOSING_SECONDS
        assert not rig.drain().dead


@needs_pgbouncer
def test_a_killed_pooler_that_comes_back_loses_nothing(rig: Rig, pooler: PgBouncer) -> None:
    rig.start_workers(pooled=True)
    with rig.steady_traffic():
        rig.wait(lambda: rig.booked() >= 5, "work has begun")
        pooler.kill()
        rig.wait_for_phase(Phase.OPEN)
        pooler.start()
        assert rig.wait_for_phase(Phase.CLOSED) < CLOSING_SECONDS
    assert not rig.drain().dead


def test_a_commit_whose_answer_is_cut_off_is_counted_once(rig: Rig) -> None:
    with Proxy(rig.servers.postgres.port) as proxy:
        rig.start_workers(DATABASE_URL=rig.servers.postgres.url(port=proxy.port))
        for _ in range(6):
            rig.accept(rig.traffic.batches(3, size=20))
            rig.drain()
            proxy.cut_answer_of(b"COMMIT")
            rig.accept(rig.traffic.batches(1, size=20))
            rig.wait(proxy.cut.is_set, "the answer of a commit is cut off")
        result = rig.drain()
        assert (len(result.stored), result.dead) == (6 * 80, set())
        assert rig.snapshot().state.failed_total >= 6, "no worker noticed a cut"
