"""Connections to Redis: to an embedded server, which is started by the first of them in a process.

`redis_pool_options` gives the settings of pools; callers get their client from django-redis
(`get_redis_connection("live")`), never from here.
"""

import socket
from pathlib import Path
from typing import Any

from redis.backoff import NoBackoff
from redis.connection import UnixDomainSocketConnection
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.retry import Retry

from tracking import embedded


def no_retry() -> Retry:
    """One try and an error: whoever calls has a breaker, a spool or a user who waits."""
    return Retry(NoBackoff(), 0)


class EmbeddedConnection(UnixDomainSocketConnection):
    """A connection to the embedded server whose socket is `path`, below or for the data directory `data_dir`."""

    def __init__(self, *, data_dir: Path, path: str = "", **options: Any) -> None:
        super().__init__(path=path, **options)
        self.data_dir = data_dir

    # Not connect(): redis-py connects through connect_check_health as well, and both end here.
    def _connect(self) -> socket.socket:
        try:
            embedded.ensure_once(self.data_dir, Path(self.path).stem)
        except embedded.EmbeddedError as error:
            raise RedisConnectionError(str(error)) from error
        return super()._connect()


def redis_pool_options(url: str, data_dir: Path, answer_seconds: float = 5.0) -> dict[str, Any]:
    """Keyword arguments for redis-py's ConnectionPool.from_url(url, …): django-redis's CONNECTION_POOL_KWARGS.

    A dead server answers at once: no retries (the default takes 3.6-4.6 s a call), 1 s to connect, `answer_seconds`
    for a reply, so a blocking command must ask for less. A connection to an embedded server starts it first.
    """
    options: dict[str, Any] = {"retry": no_retry(), "socket_connect_timeout": 1.0, "socket_timeout": answer_seconds}
    if url in {embedded.redis_url(data_dir, name) for name in embedded.REDIS_SERVERS}:
        options |= {"connection_class": EmbeddedConnection, "data_dir": data_dir}
    elif not url.startswith("unix:"):
        options["socket_keepalive"] = True
    return options
