"""The processes of the web server: several share one listening socket, and one that dies is replaced.

An address enters; nothing leaves until SIGTERM or SIGINT. Each process is a `WebServer` with threads of its own, and
ends by itself when this one, its parent, is gone.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import time
from collections.abc import Callable
from contextlib import suppress

from tracking.web.connections import STOP_SECONDS

logger = logging.getLogger(__name__)

BACKLOG = 512
POLL_SECONDS = 0.2
RESTART_SECONDS = 1.0


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens there. Raises OSError."""
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    sock = socket.socket(family, kind, protocol)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind(address)
    sock.listen(BACKLOG)
    sock.setblocking(False)
    return sock


class ServerCrew:
    """`size` processes that run `work`, each until it is told to stop by SIGTERM."""

    def __init__(self, work: Callable[[], None], size: int) -> None:
        self._work, self._size = work, size
        self._pids: set[int] = set()
        self._stopping = False
        self._start_at = 0.0

    def run(self) -> None:
        """Keep all of them running until SIGTERM or SIGINT, then have them finish."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        while not self._stopping:
            self._reap()
            if time.monotonic() >= self._start_at:
                self._fill()
            time.sleep(POLL_SECONDS)
        self._end()

    def _stop(self, number: int, frame: object) -> None:
        self._stopping = True

    def _fill(self) -> None:
        while len(self._pids) < self._size:
            pid = os.fork()
            if pid == 0:
                self._be_a_child()
            self._pids.add(pid)

    def _be_a_child(self) -> None:
        """Never returns: what the parent would do next is not a child's."""
        code = 1
        try:
            self._work()
            code = 0
        except Exception:
            logger.exception("a web process ends")
        finally:
            logging.shutdown()
            os._exit(code)

    def _reap(self) -> None:
        """Forget those that ended; a new one starts a moment later, so that a fault at the start is no busy loop."""
        for pid in list(self._pids):
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                self._pids.discard(pid)
                self._start_at = time.monotonic() + RESTART_SECONDS
                if not self._stopping:
                    logger.warning("a web process ended (%s) and is replaced", os.waitstatus_to_exitcode(status))

    def _end(self) -> None:
        self._signal(signal.SIGTERM)
        deadline = time.monotonic() + STOP_SECONDS + 2.0
        while self._pids and time.monotonic() < deadline:
            self._reap()
            time.sleep(0.05)
        self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        for pid in self._pids:
            with suppress(ProcessLookupError):
                os.kill(pid, number)
