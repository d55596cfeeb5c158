"""The worker processes of a backfill, and which of them has which batches.

Packed batches enter through `give`; a batch is in the hand of one worker until that has stored it, and when the worker
dies its batches are given to others. A batch in whose hands DEATHS workers died becomes a dead letter. What a dead
worker had stored but not completed is named by `lost`, to be read and given once more. At most ROOM_BATCHES a worker
and ALL_BYTES in all are in hand, and `give` waits for room. Nothing is decoded here.
"""

from __future__ import annotations

import logging
import multiprocessing
import selectors
import socket
import threading
import uuid
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from multiprocessing.context import ForkProcess
from typing import Any

import msgspec
from django.db import connections

from ingest.backfill import worker as backfill_worker
from ingest.backfill.channel import Channel, WorkerEnd

logger = logging.getLogger(__name__)

DEATHS = 5
DEATHS_IN_A_ROW = 25  # without any batch stored: the fault is not a batch's
ROOM_BATCHES = 6  # so many that a worker has work while another is served
ALL_BYTES = 128 * 2**20
TURN_SECONDS = 0.25


class BackfillFailed(Exception):
    """The run cannot go on; the message says why. What was stored stays, the same command goes on from there."""


class Stopped(Exception):
    """The run was asked to stop while it waited."""


@dataclass
class Parcel:
    """A packed batch on its way; `deaths`: of workers that had it in work."""

    id: uuid.UUID
    messages: int
    packed: bytes
    deaths: int = 0


@dataclass(eq=False)
class _Member:
    """A worker: its process, its channel, the batches in its hand in their order, the one that it works on, and those
    that it has stored and not completed."""

    process: ForkProcess
    channel: Channel
    hand: dict[uuid.UUID, Parcel] = field(default_factory=dict)
    current: uuid.UUID | None = None
    stored: set[uuid.UUID] = field(default_factory=set)
    bytes: int = 0
    told_to_write: bool = True


