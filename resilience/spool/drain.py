"""Empties this host's spool into the queue, in a thread of whichever process spooled or looked.

A spool enters; its entries leave for the queue's streams. Of all the processes of a host one drains at a time, the
others contend, so the death of one stops nothing, and its being frozen for half a minute only. The thread ends when the
spool is empty: it costs nothing in normal operation. Who appends calls `wake`, who starts calls `look`.
"""

import atexit
import logging
import os
import threading
from collections.abc import Mapping, Sequence

from redis import RedisError

from resilience.queue.broker import StreamsBroker
from resilience.spool.spool import Send, Spool, SpoolRefusal, get_spool

logger = logging.getLogger(__name__)

FIRST_PAUSE_SECONDS = 0.2
LONGEST_PAUSE_SECONDS = 2.0
STOP_SECONDS = 6.0  # a call to a Redis that does not answer takes five


class Drainer:
    """Drains one spool through `send`, in a daemon thread that runs only while there is something to drain."""

    def __init__(self, spool: Spool, send: Send) -> None:
        self.spool, self._send = spool, send
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._failing = False

    def wake(self) -> None:
        """See to it that a thread drains; returns at once."""
        with self._lock:
            if self._thread is None and not self._stop.is_set():
                self._thread = threading.Thread(target=self._run, name="spool-drain", daemon=True)
                self._thread.start()

    def stop(self, seconds: float = STOP_SECONDS) -> None:
        """End the thread, waiting for the batch in hand for at most `seconds`; what is left stays in the spool."""
        self._stop.set()
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(seconds)

    def _run(self) -> None:
        pause = FIRST_PAUSE_SECONDS
        while not self._is_done():
            if self._drain():
                pause = FIRST_PAUSE_SECONDS
            self._stop.wait(pause)
            pause = min(LONGEST_PAUSE_SECONDS, pause * 2)

    def _is_done(self) -> bool:
        """Under the lock: who appends after this look finds no thread, and starts one."""
        with self._lock:
            try:
                done = self._stop.is_set() or self.spool.is_empty()
            except SpoolRefusal:
                done = False  # it has said so itself; the spool may be mended
            if done:
                self._thread = None
            return done

    def _drain(self) -> bool:
        """One attempt; whether it was ours and went well. Whatever goes wrong, the entries stay."""
        try:
            mine = self.spool.drain(self._send, self._stop)
        except (RedisError, OSError) as error:
            self._failed("the spool waits for the queue: %s", error)
            return False
        except Exception as error:
            self._failed("the spool cannot be drained, this is a bug: %s", error, exc_info=True)
            return False
        if mine and self._failing:
            logger.warning("the spool is drained, the queue takes batches again")
            self._failing = False
        return mine

    def _failed(self, text: str, error: Exception, exc_info: bool = False) -> None:
        """Say it once until it goes well again."""
        if not self._failing:
            logger.warning(text, error, exc_info=exc_info)
        self._failing = True


def wake() -> None:
    """Drain this host's spool: something was appended."""
    _drainer_of(get_spool()).wake()


def look() -> None:
    """Drain this host's spool if something is in it, whoever left it there. Raises nothing."""
    try:
        if get_spool().is_empty():
            return
    except SpoolRefusal:
        return  # it has said so itself
    wake()


def stop(seconds: float = STOP_SECONDS) -> None:
    """End draining in this process; the next `wake` begins anew."""
    with _lock:
        ended, _drainers[:] = list(_drainers), []
    for drainer in ended:
        drainer.stop(seconds)


def add(stream: str, packages: Sequence[str], alongside: Mapping[str, str]) -> None:
    """Add packages to a stream of the queue and set the keys `alongside`, all or nothing. Raises RedisError."""
    StreamsBroker.for_stream(stream).streams.add_all(stream, packages, alongside)


_lock = threading.Lock()
_drainers: list[Drainer] = []  # one, unless the settings change


def _drainer_of(spool: Spool) -> Drainer:
    with _lock:
        found = next((drainer for drainer in _drainers if drainer.spool is spool), None)
        if found is None:
            found = Drainer(spool, add)
            _drainers.append(found)
        return found


def _after_fork() -> None:
    """The thread stayed with the parent, and another thread may have had the lock."""
    global _lock
    _lock, _drainers[:] = threading.Lock(), []


os.register_at_fork(after_in_child=_after_fork)
atexit.register(stop)
