"""Clients of live state in a process of their own: streams and pollers on boxes side by side, and what they received.

`python -m tests.benchmarks.listeners WEB_PORT STREAM_PORT SECONDS STREAMS POLL_SECONDS POLL_SECONDS`: so many streams,
and 200 pollers that pause for a time between the two; prints one object of JSON. How old a row is when it arrives is
the client's clock minus the time at which its position was heard, to a tenth of a second.
"""

from __future__ import annotations

import asyncio
import json
import random
import re
import statistics
import sys
import time
import zlib
from typing import Any

import httpx
import msgspec

POLLERS, SLICES = 200, 10
_REQUEST = b"GET /api/live/changes/?%b HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nAccept-Encoding: gzip\r\n\r\n"
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_decode = msgspec.json.Decoder(dict[str, Any]).decode


class Received:
    """What clients of one kind were told, but for what they began with."""

    def __init__(self) -> None:
        self.ages: list[float] = []
        self.took: list[float] = []  # seconds of an answer
        self.bytes = 0  # of bodies, as they were sent
        self.rows = [0] * SLICES
        self.outside = self.missed = self.errors = 0
        self.wait_until = 0.0

    def take(self, body: dict[str, Any], west: float, number: int, took: float = 0.0, size: int = 0) -> None:
        """An answer of a client whose box begins at `west`."""
        now, told = time.time(), body["aircraft"]
        if body["reset"] or now < self.wait_until:
            return
        self.took.append(took)
        self.bytes += size
        self.ages += [now - body["now"] + age / 10 for age in told["age"]]
        self.missed += body.get("missed", 0)
        longitude = 0
        for difference in told["lon"]:
            longitude += difference
            # One that has just left is told once more, and may be across 180 degrees.
            self.outside += (longitude - (west - 1) * 1e5) % 360e5 > (360 / SLICES + 2) * 1e5
        self.rows[number % SLICES] += len(told["id"])


def _box(number: int) -> tuple[float, str]:
    """The west edge of a client's box, and the box."""
    west = -180 + number % SLICES * 360 / SLICES
    return west, f"bbox={west:g},-90,{west + 360 / SLICES:g},90&kinds=aircraft"


async def _listen(port: int, number: int, received: Received) -> None:
    west, query = _box(number)
    address = f"http://127.0.0.1:{port}/api/stream/?{query}"
    async with httpx.AsyncClient(timeout=60) as client, client.stream("GET", address) as response:
        if response.status_code != 200:
            received.errors += 1
            return
        async for line in response.aiter_lines():
            if line.startswith("data: ") and '"next"' in line:
                received.take(_decode(line[6:]), west, number)


async def _poll(port: int, number: int, received: Received, pauses: tuple[float, float]) -> None:
    """Over one connection, without a library: its work for 200 requests a second would be most of what is measured."""
    west, query = _box(number)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    since = ""
    while True:
        await asyncio.sleep(random.uniform(*pauses))
        began = time.perf_counter()
        writer.write(_REQUEST % ((query + since).encode(), port))
        head = await reader.readuntil(b"\r\n\r\n")
        packed = await reader.readexactly(int(_LENGTH.search(head)[1]))  # type: ignore[index]
        if b" 200 " not in head[:13]:
            received.errors += 1
            continue
        body = _decode(zlib.decompress(packed, wbits=31))
        received.take(body, west, number, time.perf_counter() - began, len(packed))
        since = f"&since={body['next']}"


async def _run(
    web: int, stream: int, seconds: float, count: int, pauses: tuple[float, float], warm_up: float = 10.0
) -> dict[str, Any]:
    streams, polls = Received(), Received()
    streams.wait_until = polls.wait_until = time.time() + warm_up
    tasks = [asyncio.create_task(_listen(stream, number, streams)) for number in range(count)]
    tasks += [asyncio.create_task(_poll(web, number, polls, pauses)) for number in range(POLLERS)]
    await asyncio.sleep(warm_up + seconds)
    failed = [repr(task.exception()) for task in tasks if task.done() and task.exception()]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return {
        "streams": _said(streams, count, seconds),
        "polls": _said(polls, POLLERS, seconds),
        "failed": failed,
    }


def _said(received: Received, clients: int, seconds: float) -> dict[str, Any]:
    p50, p95 = _quantiles(received.ages)
    took_p50, took_p95 = _quantiles(received.took)
    return {
        "p50": p50,
        "p95": p95,
        "took_p50": took_p50,
        "took_p95": took_p95,
        "rows": len(received.ages),
        "rows_a_second": sum(received.rows) / max(1, clients / SLICES) / seconds,  # of all boxes once
        "silent": received.rows.count(0),
        "answers": len(received.took),
        "bytes": received.bytes,
        "outside": received.outside,
        "missed": received.missed,
        "errors": received.errors,
    }


def _quantiles(samples: list[float]) -> tuple[float, float]:
    """(median, 95th percentile), 0 where there are too few."""
    if len(samples) <= 20:
        return 0.0, 0.0
    found = statistics.quantiles(samples, n=20)
    return found[9], found[18]


if __name__ == "__main__":
    ports, times = [int(one) for one in sys.argv[1:3]], [float(one) for one in sys.argv[3:]]
    said = asyncio.run(_run(*ports, times[0], int(times[1]), (times[2], times[3])))
    sys.stdout.write(json.dumps(said) + "\n")
