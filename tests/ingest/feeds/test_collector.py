"""From bytes to accepted batches: cutting, stopping, flushing, resuming."""

import asyncio
import functools
import operator
import random
import threading

import pytest

from ingest.acceptance.contract import Interrupted
from ingest.acceptance.package import pack, unpack
from ingest.clocks import UnknownTime, arrival_clock, invented_clock, recorded_clock
from ingest.feeds.collector import Collector, Options
from ingest.formats.common.contract import SLICE_BYTES
from ingest.sources.common.contract import Chunk, SourceError
from tests.support.messages import NOON_MS, position, static


class Bytes:
    """A source of given chunks; `recorded` and live alike, and it can fail at its end."""

    origin = "test"

    def __init__(self, chunks, recorded=True, failure=None, forever=False):
        self._chunks, self.recorded, self._failure, self._forever = chunks, recorded, failure, forever

    def split_by(self, make):
        """Its chunks are as they are."""

    async def chunks(self, offset=0):
        for chunk in self._chunks:
            yield chunk if isinstance(chunk, Chunk) else Chunk(chunk, None if self.recorded else NOON_MS)
            await asyncio.sleep(0)
        if self._failure:
            raise self._failure
        if self._forever:
            await asyncio.Event().wait()

    def head(self):
        return b""

    def progress(self):
        return None

    def dropped(self):
        return 0


class Kept:
    """An acceptance that keeps what it is given, through the form that the queue carries."""

    def __init__(self, refuse_after=None):
        self.batches, self._refuse_after, self.closed = [], refuse_after, False
        self.got = threading.Event()

    def accept(self, batch):
        if self._refuse_after is not None and len(self.batches) >= self._refuse_after:
            raise Interrupted
        self.batches.append(unpack(pack(batch)))
        self.got.set()

    def resume_point(self, source, origin):
        return None

    def close(self):
        self.closed = True

    def raws(self):
        return [message.raw for batch in self.batches for message in batch.messages]


def options(**fields):
    values = {"source": "test", "clock": invented_clock(NOON_MS, 10.0), "recorded": True, "invented": True}
    return Options(**values | fields)


def collect(source, kept, stop_when=None, **fields):
    collector = Collector(source, options(**fields), kept)

    async def run():
        stop = asyncio.Event()
        running = asyncio.create_task(collector.run(stop))
        if stop_when is not None:
            await asyncio.to_thread(stop_when.wait, 10)
            stop.set()
        await running

    asyncio.run(run())
    return collector


LINES = [position(mmsi=211000000 + number) for number in range(50)]
TEXT = b"\r\n".join([*LINES, *static().split(b"\n"), b"$GPGGA,1*00", b"!AIVDM,1,1,,A,13,0*FF"]) + b"\r\n"


@pytest.mark.parametrize("seed", range(5))
def test_any_cut_of_the_bytes_gives_the_same_messages_and_counts(seed):
    chance = random.Random(seed)
    cuts = sorted(chance.sample(range(1, len(TEXT)), 20))
    pieces = [TEXT[a:b] for a, b in zip([0, *cuts], [*cuts, len(TEXT)], strict=True)]
    whole, cut = Kept(), Kept()
    one, other = collect(Bytes([TEXT]), whole), collect(Bytes(pieces), cut)

    assert whole.raws() == cut.raws()
    assert one.counts == other.counts
    assert (one.counts.lines, one.counts.foreign, one.counts.sentences) == (54, 1, 52)
    assert one.counts.malformed == {"checksum_wrong": 1}


def test_batches_close_at_their_size(settings):
    settings.INGEST_BATCH_SIZE = 20
    kept = Kept()
    collector = collect(Bytes([TEXT]), kept)

    assert [len(batch.messages) for batch in kept.batches] == [20, 20, 11]
    assert collector.accepted == collector.messages == 51
    assert sum(batch.counts.lines for batch in kept.batches) == collector.counts.lines == 54
    assert kept.closed


def test_invented_times_count_the_messages():
    kept = Kept()
    collect(Bytes([TEXT]), kept)
    times = [message.received_at for message in kept.batches[0].messages]
    assert times == [NOON_MS + 100 * number for number in range(51)]


