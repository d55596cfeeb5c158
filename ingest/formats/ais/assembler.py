"""Lines to self-contained messages: everything that needs memory over several lines, per feed, before acceptance.

Enters the lines of one feed in order; leaves Messages that hold all their sentences and the time they were heard. The
sentences of a message are matched by channel, sequence id and count, within PART_TIMEOUT_MS (PART_DISTANCE messages
where no times are known) and at most MAX_PENDING messages at once: sequence ids are reused within seconds. A first part
joins later ones only if it comes right after them: else one lost part would pair every first part that follows with the
remains of the message before. What is never completed is counted as `group_incomplete`.

Sentences that different stations heard, by tag block, group or what the US Coast Guard writes behind them, are never
joined; one that names no station belongs to the youngest message that lacks it.

The time of a message is the first that its lines give: tag block, the last `$PGHP` line before, epoch suffix, time in
front; else what the clock says (`ingest/clocks.py`). A `$PGHP` line tells when all that follows was heard, up to the
next; a suffix beside it is often the time of delivery, hours later (exactEarth). So do in a recording the sentences RMC
and ZDA of the ship's own navigation receiver, for messages that say nothing themselves. Of a live feed the time may be
mended (`station_clocks`). A time that is there and cannot be read is a remark; in a recording,
where nothing else could be true, a message with a time without year or zone is refused.

"Lines" are what stands in them: a line with three sentences counts as three, one with none as one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from ingest.clocks import Clock, UnknownTime, possible
from ingest.errors import Malformed
from ingest.formats.ais import sentence as nmea
from ingest.formats.ais.sentence_columns import MESSAGE, PART, kinds_of
from ingest.formats.ais.station_clocks import StationClocks
from ingest.formats.common.counting import Counting
from ingest.formats.common.framing import TOO_LONG
from ingest.reports import Message, StationTime

MAX_PENDING = 1024
PART_TIMEOUT_MS = 60_000
PART_DISTANCE = 1000  # messages completed between two parts
LINES_AT_ONCE = 1000
MAX_SPANS = 4096  # messages of several sentences in a recording that are whole while an older one is not
REORDERED_DISTANCE = 2  # the same, where the first part comes last
_APART = b"\x00"  # the station of sentences that are joined with none of other lines


_Address = tuple[bytes, bytes, int]  # channel, sequence id or group, number of sentences


class _Group(msgspec.Struct):
    """The sentences of one message heard so far; `place` is (offset, index) where a resumed run must start for them."""

    address: _Address
    station: bytes
    group: bytes
    parts: list[bytes | None]
    time: int | None
    arrival: int | None
    heard: int | None
    place: tuple[int, int]
    index: int


class Assembler(Counting):
    """Puts the sentences of one feed together and counts every line.

    `index` is the number of the next message, `offset` the end of the lines read, both for resuming a recording.
    """

    def __init__(self, clock: Clock, offset: int = 0, index: int = 0, mend_clocks: bool = False) -> None:
        super().__init__()
        self._clock = clock
        self._stations = StationClocks() if mend_clocks else None
        self._pending: dict[int, _Group] = {}  # the oldest first, by a number of their own
        self._by_address: dict[_Address, list[int]] = {}
        self._next_number = 0
        self._line_at: tuple[int, int] | None = None  # (offset, index) of a line whose messages are being taken
        self._spans: list[tuple[int, int, int]] = []  # (offset, index, end) of whole messages, see `resume_at`
        self._forget_at = 64  # so many of them
        self._line_time: int | None = None
        self._line_is_navigation = False  # RMC or ZDA
        self._line_place = (0, 0)  # offset and index where the time line begins
        self.offset = offset
        self.index = index

    def resume_at(self) -> tuple[int, int]:
        """(offset, index) from which a run gives the same messages under the same numbers, none missing.

        That is the oldest pending sentence, else the end of what was read, else the time line that still holds; but
        never amid the sentences of a message that is already whole: its later ones, read again alone, would make no
        message and shift all numbers.
        """
        oldest = next(iter(self._pending.values()), None)
        offset, index = oldest.place if oldest else self._place(self.offset)
        if self._line_at is not None and self._line_at < (offset, index):
            offset, index = self._line_at
        for start, number, end in reversed(self._spans):
            if start < offset < end:
                offset, index = start, number
        return offset, index

    def clocks(self) -> list[StationTime]:
        """How the clocks of the stations heard last are used."""
        return [] if self._stations is None else self._stations.told()

    def _place(self, offset: int) -> tuple[int, int]:
        """Where a run must begin to read what follows `offset`: at the time line that holds there, if one does."""
        return (offset, self.index) if self._line_time is None else self._line_place

    def _remember(self, span: tuple[int, int, int]) -> None:
        """Keep a whole message for `resume_at`; now and then, those that it needs no more are forgotten."""
        self._spans.append(span)
        if len(self._spans) < self._forget_at:
            return
        if len(self._spans) > MAX_SPANS and self._pending:
            self._give_up(next(iter(self._pending)))
        needed, _ = self.resume_at()
        self._spans = [span for span in self._spans if span[2] > needed]
        self._forget_at = min(2 * len(self._spans), MAX_SPANS) + 64

    def push_all(self, lines: Sequence[tuple[bytes, int]], arrival: int | None) -> Iterator[Message]:
        """What `push` makes of each line, which is taken when its message is asked for; faster for many lines."""
        clock = self._clock
        for first in range(0, len(lines), LINES_AT_ONCE):
            some = lines[first : first + LINES_AT_ONCE]
            for (line, size), kind in zip(some, kinds_of([line for line, _ in some]), strict=True):
                if not line:  # there may be millions of them
                    self.offset += size
                    self.lines += 1
                    self.foreign += 1
                    continue
                if kind == PART and self._line_time is None:
                    start = self.offset
                    self.offset += size
                    message = self._taken(nmea.plain(line), line, start, arrival)
                    if message is not None:
                        yield message
                    continue
                if kind != MESSAGE or self._line_time is not None:
                    begins = self.offset, self.index
                    messages = self.push(line, size, arrival)
                    for number, message in enumerate(messages, 1):
                        # Amid a line a run goes on at its beginning, after the last message at its end.
                        self._line_at = begins if number < len(messages) else None
                        yield message
                    continue
                heard = clock(self.index, None, arrival)
                if heard is None:
                    raise UnknownTime
                self.offset += size
                self.lines += 1
                self.sentences += 1
                self.index += 1
                yield Message(heard, line)

    def push(self, line: bytes, size: int, arrival: int | None) -> list[Message]:
        """Take one line of `size` bytes that arrived at `arrival` (ms); the messages that it completes.

        Raises UnknownTime when neither the lines nor the clock know when a message was heard.
        """
        start = self.offset
        self.offset += size
        before = self.foreign, self.sentences
        try:
            found = nmea.parse_all(line)
            if not found:
                self._foreign(line, start, arrival)
                return []
        except Exception as error:
            self.unexpected(error, line, before)
            return []
        if others := nmea.other_sentences(line):
            self.lines += others
            self.foreign += others
        return [message for one in found if (message := self._taken(one, line, start, arrival)) is not None]

    def push_apart(self, text: bytes, start: int, arrival: int | None, time: int | None) -> list[Message]:
        """The messages of a text that stands in a document which began at `start` and gives a `time`.

        Its sentences are joined with each other only, up to `end_apart`.
        """
        messages = []
        stand = nmea.parse_all(text)
        if not stand:
            self._foreign(text, start, arrival)
        for found in stand:
            if isinstance(found, nmea.Sentence):
                found.station = _APART
                found.time = found.time if found.time is not None else time
            message = self._taken(found, text, start, arrival)
            messages += [message] if message is not None else []
        return messages

    def end_apart(self) -> None:
        """The document has no more sentences: what it left incomplete stays so."""
        for number in [number for number, group in self._pending.items() if group.station == _APART]:
            self._give_up(number)

    def _taken(self, found: nmea.Sentence | str, line: bytes, start: int, arrival: int | None) -> Message | None:
        """The message that what stands in a line completes; what cannot be used is counted."""
        before = self.foreign, self.sentences
        try:
            if isinstance(found, str):
                raise Malformed(found)
            return self._take(found, start, arrival)
        except UnknownTime:
            raise
        except Malformed as error:
            self.refuse(error.reason, before)
        except Exception as error:
            self.unexpected(error, line, before)
        return None

    def _take(self, sentence: nmea.Sentence, start: int, arrival: int | None) -> Message | None:
        """The message that a sentence completes. Raises Malformed where that was not counted."""
        holds = self._line_time is not None and (sentence.time is None or not self._line_is_navigation)
        if holds and not sentence.tagged and not sentence.void_time:
            sentence.time = self._line_time
        if sentence.void_time:
            self.remarks["tag_block_checksum"] += 1
        if sentence.unreadable and sentence.time is None:
            if arrival is None and sentence.unreadable != "time_unreadable":
                raise Malformed(sentence.unreadable)
            self.remarks[sentence.unreadable] += 1
        if sentence.total == 1:
            self.lines += 1
            self.sentences += 1
            return self._message(sentence.text, sentence.time, arrival, sentence.station)
        return self._join(sentence, start, arrival)

    def flush(self) -> None:
        """Give up what is pending: its lines are counted as incomplete."""
        for number in list(self._pending):
            self._give_up(number)

    def _foreign(self, line: bytes, start: int, arrival: int | None) -> None:
        """Count a line of another protocol, and keep the time if it is a time line."""
        if line == TOO_LONG:
            self.lines += 1
            self.malformed["line_too_long"] += 1
            return
        others = max(1, nmea.other_sentences(line))
        self.lines += others
        self.foreign += others
        time = nmea.time_line(line)
        is_navigation = time is None and arrival is None and (self._line_time is None or self._line_is_navigation)
        if is_navigation:
            time = nmea.navigation_time(line)
        if time is not None:
            self._line_time, self._line_is_navigation = time, is_navigation
            self._line_place = start, self.index

    def _message(self, raw: bytes, time: int | None, arrival: int | None, station: bytes) -> Message:
        if time is not None and arrival is not None and self._stations is not None:
            time = self._mended(self._stations.heard_at(station, raw, time, arrival), time, arrival)
        heard = possible(self._clock(self.index, time, arrival))
        self.index += 1
        return Message(heard, raw)

    def _mended(self, mended: int, time: int, arrival: int) -> int:
        """The time by the station's clock; what was mended is remarked."""
        if mended != time:
            self.remarks["clock_arrival" if mended == arrival else "clock_offset"] += 1
        return mended

    def _join(self, sentence: nmea.Sentence, start: int, arrival: int | None) -> Message | None:
        """Add a sentence to its message; the message once it is whole."""
        heard = arrival if arrival is not None else sentence.time
        if self._pending:
            oldest, waiting = next(iter(self._pending.items()))
            if self._is_apart(waiting, sentence.total, heard):
                self._give_up(oldest)  # nothing may come for it any more, and it holds back `resume_at`
        address = sentence.channel, sentence.sequence or sentence.group, sentence.total
        number = self._group_of(sentence, address, heard)
        if number is None:
            number = self._open(sentence, address, heard, start, arrival)
        group = self._pending[number]
        group.parts[sentence.number - 1] = sentence.text
        group.station, group.group = group.station or sentence.station, group.group or sentence.group
        if group.time is None:
            group.time = sentence.time
        if None in group.parts:
            return None
        self._forget(number)
        self.lines += sentence.total
        self.sentences += sentence.total
        if arrival is None:  # only a recording is resumed
            self._remember((*group.place, self.offset))
        raw = b"\n".join(part for part in group.parts if part)
        return self._message(raw, group.time, group.arrival, group.station)

    def _group_of(self, sentence: nmea.Sentence, address: _Address, heard: int | None) -> int | None:
        """The youngest message that lacks this sentence; those of the same sender that cannot become whole are given
        up."""
        for number in self._by_address.get(address, ())[::-1]:
            group = self._pending[number]
            if _differ(group.station, sentence.station) or _differ(group.group, sentence.group):
                continue
            if group.parts[sentence.number - 1] is None and not self._is_apart(group, sentence.number, heard):
                return number
            self._give_up(number)
        return None

    def _open(
        self, sentence: nmea.Sentence, address: _Address, heard: int | None, start: int, arrival: int | None
    ) -> int:
        """Begin a message; beyond MAX_PENDING the oldest one is given up."""
        if len(self._pending) >= MAX_PENDING:
            self._give_up(next(iter(self._pending)))
        number = self._next_number = self._next_number + 1
        self._pending[number] = _Group(
            address,
            sentence.station,
            sentence.group,
            [None] * sentence.total,
            None,
            arrival,
            heard,
            self._place(start),
            self.index,
        )
        self._by_address.setdefault(address, []).append(number)
        return number

    def _forget(self, number: int) -> _Group:
        """Take a message out of those that are pending."""
        group = self._pending.pop(number)
        same = self._by_address[group.address]
        if len(same) == 1:
            del self._by_address[group.address]
        else:
            same.remove(number)
        return group

    def _give_up(self, number: int) -> None:
        heard = sum(part is not None for part in self._forget(number).parts)
        self.lines += heard
        self.malformed["group_incomplete"] += heard

    def _is_apart(self, group: _Group, number: int, heard: int | None) -> bool:
        """Whether too much lies between the sentences: time where both times are known, else messages."""
        between = self.index - group.index
        if number == 1 and between > REORDERED_DISTANCE:
            return True
        if heard is None or group.heard is None:
            return between > PART_DISTANCE
        return abs(heard - group.heard) > PART_TIMEOUT_MS


def _differ(one: bytes, other: bytes) -> bool:
    """Whether both are named, and not the same."""
    return bool(one and other and one != other)
