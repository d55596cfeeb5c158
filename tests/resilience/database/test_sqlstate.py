"""The verdict on errors that a real PostgreSQL, a real Redis and psycopg raised."""

import uuid
from collections.abc import Callable, Iterator
from typing import Any

import django.db
import psycopg
import pytest
import redis
from django.db import connection, transaction
from psycopg.conninfo import make_conninfo
from redis.backoff import NoBackoff
from redis.retry import Retry

from resilience.database.deadline import DeadlineExceeded
from resilience.database.sqlstate import Verdict, classify, is_outage

Sql = Callable[..., BaseException]


@pytest.fixture
def error_of(db: None) -> Sql:
    """Run SQL through Django and return what it raises."""

    def run(sql: str, params: Any = None) -> BaseException:
        expected = (django.db.Error, UnicodeError, TypeError)
        with pytest.raises(expected) as raised, transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(sql, params)
        return raised.value

    return run


@pytest.fixture
def table(db: None) -> None:
    with connection.cursor() as cursor:
        cursor.execute("CREATE TEMPORARY TABLE thing (id int PRIMARY KEY, speed float CHECK (speed >= 0), name text)")
        cursor.execute("CREATE TEMPORARY TABLE parted (day int) PARTITION BY LIST (day)")


@pytest.fixture
def two_sessions(django_db_setup: None, django_db_blocker: Any) -> Iterator[tuple[Any, Any]]:
    """Two plain psycopg connections and a table with rows 1 and 2 that both see."""
    with django_db_blocker.unblock():
        params = connection.get_connection_params()
    params = {key: value for key, value in params.items() if key not in ("context", "cursor_factory")}
    name = f"contended_{uuid.uuid4().hex}"
    with psycopg.connect(**params) as one, psycopg.connect(**params) as two:
        one.execute(f"CREATE TABLE {name} AS SELECT * FROM (VALUES (1, 0), (2, 0)) AS v (id, n)")
        one.commit()
        one.table = two.table = name  # type: ignore[attr-defined]
        yield one, two
        two.close()
        one.rollback()
        one.execute(f"DROP TABLE {name}")


@pytest.mark.parametrize(
    ("sql", "params"),
    [
        ("INSERT INTO thing VALUES (1, -1)", None),
        ("INSERT INTO thing VALUES (1, 0), (1, 0)", None),
        ("INSERT INTO thing VALUES (NULL, 0)", None),
        ("INSERT INTO thing VALUES (99999999999, 0)", None),
        ("INSERT INTO thing (id, name) SELECT 1, %s", ["a\x00b"]),
        ("INSERT INTO thing (id, name) SELECT 1, %s", ["\ud800"]),
        ("SELECT 'x'::int", None),
        ("SELECT %s::timestamptz", ["2026-02-31"]),
    ],
    ids=["check", "unique", "not-null", "overflow", "nul-byte", "surrogate", "text", "date"],
)
def test_data_that_the_server_refuses_are_poison(error_of: Sql, table: None, sql: str, params: Any) -> None:
    assert classify(error_of(sql, params)) is Verdict.POISON


@pytest.mark.parametrize(
    ("sql", "params"),
    [
        ("SELECT * FROM no_such_table", None),
        ("SELECT no_such_column FROM thing", None),
        ("SELEKT 1", None),
        ("INSERT INTO parted VALUES (1)", None),
        ("INSERT INTO thing VALUES (7, 1), (7, 2) ON CONFLICT (id) DO UPDATE SET speed = 1", None),
        ("SELECT * FROM unnest(%s)", [[1.5, 1]]),
        ("SELECT %s, %s", [1]),
        ("SELECT %s", [object()]),
    ],
    ids=["table", "column", "syntax", "no-partition", "twice-in-batch", "mixed", "arity", "type"],
)
def test_a_mistake_of_ours_is_a_bug(error_of: Sql, table: None, sql: str, params: Any) -> None:
    assert classify(error_of(sql, params)) is Verdict.BUG


@pytest.mark.parametrize(
    ("sql", "code"),
    [
        ("SET LOCAL statement_timeout = 20; SELECT pg_sleep(5)", "57014"),
        ("SET TRANSACTION READ ONLY; CREATE TABLE t ()", "25006"),
    ],
    ids=["statement-timeout", "read-only"],
)
def test_a_server_that_cannot_now_is_infrastructure(error_of: Sql, sql: str, code: str) -> None:
    error = error_of(sql)
    assert error.__cause__.sqlstate == code  # type: ignore[union-attr]
    assert classify(error) is Verdict.INFRASTRUCTURE