def test_limit_stops_after_so_many_messages():
    kept = Kept()
    collector = collect(Bytes([TEXT]), kept, limit=7)
    assert (collector.accepted, kept.raws()) == (7, LINES[:7])


def test_a_quiet_live_source_is_not_kept_waiting_for_a_full_batch():
    kept = Kept()
    source = Bytes([LINES[0] + b"\n"], recorded=False, forever=True)
    collect(source, kept, stop_when=kept.got, recorded=False, invented=False, clock=arrival_clock)
    assert kept.raws() == LINES[:1]
    assert kept.batches[0].messages[0].received_at == NOON_MS


def test_lines_that_make_no_message_are_accounted_for_while_a_live_source_runs(monkeypatch):
    monkeypatch.setattr("ingest.feeds.collector.COUNTS_SECONDS", 0.05)
    kept = Kept()
    source = Bytes([b"$GPGGA,1*00\n!AIVDM,1,1,,A,13,0*FF\n"], recorded=False, forever=True)
    collector = collect(source, kept, stop_when=kept.got, recorded=False, invented=False, clock=arrival_clock)
    assert (len(kept.batches), kept.raws()) == (1, [])
    assert (collector.counts.foreign, collector.counts.malformed) == (1, {"checksum_wrong": 1})


def test_a_document_that_is_none_is_accounted_for_at_its_end(monkeypatch):
    monkeypatch.setattr("ingest.feeds.collector.COUNTS_SECONDS", 0.05)
    kept = Kept()
    source = Bytes([Chunk(b"\x00\xff no document", NOON_MS, whole=True)], recorded=False, forever=True)
    live = {"recorded": False, "invented": False, "clock": arrival_clock}
    collector = collect(source, kept, stop_when=kept.got, format="readsb", **live)
    assert collector.counts.malformed == {"no_document": 1}


def test_stopping_flushes_what_was_read_and_counts_what_is_incomplete(settings):
    settings.INGEST_BATCH_SIZE = 2
    kept = Kept()
    half = static().split(b"\n")[0]
    source = Bytes([b"\n".join([*LINES[:3], half, b"!AIVDM,1,1,,A,13"])], recorded=False, forever=True)
    collector = collect(source, kept, stop_when=kept.got, recorded=False, clock=arrival_clock)

    assert kept.raws() == LINES[:3]
    counts = collector.counts
    assert (counts.lines, counts.sentences) == (5, 3)
    assert counts.malformed == {"group_incomplete": 1, "checksum_missing": 1}


def test_a_cut_connection_costs_only_the_line_in_flight():
    kept = Kept()
    pieces = [
        Chunk(LINES[0] + b"\n" + LINES[1][:20], NOON_MS),
        Chunk(LINES[2] + b"\n", NOON_MS, broken=True),
    ]
    collector = collect(Bytes(pieces, recorded=False), kept, recorded=False, clock=arrival_clock)
    assert kept.raws() == [LINES[0], LINES[2]]
    assert collector.counts.lines == 3


def test_a_recording_without_times_stops_and_accepts_nothing():
    kept = Kept()
    with pytest.raises(UnknownTime):
        collect(Bytes([b"$GPGGA,1*00\n" + TEXT]), kept, clock=recorded_clock(), invented=False)
    assert kept.batches == []


def test_a_source_that_fails_leaves_what_was_read_accepted():
    kept = Kept()
    with pytest.raises(SourceError, match="cut off"):
        collect(Bytes([TEXT], failure=SourceError("cut off")), kept)
    assert len(kept.raws()) == 51


def test_nothing_is_accepted_after_a_batch_that_was_not(settings):
    settings.INGEST_BATCH_SIZE = 10
    kept = Kept(refuse_after=2)
    with pytest.raises(Interrupted):
        collect(Bytes([TEXT]), kept)
    assert kept.raws() == LINES[:20]


