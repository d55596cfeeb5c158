"""Where every message is in the end, asked of PostgreSQL, the queue and the spool, and held against what was accepted.

Traffic enters; a `Reckoning` leaves. A ship is one message. Of a push that was accepted c times (its answer was lost,
so the receiver sent it again) there must be c lines in the ledger, and of each of its ships c rows or c dead letters;
of the recording exactly one each. Nothing is derived from what the programs say of themselves.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any, LiteralString

import psycopg
from django.conf import settings
from django_q.signing import SignedPackage
from django_redis import get_redis_connection

from ingest.acceptance.package import unpack
from ingest.reports import MessageBatch
from resilience.queue.broker import STREAMS, StreamsBroker
from resilience.spool.file import NAME
from tests.chaos.messages import FIRST_MMSI, is_poison, ship_of
from tests.chaos.traffic import PUSH_LABEL, RECORDING_LABEL, Traffic

_PAGE = 1000
_LETTERS = "SELECT batch_id, ordinal, raw FROM resilience_deadletter WHERE status IN ('pending', 'exhausted')"
_WHOLE_BATCH = -1
_LEDGER: LiteralString = """
SELECT source, "foreign", count(*), sum(lines), sum(messages), sum(positions), sum(stored), sum(merged + duplicate),
       sum(dead), coalesce(sum((SELECT sum(value::int) FROM jsonb_each_text(malformed))), 0)
FROM ingest_batch GROUP BY source, "foreign"
"""


@dataclass
class Line:
    """Sums over lines of the ledger."""

    batches: int = 0
    lines: int = 0
    messages: int = 0
    positions: int = 0
    stored: int = 0
    repeated: int = 0
    dead: int = 0
    malformed: int = 0

    def __add__(self, other: Line) -> Line:
        return Line(*(mine + its for mine, its in zip(vars(self).values(), vars(other).values(), strict=True)))


@dataclass
class Reckoning:
    """Ships by what became of them, and in words what does not add up."""

    accepted: set[int] = field(default_factory=set)
    stored: set[int] = field(default_factory=set)
    dead: set[int] = field(default_factory=set)
    waiting: set[int] = field(default_factory=set)
    lost: int = 0
    duplicated: int = 0
    sent_again: int = 0
    complaints: list[str] = field(default_factory=list)

    def expect(self, what: str, found: int, due: int) -> None:
        """More than is due was booked twice, less was lost; either is a complaint."""
        if found != due:
            self.complaints.append(f"{what}: {found} instead of {due}")
            self.duplicated += max(0, found - due)

    def last_line(self) -> str:
        """The sums."""
        return (
            f"accepted {len(self.accepted)} stored {len(self.stored)} dead {len(self.dead)} "
            f"waiting {len(self.waiting)} lost {self.lost} duplicated {self.duplicated}"
        )


def reckon(traffic: Traffic, url: str) -> Reckoning:
    """Ask everybody. `url` is PostgreSQL's own, past the pooler."""
    with psycopg.connect(url) as connection:
        rows = Counter({mmsi - FIRST_MMSI: count for mmsi, count in _rows(connection)})
        letters = Counter(_dead_ships(connection))
        ledger = {(source, number): Line(*map(int, sums)) for source, number, *sums in connection.execute(_LEDGER)}
        booked = {row[0] for row in connection.execute("SELECT id FROM ingest_batch")}
    found = Reckoning(stored=set(rows), dead=set(letters))
    found.waiting = {ship for batch in waiting_batches() if batch.id not in booked for ship in _ships(batch)}
    times = _times_accepted(traffic, ledger, found)
    found.accepted = set(times)
    judge_ships(found, times, rows, letters)
    _judge_recording(found, traffic, ledger)
    return found


def _times_accepted(traffic: Traffic, ledger: dict[tuple[str, int], Line], found: Reckoning) -> dict[int, int]:
    """Ship -> how often it was accepted; each push's lines of the ledger are judged on the way."""
    times = dict.fromkeys(traffic.recorded_ships, 1)
    for body in traffic.bodies:
        line = ledger.get((PUSH_LABEL, body.number), Line())
        if not body.accepted and not line.batches:
            continue
        found.sent_again += max(0, line.batches - 1)
        if line.batches > body.attempts:
            found.expect(f"push {body.number}: lines of the ledger", line.batches, body.attempts)
        size, poison = len(body.ships), sum(map(is_poison, body.ships))
        due = {"messages": size, "positions": size, "stored": size - poison, "repeated": 0, "dead": poison}
        for name, once in due.items():
            found.expect(f"push {body.number}: {name} in the ledger", getattr(line, name), line.batches * once)
        times |= dict.fromkeys(body.ships, max(1, line.batches))
    return times


