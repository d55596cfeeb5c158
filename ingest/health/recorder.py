"""The health of feeds, as it is recorded: by the collector when a batch is accepted, by the worker when it is booked.

Batches enter; counts by feed and minute leave for the queue's Redis (`ingest/health/keys.py`). Each process adds up
what its batches say and sends it every FLUSH_SECONDS from a thread of its own, so that no batch waits for it or fails
by it: while Redis is away nothing is recorded, which is logged once. Health is for people and alerts, not an account
(that is the ledger): a process that dies takes its last two seconds along. Recorded batches and redeliveries do not
count. What is read of it is in `ingest/health/reading.py`.

Two clocks are compared with ours, each by a median:

- the feed's own times, where it sends some: arrival minus the time that the last message of a chunk gives. It sees
  any difference, but cannot tell a wrong clock from a slow line or from reports that are old when they are sent.
- the UTC second that ships put into position reports: reception minus that second. It sees whether our clock (or the
  feed's, if it sends times) is off by a few seconds; half a second is what right clocks show. Beyond 10 s a report is
  not snapped to its second, so such a difference is not seen, and one of whole minutes looks like none.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import redis
from django_redis import get_redis_connection

from ingest.health import keys
from ingest.health.histogram import bucket
from ingest.reports import MessageBatch, VesselReport
from ingest.stages.work import Counts, Fused

logger = logging.getLogger(__name__)

WAITED_MS = 10_000  # in a collector, before a batch is accepted; times of receipt before that are a clock's fault
SAMPLES = 50  # of a batch's positions, for the distributions; each stands for its neighbours
FLUSH_SECONDS = 2.0  # a round trip a batch would cost a small one 8 % of its time, and a flush of Redis's disk

# What the script adds to the totals too, of any reason.
TOTALLED = ("lines", "messages", "malformed", "rejected", "identities", "unchanged")

# KEYS: minute, targets, facts, totals, heard. ARGV: seconds to keep minutes, facts and totals, heard, ms of the last
# message or "", number of counts, then field and count of each, then targets.
_RECORD = f"""
local totalled = {{{", ".join(f"{name} = true" for name in TOTALLED)}}}
"""
_RECORD += """
local last = 5 + 2 * tonumber(ARGV[5])
for i = 6, last, 2 do
  redis.call('HINCRBY', KEYS[1], ARGV[i], ARGV[i + 1])
  local name = string.match(ARGV[i], '^[^.]*')
  if totalled[name] then redis.call('HINCRBY', KEYS[4], name, ARGV[i + 1]) end
