"""AIS CSV files: rows that are none, headers among them, cuts anywhere, and runs that go on."""

import asyncio
import gzip
import logging

import pytest

from ingest.clocks import moment, recorded_clock
from ingest.formats.ais_csv.assembly import AisCsvAssembly
from ingest.formats.common.contract import Setup
from ingest.sources import open_source
from tests.support.ais_csv_rows import (
    AMERICAN,
    AMERICAN_2025,
    DANE,
    DANISH,
    EXACTEARTH,
    MARINECADASTRE,
    MARINECADASTRE_2025,
    assemble,
    dane,
)


def malformed(header, row):
    messages, assembly = assemble(header + b"\n" + row + b"\n")
    assert not messages
    counts = assembly.counts()
    assert counts.lines == counts.foreign + counts.sentences + sum(counts.malformed.values())
    return dict(counts.malformed)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (dane(name='"NORD'), {"quote_open": 1}),
        (DANE[:-3], {"cell_count": 1}),
        (DANE + b",1", {"cell_count": 1}),
        (dane(timestamp="31/02/2026 00:00:00"), {"time_invalid": 1}),
        (dane(timestamp="26/04/2026"), {"time_invalid": 1}),
        (dane(timestamp=""), {"time_invalid": 1}),
        (b"1" * 9000, {"line_too_long": 1}),
    ],
)
def test_a_row_that_is_none_is_malformed(row, reason):
    assert malformed(DANISH, row) == reason


def test_a_line_break_in_a_cell_costs_that_row_only():
    messages, assembly = assemble(b"\n".join([DANISH, dane(name='"NORD\nLYS"'), DANE]))
    assert len(messages) == 1
    assert assembly.counts().malformed == {"quote_open": 1, "cell_count": 1}


def test_rows_of_an_unknown_header_are_malformed_and_the_log_names_it(caplog):
    with caplog.at_level(logging.WARNING):
        messages, assembly = assemble(b"mmsi,when,where\n1,2,3\n4,5,6\n")
    assert not messages
    assert (assembly.counts().foreign, assembly.counts().malformed) == (1, {"unknown_header": 2})
    assert [record.getMessage() for record in caplog.records if "mmsi,when,where" in record.getMessage()]
    assert len(caplog.records) == 1


def test_a_file_without_a_header_is_malformed():
    assert malformed(DANE, DANE) == {"unknown_header": 2}


def test_headers_comments_and_blank_lines_are_foreign():
    data = b"\r\n".join([b"\xef\xbb\xbf" + DANISH, b"# a remark", b"", DANE, b""])
    messages, assembly = assemble(data)
    assert (len(messages), assembly.counts().foreign, assembly.counts().lines) == (1, 3, 4)


@pytest.mark.parametrize("before", [b"", AMERICAN + b"\n"], ids=["first", "after another"])
def test_a_row_without_a_time_has_none_of_its_neighbours(before):
    row = AMERICAN.split(b",")
    assert row[1].startswith(b"20")
    rows = before + b",".join([row[0], b"", *row[2:]]) + b"\n"
    messages, assembly = assemble(MARINECADASTRE + b"\n" + rows)
    assert len(messages) == before.count(b"\n")
    assert assembly.counts().malformed == {"time_invalid": 1}


def test_a_header_says_how_times_are_read_from_there_on():
    """The second of January in Denmark, the first of February in America."""
    early = b"X,Y,SOG,COG,Heading,ROT,BaseDateTime,Status,VoyageID,MMSI"
    written = "02/01/2026 10:00:00"
    row = f"1,2,1.5,90,91,0,{written},0,1,366000001".encode()
    messages, _ = assemble(
        b"\n".join([DANISH, dane(timestamp=written), early, row, DANISH, dane(timestamp=written), b""])
    )
    assert [f"{moment(one.received_at):%d %B}" for one in messages] == ["02 January", "01 February", "02 January"]


FILE = b"\n".join([DANISH, DANE, dane(mmsi="219000002"), DANISH, dane(mmsi="219000003"), b""])
MIXED = b"\n".join([MARINECADASTRE, AMERICAN, MARINECADASTRE_2025, AMERICAN_2025, AMERICAN_2025, DANISH, DANE, b""])


@pytest.mark.parametrize("data", [FILE, MIXED])
@pytest.mark.parametrize("size", [1, 7, 64, 300])
def test_any_cut_of_the_bytes_gives_the_same_messages(data, size):
    whole, assembly = assemble(data)
    parts, cut = assemble(data, size)
    assert parts == whole
    assert cut.counts() == assembly.counts()


@pytest.mark.parametrize("data", [FILE, MIXED])
def test_a_run_that_goes_on_anywhere_gives_what_follows_under_the_same_numbers(data):
    whole, _ = assemble(data)
    for end in range(1, len(data)):
        assembly = AisCsvAssembly(Setup(recorded_clock()))
        before = list(assembly.feed(data[:end], None))
        offset, index = assembly.resume_at()
        after, _ = assemble(data[offset:], offset=offset, index=index, head=lambda: data[:4096])
        assert index <= len(before)
        assert whole[:index] + after == whole


def test_the_header_is_asked_for_only_by_a_run_that_begins_behind_it():
    def refuse():
        raise AssertionError("the header was not needed")

    assert len(assemble(FILE, head=refuse)[0]) == 3


@pytest.mark.parametrize("packed", [False, True])
def test_a_file_source_knows_the_header_of_a_run_that_goes_on(tmp_path, packed):
    path = tmp_path / "dump.csv"
    path.write_bytes(gzip.compress(FILE) if packed else FILE)
    source = open_source(str(path))
    offset = len(DANISH) + 1

    async def read():
        return b"".join([chunk.data async for chunk in source.chunks(offset)])

    assert assemble(asyncio.run(read()), offset=offset, head=source.head)[0] == assemble(FILE)[0]


def test_dumps_are_recognised_by_their_header():
    for header in (DANISH, MARINECADASTRE, MARINECADASTRE_2025, EXACTEARTH, b"\xef\xbb\xbf" + DANISH):
        assert AisCsvAssembly.looks_like(header + b"\r\n1,2")
    for head in (b"", DANE, b"mmsi,lat,lon\n", b"!AIVDM,1,1,,A,15MwkT1P05G?fre@@0000000000,0*00", b'{"now":1}'):
        assert not AisCsvAssembly.looks_like(head)
