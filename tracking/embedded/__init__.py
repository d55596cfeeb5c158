"""Embedded servers: a real PostgreSQL and two real Redis servers from wheels, started when somebody first connects.

    paths      where data and sockets are, the URLs that follow, the installation's secret
    processes  one starter at a time, who is running, how to end one
    postgres   the PostgreSQL server        redis   the Redis servers `queue` and `live`

A data directory enters, running servers leave. They outlive the process that started them and serve all others of
the same data directory. Importing this, and reading the settings, starts nothing.
"""

import os
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from tracking.embedded import postgres, processes, redis
from tracking.embedded.errors import DataDirectoryError, EmbeddedError, EmbeddedUnavailable
from tracking.embedded.paths import REDIS_SERVERS, postgres_sockets, postgres_url, redis_socket, redis_url, secret_key
from tracking.embedded.postgres import ensure_postgres
from tracking.embedded.redis import ensure_redis

__all__ = [
    "SERVICES",
    "DataDirectoryError",
    "EmbeddedError",
    "EmbeddedUnavailable",
    "ServiceStatus",
    "ensure_once",
    "ensure_postgres",
    "ensure_redis",
    "postgres_sockets",
    "postgres_url",
    "redis_url",
    "secret_key",
    "start",
    "status",
    "stop",
]

SERVICES = ("postgres", *REDIS_SERVERS)
_ensured: set[tuple[Path, str]] = set()


@dataclass(frozen=True)
class ServiceStatus:
    """One server: its name of SERVICES, whether it serves, its process id (None: no process), its socket, its data."""

    name: str
    running: bool
    pid: int | None
    address: str
    directory: str


def ensure(data_dir: Path, name: str) -> None:
    """Have the server `name` of SERVICES running when this returns. Raises EmbeddedError."""
    if name == "postgres":
        ensure_postgres(data_dir)
    else:
        ensure_redis(data_dir, name)


def ensure_once(data_dir: Path, name: str) -> None:
    """Like `ensure`, but does nothing once it has succeeded in this process (or in the one it was forked from).

    So a deliberate stop stays a stop: a running worker gets an error at once instead of reviving the server.
    """
    if (data_dir, name) not in _ensured:
        ensure(data_dir, name)
        _ensured.add((data_dir, name))


def start(data_dir: Path, names: Collection[str] = SERVICES) -> None:
    """Have the servers running when this returns; those that run already stay. Raises EmbeddedError."""
    for name in names:
        ensure(data_dir, name)


def stop(data_dir: Path, names: Collection[str] = SERVICES) -> None:
    """End the servers of this data directory and no other, wherever they were started. Raises EmbeddedError."""
    if not os.access(data_dir, os.F_OK):
        return
    with processes.exclusively(data_dir):
        for name in names:
            if name == "postgres":
                postgres.stop_postgres(data_dir)
            else:
                redis.stop_redis(data_dir, name)


def status(data_dir: Path) -> list[ServiceStatus]:
    """The servers in the order of SERVICES. Starts and creates nothing."""
    return [_status(data_dir, name) for name in SERVICES]


def _status(data_dir: Path, name: str) -> ServiceStatus:
    if name == "postgres":
        running, pid = postgres.is_running(data_dir), postgres.pid_of(data_dir)
        return ServiceStatus(
            name, running, pid, str(postgres.socket_of(data_dir)), str(postgres.directory_of(data_dir))
        )
    running, pid = redis.is_running(data_dir, name), redis.pid_of(data_dir, name)
    address = str(redis_socket(data_dir, name))
    return ServiceStatus(name, running, pid, address, str(redis.directory_of(data_dir, name)))
