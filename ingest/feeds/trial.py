"""Tries a feed: reads what comes for a few seconds and says what it looks like. Nothing is kept.

A feed enters; a Trial leaves after SECONDS at most. The rules for addresses are the collector's: the source is guarded,
and a tcp feed from which nothing comes is told the same way, after the same time, whether nobody answers, somebody
refuses or somebody is silent. What comes is shown where it is of a known format, because a receiver may be read and its
neighbours' greetings may not.
"""

from __future__ import annotations

import asyncio
import threading
import time
from typing import NamedTuple

from ingest.formats.registry import SNIFFED_BYTES, guess
from ingest.models import Feed, Format
from ingest.sources import open_source
from ingest.sources.common.contract import Source, SourceError
from resilience.pages import readable
from tracking.status.inquiry import Inquiry

SECONDS = 5.0
GRACE_SECONDS = 1.0  # for the end of what hangs, such as the resolution of a name
LINES_SHOWN = 20
LINE_CHARACTERS = 200
BYTES_SHOWN = 256  # of what is no text
AT_ONCE = 4  # trials of a process; each holds a thread

# Schemes under which we connect; the others wait for receivers, and the collector has the socket.
SCHEMES = ("tcp", "http", "https", "aisstream", "sim")

_free = threading.BoundedSemaphore(AT_ONCE)


class Trial(NamedTuple):
    """What came: `size` bytes within `seconds`; `found` is the format, None where none fits.

    `shown`: the first lines, or a dump of bytes that are no text; for people, escaped where unprintable. `problem`: why
    nothing came, empty where something did.
    """

    found: str | None
    shown: str
    size: int
    seconds: float
    problem: str = ""


def can_try(feed: Feed) -> bool:
    """Whether we connect to it."""
    return feed.url.partition("://")[0] in SCHEMES


def attempt(feed: Feed) -> Trial:
    """Try a feed for which `can_try` holds."""
    started = time.monotonic()
    if not _free.acquire(blocking=False):
        return Trial(None, "", 0, 0.0, "other feeds are being tried: again in a few seconds")
    try:
        inquiry = Inquiry.start(f"trial-{feed.pk}", lambda: asyncio.run(_read(_source(feed))))
        if not inquiry.wait(SECONDS + GRACE_SECONDS):
            return Trial(None, "", 0, time.monotonic() - started, f"no answer within {SECONDS:.0f} s")
        data = inquiry.answer()
    except SourceError as error:
        return Trial(None, "", 0, time.monotonic() - started, str(error))
    finally:
        _free.release()
    seconds = time.monotonic() - started
    if not data:
        return Trial(None, "", 0, seconds, f"nothing came within {SECONDS:.0f} s")
    return Trial(guess(data[:SNIFFED_BYTES]), shown(data), len(data), seconds)


def fits(found: str | None, feed: Feed) -> bool:
    """Whether the format that was found is the one that the feed names; columns of a CSV may be named by hand."""
    return found == feed.format or (found is None and feed.format == Format.AIS_CSV and "columns" in feed.options)


def shown(data: bytes) -> str:
    """The first lines as text, or a dump of the first bytes."""
    lines = data[:SNIFFED_BYTES].splitlines()[:LINES_SHOWN]
    if len(data) > SNIFFED_BYTES or not data.endswith((b"\n", b"}", b"]")):
        lines = lines[:-1] or lines  # the last one may be cut
    if not all(readable.is_text(line) for line in lines):
        return readable.as_hex(data[:BYTES_SHOWN])
    return "\n".join(_cut(line.decode()) for line in lines)


def _cut(line: str) -> str:
    return line if len(line) <= LINE_CHARACTERS else f"{line[:LINE_CHARACTERS]}…"


def _source(feed: Feed) -> Source:
    """As the collector opens it, but for the breaker: a trial must not trip what others share."""
    return open_source(
        feed.url,
        once=feed.url.startswith(("http://", "https://")),
        poll_seconds=feed.poll_seconds,
        options=feed.options,
        guarded=True,
    )


async def _read(source: Source) -> bytes:
    """The first bytes that come within SECONDS; those of a known format end it. Raises SourceError."""
    data = b""
    chunks = source.chunks()
    try:
        async with asyncio.timeout(SECONDS):
            async for chunk in chunks:
                data += chunk.data
                if len(data) >= SNIFFED_BYTES or (guess(data) and data.count(b"\n") >= LINES_SHOWN):
                    break
    except TimeoutError:
        return data
    finally:
        await chunks.aclose()
    return data
