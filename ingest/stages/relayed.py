"""The stage that hands accepted messages to relays: one entry of a stream for each batch, while a relay is enabled.

Enters what `ingest/stages/decode.py` accepted; leaves an entry in the live Redis (`ingest/relays/stream.py`). Its
failure holds no batch: what could not be written is counted by the next entry as missed, and relays count it as lost.
A batch that is delivered again was handed over the first time. A worker that dies between the commit and this stage
costs relays that batch.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

import msgspec
from django.db import Error as DatabaseError

from ingest.models import Relay
from ingest.relays import stream
from ingest.reports import Decoded
from ingest.stages.work import Work
from resilience import memory
from resilience.breaker.registry import CircuitOpen
from resilience.database.deadline import deadline
from resilience.database.sqlstate import is_outage

logger = logging.getLogger(__name__)

LOOK_SECONDS = 5.0  # between two looks whether a relay is enabled
ANSWER_SECONDS = 2.0


class RelaySwitch:
    """Whether any relay is enabled, as this process saw it last, and how many messages relays missed since."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self.forget()

    def forget(self) -> None:
        """Look again."""
        self._on, self._until, self.missed = False, self._clock(), 0

    def is_on(self) -> bool:
        """Look once in LOOK_SECONDS; while the database is away nothing changes."""
        if self._clock() >= self._until:
            self._until = self._clock() + LOOK_SECONDS
            try:
                with deadline(ANSWER_SECONDS):
                    self._on = Relay.objects.filter(enabled=True).exists()
            except DatabaseError as error:
                logger.debug("whether relays are enabled is not known: %s", error)
        return self._on


switch = RelaySwitch()
memory.forgotten_by(switch.forget)


def hand_over(work: Work) -> None:
    """Add the accepted messages to the stream of the relays, behind the breaker "live"."""
    if work.breakers is None or work.repeated or not work.decoded or not switch.is_on():
        return
    count = len(work.decoded)
    try:
        packed = stream.pack(_relayed(work))
        with work.breakers("live").guard():
            stream.append(packed, count, switch.missed)
        switch.missed = 0
    except CircuitOpen:
        switch.missed += count
    except Exception as error:
        # The batch is committed: nothing that happens here may send it through again.
        switch.missed += count
        logger.warning("relays were not given a batch: %s", error, exc_info=not is_outage(error))


def _relayed(work: Work) -> stream.RelayedBatch:
    messages = [work.batch.messages[ordinal] for ordinal, _ in work.decoded]
    kinds = bytes(_kind(decoded) for _, decoded in work.decoded)
    return stream.RelayedBatch(kinds, msgspec.structs.replace(work.batch, messages=messages))


def _kind(decoded: Decoded) -> int:
    """A message counts once, as in the ledger."""
    if decoded.position is not None:
        return stream.POSITION
    if decoded.static is not None:
        return stream.STATIC
    return stream.STATION if decoded.station is not None else stream.OTHER
