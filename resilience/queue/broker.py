"""The queue's policy: a django-q2 broker that delivers at least once and knows when to hold work back.

Signed task packages go in (`enqueue`), pairs of acknowledgement id and package come out (`dequeue`). Housekeeping is
always read; live and replay batches as far as the breaker "database" permits: any number, one as a probe, or none, and
meanwhile the streams are the buffer. (A round that listens when the breaker opens may still bring one batch a stream;
the guard in its task sends it back.) Each stream has its share of a round, so that no flood starves its neighbours.

An entry leaves its stream only when it is acknowledged or moved. If the process that had it dies or hangs, another
takes it over after Q_CLUSTER["retry"] seconds at the latest; what was delivered MAX_DELIVERIES times without a verdict
goes to who takes such tasks (`resilience.queue.spent`). Attempts that end with a verdict do not count: who gives work
back adds it anew (`resilience.queue.resubmission`). The broker runs no tasks; `resilience.queue.streams` is what it
stores them in.
"""

import itertools
import logging
import os
import socket
import time
import uuid
from collections.abc import Collection
from typing import Any, Self

import psutil
import redis
from django_q.brokers import Broker
from django_q.conf import Conf
from django_redis import get_redis_connection

from resilience.breaker.registry import get_breaker
from resilience.database.sqlstate import is_outage
from resilience.queue import spent
from resilience.queue.admission import refusal_of
from resilience.queue.streams import HOUSEKEEPING, LIVE, REPLAY, STREAMS, StreamDelivery, StreamDepth, Streams

__all__ = ["HOUSEKEEPING", "LIVE", "REPLAY", "STREAMS", "StreamDepth", "StreamsBroker"]

logger = logging.getLogger(__name__)

BREAKER = "database"
UNREADABLE = "unreadable"  # the reason of entries that are not packages
MAX_DELIVERIES = 5
SHARES = {HOUSEKEEPING: 2, LIVE: 6, REPLAY: 2}  # of ten entries a round

_BLOCK_MS = 500  # how long an empty queue is listened to: below the client's time-out, and the delay of a stop
_WITHHELD_BLOCK_MS = 200  # the same while batches are withheld: then the breaker is asked again
_PROBE_PAUSE_SECONDS = 0.2  # between two batches given out as probes: the first must reach a worker to take the lease
_GLANCE_MS = 1  # to see that a stream has no batch for a probe
_OUTAGE_PAUSE_SECONDS = 0.5
_DUE_SECONDS = 0.5  # between two looks at what is delayed
_ACKNOWLEDGE_ATTEMPTS = 15  # over about 20 seconds


