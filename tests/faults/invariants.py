"""What every fault test asserts: what was accepted is stored, dead or waiting, and nothing happened or counted twice.

Enter batches whose ships are all different, so that each message is known by its MMSI wherever it ends; leave a `Fate`
of all of them and an AssertionError that names what is lost. It starts no servers and breaks nothing.
"""

import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from django.db import connection
from django_q.signing import SignedPackage

from ingest.acceptance.package import unpack
from ingest.reports import MessageBatch
from resilience.queue.streams import STREAMS, Streams
from tests.support.messages import batch, position

FIRST_MMSI = 211_000_000
BATCH_KIND_ORDINAL = -1  # a dead letter with this ordinal is its whole batch

Query = Callable[[str], list[tuple[Any, ...]]]

_BOOKED_TWICE = """
SELECT coalesce(sum(messages), 0),
       coalesce(sum(positions + static + stations + other), 0),
       coalesce(sum(stored), 0), coalesce(sum(merged + duplicate), 0), coalesce(sum(dead), 0)
FROM ingest_batch
"""


class Traffic:
    """Batches of ships that are all different: message n is of MMSI 211000000 + n."""

    def __init__(self) -> None:
        self._numbers = count()

    def batches(self, how_many: int, size: int = 50) -> Iterator[MessageBatch]:
        """Live batches (no recording) of `size` position reports, heard now, that write no live state."""
        for _ in range(how_many):
            yield self.batch(size)

    def batch(self, size: int, **fields: Any) -> MessageBatch:
        """One such batch; `fields` replace those of MessageBatch."""
        heard_at = round(time.time() * 1000) - size
        raws = [position(mmsi=FIRST_MMSI + next(self._numbers)) for _ in range(size)]
        return batch(raws, received_at=heard_at, step=1, **{"recorded": False} | fields)


@dataclass
class Fate:
    """Where the messages of the accepted batches are, each as the set of their MMSIs."""

    accepted: set[int]
    stored: set[int]
    dead: set[int]
    waiting: set[int]
    complaints: list[str] = field(default_factory=list)

    @property
    def lost(self) -> set[int]:
        """What was accepted and is nowhere."""
        return self.accepted - self.stored - self.dead - self.waiting

    def check(self) -> "Fate":
        """Return itself. Raises AssertionError when anything is lost, made up, in two places or counted wrong."""
        assert not self.lost, f"{len(self.lost)} of {len(self.accepted)} accepted messages are lost"
        assert self.stored | self.dead | self.waiting == self.accepted, "there is more than was accepted"
        assert not self.stored & self.dead, "messages are stored and dead at once"
        assert not self.complaints, self.complaints
        return self

    def settled(self) -> "Fate":
        """Return itself when nothing waits, everything checked."""
        assert not self.waiting, f"{len(self.waiting)} messages still wait"
        return self.check()


def fate(accepted: Iterable[MessageBatch], waiting: Iterable[uuid.UUID] = (), ask: Query | None = None) -> Fate:
    """Look up what became of `accepted`; `waiting` are ids of batches in the queue, `ask` runs a query elsewhere.

    The database holds nothing but what came of these batches. A batch that is booked and in the queue (a redelivery)
    is not counted as waiting.
    """
    ask = ask or here
    ships = {parcel.id: mmsis(parcel) for parcel in accepted}
    rows = [mmsi for (mmsi,) in ask("SELECT vessel_id FROM tracking_vesselposition")]
    letters = ask("SELECT batch_id, ordinal FROM resilience_deadletter WHERE status IN ('pending', 'exhausted')")
    dead = [mmsi for batch_id, ordinal in letters for mmsi in _buried(ships[_uuid(batch_id)], ordinal)]
    booked = {_uuid(found) for (found,) in ask("SELECT id FROM ingest_batch")}
    pending = {mmsi for found in set(waiting) - booked for mmsi in ships[found]}
    everything = {mmsi for ordered in ships.values() for mmsi in ordered}
    return Fate(everything, set(rows), set(dead), pending, _complaints(ask, rows, dead))


def mmsis(parcel: MessageBatch) -> list[int]:
    """The ships of a batch of `Traffic`, in order, read from its sentences: 30 bits from the eighth on."""
    return [_mmsi(message.raw) for message in parcel.messages]


def queued(streams: Streams, client: Any) -> list[uuid.UUID]:
    """The ids of the batches in the queue's streams, those in workers' hands included, in order; as often as there."""
    packages = [fields[b"t"] for name in STREAMS for _, fields in client.xrange(streams.key(name))]
    packages += [package for name in STREAMS for package in streams.delayed(name)]
    tasks = [SignedPackage.loads(package.decode()) for package in packages]
    return [unpack(task["args"][0]).id for task in tasks if task["func"] == "ingest.tasks.process_batch"]


def here(sql: str) -> list[tuple[Any, ...]]:
    """Ask the database of the test process."""
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return list(cursor.fetchall())


def _complaints(ask: Query, rows: Sequence[int], dead: Sequence[int]) -> list[str]:
    """What the ledger says against what is there; empty when each effect was counted once."""
    [(messages, kinds, stored, repeated, buried)] = ask(_BOOKED_TWICE)
    equations = {
        "rows = different ships": (len(rows), len(set(rows))),
        "dead letters = different ships": (len(dead), len(set(dead))),
        "ledger: messages = their kinds": (messages, kinds),
        "ledger: stored = rows": (stored, len(rows)),
        "ledger: nothing merged or duplicate": (repeated, 0),
        "ledger: dead = dead letters": (buried, len(dead)),
    }
    return [f"{text}: {left} is not {right}" for text, (left, right) in equations.items() if left != right]


def _buried(ships: list[int], ordinal: int) -> list[int]:
    return ships if ordinal == BATCH_KIND_ORDINAL else [ships[ordinal]]


def _mmsi(raw: bytes) -> int:
    value = 0
    for character in raw.split(b",")[5][:7]:
        value = value << 6 | (character - 48 - 8 * (character > 88))
    return value >> 4 & 0x3FFFFFFF


def _uuid(value: Any) -> uuid.UUID:
    return value if isinstance(value, uuid.UUID) else uuid.UUID(str(value))
