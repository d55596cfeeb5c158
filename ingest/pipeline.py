"""START HERE. What happens to one accepted batch, from raw messages to rows and live state.

    decode -> judge -> name echoes -> fuse -> [breaker: make partitions -> store, one transaction]
        -> write live state -> watch events -> hand over to relays

Enters a MessageBatch from the queue (`ingest/consumption.py`), from a run without one (`ingest/acceptance/inline.py`),
from a recording (`ingest/backfill/worker.py`) or out of dead letters (`ingest/replay.py`); leaves positions, identities
and a line of the ledger in PostgreSQL, the newest of each target in RedisJSON, and in a stream what relays send on. A
message that cannot be used is counted under its reason and stops nobody. Processing a batch twice is the same as once.

What a stage may and may not do is said in `ingest/stages/__init__.py`; how batches come about is told by
`ingest/feeds/collector.py`, what queues them by `ingest/acceptance/queue.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext

from ingest.reports import MessageBatch
from ingest.stages.decode import decode
from ingest.stages.echoes import name_echoes
from ingest.stages.fusion import fuse
from ingest.stages.judge import judge
from ingest.stages.live import write_live
from ingest.stages.partitions import make_partitions
from ingest.stages.relayed import hand_over
from ingest.stages.storing.store import store
from ingest.stages.watch import watch_events
from ingest.stages.work import Breakers, Work
from resilience.breaker.registry import get_breaker

Stage = Callable[[Work], None]

PREPARED: tuple[Stage, ...] = (decode, judge, name_echoes, fuse)
BOOKED: tuple[Stage, ...] = (make_partitions, store)
DERIVED: tuple[Stage, ...] = (write_live, watch_events, hand_over)


def process(
    batch: MessageBatch,
    breakers: Breakers | None = get_breaker,
    prepared: Sequence[Stage] = PREPARED,
    booked: Sequence[Stage] = BOOKED,
    derived: Sequence[Stage] = DERIVED,
) -> Work:
    """Take a batch through all stages; what it came to.

    `breakers` gives the guards by name ("database", "live"); None: the caller holds the guard, and nothing is derived.
    Raises CircuitOpen, NothingPasses, or what PostgreSQL raises when it is away: then nothing of the batch was stored
    or booked, and it must be kept.
    """
    work = Work(batch, breakers if batch.live else None)
    for stage in prepared:
        stage(work)
    with breakers("database").guard() if breakers else nullcontext():
        for stage in booked:
            stage(work)
    for stage in derived:
        stage(work)
    return work