@pytest.mark.parametrize("size", [1, 3, 10])
def test_a_run_that_goes_on_from_any_batch_misses_nothing_and_invents_the_same_times(settings, size):
    settings.INGEST_BATCH_SIZE = size
    first, second = static(mmsi=1).split(b"\n")
    text = b"\n".join([*LINES[:5], first, *LINES[5:9], second, *LINES[9:20], b""])
    whole = Kept()
    collect(Bytes([text]), whole)
    expected = {message.raw: message.received_at for batch in whole.batches for message in batch.messages}

    for number, point in enumerate(whole.batches):
        rest = Kept()
        collect(Bytes([text[point.offset :]]), rest, offset=point.offset, index=point.index)
        seen = [message for batch in [*whole.batches[: number + 1], *rest.batches] for message in batch.messages]
        assert {message.raw for message in seen} == set(expected)
        assert all(expected[message.raw] == message.received_at for message in seen)


def test_a_paced_recording_is_heard_now(monkeypatch):
    monkeypatch.setattr("ingest.feeds.collector._now_ms", lambda: 42)
    kept = Kept()
    clock = invented_clock(NOON_MS, 1000.0)
    collect(Bytes([b"\n".join(LINES[:5]) + b"\n"]), kept, clock=clock, paced=True, recorded=False)
    assert [message.received_at for message in kept.batches[0].messages] == [42] * 5


def test_a_paced_message_that_waits_for_its_turn_is_in_no_batch_and_in_no_account_yet(monkeypatch):
    monkeypatch.setattr("ingest.feeds.collector.QUIET_BATCH_SECONDS", 0.3)
    started = NOON_MS // 1000
    text = b"".join(
        b"\\%s*%02X\\%s\r\n" % (tag, functools.reduce(operator.xor, tag), line)
        for tag, line in zip([b"c:%d" % (started + after) for after in (0, 0, 1, 1, 2)], LINES[:5], strict=True)
    )
    ends = [place + 2 for place in range(len(text)) if text[place : place + 2] == b"\r\n"]
    kept = Kept()
    collector = collect(Bytes([text]), kept, clock=recorded_clock(), paced=True, recorded=False)

    assert [len(batch.messages) for batch in kept.batches] == [2, 2, 1]
    assert [batch.counts.lines for batch in kept.batches] == [2, 2, 1]
    assert [batch.offset for batch in kept.batches] == [ends[1], ends[3], ends[4]]
    assert [batch.index for batch in kept.batches] == [2, 4, 5]
    assert collector.counts.lines == collector.counts.sentences == 5


def test_batches_are_told_of_when_they_are_accepted_with_how_late_the_feeds_own_times_are():
    told, kept = [], Kept()
    own = b"\\c:1767268799*55\\" + LINES[0]
    source = Bytes([Chunk(LINES[0] + b"\n", NOON_MS), Chunk(own + b"\n", NOON_MS + 90_000)], recorded=False)
    options = Options(source="test", clock=arrival_clock, format="nmea", live=True)
    collector = Collector(source, options, kept, on_accepted=lambda batch, skews: told.append((batch, skews)))
    asyncio.run(collector.run(asyncio.Event()))
    assert [batch for batch, _ in told] == kept.batches
    assert [skews for _, skews in told] == [[91_000]]


def test_a_clock_that_is_set_back_makes_no_place_of_a_recording_look_newer(monkeypatch, settings):
    settings.INGEST_BATCH_SIZE = 20
    clock = iter(range(10_000_000, 0, -1000))
    monkeypatch.setattr("ingest.feeds.collector._now_ms", lambda: next(clock))
    kept = Kept()
    collect(Bytes([TEXT]), kept, accepted_after=20_000_000)
    times = [batch.accepted_at for batch in kept.batches]
    assert times == sorted(set(times)) and times[0] > 20_000_000


def test_a_large_chunk_lets_others_run_between_its_slices():
    """All feeds of a process share one loop: a document of megabytes must not hold it."""
    slices = 20
    source, turns = Bytes([Chunk(b"\n" * (slices * SLICE_BYTES), NOON_MS)], recorded=False), []

    async def run():
        stop = asyncio.Event()
        running = asyncio.create_task(Collector(source, options(recorded=False, format="nmea"), Kept()).run(stop))
        while not running.done():
            turns.append(1)
            await asyncio.sleep(0)
        await running

    asyncio.run(run())
    assert len(turns) > slices