class StreamsBroker(Broker):  # type: ignore[misc]
    """For Q_CLUSTER["broker_class"]. Acknowledgement ids are "stream|entry id".

    `alongside` (None, or keys and values) is set in the same transaction in which `enqueue` adds a task.
    """

    def __init__(self, list_key: str | None = None, stream: str = HOUSEKEEPING) -> None:
        if stream not in STREAMS:
            raise ValueError(f"unknown stream {stream!r}; known are {', '.join(STREAMS)}")
        super().__init__(list_key=list_key)
        self.stream = stream
        self.alongside: dict[str, str] | None = None
        # Made in the sentinel and inherited by its pusher: whichever pusher it starts, they are one consumer.
        self.instance = f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"
        self._begin()

    def __getstate__(self) -> tuple[Any, ...]:
        return (super().__getstate__(), self.stream, self.alongside, self.instance)

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        inherited, self.stream, self.alongside, self.instance = state
        super().__setstate__(inherited)
        self._begin()

    def _begin(self) -> None:
        self.streams = Streams(self.connection, self.list_key)
        self._grouped = False
        self._away = False
        self._reclaim_at = self._due_at = 0.0
        self._cursors = dict.fromkeys(STREAMS, "0-0")
        self._probe_at = 0.0
        self._probes = itertools.cycle((LIVE, REPLAY))

    @classmethod
    def for_stream(cls, stream: str) -> Self:
        """A broker whose `enqueue` adds to `stream`, one of STREAMS. Raises ValueError for another name."""
        return cls(stream=stream)

    @staticmethod
    def get_connection(list_key: str | None = None) -> redis.Redis:
        """The queue's Redis; not connected before its first use."""
        client: redis.Redis = get_redis_connection("queue")
        return client

    def enqueue(self, task: str) -> str:
        """Add a signed package and the keys `alongside`, all or nothing; durable once it returns the entry's id.

        Raises redis.RedisError; after a time-out the entry may have been added all the same.
        """
        return self.streams.add(self.stream, task, self.alongside or {})

    def dequeue(self) -> list[tuple[str, str]] | None:
        """The next allowed tasks as (acknowledgement id, signed package), None when there are none.

        Waits about half a second at most, and raises nothing that Redis raises: django-q2's pusher would sleep for ten
        seconds and die.
        """
        try:
            taken = self._take()
            tasks = [
                (f"{entry.stream}|{entry.entry_id}", entry.payload.decode())
                for entry in taken
                if self._admit(entry) and entry.payload
            ]
        except redis.RedisError as error:
            self._wait_for_redis(error)
            return None
        if self._away:
            logger.info("the queue's Redis answers again")
            self._away = False
        return tasks or None

    def _take(self) -> list[StreamDelivery]:
        if not self._grouped:
            self.streams.make_groups()
            self._grouped = True
        self._move_due()
        permitted = get_breaker(BREAKER).permits()
        quotas = {stream: max(1, Conf.BULK * share // 10) for stream, share in SHARES.items()}
        if permitted is None:
            return self._reclaim(quotas) or self.streams.read(self.instance, quotas, _BLOCK_MS)
        quotas = {HOUSEKEEPING: quotas[HOUSEKEEPING]}
        if permitted == 0 or time.monotonic() < self._probe_at:
            return self._reclaim(quotas) or self.streams.read(self.instance, quotas, _WITHHELD_BLOCK_MS)
        return self._take_probe(quotas)

    def _move_due(self) -> None:
        """Put back into their streams what was given back for later, also while batches are withheld."""
        if time.monotonic() >= self._due_at:
            for stream in (LIVE, REPLAY):
                self.streams.move_due(stream)
            self._due_at = time.monotonic() + _DUE_SECONDS

    def _take_probe(self, quotas: dict[str, int]) -> list[StreamDelivery]:
        """Housekeeping and one batch: of the stream whose turn it is or, where that has none, of the other."""
        first, second = next(self._probes), next(self._probes)
        self._probes = itertools.cycle((second, first))
        taken: list[StreamDelivery] = []
        for stream, block in ((first, _GLANCE_MS), (second, _WITHHELD_BLOCK_MS)):
            allowed = {**quotas, stream: 1}
            taken = taken or self._reclaim(allowed) or self.streams.read(self.instance, allowed, block)
        if any(entry.stream != HOUSEKEEPING for entry in taken):
            self._probe_at = time.monotonic() + _PROBE_PAUSE_SECONDS
        return taken

    def _reclaim(self, quotas: dict[str, int]) -> list[StreamDelivery]:
        """What its consumer has had for too long. A look at all of it every few seconds is enough."""
        if time.monotonic() < self._reclaim_at:
            return []
        taken: list[StreamDelivery] = []
        for stream, quota in quotas.items():
            retry_ms = int(Conf.RETRY * 1000)
            cursor, claimed = self.streams.claim(self.instance, stream, retry_ms, self._cursors[stream], quota)
            self._cursors[stream] = cursor
            taken += [entry for entry in claimed if not self._is_spent(entry)]
        if not taken and all(self._cursors[stream] == "0-0" for stream in quotas):
            self._reclaim_at = time.monotonic() + min(Conf.RETRY / 4, 15)
        return taken

    def _is_spent(self, entry: StreamDelivery) -> bool:
        """Whether `entry` was delivered too often; then it has been handed over or parked."""
        if entry.deliveries <= MAX_DELIVERIES or entry.payload is None:
            return False
        attempts = entry.deliveries - 1
        logger.error("%s entry %s: %d deliveries without a verdict", entry.stream, entry.entry_id, attempts)
        try:
            taken = spent.hand_over(entry, attempts)
        except Exception as error:
            if not is_outage(error):
                raise
            logger.warning("the spent %s entry %s waits to be taken: %s", entry.stream, entry.entry_id, error)
            return True  # it stays in hand, and is claimed again after Q_CLUSTER["retry"]
        if taken:
            self.streams.done(entry.stream, entry.entry_id)
        else:
            self.streams.park(entry.stream, entry.entry_id, "spent", attempts)
        return True

    def _admit(self, entry: StreamDelivery) -> bool:
        """Whether the entry is a package of ours that names allowed callables only; anything else is parked.

        Not in django-q2's pre_execute: an exception there kills the worker.
        """
        reason = refusal_of(entry.payload) if entry.payload else UNREADABLE
        if reason:
            logger.error("%s entry %s is parked: %s", entry.stream, entry.entry_id, reason)
            self.streams.park(entry.stream, entry.entry_id, reason, entry.deliveries)
        return not reason

    def _wait_for_redis(self, error: redis.RedisError) -> None:
        """After FLUSHALL or on another server the groups are missing: they are made again at the next round."""
        self._grouped = False
        if not self._away:
            logger.warning("the queue's Redis does not answer, waiting for it: %s", error)
        self._away = True
        time.sleep(_OUTAGE_PAUSE_SECONDS)

    def acknowledge(self, task_id: str) -> bool:
        """Remove a finished task; True if it was there. Gives up after some 20 s: then it will be redelivered."""
        for attempt in range(_ACKNOWLEDGE_ATTEMPTS):
            try:
                return self.streams.done(*parse_ack(task_id))
            except redis.RedisError as error:
                if attempt == 0:
                    logger.warning("cannot acknowledge %s yet: %s", task_id, error)
                time.sleep(min(0.1 * 2**attempt, 2.0))
        logger.error("could not acknowledge %s, it will be redelivered", task_id)
        return False

    delete = acknowledge

    def fail(self, task_id: str) -> None:
        """Park a task that the pusher could not unpack."""
        self.streams.park(*parse_ack(task_id), reason=UNREADABLE)

    def in_hand(self) -> set[str]:
        """Acknowledgement ids of what this instance's pusher has taken and nobody has acknowledged."""
        return {"|".join(place) for place in self.streams.in_hand(self.instance)}

    def release_instance(self, begun: Collection[str] | None = None) -> int:
        """After this instance's pool was killed: let anybody take what it had, at once; how many tasks that were.

        Only deliveries that a worker had `begun` (acknowledgement ids) count against a task; None: all of them do.
        """
        spared = () if begun is None else [parse_ack(task_id) for task_id in self.in_hand() - set(begun)]
        return self.streams.release(self.instance, spared)

    def release_dead_instances(self) -> int:
        """Let anybody take at once what clusters of this host had that are gone; how many tasks that were.

        Their deliveries count: nobody knows which had begun. Raises redis.RedisError.
        """
        self.streams.make_groups()
        host, released = socket.gethostname(), 0
        for name in self.streams.consumers():
            of, pid, _ = name.rsplit(":", 2)
            if of == host and name != self.instance and not psutil.pid_exists(int(pid)):
                released += self.streams.release(name, ())
        return released

    def acked(self) -> int:
        """How many tasks were acknowledged since the queue was made, by all hosts."""
        return self.streams.acked()

    def depths(self) -> dict[str, StreamDepth]:
        """Depth of each of STREAMS and of "parked", for status pages. Raises redis.RedisError."""
        return self.streams.depths()

    def queue_size(self) -> int:
        """Tasks that nobody has taken yet."""
        return sum(self.depths()[stream].waiting for stream in STREAMS)

    def lock_size(self) -> int:
        """Tasks taken and not acknowledged, on all hosts."""
        return sum(self.depths()[stream].pending for stream in STREAMS)

    def purge_queue(self) -> int:
        """Throw away all tasks of the three streams, for an operator; how many they were. Parked ones stay."""
        dropped = self.streams.drop()
        self.streams.make_groups()
        return dropped

    def delete_queue(self) -> int:
        """The same; the streams are made again when they are next read."""
        return self.streams.drop()

    def ping(self) -> bool:
        """True; raises redis.RedisError when the queue's Redis does not answer."""
        return bool(self.connection.ping())

    def info(self) -> str:
        """What the queue is, for django-q2's own pages."""
        return f"Redis Streams {self.connection.info('server')['redis_version']}"


def parse_ack(task_id: str) -> tuple[str, str]:
    """Stream and entry id of an acknowledgement id."""
    stream, entry_id = task_id.split("|")
    return stream, entry_id
