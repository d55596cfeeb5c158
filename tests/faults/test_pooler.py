"""Clients of PostgreSQL behind the shipped PgBouncer: more of them than connections, and one of the two away."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from django.conf import settings
from django.db import connections, transaction
from django.db.utils import Error

from resilience.database.deadline import deadline
from resilience.database.sqlstate import Verdict, classify
from tests.faults.processes import wait_until
from tests.faults.proxy import Proxy
from tests.faults.servers import NO_PGBOUNCER, PgBouncer, Servers
from tests.support.patience import PATIENCE_SECONDS, SLACK_SECONDS

pytestmark = [pytest.mark.fault, pytest.mark.skipif(not Servers.has_pgbouncer(), reason=NO_PGBOUNCER)]

CLIENTS = 120
TRANSACTIONS = 5
DEADLINE_SECONDS = 1.5
CONNECT_SECONDS = 3  # connect_timeout of the settings
ALIAS = "fault"


# --- more clients than connections ------------------------------------------------------------------------------------
def failures_of(url: str) -> list[str]:
    """What clients met that all connect at once, and do some transactions each while all are connected."""
    together, failures = threading.Barrier(CLIENTS, timeout=PATIENCE_SECONDS), list[str]()

    def connect() -> Any:
        together.wait()
        try:
            return psycopg.connect(url, connect_timeout=30, prepare_threshold=None)
        finally:
            together.wait()  # a client holds its connection longer than it uses it

    def run() -> None:
        try:
            with connect() as client:
                for _ in range(TRANSACTIONS):
                    with client.transaction():
                        client.execute("SELECT count(*) FROM pg_class")
        except psycopg.Error as error:
            failures.append(str(error))

    threads = [threading.Thread(target=run) for _ in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_SECONDS)
        assert not thread.is_alive()
    return failures


def test_a_hundred_and_twenty_clients_on_twenty_connections_all_succeed_through_the_pooler(
    servers: Servers, pooler: PgBouncer
) -> None:
    """Three times at most: who waits for four seconds is sent away, and a machine may well stand still as long."""
    url = servers.postgres.url("tracking_pooled", pooler.port)
    assert [] in (failures_of(url) for _ in range(3))


def test_without_the_pooler_they_do_not(servers: Servers, pooler: PgBouncer) -> None:
    failures = failures_of(servers.postgres.url("tracking_pooled"))
    assert len(failures) > CLIENTS // 4
    assert all("connection" in failure for failure in failures), failures[:3]


# --- one of the two is away -------------------------------------------------------------------------------------------
@contextmanager
def project_connection(port: int, blocker: Any) -> Iterator[Any]:
    """A connection with the project's own options to another server, as `connections[ALIAS]`."""
    options = {"HOST": "127.0.0.1", "PORT": port, "USER": "tracking_pooled", "NAME": "tracking", "PASSWORD": ""}
    shipped = {**settings.DATABASES["default"]["OPTIONS"], "connect_timeout": CONNECT_SECONDS}  # those of tests wait
    connections.databases[ALIAS] = {**settings.DATABASES["default"], **options, "OPTIONS": shipped}
    with blocker.unblock():
        try:
            yield connections[ALIAS]
        finally:
            connections[ALIAS].close()
            del connections[ALIAS], connections.databases[ALIAS]


def ask(connection: Any) -> Any:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return cursor.fetchone()[0]


def fails_within(seconds: float, call: Callable[[], object]) -> None:
    """`call` fails as an outage does, not later than after `seconds`, or a little more on a busy machine."""
    begun = time.monotonic()
    with pytest.raises(Error) as raised:
        call()
    assert time.monotonic() - begun < seconds + SLACK_SECONDS
    assert classify(raised.value) is Verdict.INFRASTRUCTURE


def bounded(connection: Any) -> Any:
    """As the project calls its database: within a deadline and a transaction, which closes what has died under it."""
    with deadline(DEADLINE_SECONDS, using=ALIAS), transaction.atomic(using=ALIAS):
        return ask(connection)


