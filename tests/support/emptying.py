"""Empties the database after a test that committed, as Django's `flush` does, in a twentieth of its time.

The first time it is `flush` itself; what that leaves (content types, permissions) is remembered. Later only those
tables are emptied that hold something, and `flush` runs again only where a test changed what it had left.
"""

from dataclasses import dataclass
from typing import Any

from django.core.management import call_command
from django.db import connections, transaction
from django.test import TransactionTestCase

TRUNCATED_FROM = 1 << 20  # bytes: deleted rows of a larger table would make every later look at it slow


@dataclass(frozen=True)
class _Flushed:
    """What `flush` leaves: all tables that it empties, and a digest of the rows of those that hold some."""

    tables: tuple[str, ...]
    digests: dict[str, str]


_flushed: dict[str, _Flushed] = {}  # by alias


def empty_after(case: TransactionTestCase) -> None:
    """Empty the databases that the test asked for."""
    for alias in case._databases_names(include_mirrors=False):
        known = _flushed.get(alias)
        if known is None or case.reset_sequences or _digests(alias, known.digests) != known.digests:
            # A test that set sequences back must not leave rows that they will reach again.
            resets = case.reset_sequences
            call_command("flush", verbosity=0, interactive=False, database=alias, reset_sequences=resets)
            _flushed[alias] = _look(alias)
        else:
            _empty(alias, [table for table in known.tables if table not in known.digests])


def _look(alias: str) -> _Flushed:
    tables = connections[alias].introspection.django_table_names(only_existing=True, include_views=False)
    held = [table for table, size in _sizes(alias, tables).items() if size]
    return _Flushed(tuple(tables), {table: digest for table, digest in _digests(alias, held).items() if digest})


def _empty(alias: str, tables: list[str]) -> None:
    sizes = {table: size for table, size in _sizes(alias, tables).items() if size}
    large = [table for table, size in sizes.items() if size >= TRUNCATED_FROM]
    with transaction.atomic(using=alias), connections[alias].cursor() as cursor:
        if large:
            cursor.execute(f"TRUNCATE {', '.join(map(_quoted, large))} CASCADE")
        for table in sizes.keys() - set(large):
            cursor.execute(f"DELETE FROM {_quoted(table)}")


def _sizes(alias: str, tables: Any) -> dict[str, int]:
    """Bytes of each table, its partitions included."""
    with connections[alias].cursor() as cursor:
        cursor.execute(
            """SELECT relname, pg_relation_size(oid)
                + coalesce((SELECT sum(pg_relation_size(relid)) FROM pg_partition_tree(oid)), 0)
            FROM pg_class WHERE oid = ANY(SELECT to_regclass(quote_ident(name)) FROM unnest(%s::text[]) AS name)""",
            [list(tables)],
        )
        return {name: int(size) for name, size in cursor.fetchall()}


def _digests(alias: str, tables: Any) -> dict[str, str]:
    """A digest of each table's rows, "" of an empty one."""
    found = {}
    with connections[alias].cursor() as cursor:
        for table in tables:
            cursor.execute(
                f"SELECT coalesce(md5(string_agg(t::text, ' ' ORDER BY t::text)), '') FROM {_quoted(table)} t"
            )
            found[table] = cursor.fetchone()[0]
    return found


def _quoted(name: str) -> str:
    return f'"{name}"'