class BackfillCrew:
    """Workers from the first `give` to `close`."""

    def __init__(self, processes: int, make_dead_letter: Callable[[bytes], None], say: Callable[[str], object]) -> None:
        """`make_dead_letter`: makes a packed batch a dead letter. `say`: tells a person one line."""
        self.stored = 0  # messages
        self.lost: set[uuid.UUID] = set()
        self._make_dead_letter, self._say = make_dead_letter, say
        self._room_bytes = ALL_BYTES // processes
        self._selector = selectors.DefaultSelector()
        self._members: list[_Member] = []
        self._again: deque[Parcel] = deque()
        self._deaths_in_a_row = 0
        self._away = False
        for _ in range(processes):
            self._engage()

    @property
    def in_hand(self) -> int:
        """Messages that are not stored."""
        hands = [self._again, *(member.hand.values() for member in self._members)]
        return sum(parcel.messages for hand in hands for parcel in hand)

    def give(self, parcel: Parcel, stop: threading.Event) -> None:
        """Hand a batch to the worker that has the least to do, as soon as it has room.

        Raises Stopped, after which the batch is in nobody's hand, and Failed.
        """
        while self._again or not self._has_room():
            self._hand_out()
            self.turn(TURN_SECONDS)
            if stop.is_set():
                raise Stopped
        self._again.append(parcel)
        self._hand_out()
        self.turn(0.0)

    def finish(self, give_up: threading.Event) -> None:
        """Wait until all batches are complete, or lost. Raises Stopped when told to give up, and Failed."""
        while self._again or any(member.hand or member.stored for member in self._members):
            self._hand_out()
            for member in self._members:
                if not (self._again or member.told_to_write):
                    member.told_to_write = True
                    self._put(member, backfill_worker.WRITE)
            self.turn(TURN_SECONDS)
            if give_up.is_set():
                raise Stopped

    def turn(self, seconds: float) -> None:
        """Hear the workers and go on sending, waiting at most `seconds` for either. Raises Failed."""
        for key, _ in self._selector.select(seconds):
            member: _Member = key.data
            if member not in self._members:
                continue
            messages, gone = member.channel.receive()
            for message in messages:
                self._hear(member, msgspec.msgpack.decode(message))
            if gone:
                self._mourn(member)
            elif key.events & selectors.EVENT_WRITE:
                self._flush(member)

    def close(self) -> None:
        """End the workers: those without work end by themselves, the others are killed; nothing stored is lost."""
        for member in self._members:
            self._selector.unregister(member.channel)
            member.channel.close()
            if member.hand or member.stored:
                member.process.kill()
        for member in self._members:
            _end(member.process)
        self._members.clear()
        self._selector.close()

    def _engage(self) -> None:
        """One more worker: a fork, so nothing that cannot be shared may be open now."""
        connections.close_all()
        ours, theirs = socket.socketpair()
        others = [member.channel for member in self._members]
        process = multiprocessing.get_context("fork").Process(
            target=_live, args=(theirs, [ours, *others]), name="backfill", daemon=True
        )
        process.start()
        theirs.close()
        member = _Member(process, Channel(ours))
        self._members.append(member)
        self._selector.register(member.channel, selectors.EVENT_READ, member)

    def _hand_out(self) -> None:
        """Give what waits to those who have room."""
        while self._again and self._has_room():
            member, parcel = self._idlest(), self._again.popleft()
            member.hand[parcel.id] = parcel
            member.bytes += len(parcel.packed)
            member.told_to_write = False
            self._put(member, parcel.packed)

    def _idlest(self) -> _Member:
        return min(self._members, key=lambda member: len(member.hand))

    def _has_room(self) -> bool:
        """Whether one more batch may be in hand; two may be always, however large."""
        member = self._idlest()
        full = len(member.hand) >= ROOM_BATCHES or member.bytes >= self._room_bytes
        return len(member.hand) < 2 or not full

    def _put(self, member: _Member, message: bytes) -> None:
        """Send, now or when the worker takes it. A worker that is gone is noticed when it is heard next."""
        try:
            member.channel.put(message)
        except OSError as error:
            logger.debug("worker %s takes nothing: %s", member.process.pid, error)
            return
        self._flush(member)

    def _flush(self, member: _Member) -> None:
        try:
            sent = member.channel.flush()
        except OSError as error:
            logger.debug("worker %s takes nothing: %s", member.process.pid, error)
            sent = True
        events = selectors.EVENT_READ if sent else selectors.EVENT_READ | selectors.EVENT_WRITE
        self._selector.modify(member.channel, events, member)

    def _hear(self, member: _Member, words: Sequence[Any]) -> None:
        """What a worker says of its batches; see `ingest/backfill/worker.py`."""
        match words:
            case ["began", batch]:
                member.current = uuid.UUID(batch)
            case ["stored", batch]:
                member.current, self._deaths_in_a_row = None, 0
                parcel = member.hand.pop(uuid.UUID(batch))
                member.stored.add(parcel.id)
                member.bytes -= len(parcel.packed)
                self.stored += parcel.messages
            case ["complete", batches]:
                member.stored.difference_update(map(uuid.UUID, batches))
            case ["away", why]:
                self._tell_of_database(away=True, why=f"the database is away, waiting for it: {why}")
            case ["back"]:
                self._tell_of_database(away=False, why="the database is back")
            case ["failed", why]:
                raise BackfillFailed(f"a batch cannot be stored, and that is no fault of its data: {why}")
            case _:
                raise AssertionError(f"a worker said {words!r}")

    def _tell_of_database(self, away: bool, why: str) -> None:
        """Once, however many workers notice it."""
        if away is not self._away:
            self._away = away
            self._say(why)

    def _mourn(self, member: _Member) -> None:
        """A worker died: its batches are given to others, and another takes its place."""
        _end(member.process)
        self._selector.unregister(member.channel)
        member.channel.close()
        self._members.remove(member)
        self._deaths_in_a_row += 1
        self._say(f"a worker died ({_cause(member.process)}), its {len(member.hand)} batches are given to another")
        if self._deaths_in_a_row >= DEATHS_IN_A_ROW:
            raise BackfillFailed(
                f"{DEATHS_IN_A_ROW} workers died in a row: look for their cause, such as too little memory"
            )
        guilty = member.hand.get(member.current) if member.current else None
        if guilty is not None:
            guilty.deaths += 1
            if guilty.deaths >= DEATHS:
                del member.hand[guilty.id]
                self._make_dead_letter(guilty.packed)
                self.stored += guilty.messages
        self._again.extendleft(reversed(member.hand.values()))
        self.lost |= member.stored
        self._engage()


def _live(end: socket.socket, others: Sequence[socket.socket | Channel]) -> None:
    """The child: it must not hold the parent's ends, or no other worker would see that the parent is gone."""
    for other in others:
        other.close()
    backfill_worker.work(WorkerEnd(end))


def _end(process: ForkProcess) -> None:
    """Wait for its end, which was asked for or came about."""
    process.join(10)
    if process.is_alive():
        process.kill()
        process.join(10)


def _cause(process: ForkProcess) -> str:
    code = process.exitcode
    return f"signal {-code}" if code is not None and code < 0 else f"exit code {code}"
