"""One relay, from the stream to its outlet, in a thread of its own: what it waits for delays nobody else.

An entry is picked from, and its messages are sent in chunks. Before each chunk the account is written with the place
behind it, afterwards with what was sent (`account.py`). While nothing can be sent, entries grow old and are dropped as
`late` one by one; what the stream forgets meanwhile is counted as `overrun`.
"""

from __future__ import annotations

import datetime as dt
import logging
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence

import redis

from ingest.relays import stream
from ingest.relays.account import AccountBook, RelayAccount, RelayStanding
from ingest.relays.outlets import Outlet, outlet_of
from ingest.relays.picking import Picked, Picker, RelayRules, is_late
from ingest.relays.stream import RelayEntry
from ingest.sources.common.addresses import AddressRefused
from resilience.patience import Interrupted, until_done

logger = logging.getLogger(__name__)

CHUNK = 200  # messages between two writes of the account; so many a kill may cost
BLOCK_MS = 500
TELL_SECONDS = 5.0  # between two writes of the account when nothing is sent
PAUSES_SECONDS = (1.0, 2.0, 5.0, 10.0, 30.0, 60.0)
LOOK_SECONDS = 0.5  # within a pause, between two looks at what grew old
LATE = "late"


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


class RelayRun:
    """A relay until `stop` is set. `now`: the time by which messages grow old."""

    def __init__(
        self,
        rules: RelayRules,
        stop: threading.Event,
        outlet: Outlet | None = None,
        now: Callable[[], dt.datetime] = _now,
        pauses: Sequence[float] = PAUSES_SECONDS,
    ) -> None:
        self._rules, self._stop, self._now, self._pauses = rules, stop, now, pauses
        self._outlet = outlet or outlet_of(rules.url)
        self._picker = Picker(rules)
        self._book = AccountBook(rules.key, rules.name)
        self._standing = RelayStanding()
        self._entries: deque[RelayEntry] = deque()  # read and not settled
        self._picked: list[Picked] | None = None  # from the first of them
        self._written_at = 0.0
        self.account = RelayAccount()

    def run(self) -> None:
        """Send until stopped. Raises TakenOver; a Redis that is away is waited for."""
        try:
            self._until_redis_answers(self._begin)
            while not self._stop.is_set():
                self._until_redis_answers(self._round)
        except Interrupted:
            logger.info("relay %s stopped while it waited", self._rules.name)
        finally:
            self._outlet.close()
            self._finish()

    def _until_redis_answers(self, attempt: Callable[[], None]) -> None:
        complaint = f"relay {self._rules.name} does not reach Redis"
        until_done(attempt, lambda error: isinstance(error, redis.RedisError), self._stop.wait, complaint)

    def _begin(self) -> None:
        """Take the relay over, and remember what was sent in the last moments."""
        account = self._book.claim()
        if not account.id:
            account.begin_at(stream.end())
        begun = int(account.id.partition("-")[0])
        self._picker.recall(stream.between(max(0, begun - self._picker.recall_ms), account.id))
        self.account = account
        self._write()

    def _finish(self) -> None:
        """Tell that nobody runs it; a Redis that is away will show it by the age of what was told."""
        self._standing = RelayStanding("stopped")
        try:
            if self.account.id:
                self._book.save(self.account, self._standing)
        except redis.RedisError as error:
            logger.debug("relay %s is not told to have stopped: %s", self._rules.name, error)

    def _round(self) -> None:
        """Be ready, then send an entry, or wait a moment for one."""
        self._await_outlet()
        entry = self._first(BLOCK_MS)
        if entry is not None:
            self._send(entry)
        elif time.monotonic() - self._written_at > TELL_SECONDS:
            self._write()

    def _await_outlet(self) -> None:
        """Wait for the other side; meanwhile entries grow old. Raises Interrupted."""
        complaint = f"relay {self._rules.name} cannot send to {self._rules.url}"
        until_done(self._open, _is_cured_by_waiting, self._wait, complaint, self._pauses)
        if self._standing.state != "ok" or self._standing.clients != self._outlet.clients:
            self._standing = RelayStanding("ok", clients=self._outlet.clients)
            self._write()

    def _open(self) -> None:
        try:
            self._outlet.open()
        except (OSError, UnicodeError, AddressRefused) as error:
            failing = RelayStanding("failing", str(error)[:200])
            if failing != self._standing:
                self._standing = failing
                self._write()
            raise

    def _wait(self, seconds: float) -> bool:
        """Wait before the next attempt, and drop what grows old; whether to give up."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            self._drop_late()
            if self._stop.wait(min(LOOK_SECONDS, left)):
                return True
        return False

    def _drop_late(self) -> None:
        """Settle the entries that are too old to be sent."""
        dropped = False
        while not self._stop.is_set() and (entry := self._first()) is not None and self._is_late(entry):
            self._settle_late(entry)
            dropped = True
        if dropped:
            self._write()

    def _first(self, block_ms: int | None = None) -> RelayEntry | None:
        """The entry to be settled next; its place is looked up when it is met."""
        if not self._entries:
            self._entries.extend(stream.read(self._after(), block_ms))
        return self._entries[0] if self._entries else None

    def _after(self) -> str:
        """Where to read on. A stream that began anew may have ids of any time."""
        epoch, _ = stream.total()
        return self.account.id if epoch in ("", self.account.epoch) else "0-0"

    def _is_late(self, entry: RelayEntry) -> bool:
        return is_late(entry, self._rules, self._now())

    def _settle_late(self, entry: RelayEntry) -> None:
        """Drop what of an entry is not settled; what would not have been sent in time either is not late."""
        left = entry.count - self.account.meet(entry)
        self.account = self.account.settled(left, 0, 0, {self._picker.refusal(entry) or LATE: left})
        self._leave(entry)

    def _leave(self, entry: RelayEntry) -> None:
        self.account.id = entry.id
        self._entries.popleft()
        self._picked = None

    def _send(self, entry: RelayEntry) -> None:
        """The next chunk of an entry; the entry is left behind with its last."""
        if self._is_late(entry):
            self._settle_late(entry)
            self._write_if_idle()
            return
        if self._picked is None:
            self._picked = self._picker.pick(entry)
        begin = self.account.meet(entry)
        chunk = self._picked[begin : begin + CHUNK]
        self._send_chunk(chunk)
        if self.account.meet(entry) == entry.count:
            self._leave(entry)
        self._write_if_idle()

    def _send_chunk(self, chunk: list[Picked]) -> None:
        """Write down what is about to be sent, send it, and keep count of what was; what is left over stays."""
        before = self.account
        messages = [picked for picked in chunk if isinstance(picked, bytes)]
        if not messages:
            self.account = before.settled(len(chunk), 0, 0, _reasons(chunk))
            return
        begun = before.settled(len(chunk), 0, len(messages), _reasons(chunk))
        self._book.save(begun, self._standing)
        self.account = begun  # holds whatever happens in the next line
        handed = self._outlet.send(messages)
        done = _part(chunk, handed.done)
        dropped = _reasons(done) + Counter({handed.reason: handed.dropped} if handed.dropped else {})
        self.account = before.settled(len(done), handed.done - handed.dropped, 0, dropped)
        if handed.done < len(messages):
            self._write()

    def _write_if_idle(self) -> None:
        """With the next chunk the account is written anyway."""
        if not self._entries:
            self._write()

    def _write(self) -> None:
        self._book.save(self.account, self._standing)
        self._written_at = time.monotonic()


def _reasons(chunk: Sequence[Picked]) -> Counter[str]:
    return Counter(picked for picked in chunk if isinstance(picked, str))


def _part(chunk: list[Picked], messages: int) -> list[Picked]:
    """The beginning of a chunk that is done with when so many of its messages are."""
    places = [place for place, picked in enumerate(chunk) if isinstance(picked, bytes)]
    return chunk if messages == len(places) else chunk[: places[messages]]


def _is_cured_by_waiting(error: Exception) -> bool:
    """Whether another attempt may succeed: a host that is refused may have another address tomorrow."""
    return isinstance(error, (OSError, UnicodeError, AddressRefused))
