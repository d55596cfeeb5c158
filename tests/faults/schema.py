"""A schema that somebody changes under the running system: PostgreSQL refuses some rows, or every statement.

Context managers for the test database; the table of vessels' positions is as it was when they are left.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from django.db import connection

from tests.faults.invariants import FIRST_MMSI

TABLE = "tracking_vesselposition"
_GATE = 4711
_HELD_BACK = f"""
CREATE FUNCTION held_back() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (SELECT count(*) FROM ingest_batch) >= %s THEN
        PERFORM pg_advisory_xact_lock_shared({_GATE});
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER held_back BEFORE INSERT ON ingest_batch FOR EACH ROW EXECUTE FUNCTION held_back();
SELECT pg_advisory_lock({_GATE});
"""

_BROKEN = f"""
CREATE FUNCTION broken() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'relation is missing' USING ERRCODE = '42P01';
END $$;
CREATE TRIGGER broken BEFORE INSERT ON {TABLE}
    FOR EACH ROW WHEN ((NEW.vessel_id - %s) %% %s = %s) EXECUTE FUNCTION broken();
"""


@contextmanager
def changed_schema(change: str, undo: str) -> Iterator[None]:
    """ALTER TABLE with `change`, afterwards with `undo`."""
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE {TABLE} {change}")
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute(f"ALTER TABLE {TABLE} {undo}")


@contextmanager
def refused_ships(every: int) -> Iterator[None]:
    """PostgreSQL refuses every n-th ship of `Traffic`, the first one being number n - 1, by a check constraint."""
    check = f"CHECK ((vessel_id - {FIRST_MMSI}) % {every} <> {every - 1})"
    with changed_schema(f"ADD CONSTRAINT refused_ships {check}", "DROP CONSTRAINT refused_ships"):
        yield


@contextmanager
def broken_ships(every: int) -> Iterator[None]:
    """At every n-th ship of `Traffic` PostgreSQL answers as if code and schema disagreed."""
    with connection.cursor() as cursor:
        cursor.execute(_BROKEN % (FIRST_MMSI, every, every - 1))
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute(f"DROP TRIGGER broken ON {TABLE}; DROP FUNCTION broken()")


@contextmanager
def held_back(after: int) -> Iterator[Callable[[], object]]:
    """When `after` batches are booked no other can be until the callable that is given was called, or the body is left.

    So whoever is to be disturbed in the middle of its work is there however fast it is.
    """
    with connection.cursor() as cursor:
        cursor.execute(_HELD_BACK % after)
    try:
        yield _let_on
    finally:
        _let_on()
        with connection.cursor() as cursor:
            cursor.execute("DROP TRIGGER held_back ON ingest_batch")
            cursor.execute("DROP FUNCTION held_back")


def _let_on() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_unlock_all()")
