"""Clocks of stations, by what ships say of the time."""

import random
from collections.abc import Iterator

import pytest

from ingest.clocks import arrival_clock
from ingest.formats.ais.assembly import NmeaAssembly
from ingest.formats.ais.station_clocks import LEARN, circular, second_of
from ingest.formats.common.contract import Setup
from ingest.reports import Message
from tests.support.messages import position, sentences

T = 1_767_225_600_000
DAY = 86_400_000


def lines(
    count: int, ahead_ms: int, station: bytes = b"rx1", delay_ms: int = 200, seed: int = 1
) -> Iterator[tuple[bytes, int, int]]:
    """(line, arrival, when it was heard) of reports every second, by a station whose clock is ahead."""
    chance = random.Random(seed)
    for n in range(count):
        heard = T + n * 1000 + chance.randrange(900)
        line = position(mmsi=244660000 + n % 7, second=heard // 1000 % 60)
        yield b"\\s:%b,c:%d*00\\%b\n" % (station, heard + ahead_ms, line), heard + delay_ms, heard


def collected(given: Iterator[tuple[bytes, int, int]], mend: bool = True) -> list[tuple[int, int]]:
    """(time of the message, when it was heard)."""
    assembly = NmeaAssembly(Setup(arrival_clock, mend_clocks=mend))
    return [(said.received_at, heard) for line, arrival, heard in given for said in assembly.feed(line, arrival)]


def errors(found: list[tuple[int, int]]) -> list[int]:
    """How far the times are off once the clock is known."""
    return [abs(said - heard) for said, heard in found[LEARN:]]


@pytest.mark.parametrize("ahead", [-30_000, 12_000, 30_000, 70_000, 12 * 365 * DAY, -1024 * 7 * DAY])
def test_a_clock_that_is_off_by_a_steady_amount_is_mended(ahead: int):
    assert max(errors(collected(lines(100, ahead)))) < 1500


@pytest.mark.parametrize("ahead", [-700, 0, 4000])
def test_a_right_clock_is_believed_to_the_millisecond(ahead: int):
    assert {said - heard for said, heard in collected(lines(100, ahead))[LEARN:]} == {ahead}


def test_a_line_that_comes_late_does_not_make_a_right_clock_wrong():
    assert max(errors(collected(lines(100, 0, delay_ms=120_000)))) == 0


def test_a_clock_that_stands_still_gives_way_to_the_arrival():
    frozen = [
        (b"\\s:rx1,c:%d*00\\!%b" % (T, line.partition(b"\\!")[2]), arrival, heard)
        for line, arrival, heard in lines(100, 0)
    ]
    assert max(errors(collected(iter(frozen[30:])))) <= 200


def test_each_station_has_a_clock_of_its_own():
    both = sorted([*lines(60, 0, b"rx1"), *lines(60, 30_000, b"rx2", seed=2)], key=lambda line: line[1])
    assert max(errors(collected(iter(both)))[2 * LEARN :]) < 1500


def test_where_it_is_not_asked_for_the_stations_are_believed():
    assert {said - heard for said, heard in collected(lines(30, 30_000), mend=False)} == {30_000}


def test_any_cut_of_the_stream_gives_the_same_times():
    given = list(lines(60, 30_000))
    whole = b"".join(line for line, _, _ in given)
    cut, chance = NmeaAssembly(Setup(arrival_clock, mend_clocks=True)), random.Random(7)
    at, found = 0, list[Message]()
    while at < len(whole):
        size = chance.randrange(1, 200)
        found += cut.feed(whole[at : at + size], T)
        at += size
    once = NmeaAssembly(Setup(arrival_clock, mend_clocks=True))
    assert found == list(once.feed(whole, T))
    assert cut.counts().remarks["clock_offset"] + cut.counts().remarks["clock_arrival"] == 60


@pytest.mark.parametrize(("fields", "second"), [
    ({"type": 1, "second": 37}, 37), ({"type": 18, "second": 59}, 59), ({"type": 9, "second": 12}, 12),
    ({"type": 1, "second": 60}, None), ({"type": 27}, None),
])  # fmt: skip
def test_the_second_of_a_report_is_read_from_its_payload(fields: dict[str, int], second: int | None):
    [sentence] = sentences(mmsi=244660123, lat=52.0, lon=4.0, **fields)
    assert second_of(sentence) == second


def test_a_difference_of_seconds_lies_within_half_a_minute():
    assert [circular(ms) for ms in (0, 29_999, 30_000, 59_000, -31_000)] == [0, 29_999, -30_000, -1000, 29_000]
