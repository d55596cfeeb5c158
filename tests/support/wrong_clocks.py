"""Wrong clocks for tests: of this process, and of a real PostgreSQL, as its sessions of this thread see it."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from django.db import connections
from django.utils import timezone


def host_ahead(monkeypatch: pytest.MonkeyPatch, days: float) -> None:
    """The clock of this host is ahead, as whatever asks Django or time.time() sees it."""
    seconds, now = time.time, timezone.now
    monkeypatch.setattr(time, "time", lambda: seconds() + days * 86400)
    monkeypatch.setattr(timezone, "now", lambda: now() + timedelta(days=days))


@contextmanager
def database_ahead(days: float) -> Iterator[None]:
    """now() and clock_timestamp() of PostgreSQL are ahead: functions of a schema that is searched before its own."""
    with connections["default"].cursor() as cursor:
        cursor.execute("CREATE SCHEMA wrong_clock")
        for name in ("now", "clock_timestamp"):
            cursor.execute(
                f"CREATE FUNCTION wrong_clock.{name}() RETURNS timestamptz LANGUAGE sql STABLE AS"
                f" $$SELECT pg_catalog.{name}() + {days} * interval '1 day'$$"
            )
    try:
        for alias in ("default", "direct"):
            with connections[alias].cursor() as cursor:
                cursor.execute("SET search_path = wrong_clock, public, pg_catalog")
        yield
    finally:
        for alias in ("default", "direct"):
            with connections[alias].cursor() as cursor:
                cursor.execute("RESET search_path")
        with connections["default"].cursor() as cursor:
            cursor.execute("DROP SCHEMA wrong_clock CASCADE")