def test_a_killed_pooler_is_an_error_at_once(servers: Servers, pooler: PgBouncer, django_db_blocker: Any) -> None:
    with project_connection(pooler.port, django_db_blocker) as connection:
        ask(connection)
        pooler.kill()
        fails_within(1, lambda: ask(connection))
        connection.close()
        fails_within(1, lambda: ask(connection))
        pooler.start()
        connection.close()
        soon_succeeds(connection)


def test_a_postgresql_that_is_down_behind_the_pooler_is_an_error_within_five_seconds(
    servers: Servers, pooler: PgBouncer, django_db_blocker: Any
) -> None:
    with project_connection(pooler.port, django_db_blocker) as connection:
        ask(connection)
        servers.postgres.kill()
        fails_within(5, lambda: ask(connection))
        connection.close()
        fails_within(5, lambda: ask(connection))
        servers.postgres.start()
        connection.close()  # as Django does when the next request or task begins
        soon_succeeds(connection)


def test_a_call_to_a_frozen_postgresql_ends_by_the_deadline_and_the_pooler_survives_it(
    servers: Servers, pooler: PgBouncer, django_db_blocker: Any
) -> None:
    pid = pooler.pid
    with project_connection(pooler.port, django_db_blocker) as connection:
        ask(connection)
        servers.postgres.freeze()
        fails_within(DEADLINE_SECONDS + 1, lambda: bounded(connection))
        time.sleep(0.5)  # for a pooler that dies of what it does next
        servers.postgres.thaw()
        soon_succeeds(connection)
    assert (pooler.is_running, pooler.pid) == (True, pid)


def warm_up(servers: Servers, pooler: PgBouncer, idle: int) -> None:
    """Let the pooler have `idle` connections to PostgreSQL, all of them free."""
    together = threading.Barrier(idle)

    def run() -> None:
        with psycopg.connect(servers.postgres.url("tracking_pooled", pooler.port), prepare_threshold=None) as client:
            together.wait(PATIENCE_SECONDS)
            client.execute("SELECT pg_sleep(0.3)")

    threads = [threading.Thread(target=run) for _ in range(idle)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_SECONDS)


def test_so_do_the_calls_after_it_and_soon_after_the_thaw_they_succeed(
    servers: Servers, pooler: PgBouncer, django_db_blocker: Any
) -> None:
    """Each of them has a new connection, which the pooler grants at once and Django may then configure by a query."""
    warm_up(servers, pooler, idle=5)
    with project_connection(pooler.port, django_db_blocker) as connection:
        ask(connection)
        servers.postgres.freeze()
        for _ in range(3):
            fails_within(CONNECT_SECONDS + DEADLINE_SECONDS + 1, lambda: bounded(connection))
        servers.postgres.thaw()
        soon_succeeds(connection)


def soon_succeeds(connection: Any) -> None:
    """Calls of the connection succeed again; until then they fail as an outage does."""

    def succeeds() -> bool:
        try:
            bounded(connection)
        except Error as error:
            assert classify(error) is Verdict.INFRASTRUCTURE
            return False
        return True

    wait_until(succeeds, PATIENCE_SECONDS, "calls succeed", poll=0.2)


def test_a_call_into_a_black_hole_ends_by_the_deadline_and_a_new_connection_by_its_own(
    servers: Servers, pooler: PgBouncer, django_db_blocker: Any
) -> None:
    with Proxy(servers.postgres.port) as proxy, project_connection(proxy.port, django_db_blocker) as connection:
        ask(connection)
        proxy.set("blackhole")
        fails_within(DEADLINE_SECONDS + 1, lambda: bounded(connection))
        fails_within(CONNECT_SECONDS + 1, lambda: bounded(connection))
        proxy.set("ok")
        soon_succeeds(connection)