@pytest.mark.parametrize(
    "code", ["08P01", "53100", "53200", "53300", "57P01", "57P03", "58030", "XX001", "28000", "3D000"]
)
def test_codes_that_say_wait_are_infrastructure(error_of: Sql, code: str) -> None:
    """The server is made to raise what cannot be provoked without filling its disk."""
    assert classify(error_of(f"DO $$ BEGIN RAISE 'x' USING ERRCODE = '{code}'; END $$")) is Verdict.INFRASTRUCTURE


def test_a_full_lock_table_is_a_bug_though_its_code_says_out_of_memory(error_of: Sql) -> None:
    error = error_of("DO $$ BEGIN FOR i IN 1..2000000 LOOP PERFORM pg_advisory_xact_lock_shared(i); END LOOP; END $$")
    assert error.__cause__.sqlstate == "53200"  # type: ignore[union-attr]
    assert classify(error) is Verdict.BUG


def test_a_deadlock_is_contention(two_sessions: tuple[Any, Any]) -> None:
    one, two = two_sessions
    one.execute("SET deadlock_timeout = '10s'")
    two.execute("SET deadlock_timeout = '20ms'")  # the impatient one is the victim
    one.execute(f"UPDATE {one.table} SET n = 1 WHERE id = 1")
    two.execute(f"UPDATE {one.table} SET n = 1 WHERE id = 2")
    # One thread can do it: the first wait is sent without reading its answer.
    one.pgconn.send_query(f"UPDATE {one.table} SET n = 1 WHERE id = 2".encode())
    one.pgconn.flush()
    with pytest.raises(psycopg.Error) as raised:
        two.execute(f"UPDATE {one.table} SET n = 1 WHERE id = 1")
    assert raised.value.sqlstate == "40P01"
    assert classify(raised.value) is Verdict.CONTENTION
    two.rollback()
    while one.pgconn.get_result():
        continue


def test_a_lock_that_is_taken_is_contention(two_sessions: tuple[Any, Any]) -> None:
    one, two = two_sessions
    one.execute(f"UPDATE {one.table} SET n = 1 WHERE id = 1")
    with pytest.raises(psycopg.Error) as raised:
        two.execute(f"SELECT * FROM {one.table} FOR UPDATE NOWAIT")
    assert (raised.value.sqlstate, classify(raised.value)) == ("55P03", Verdict.CONTENTION)


def test_a_serialization_failure_is_contention(two_sessions: tuple[Any, Any]) -> None:
    one, two = two_sessions
    two.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
    two.execute(f"SELECT * FROM {one.table}")
    one.execute(f"UPDATE {one.table} SET n = 1 WHERE id = 1")
    one.commit()
    with pytest.raises(psycopg.Error) as raised:
        two.execute(f"UPDATE {one.table} SET n = 2 WHERE id = 1")
    assert (raised.value.sqlstate, classify(raised.value)) == ("40001", Verdict.CONTENTION)


def test_a_session_that_was_ended_is_infrastructure_then_and_afterwards(two_sessions: tuple[Any, Any]) -> None:
    one, two = two_sessions
    one.execute("SELECT pg_terminate_backend(%s)", [two.info.backend_pid])
    for _ in range(2):
        with pytest.raises(psycopg.Error) as raised:
            two.execute("SELECT 1")
        assert classify(raised.value) is Verdict.INFRASTRUCTURE


def test_a_refused_connection_is_infrastructure() -> None:
    with pytest.raises(psycopg.OperationalError) as raised:
        psycopg.connect(make_conninfo(host="127.0.0.1", port=1, connect_timeout=1))
    assert classify(raised.value) is Verdict.INFRASTRUCTURE


def test_an_unreachable_redis_is_infrastructure() -> None:
    with pytest.raises(redis.ConnectionError) as raised:
        redis.Redis(port=1, retry=Retry(NoBackoff(), 0)).ping()
    assert classify(raised.value) is Verdict.INFRASTRUCTURE


def test_a_closed_connection_of_django_is_infrastructure() -> None:
    assert is_outage(django.db.InterfaceError("connection already closed"))


def test_a_deadline_is_infrastructure_wherever_it_stands_among_the_causes() -> None:
    error = RuntimeError("outer")
    error.__cause__ = DeadlineExceeded(1)
    assert is_outage(error)


def test_an_error_that_is_its_own_cause_has_a_verdict() -> None:
    one, two = ValueError(), ValueError()
    one.__cause__, two.__cause__ = two, one
    assert classify(one) is Verdict.BUG


def test_what_nobody_knows_is_a_bug() -> None:
    assert classify(TypeError("can't compare offset-naive and offset-aware datetimes")) is Verdict.BUG
