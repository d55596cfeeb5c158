"""A day of positions between PostgreSQL and the archive: its partition, what tells that it was changed, one at a time.

Nothing is moved here: `archive` takes days out and `restore` brings them back.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from django.db import Error, connections

from tracking.models import Position

_ONE_ARCHIVER = 0x6172_6368  # "arch"


class ArchiveFailed(Exception):
    """A day could not be archived or restored and is as it was; `reason` is a stable code."""

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(text)
        self.reason = reason


class Busy(Exception):
    """Another archiver is at work."""


class Mark(NamedTuple):
    """What tells whether a partition was changed: its rows, and the sum of who wrote their versions."""

    rows: int
    writers: int


def partition_of(model: type[Position], day: dt.date) -> str:
    """The name of the day's partition."""
    return f"{model._meta.db_table}_{day:%Y%m%d}"


def mark(cursor: Any, model: type[Position], day: dt.date) -> Mark:
    """What tells whether the day's partition was changed. Raises django.db errors."""
    cursor.execute(f'SELECT count(*), coalesce(sum(xmin::text::bigint), 0) FROM "{partition_of(model, day)}"')
    rows, writers = cursor.fetchone()
    return Mark(int(rows), int(writers))


@contextmanager
def alone() -> Iterator[None]:
    """Be the only archiver. Raises Busy and django.db errors."""
    with connections["direct"].cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [_ONE_ARCHIVER])
        if not cursor.fetchone()[0]:
            raise Busy
    try:
        yield
    finally:
        _let_go()


def _let_go() -> None:
    """Give the lock back; a connection that is gone has given it back already."""
    try:
        with connections["direct"].cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [_ONE_ARCHIVER])
    except Error:
        connections["direct"].close()
