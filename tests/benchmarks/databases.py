"""Databases of a benchmark's own on the embedded server, and management commands on them."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import psycopg
from django.conf import settings
from psycopg import sql

from tests.benchmarks.child import PROJECT, Ended, run_child
from tests.benchmarks.frame import Unverified
from tracking import embedded
from tracking.embedded import processes

SECONDS = 1800.0


@contextmanager
def database(name: str, template: str = "template0") -> Iterator[str]:
    """A database made from `template`, dropped at the end."""
    drop = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name))
    create = sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template))
    with connected("postgres") as connection:
        connection.execute(drop)
        connection.execute(create)
    try:
        yield name
    finally:
        with connected("postgres") as connection:
            connection.execute(drop)


def manage(name: str, *arguments: str, environment: Mapping[str, str] | None = None) -> Ended:
    """A management command on that database. Raises Unverified unless it ends well."""
    command = [sys.executable, str(PROJECT / "manage.py"), *arguments]
    ended = run_child(command, environment_of(name) | dict(environment or {}), settings.DATA_DIR, SECONDS)
    if ended.code:
        raise Unverified(f"manage.py {arguments[0]} ended with {ended.code}: {ended.errors}")
    return ended


def environment_of(name: str) -> dict[str, str]:
    """What a process needs to work on that database: as embedded ones are used, so with prepared statements."""
    return {"DATABASE_URL": url(name), "DATABASE_PREPARE": "true"}


def connected(name: str) -> psycopg.Connection[tuple[Any, ...]]:
    """A connection past Django, in autocommit."""
    return psycopg.connect(
        host=str(embedded.postgres_sockets(settings.DATA_DIR)),
        port=embedded.paths.POSTGRES_PORT,
        user="postgres",
        dbname=name,
        autocommit=True,
        connect_timeout=5,
    )


def url(name: str) -> str:
    """DATABASE_URL of that database."""
    return embedded.postgres_url(settings.DATA_DIR).rpartition("/")[0] + f"/{name}"


def wait_for_backends(name: str) -> None:
    """Backends end a moment after their clients; only then the postmaster knows what they cost."""
    with connected("postgres") as connection:
        query = "SELECT count(*) FROM pg_stat_activity WHERE datname = %s AND backend_type = 'client backend'"

        def gone() -> bool:
            return connection.execute(query, [name]).fetchone() == (0,)

        if not processes.wait_until(gone, 10.0):
            raise Unverified(f"connections to {name} are left over")
