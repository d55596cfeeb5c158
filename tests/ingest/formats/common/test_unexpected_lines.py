"""A line on which our own code fails costs itself: it is counted, logged with a sample, and the next one is read."""

import logging
from collections.abc import Iterator
from typing import Any

import pytest

from ingest.clocks import arrival_clock
from ingest.formats.ais import assembler
from ingest.formats.aisstream import assembly as aisstream
from ingest.formats.common.contract import Setup
from ingest.formats.common.counting import UNEXPECTED
from ingest.formats.modes import assembly as modes
from ingest.formats.registry import FORMATS
from ingest.formats.sbs import assembly as sbs
from ingest.formats.tracks import assembly as tracks
from ingest.reports import LineCounts
from tests.support.messages import position

NOW = 1_790_000_000_000
BAD = "the third"


def fails_on_the_third(work: Any) -> Any:
    """The same function; its third call raises what nobody expects."""
    calls = iter(range(1_000_000))

    def wrapped(*args: Any, **named: Any) -> Any:
        if next(calls) == 2:
            raise ZeroDivisionError(BAD)
        return work(*args, **named)

    return wrapped


SBS = b"MSG,3,1,1,4CA2D6,1,,,,,,20000,,,52.1,4.2,,,,,,0\n"
AVR = b"*02E19700000000;\n"
POINT = b'{"icao24":"4ca216","timestamp":1700000000,"latitude":1,"longitude":2}\n'
ENVELOPE = b'{"MessageType":"PositionReport","MetaData":{"time_utc":"2024-07-30 06:17:43 +0000 UTC"}}\n'
CASES = {
    "nmea": (assembler.nmea, "parse_all", b"$GPGLL,1\n"),
    "sbs": (sbs.SbsAssembly, "take", SBS),
    "avr": (modes.AvrAssembly, "take", AVR),
    "tracks": (tracks.TracksAssembly, "take", POINT),
    "aisstream": (aisstream.AisStreamAssembly, "take", ENVELOPE),
}


def counted(kind: str, data: bytes) -> LineCounts:
    assembly = FORMATS[kind].assembly(Setup(arrival_clock))
    list(assembly.feed(data, NOW))
    list(assembly.flush(NOW))
    return assembly.counts()


@pytest.mark.parametrize("kind", CASES)
def test_it_costs_itself_alone(kind: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    owner, name, line = CASES[kind]
    monkeypatch.setattr(owner, name, fails_on_the_third(getattr(owner, name)), raising=True)
    bound = getattr(owner, name)
    monkeypatch.setattr(owner, name, lambda self, *args: bound(self, *args))
    counts = counted(kind, line * 5)
    assert (counts.lines, counts.malformed) == (5, {UNEXPECTED: 1})
    assert counts.foreign + counts.sentences == 4
    errors = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert len(errors) == 1 and errors[0].exc_info


def test_a_message_after_it_is_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(assembler.nmea, "parse_all", fails_on_the_third(assembler.nmea.parse_all))
    counts = counted("nmea", (b"$GPGLL,1\n" * 3) + position() + b"\n")
    assert (counts.sentences, counts.malformed) == (1, {UNEXPECTED: 1})


def test_an_entry_of_a_document_ends_its_document_and_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    from ingest.formats.documents.assemblies import ReadsbAssembly

    monkeypatch.setattr(ReadsbAssembly, "_steady", fails_on_the_third(lambda self, raw, now: now))
    bound = ReadsbAssembly._steady
    monkeypatch.setattr(ReadsbAssembly, "_steady", lambda self, *args: bound(self, *args))
    document = b'{"now":1700000000,"aircraft":[{"hex":"a"},{"hex":"b"},{"hex":"c"},{"hex":"d"}]}\n'
    counts = counted("readsb", document * 2)
    assert counts.malformed == {UNEXPECTED: 1}
    assert counts.sentences == 2 + 4


def test_many_are_logged_once_a_minute(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    def fails(*args: Any) -> Iterator[None]:
        raise ZeroDivisionError

    monkeypatch.setattr(assembler.nmea, "parse_all", fails)
    assert counted("nmea", b"$GPGLL,1\n" * 500).malformed == {UNEXPECTED: 500}
    assert len([record for record in caplog.records if record.levelno == logging.ERROR]) == 1


def test_a_host_without_memory_blames_no_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def starves(*args: Any) -> None:
        raise MemoryError

    monkeypatch.setattr(assembler.nmea, "parse_all", starves)
    with pytest.raises(MemoryError):
        counted("nmea", b"$GPGLL,1\n")


@pytest.mark.parametrize(
    ("kind", "line", "reason"),
    [
        ("sbs", b"0001-01-01 00:00:00+23:59 " + SBS, "time_out_of_range"),
        ("nmea", b"0001-01-01T00:00:00+23:59 " + position() + b"\n", "time_out_of_range"),
        (
            "aisstream",
            ENVELOPE.replace(b"2024-07-30 06:17:43 +0000", b"0001-01-01 00:00:00 +2359"),
            "time_out_of_range",
        ),
    ],
)
def test_a_time_that_cannot_be_is_refused_where_it_is_read(kind: str, line: bytes, reason: str) -> None:
    counts = counted(kind, line)
    assert (counts.sentences, counts.malformed) == (0, {reason: 1})


def test_a_time_line_with_a_huge_number_gives_no_time_and_costs_nothing() -> None:
    counts = counted("nmea", b"$PGHP,1,99999999999999999999,1,1,1,1,1,1\n" + position() + b"\n")
    assert (counts.foreign, counts.sentences, counts.malformed) == (1, 1, {})
