"""A sentinel for django-q2 that survives killed children: `install()`, then start a Cluster as always.

What stock django-q2 1.11 does wrong, and what is done instead:

- multiprocessing's queues have locks that die with their holder, and an idle worker always holds one: it reads. After
  kill -9 of an idle worker its siblings wait for ever and nobody notices (django-q2#23, django-q#394, django-q#200).
  Here any abnormal death of a child, and a standstill with tasks in hand, throws away all children and their queues and
  makes new ones. That loses nothing: the broker delivers again what was not acknowledged.
- Children outlive a killed sentinel and go on without a scheduler. Here the kernel kills them with it (Linux).
- SIGTERM for the whole process group, as systemd sends it, hangs it. Here only the main process listens to it.
- A stop can wait for ever. Here it has a bound, after which the unfinished tasks are left to redelivery.

It neither takes nor runs tasks, and it patches nothing until `install()` is called.
"""

import ctypes
import logging
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing.sharedctypes import RawArray
from typing import Any

import redis
from django.conf import settings
from django.db import Error, close_old_connections, connections
from django_q import cluster
from django_q.conf import Conf
from django_q.queues import Queue
from django_q.scheduler import scheduler
from django_q.signals import post_execute_in_worker, pre_enqueue, pre_execute
from django_q.status import Stat
from django_q.worker import worker

from resilience import garbage
from resilience.breaker.registry import release_probes_of_the_dead
from resilience.database.deadline import deadline
from resilience.queue.resubmission import working_on
from resilience.queue.schedules import bring_back, may_queue

logger = logging.getLogger(__name__)

LONGEST_PAUSE_SECONDS = 60.0  # before a pool is built again, where it died soon after it was built
STEADY_SECONDS = 60.0  # after which a pool has proved itself
STALL_SECONDS = 30.0  # at least; and longer than any task may take
_LOOK_SECONDS = 2.0  # between two looks at the tasks in hand
_GRACE_SECONDS = 10.0  # for a timed-out worker to end by itself, and on top of the time-out when stopping
_SCHEDULE_SECONDS = 30.0
_PR_SET_PDEATHSIG = 1
_IDLE, _TIMED_OUT = -1.0, 0.0  # values of a worker's timer; above: seconds that its task still has
_TASK_ID_LENGTH = 160


def install() -> None:
    """Make every Cluster of this process use the sentinel of this module."""
    # The one place that patches django-q2: Cluster.start names the class, and it takes no parameter for it.
    cluster.Sentinel = SafeSentinel
    pre_enqueue.connect(_never_at_once, dispatch_uid="resilience.queue.sentinel")


def _never_at_once(task: dict[str, Any], **_: Any) -> None:
    """A schedule with the option `sync` would run its task inside the sentinel, past the broker's allow-list."""
    task.pop("sync", None)


