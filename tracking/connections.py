"""Connections to Redis: to an embedded server, which is started by the first of them in a process.

Pool options enter through `tracking.embedded.redis_pool_options`; callers get their client from django-redis
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
