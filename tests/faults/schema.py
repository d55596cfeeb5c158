"""A schema that somebody changes under the running system: PostgreSQL refuses some rows, or every statement.

Context managers for the test database; the table of vessels' positions is as it was when they are left.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection

from tests.faults.invariants import FIRST_MMSI

TABLE = "tracking_vesselposition"


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