class SafeSentinel(cluster.Sentinel):  # type: ignore[misc]
    """Guards one pool of workers, its pusher and its monitor, and replaces all of them when one dies."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._begun: dict[Any, Any] = {}  # worker process -> shared memory with the id of the task it runs
        self._overdue: dict[Any, float] = {}  # timed-out worker -> when that was noticed
        self._in_hand: set[str] = set()
        self._moved_at = self._look_at = self._schedule_at = time.monotonic()
        self._built_at, self._pause_seconds = time.monotonic(), 0.0
        _live_with_parent()
        super().__init__(*args, **kwargs)

    def start(self) -> None:
        """Run the pool until it is told to stop; whatever happens, no child stays."""
        # Children obey the sentinel alone: a SIGTERM to the whole group must not tear tasks apart.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        try:
            super().start()
        finally:
            self._kill_children()

    def spawn_process(self, target: Callable[..., None], *args: Any) -> Any:
        """A child that dies with the sentinel; a worker also tells which task it runs."""
        begun = RawArray(ctypes.c_char, _TASK_ID_LENGTH)
        process = cluster.get_mp_context().Process(target=_run_child, args=(begun, target, *args), daemon=True)
        if target is worker:
            process.timer = args[2]
            self._begun[process] = begun
            self.pool.append(process)
        process.start()
        return process

    def guard(self) -> None:
        """Look after the children every Conf.GUARD_CYCLE seconds until the stop event is set, then stop them."""
        self.start_event.set()
        self._inherit()
        logger.info("pool of %d workers runs as %s", self.pool_size, self.broker.instance)
        while not self.stop_event.wait(Conf.GUARD_CYCLE):
            problem = self._check_children() or self._check_progress()
            if problem:
                self.rebuild(problem)
            elif Conf.SCHEDULER and time.monotonic() - self._schedule_at >= _SCHEDULE_SECONDS:
                self._schedule()
            Stat(self).save()
        self.stop()

    def _inherit(self) -> None:
        """What a cluster that was killed as a whole left in hand is anybody's at once."""
        try:
            if released := self.broker.release_dead_instances():
                logger.warning("%d tasks of a cluster that is gone are taken over", released)
            release_probes_of_the_dead()
        except redis.RedisError as error:
            logger.warning("tasks of clusters that are gone wait for their retry time: %s", error)

    def _schedule(self) -> None:
        """Queue the tasks that are due, and take over what clusters of this host left that are gone.

        A frozen PostgreSQL must not freeze the sentinel.
        """
        self._schedule_at = time.monotonic()
        self._inherit()
        close_old_connections()  # before the deadline, which holds on to the connection it finds
        try:
            with deadline(settings.DATABASE_DEADLINE_SECONDS):
                bring_back()
                if may_queue():
                    scheduler(broker=self.broker)
        except Error as error:
            logger.warning("schedules wait for the database: %s", error)

    def rebuild(self, problem: str) -> None:
        """Kill all children, give back what they had, and start new ones on new queues."""
        logger.critical("rebuilding the pool: %s", problem)
        begun = None if not self.pusher.is_alive() else self._begun_tasks()
        self._kill_children()
        try:
            logger.info("%d tasks given back", self.broker.release_instance(begun))
            release_probes_of_the_dead()
        except redis.RedisError as error:
            logger.warning("tasks in hand wait for their retry time, the queue does not answer: %s", error)
        self._pause()
        self.task_queue = Queue(maxsize=Conf.QUEUE_LIMIT) if Conf.QUEUE_LIMIT else Queue()
        self.result_queue = Queue()
        self.event_out = multiprocessing.Event()
        self._begun, self._overdue = {}, {}
        self._in_hand, self._moved_at = set(), time.monotonic()
        self.reincarnations += 1
        self.spawn_cluster()
        self._built_at = time.monotonic()

    def _pause(self) -> None:
        """Not at once again on a host where pools die: others have the tasks. One that was steady is built at once."""
        steady = time.monotonic() - self._built_at > STEADY_SECONDS
        if self._pause_seconds and not steady:
            logger.warning("the pool is built again in %g s", self._pause_seconds)
            self.stop_event.wait(self._pause_seconds)
        self._pause_seconds = 1.0 if steady else min(LONGEST_PAUSE_SECONDS, max(1.0, 2 * self._pause_seconds))

    def stop(self) -> None:
        """Let the tasks in hand end, then the children; not longer than a task may take."""
        seconds = (self.timeout or STALL_SECONDS) + _GRACE_SECONDS
        with self._killed_after(seconds):
            super().stop()

    def _check_children(self) -> str:
        """Replace workers that ended as planned; the problem if a child died otherwise, or an empty string."""
        for name, process in (("pusher", self.pusher), ("monitor", self.monitor)):
            if not process.is_alive():
                return f"the {name} died with exit code {process.exitcode}"
        for process in list(self.pool):
            problem = self._check_worker(process)
            if problem:
                return problem
        return ""

    def _check_worker(self, process: Any) -> str:
        if not process.is_alive():
            if process.exitcode != 0:
                return f"a worker died with exit code {process.exitcode}"
            self._replace(process)
            return ""
        if self._seconds_left(process) != _TIMED_OUT:
            return ""
        # It is writing its result and will end: to kill it now could leave the result queue locked.
        noticed_at = self._overdue.setdefault(process, time.monotonic())
        return "a worker hangs beyond its time-out" if time.monotonic() - noticed_at > _GRACE_SECONDS else ""

    def _seconds_left(self, process: Any) -> float:
        """Count a worker's timer down by one cycle. A dead worker may have taken the lock along, so never wait long."""
        lock = process.timer.get_lock()
        if not lock.acquire(timeout=Conf.GUARD_CYCLE):
            return _IDLE
        try:
            if process.timer.value > 0:
                process.timer.value = max(_TIMED_OUT, process.timer.value - Conf.GUARD_CYCLE)
            return float(process.timer.value)
        finally:
            lock.release()

    def _replace(self, process: Any) -> None:
        """A worker that was recycled, or ended after its task's time-out, left its queues in order."""
        self.pool.remove(process)
        self._begun.pop(process, None)
        self._overdue.pop(process, None)
        connections.close_all()
        self.spawn_worker()
        self.reincarnations += 1

    def _check_progress(self) -> str:
        """The problem if none of the tasks in hand has ended for longer than any task may take."""
        now = time.monotonic()
        if now < self._look_at:
            return ""
        self._look_at = now + _LOOK_SECONDS
        try:
            in_hand = self.broker.in_hand()
        except redis.RedisError:
            self._moved_at = now  # nobody can acknowledge now; the broker's own log tells of the outage
            return ""
        if not in_hand or self._in_hand - in_hand:
            self._moved_at = now
        self._in_hand = in_hand
        limit = max(STALL_SECONDS, (self.timeout or 0) + _GRACE_SECONDS)
        return f"{len(in_hand)} tasks in hand, none ended for {limit:g} s" if now - self._moved_at > limit else ""

    def _begun_tasks(self) -> set[str]:
        return {begun.value.decode() for begun in self._begun.values()} - {""}

    def _kill_children(self) -> None:
        children = [process for process in (*self.pool, self.pusher, self.monitor) if process is not None]
        for process in children:
            process.kill()
        for process in children:
            process.join(5)

    @contextmanager
    def _killed_after(self, seconds: float) -> Iterator[None]:
        """End this process the hard way if the body takes longer: it may wait for a queue that nobody reads."""

        def give_up() -> None:
            logger.critical("stopping took over %g s: unfinished tasks will be redelivered", seconds)
            self._kill_children()
            os._exit(1)

        timer = threading.Timer(seconds, give_up)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()


def _run_child(begun: Any, target: Callable[..., None], *args: Any) -> None:
    """What a child process runs: it dies with the sentinel, and `begun` holds the id of the task in work."""
    _live_with_parent()

    def note(task: dict[str, Any], **_: Any) -> None:
        ack_id = task.get("ack_id", "")
        begun.value = ack_id.encode()[: _TASK_ID_LENGTH - 1]
        working_on(ack_id)

    def forget(**_: Any) -> None:
        begun.value = b""
        working_on("")

    garbage.collect_seldom()
    pre_execute.connect(note)
    post_execute_in_worker.connect(forget)
    target(*args)


def _live_with_parent() -> None:
    """Have the kernel kill this process when its parent dies; on other systems than Linux nothing happens."""
    parent = multiprocessing.parent_process()
    if parent is None or sys.platform != "linux":
        return
    with suppress(OSError, AttributeError):  # a C library without prctl
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent.pid:
        os._exit(1)  # it died before the kernel was asked