def judge_ships(found: Reckoning, times: dict[int, int], rows: Counter[int], letters: Counter[int]) -> None:
    """Rows and dead letters of each ship against how often it was accepted."""
    wrong: list[int] = []
    for ship in times.keys() | rows.keys() | letters.keys():
        due, right, other = times.get(ship, 0), rows[ship], letters[ship]
        if is_poison(ship):
            right, other = other, right
        if ship in found.waiting:
            continue
        if right + other < due:
            found.lost += 1
        found.duplicated += max(0, right - due) + other
        if right != due or other:
            wrong.append(ship)
    if wrong:
        examples = ", ".join(f"{ship} ({rows[ship]} rows, {letters[ship]} letters)" for ship in sorted(wrong)[:5])
        found.complaints.append(f"{len(wrong)} ships have other rows and letters than they should: {examples}")


def _judge_recording(found: Reckoning, traffic: Traffic, ledger: dict[tuple[str, int], Line]) -> None:
    """The recording's sums: every line of the file exactly once."""
    lines = [(number, line) for (source, number), line in ledger.items() if source == RECORDING_LABEL]
    total = sum((line for _, line in lines), Line())
    ships, recording = traffic.recorded_ships, traffic.recording
    poison = sum(map(is_poison, ships))
    for what, is_booked, due in (
        ("lines", total.lines, recording.lines),
        ("lines of other protocols", sum(number * line.batches for number, line in lines), recording.foreign),
        ("malformed lines", total.malformed, recording.malformed),
        ("messages", total.messages, len(ships)),
        ("stored", total.stored, len(ships) - poison),
        ("merged and duplicate", total.repeated, 0),
        ("dead", total.dead, poison),
    ):
        found.expect(f"recording: {what} in the ledger", is_booked, due)


def _rows(connection: psycopg.Connection[Any]) -> Iterable[tuple[int, int]]:
    return connection.execute("SELECT vessel_id, count(*) FROM tracking_vesselposition GROUP BY vessel_id")


def _dead_ships(connection: psycopg.Connection[Any]) -> Iterator[int]:
    """The ship of each open dead letter, all ships of one that is a whole batch."""
    for _, ordinal, raw in connection.execute(_LETTERS):
        yield from _ships(unpack(raw)) if ordinal == _WHOLE_BATCH else [ship_of(raw)]


def waiting_batches() -> Iterator[MessageBatch]:
    """What is in the queue's streams, in workers' hands and in the spool."""
    broker = StreamsBroker()
    for name in STREAMS:
        for _, fields in broker.connection.xrange(broker.streams.key(name)):
            yield from _batches(fields[b"t"].decode())
        for package in broker.streams.delayed(name):
            yield from _batches(package.decode())
    path = settings.SPOOL_DIR / NAME
    if path.exists():
        with closing(sqlite3.connect(path, timeout=10.0)) as spool:
            for (package,) in spool.execute("SELECT package FROM entry"):
                yield from _batches(package)


def _batches(package: str) -> Iterator[MessageBatch]:
    task = SignedPackage.loads(package)
    if task["func"] == "ingest.tasks.process_batch":
        yield unpack(task["args"][0])


def _ships(batch: MessageBatch) -> list[int]:
    return [ship_of(message.raw) for message in batch.messages]


def missing_in_live(stored: Iterable[int]) -> int:
    """How many of these ships have no live document or are not in the sets of active and of placed ones."""
    client: Any = get_redis_connection("live")
    ships, missing = sorted(stored), 0
    for start in range(0, len(ships), _PAGE):
        pipe = client.pipeline(transaction=False)
        for ship in ships[start : start + _PAGE]:
            pipe.exists(f"v2:vessel:{FIRST_MMSI + ship}")
            pipe.zscore("v2:vessels:active", FIRST_MMSI + ship)
            pipe.geopos("v2:vessels:geo", FIRST_MMSI + ship)
        answers = pipe.execute()
        missing += sum(
            not (answers[place] and answers[place + 1] is not None and answers[place + 2][0])
            for place in range(0, len(answers), 3)
        )
    return missing
