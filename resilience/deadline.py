"""A deadline for database calls, kept by the client: `with deadline(20): ...`.

No setting of libpq or PostgreSQL notices a black-holed path or a frozen server behind a pooler: the pooler answers
keep-alives and statement_timeout lives on the server that is gone. So a timer shuts the socket, the waiting call
fails with OperationalError, and `resilience.sqlstate` finds a DeadlineExceeded among its causes. No cancel request is
sent: it crashes PgBouncer 1.18 when the server is frozen (pgbouncer#801). Whether the server finished the statement
stays unknown; callers must be idempotent.
"""

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import django.db
import psycopg
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper


class DeadlineExceeded(Exception):
    """The deepest cause of the error of a call that took longer than `seconds`."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"no answer within {seconds:g} s")
        self.seconds = seconds


@contextmanager
def deadline(seconds: float, using: str = "default") -> Iterator[None]:
    """Let the body use the connection `using` for at most `seconds`; then its socket is shut.

    Connecting is not covered (connect_timeout bounds it), nor is a connection that the body opens anew. A connection
    that was shut is closed at the end, so that the next query gets a new one. Raises nothing of its own.
    """
    connection: Any = connections[using]  # django-stubs does not know the health check
    connection.ensure_connection()
    if connection.health_check_enabled and not connection.health_check_done:
        # Django would check on the first query, and replace the connection whose socket the timer holds.
        with _shut_after(connection, seconds):
            connection.close_if_health_check_failed()
        connection.ensure_connection()
    with _shut_after(connection, seconds):
        yield


@contextmanager
def _shut_after(connection: BaseDatabaseWrapper, seconds: float) -> Iterator[None]:
    timer = _SocketTimer(connection.connection.fileno(), seconds)
    try:
        yield
    except Exception as error:
        if timer.stop() and isinstance(error, (django.db.Error, psycopg.Error)):
            _deepest(error).__cause__ = DeadlineExceeded(seconds)
        raise
    finally:
        if timer.stop():
            connection.close()


class _SocketTimer:
    """Shuts a socket after `seconds` unless stopped before.

    It duplicates the descriptor at once: by the time it fires, the number may belong to somebody else's file.
    """

    def __init__(self, descriptor: int, seconds: float) -> None:
        self._socket = socket.socket(fileno=os.dup(descriptor))
        self._fired = False
        self._timer = threading.Timer(seconds, self._fire)
        self._timer.daemon = True
        self._timer.start()

    def stop(self) -> bool:
        """Wait until the timer can no longer fire; whether it had. May be called again."""
        self._timer.cancel()
        self._timer.join()
        self._socket.close()
        return self._fired

    def _fire(self) -> None:
        self._fired = True
        with suppress(OSError):  # the other side hung up first: the call fails all the same
            self._socket.shutdown(socket.SHUT_RDWR)


def _deepest(error: BaseException) -> BaseException:
    while error.__cause__ is not None:
        error = error.__cause__
    return error
