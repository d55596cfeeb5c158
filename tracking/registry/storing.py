"""Entries of one register to its rows, all of them or none: the rows it had before are replaced in one transaction.

Enters rows as they are read; leaves the counts. They travel by COPY into a table that is gone at the commit, so memory
is bounded; of an address that comes twice the last counts. The same file again makes the same rows. Processes that
serve live state learn of it by a key in the live Redis (`lookup.py`).
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Callable, Iterable

import msgspec
from django.db import connection, transaction

from tracking.registry import lookup
from tracking.registry.models import RegisteredAircraft
from tracking.registry.reading import Row

_TOLD_EVERY = 10_000  # rows

_NEW = """
CREATE TEMPORARY TABLE registry_new (
    number bigint GENERATED ALWAYS AS IDENTITY, icao text, registration text, type_code text, operator text,
    military boolean
) ON COMMIT DROP
"""
_COPY = "COPY registry_new (icao, registration, type_code, operator, military) FROM STDIN"
_FILL = """
INSERT INTO {table} (icao, source, registration, type_code, operator, military, imported_at)
SELECT DISTINCT ON (icao) icao, %s, registration, type_code, operator, military, %s
FROM registry_new ORDER BY icao, number DESC
"""


class Imported(msgspec.Struct):
    """What became of the rows of one register; `bad` by reason, `before`: rows that it had."""

    read: int = 0
    stored: int = 0
    before: int = 0
    bad: dict[str, int] = {}


class NothingUsable(Exception):
    """No row of it is an entry: what was there stays."""


def replace(
    source: str, rows: Iterable[Row], progress: Callable[[int, int], None] = lambda rows, size: None
) -> Imported:
    """Make these the rows of the register `source`; `progress` gets rows and bytes. Raises NothingUsable."""
    bad: Counter[str] = Counter()
    done = Imported()
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_NEW)
        with cursor.copy(_COPY) as copy:
            size = since = 0
            for row in rows:
                done.read += 1
                since += row.size
                if row.entry is None:
                    bad[row.reason] += 1
                else:
                    copy.write_row(row.entry)
                if done.read % _TOLD_EVERY == 0:
                    size, since = size + since, 0
                    progress(done.read, size)
            progress(done.read, size + since)
        done.bad = dict(bad)
        if done.read == sum(bad.values()):
            raise NothingUsable
        mine = RegisteredAircraft.objects.filter(source=source)
        done.before = mine.delete()[0]
        table = connection.ops.quote_name(RegisteredAircraft._meta.db_table)
        cursor.execute(_FILL.format(table=table), [source, dt.datetime.now(dt.UTC)])
        done.stored = cursor.rowcount
    lookup.announce()
    return done
