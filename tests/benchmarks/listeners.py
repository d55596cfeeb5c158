"""Clients of live state in a process of their own: streams and pollers on boxes side by side, and what they received.

`python -m tests.benchmarks.listeners WEB_PORT STREAM_PORT SECONDS`: prints one object of JSON. How old a row is when it
arrives is the client's clock minus the time at which its position was heard, to a tenth of a second.
"""

from __future__ import annotations

import asyncio
import json
import random
import statistics
import sys
import time
from typing import Any

import httpx
import msgspec

STREAMS, POLLERS, SLICES = 100, 200, 10
POLL_SECONDS = (1.0, 2.0)
_decode = msgspec.json.Decoder(dict[str, Any]).decode


class Received:
    """What clients of one kind were told, but for what they began with."""

    def __init__(self) -> None:
        self.ages: list[float] = []
        self.rows = [0] * STREAMS  # by stream
        self.outside = self.missed = self.errors = 0
        self.wait_until = 0.0

    def take(self, body: dict[str, Any], west: float, number: int | None) -> None:
        """An answer of a client whose box begins at `west`."""
        now, told = time.time(), body["vessel"]
        if body["reset"] or now < self.wait_until:
            return
        self.ages += [now - body["now"] + age / 10 for age in told["age"]]
        self.missed += body.get("missed", 0)
        longitude = 0
        for difference in told["lon"]:
            longitude += difference
            self.outside += not west * 1e5 - 1e5 <= longitude <= (west + 360 / SLICES) * 1e5 + 1e5
        if number is not None:
            self.rows[number] += len(told["id"])


def _box(number: int) -> tuple[float, str]:
    """The west edge of a client's box, and the box."""
    west = -180 + number % SLICES * 360 / SLICES
    return west, f"bbox={west:g},-90,{west + 360 / SLICES:g},90&kinds=vessel"


async def _listen(client: httpx.AsyncClient, port: int, number: int, received: Received) -> None:
    west, query = _box(number)
    async with client.stream("GET", f"http://127.0.0.1:{port}/api/stream/?{query}") as response:
        if response.status_code != 200:
            received.errors += 1
            return
        async for line in response.aiter_lines():
            if line.startswith("data: ") and '"next"' in line:
                received.take(_decode(line[6:]), west, number)


async def _poll(client: httpx.AsyncClient, port: int, number: int, received: Received) -> None:
    west, query = _box(number)
    since = ""
    while True:
        await asyncio.sleep(random.uniform(*POLL_SECONDS))
        response = await client.get(f"http://127.0.0.1:{port}/api/live/changes/?{query}{since}")
        if response.status_code != 200:
            received.errors += 1
            continue
        body = _decode(response.content)
        received.take(body, west, None)
        since = f"&since={body['next']}"


async def _run(web: int, stream: int, seconds: float, warm_up: float = 10.0) -> dict[str, Any]:
    streams, polls = Received(), Received()
    streams.wait_until = polls.wait_until = time.time() + warm_up
    limits = httpx.Limits(max_connections=STREAMS + POLLERS, max_keepalive_connections=STREAMS + POLLERS)
    async with httpx.AsyncClient(timeout=60, limits=limits) as client:
        tasks = [asyncio.create_task(_listen(client, stream, number, streams)) for number in range(STREAMS)]
        tasks += [asyncio.create_task(_poll(client, web, number, polls)) for number in range(POLLERS)]
        await asyncio.sleep(warm_up + seconds)
        failed = [repr(task.exception()) for task in tasks if task.done() and task.exception()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return {
        "streams": _said(streams),
        "polls": _said(polls),
        "silent": sum(not sum(streams.rows[number::SLICES]) for number in range(SLICES)),
        "rows_a_second": sum(streams.rows) / (STREAMS / SLICES) / seconds,
        "failed": failed,
    }


def _said(received: Received) -> dict[str, Any]:
    p50, p95 = 0.0, 0.0
    if len(received.ages) > 20:
        quantiles = statistics.quantiles(received.ages, n=20)
        p50, p95 = quantiles[9], quantiles[18]
    counts = {"outside": received.outside, "missed": received.missed, "errors": received.errors}
    return {"p50": p50, "p95": p95, "rows": len(received.ages), **counts}


if __name__ == "__main__":
    said = asyncio.run(_run(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])))
    sys.stdout.write(json.dumps(said) + "\n")