end
redis.call('EXPIRE', KEYS[4], ARGV[2])
for i = last + 1, #ARGV, 500 do
  redis.call('PFADD', KEYS[2], unpack(ARGV, i, math.min(i + 499, #ARGV)))
  redis.call('SADD', KEYS[5], unpack(ARGV, i, math.min(i + 499, #ARGV)))
end
redis.call('EXPIRE', KEYS[5], ARGV[3])
for i = 1, 2 do
  if redis.call('TTL', KEYS[i]) == -1 then redis.call('EXPIRE', KEYS[i], ARGV[1]) end
end
if ARGV[4] ~= '' and tonumber(redis.call('HGET', KEYS[3], 'last_message') or '0') < tonumber(ARGV[4]) then
  redis.call('HSET', KEYS[3], 'last_message', ARGV[4])
  if redis.call('TTL', KEYS[3]) == -1 then redis.call('EXPIRE', KEYS[3], ARGV[2]) end
end
"""


class _UnsavedMinute:
    """What one feed and minute has that Redis does not know yet; `last_message`: ms since 1970."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.targets: set[int | str] = set()
        self.last_message: int | None = None

    def arguments(self) -> list[Any]:
        """Those of the script."""
        pairs = [value for field, count in self.counts.items() if count for value in (field, count)]
        last = "" if self.last_message is None else self.last_message
        kept = (keys.MINUTE_SECONDS, keys.FACTS_SECONDS, keys.HEARD_SECONDS)
        return [*kept, last, len(pairs) // 2, *pairs, *self.targets]


class Recorder:
    """Records batches; safe for the threads of one process. `wall`: ms since 1970."""

    def __init__(self, wall: Callable[[], int] = lambda: round(time.time() * 1000)) -> None:
        self._wall = wall
        self._lock = threading.Lock()
        self._pending: dict[tuple[str, int], _UnsavedMinute] = {}
        self._timer: threading.Timer | None = None
        self._is_away = False

    def accepted(self, batch: MessageBatch, skews: Iterable[int] = ()) -> None:
        """A batch was accepted; `skews`: arrival minus the feed's own time (ms) of some of its messages."""
        if not self._counts_for(batch):
            return
        counts = batch.counts
        found = Counter({"lines": counts.lines, "foreign": counts.foreign, "messages": len(batch.messages)})
        found.update({f"malformed.{reason}": count for reason, count in counts.malformed.items()})
        found.update(f"skew.{bucket(skew)}" for skew in skews)
        self._add(batch, found)

    def booked(self, batch: MessageBatch, fused: Fused, counts: Counts) -> None:
        """A batch was booked for the first time, and its live state is written."""
        if not self._counts_for(batch):
            return
        found = Counter({"booked": len(batch.messages), "positions": counts.positions, "duplicate": counts.duplicate})
        found.update({f"rejected.{reason}": count for reason, count in counts.rejected.items()})
        found.update({"identities": len(fused.vessels) + len(fused.aircraft), "unchanged": fused.unchanged})
        if not batch.invented:
            _distribute(found, fused, batch.accepted_at)
        if batch.live and batch.messages:
            found[f"through.{bucket(self._through(batch))}"] = len(batch.messages)
        self._add(batch, found, fused.vessels.keys(), fused.aircraft.keys())

    def _through(self, batch: MessageBatch) -> int:
        """From the receipt of the batch's middle message until now, ms."""
        waited = batch.accepted_at - batch.messages[len(batch.messages) // 2].received_at
        return max(0, self._wall() - batch.accepted_at) + min(max(0, waited), WAITED_MS)

    def flush(self) -> None:
        """Send what is pending. Never raises: what Redis does not take is given up."""
        with self._lock:
            pending, self._pending = self._pending, {}
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
        if not pending:
            return
        try:
            _send(pending)
        except Exception as error:
            # Not only RedisError: health may fail nobody, whatever is wrong with it.
            if not self._is_away:
                bug = not isinstance(error, (redis.RedisError, OSError))
                logger.warning("the health of feeds is not recorded for now: %s", error, exc_info=bug)
            self._is_away = True
            return
        if self._is_away:
            self._is_away = False
            logger.info("the health of feeds is recorded again")

    def _counts_for(self, batch: MessageBatch) -> bool:
        """Nobody looks at recordings, nor at minutes that have expired."""
        return not batch.recorded and self._wall() - batch.accepted_at <= keys.MINUTE_SECONDS * 1000

    def _add(self, batch: MessageBatch, found: Counter[str], *targets: Iterable[int | str]) -> None:
        """Add to the minute in which the batch was accepted, and see to it that it is sent soon."""
        with self._lock:
            minute = self._pending.setdefault((batch.source, batch.accepted_at // keys.MINUTE_MS), _UnsavedMinute())
            minute.counts.update(found)
            minute.targets.update(*targets)
            if batch.messages:
                # Said by workers too: whoever accepted the batch need not be a collector.
                minute.last_message = max(minute.last_message or 0, batch.accepted_at)
            # A fork leaves the timer behind, not alive.
            if self._timer is None or not self._timer.is_alive():
                self._timer = threading.Timer(FLUSH_SECONDS, self.flush)
                self._timer.daemon = True
                self._timer.start()


def _send(pending: Mapping[tuple[str, int], _UnsavedMinute]) -> None:
    """All in one round trip."""
    pipe = get_redis_connection("queue").pipeline(transaction=False)
    script = pipe.register_script(_RECORD)
    for (label, number), minute in pending.items():
        names = [keys.minute(label, number), keys.targets(label, number), keys.facts(label), keys.totals(label)]
        names.append(keys.heard(label, number // keys.HEARD_MINUTES))
        script(keys=names, args=minute.arguments(), client=pipe)
        if messages := minute.counts["messages"]:
            day, tenth = divmod(number // keys.TENTH_MINUTES, keys.TENTHS_OF_DAY)
            pipe.hincrby(keys.tenths(label, day), str(tenth), messages)
            pipe.expire(keys.tenths(label, day), keys.TENTHS_SECONDS)
    pipe.execute()


def _distribute(found: Counter[str], fused: Fused, accepted_at: int) -> None:
    """Add the delays from event to acceptance, and how the ships' UTC seconds lie, of evenly chosen positions."""
    step = max(1, len(fused.positions) // SAMPLES)
    for _, report in fused.positions[::step]:
        found[f"delay.{bucket(accepted_at - report.timestamp.timestamp() * 1000)}"] += step
        if isinstance(report, VesselReport) and report.received_at is not report.timestamp:
            gap = report.received_at - report.timestamp
            found[f"second.{bucket(gap.total_seconds() * 1000)}"] += step


recorder = Recorder()
