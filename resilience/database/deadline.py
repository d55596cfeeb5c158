"""A deadline for database calls, kept by the client: `with deadline(20): ...`.

No setting of libpq or PostgreSQL notices a black-holed path or a frozen server behind a pooler: the pooler answers
keep-alives and statement_timeout lives on the server that is gone. So a timer shuts the socket, the waiting call
fails with OperationalError, and `resilience.database.sqlstate` finds a DeadlineExceeded among its causes. No cancel
request is sent: it crashes PgBouncer 1.18 when the server is frozen (pgbouncer#801). Whether the server finished the
statement stays unknown; callers must be idempotent.
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

from resilience.database.alarms import alarms


class DeadlineExceeded(Exception):
    """The deepest cause of the error of a call that took longer than `seconds`."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"no answer within {seconds:g} s")
        self.seconds = seconds


@contextmanager
def deadline(seconds: float, using: str = "default") -> Iterator[None]:
    """Let the body use the connection `using` for at most `seconds`; then its socket is shut.

    That holds for what Django asks by itself, too: a health check, the first queries on a new connection. Of connecting
    only the time until the server answers is not covered (connect_timeout bounds it); once the time is over the body
    gets no new connection. One that was shut, or that had died before, is closed. Raises nothing of its own.
    """
    connection: Any = connections[using]  # django-stubs does not know the health check
    if connection.connection is not None and connection.connection.closed and not connection.in_atomic_block:
        connection.close()
    timer = _SocketTimer(seconds)
    try:
        with _watched(connection, timer):
            connection.close_if_health_check_failed()
            connection.ensure_connection()
            yield
    except Exception as error:
        if timer.stop() and isinstance(error, (django.db.Error, psycopg.Error)):
            _deepest(error).__cause__ = DeadlineExceeded(seconds)
        raise
    finally:
        if timer.stop():
            connection.close()


@contextmanager
def _watched(connection: Any, timer: "_SocketTimer") -> Iterator[None]:
    """Have the timer hold the socket of the connection, and of any that takes its place.

    Django connects where it sees fit, at the end of a transaction that failed for example, and offers no hook between
    the connecting and the first query.
    """
    connect = connection.get_new_connection

    def connect_in_time(parameters: dict[str, Any]) -> Any:
        if timer.fired:
            raise psycopg.OperationalError("the time for this call is over")
        made = connect(parameters)
        timer.hold(made.fileno())
        return made

    if connection.connection is not None:
        timer.hold(connection.connection.fileno())
    connection.get_new_connection = connect_in_time
    try:
        yield
    finally:
        connection.get_new_connection = connect


class _SocketTimer:
    """Shuts the socket it holds after `seconds` unless stopped before.

    It duplicates the descriptor at once: by the time it fires, the number may belong to somebody else's file.
    """

    def __init__(self, seconds: float) -> None:
        self.fired = False
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._is_over = False
        self._alarm = alarms.set(seconds, self._fire)

    def hold(self, descriptor: int) -> None:
        """From now on, this is the socket; shut at once if the time is over."""
        with self._lock:
            self._let_go()
            self._socket = socket.socket(fileno=os.dup(descriptor))
            if self.fired:
                self._shut()

    def stop(self) -> bool:
        """From now on it does not fire; whether it had. May be called again."""
        alarms.take_back(self._alarm)
        with self._lock:
            self._is_over = True
            self._let_go()
        return self.fired

    def _fire(self) -> None:
        with self._lock:
            if not self._is_over:
                self.fired = True
                self._shut()

    def _shut(self) -> None:
        if self._socket is not None:
            with suppress(OSError):  # the other side hung up first: the call fails all the same
                self._socket.shutdown(socket.SHUT_RDWR)

    def _let_go(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None


def _deepest(error: BaseException) -> BaseException:
    while error.__cause__ is not None:
        error = error.__cause__
    return error
