"""Parts of a backfill by themselves: rows read together, the channel to a worker, progress."""

import socket
import threading
import time
import uuid

import pytest

from ingest.backfill.channel import Channel, WorkerEnd
from ingest.backfill.progress import BackfillProgress
from ingest.clocks import recorded_clock
from ingest.errors import Rejected
from ingest.formats.ais_csv import decoder as ais_csv
from ingest.formats.ais_csv.rows import Rows, decode_all
from ingest.formats.common.context import Context
from ingest.formats.common.contract import Setup
from ingest.formats.registry import FORMATS
from ingest.reports import Message, MessageBatch
from ingest.stages.fusion import folded
from tests.support.ais_csv_rows import AMERICAN_2025, DANISH, MARINECADASTRE_2025, dane
from tests.support.dumps import HEADER, dump
from tests.support.patience import PATIENCE_SECONDS

ODD = [
    dane(),
    dane(timestamp="26/04/2026 00:00:00"),
    dane(timestamp="31/12/2026 23:59:59", eta="01/01 00:30"),
    dane(latitude="91"),
    dane(longitude="nan"),
    dane(mmsi="0"),
    dane(mmsi="219x"),
    dane(type_of_mobile="Base Station"),
    dane(type_of_mobile="AtoN", name="BUOY"),
    dane(type_of_mobile="SAR Airborne", sog="500"),
    dane(mmsi="111219001", sog="500"),
    dane(sog="102.3", cog="360", heading="511"),
    dane(sog="-1", cog="x", heading=""),
    dane(name='"A, B"'),
    dane(destination="Unknown", navigational_status="Unknown value"),
    dane(name="Ø", callsign="\0"),
]
REFUSED_FIRST = [
    AMERICAN_2025.replace(b"90,95", b"9d0,95").replace(b"367000001", b"367000002"),
    AMERICAN_2025.replace(b"4.5,90", b"4.590").replace(b"367000001", b"367000003"),
]


def context():
    now = time.time_ns() // 1_000_000 + 10**11
    return Context(MessageBatch(uuid.uuid4(), uuid.uuid4(), "dump", "ais-csv", 80, now, recorded=True), now)


def messages(data):
    assembly = FORMATS["ais-csv"].assembly(Setup(recorded_clock()))
    return [*assembly.feed(data, None), *assembly.flush(None)]


def one_by_one(given, told):
    said = []
    for message in given:
        try:
            said.append(ais_csv.decode(message, told))
        except Rejected as refusal:
            said.append(refusal.reason)
    return said


def fused(said):
    return folded((number, one) for number, one in enumerate(said) if not isinstance(one, str))


def as_bytes(rows):
    return b"\n".join(row if isinstance(row, bytes) else row.encode() for row in rows)


@pytest.mark.parametrize(
    "data",
    [
        as_bytes([DANISH, *ODD, *ODD[::-1], *ODD]),
        dump(2_000, ships=50),
        as_bytes([MARINECADASTRE_2025, AMERICAN_2025, AMERICAN_2025, DANISH, *ODD, HEADER, *dump(99).splitlines()[1:]]),
        b"MMSI,VesselName,BaseDateTime,LAT,LON\n"
        + b"".join(b"366000001,N%d,2025-01-01T00:00:0%d,1,2\n" % (n, n) for n in range(9)),
        as_bytes([MARINECADASTRE_2025, *REFUSED_FIRST, AMERICAN_2025]),
    ],
)
def test_rows_read_together_come_to_what_they_say_one_by_one(data):
    given, told = messages(data), context()
    together, apart = decode_all(given, told), one_by_one(given, told)
    assert len(together) == len(given) > 0
    assert [one for one in together if isinstance(one, str)] == [one for one in apart if isinstance(one, str)]
    assert fused(together) == fused(apart)


def test_a_damaged_row_is_refused_as_ever():
    (right,) = messages(dump(1))
    layouts = (b"", b"{}", b"[", b"\xff", b'{"layout":"D"}', b'{"layout":""}')
    given = [Message(0, right.raw, added) for added in layouts]
    given += [Message(0, raw, right.added) for raw in (b"", b"1,2", b"\xff", right.raw[:60])]
    assert decode_all(given, context()) == one_by_one(given, context()) == ["undecodable"] * len(given)


def test_a_ship_is_given_once_over_many_batches_and_ages_with_its_rows():
    given, rows = messages(dump(1_000, ships=10)), Rows()
    begun = []
    for start in range(0, 1_000, 100):
        rows.read(given[start : start + 100], context())
        begun += rows.begun
    assert len(begun) == len(rows) == 20  # ten ships, each with two draughts
    by_one = fused(one_by_one(given, context())).vessels
    last = {seen.static.mmsi: seen.static for seen in sorted(rows.seen(), key=lambda seen: seen.static.at)}
    assert {mmsi: (static.at, static.draught) for mmsi, static in last.items()} == {
        mmsi: (sighting.static_at, sighting.static["draught"]) for mmsi, sighting in by_one.items()
    }


def test_the_memory_that_is_given_for_many_batches_is_used_while_it_is_still_empty():
    given, rows = messages(dump(100, ships=10)), Rows()
    assert any(one.static for one in decode_all(given, context(), rows))
    assert len(rows) == 20
    assert not any(one.static for one in decode_all(given, context(), rows)), "each ship's data leave once"


def test_a_channel_never_blocks_the_parent_and_keeps_messages_whole():
    ours, theirs = socket.socketpair()
    parent, worker = Channel(ours), WorkerEnd(theirs)
    big = [bytes([number]) * 3_000_000 for number in range(3)]
    for message in [*big, b""]:
        parent.put(message)
    assert not parent.flush()
    got = []
    reading = threading.Thread(target=lambda: got.extend(iter(worker.receive, None)))
    reading.start()
    end = time.monotonic() + PATIENCE_SECONDS
    while not parent.flush():
        assert time.monotonic() < end
        time.sleep(0.001)
    parent.close()
    reading.join(PATIENCE_SECONDS)
    assert got == [*big, b""]


def test_a_parent_notices_that_its_worker_is_gone():
    ours, theirs = socket.socketpair()
    parent, worker = Channel(ours), WorkerEnd(theirs)
    worker.send(b"last words")
    theirs.close()
    assert parent.receive() == ([b"last words"], True)


class Lines(list):
    def write(self, text):
        self.append(text)


def test_progress_is_a_plain_line_now_and_then_with_rate_and_time_left():
    lines, now = Lines(), [0.0]
    progress = BackfillProgress(lines, clock=lambda: now[0])
    progress.begin("dump.csv")
    for now[0] in (1.0, 9.0, 20.0, 25.0):
        progress.show(round(now[0]) * 1_000, (int(now[0]), 80))
    assert lines == ["dump.csv: 20,000 messages stored, 1,000/s, 25% read, 0:01:00 left"]


def test_quiet_progress_says_nothing():
    lines, now = Lines(), [0.0]
    progress = BackfillProgress(lines, quiet=True, clock=lambda: now[0])
    now[0] = 100.0
    progress.show(1, None)
    assert lines == []
