"""What fault tests need: unused breakers, an empty queue, and servers that may be killed."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from django_redis import get_redis_connection

from tests.faults.invariants import Traffic
from tests.faults.rig import Rig
from tests.faults.servers import PgBouncer, Servers
from tests.support.letters import forget_breakers


@pytest.fixture
def breakers() -> Iterator[None]:
    """All breakers of the queue's Redis are as new, before and after."""
    forget_breakers()
    yield
    forget_breakers()


@pytest.fixture
def queue() -> Iterator[redis.Redis]:
    """The queue's Redis of this process, empty."""
    client = get_redis_connection("queue")
    client.flushdb()
    yield client
    client.flushdb()


@pytest.fixture
def traffic() -> Traffic:
    """Ships that no other message of the test is of."""
    return Traffic()


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """PostgreSQL with all tables that takes 20 connections, and both Redis servers, for all fault tests of a process.

    To start and migrate them costs more than most tests: what a test kills, `rig` or the test itself starts again.
    """
    with Servers(tmp_path_factory.mktemp("servers"), max_connections=20) as running:
        running.manage("migrate", "--verbosity", "0")
        yield running


@pytest.fixture
def pooler(servers: Servers) -> Iterator[PgBouncer]:
    """PgBouncer with the shipped parameters before `servers`; afterwards it is gone, and PostgreSQL well."""
    if not servers.postgres.is_running:
        servers.postgres.start()
    servers.pgbouncer.start()
    yield servers.pgbouncer
    servers.pgbouncer.kill()
    servers.postgres.thaw()


@pytest.fixture
def rig(servers: Servers, tmp_path: Path) -> Iterator[Rig]:
    """A system on empty servers; its workers are not started."""
    made = Rig(servers, tmp_path)
    try:
        made.empty()
        yield made
    finally:
        made.close()
