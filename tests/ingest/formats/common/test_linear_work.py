"""What is hostile costs no more than its bytes: twice as much of it takes about twice as long, and bounded memory.

The worst case of each format through framing and assembly, 0.25 and 0.5 MB of it (10 and 20 with WORST_MB=10). Times
are CPU times of this process in one run, the least of several, so that a busy machine changes nothing.
"""

import os
import time
import tracemalloc
from collections.abc import Callable

import pytest

from ingest.clocks import arrival_clock
from ingest.formats.ais.sentence import checksum
from ingest.formats.common.contract import SLICE_BYTES, Setup
from ingest.formats.registry import FORMATS
from ingest.sources.common import urls as feed_urls

MEGABYTES = float(os.environ.get("WORST_MB", "0.25"))
ROUNDS = 12
RATIO = 2.5
NOW = 1_790_000_000_000


def sentence(body: bytes) -> bytes:
    return b"!%b*%02X\n" % (body, checksum(body))


FIRST_PART = sentence(b"AIVDM,2,1,9,B,55NPVd400001L@;K;3<E>05,0")
PAIR = sentence(b"AIVDM,2,1,1,A,55NPVd400001L@;K;3<E>05,0") + sentence(b"AIVDM,2,2,1,A,88888888880,2")
FIRST_PARTS = b"".join(sentence(b"AIVDM,2,1,%d,%c,55NPVd4,0" % (n % 10, 65 + n % 26)) for n in range(260))
HEADER = b"MMSI,BaseDateTime,LAT,LON,SOG,COG,Heading\n"

WORST: dict[str, tuple[str, bytes, bytes]] = {  # name: format, beginning, what is repeated
    "an endless line": ("nmea", b"", b"x"),
    "empty lines": ("nmea", b"", b"\n"),
    "a first part that never completes, then whole messages": ("nmea", FIRST_PART, PAIR),
    "first parts that never complete": ("nmea", b"", FIRST_PARTS),
    "beginnings of sentences": ("nmea", b"", b"!AIVDM," * 140 + b"\n"),
    "digits in front": ("nmea", b"", b"1234567890 " * 90 + b"\n"),
    "time lines": ("nmea", b"", b"$PGHP,1,99999999999999999999,1,1,1,1,1,1\n"),
    "quotes": ("ais-csv", HEADER, b'"'),
    "commas": ("ais-csv", HEADER, b"1" + b"," * 900 + b"\n"),
    "headers": ("ais-csv", HEADER, HEADER),
    "an endless line of JSON": ("aisstream", b"", b"["),
    "deep lines of JSON": ("aisstream", b"", b"[" * 1000 + b"\n"),
    "commas of SBS": ("sbs", b"", b"," * 1000 + b"\n"),
    "beginnings of SBS": ("sbs", b"", b"MSG,1" * 200 + b"\n"),
    "impossible years of SBS": ("sbs", b"", b"0001-01-01 00:00:00+23:59 MSG,1,1,1,400F99,1,,,,,BAW1234,,,,,,,,,,,\n"),
    "escapes": ("beast", b"", b"\x1a"),
    "frames that break off": ("beast", b"", b"\x1a2\x00\x1a3"),
    "junk": ("beast", b"", b"\x00"),
    "an endless frame": ("avr", b"", b"8D"),
    "stars": ("avr", b"", b"*" * 1000 + b"\n"),
    "opening brackets": ("readsb", b"", b"["),
    "opening braces": ("readsb", b'{"now":1,"aircraft":[', b"{"),
    "empty lists": ("readsb", b'{"now":1,"aircraft":[', b"[],"),
    "numbers": ("readsb", b'{"now":1,"aircraft":[', b"1,"),
    "an endless string": ("readsb", b'{"now":1,"aircraft":["', b"x"),
    "strings that do not end": ("readsb", b'{"now":1,"aircraft":[', b'"'),
    "heads": ("readsb", b"", b'{"now":'),
    "spaces": ("readsb", b"{", b" "),
    "heads of traces": ("readsb-trace", b"", b'{"icao":'),
    "states": ("opensky", b'{"time":1,"states":[', b"[],"),
    "points": ("tracks", b"", b"{" * 1000 + b"\n"),
}


def run(kind: str, data: bytes) -> dict[str, int]:
    """Frame and assemble the bytes as a collector does; what was counted."""
    assembly = FORMATS[kind].assembly(Setup(arrival_clock))
    for start in range(0, len(data), SLICE_BYTES):
        for _ in assembly.feed(data[start : start + SLICE_BYTES], NOW):
            pass
    for _ in assembly.flush(NOW):
        pass
    counts = assembly.counts()
    assert counts.lines == counts.foreign + counts.sentences + sum(counts.malformed.values())
    return counts.malformed


def cpu_seconds(work: Callable[[], object]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


def peak_bytes(work: Callable[[], object]) -> int:
    """The most memory that Python's own objects took; small bytes are enough, for it slows the work thirtyfold."""
    tracemalloc.start()
    work()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


def best_of(once: Callable[[], object], twice: Callable[[], object]) -> tuple[float, float]:
    """The least CPU seconds of each over rounds side by side: what else the machine does slows both.

    Goes on until the ratio holds, for ROUNDS at most; of quadratic work it never does.
    """
    small = large = float("inf")
    for _ in range(ROUNDS):
        small, large = min(small, cpu_seconds(once)), min(large, cpu_seconds(twice))
        if large <= RATIO * small + 0.05:
            break
    return small, large


def repeated(beginning: bytes, unit: bytes, megabytes: float) -> bytes:
    return beginning + unit * (round(megabytes * 1_000_000) // len(unit))


@pytest.mark.parametrize("name", WORST)
def test_twice_the_bytes_take_about_twice_as_long_and_no_more_memory(name: str) -> None:
    kind, beginning, unit = WORST[name]
    once, twice = (repeated(beginning, unit, size * MEGABYTES) for size in (1, 2))
    small, large = best_of(lambda: run(kind, once), lambda: run(kind, twice))
    assert large <= RATIO * small + 0.05, f"{small:.3f} s and {large:.3f} s"
    assert "unexpected" not in run(kind, once)
    little = repeated(beginning, unit, 0.1)
    assert peak_bytes(lambda: run(kind, little)) < 20_000_000


@pytest.mark.parametrize("unit", ["key?", "?key", "&token", "token=", ";;", "key=key?", "://", "@", "=&"])
def test_an_address_is_masked_in_time_that_grows_with_its_length_at_most(unit: str) -> None:
    def mask(length: int) -> None:
        feed_urls._PARAMETER.sub(feed_urls._masked_parameter, "ftp://x/?" + unit * (length // len(unit)))

    small, large = best_of(lambda: mask(100_000), lambda: mask(200_000))
    assert large <= RATIO * small + 0.05


def test_what_is_shown_of_an_address_is_bounded() -> None:
    assert len(feed_urls.masked("http://x/?" + "key?" * 100_000)) < 1000
