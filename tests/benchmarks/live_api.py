"""Live boxes by the web server of `up`: 50 clients on a world of 20,000 targets, and single requests beside them.

The clients ask for the same box by gzip, each again as soon as it is answered. "Alone" is one client that asks for
a box of its own each time, so nothing is shared. Verified: the body holds as many targets as were written.
"""

from __future__ import annotations

import gzip
import http.client
import json
import os
import socket
import statistics
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

from django.conf import settings

from tests.benchmarks.frame import Figure, Measured, Run, Unverified, benchmark
from tracking.live.state import LiveKind, LiveState, LiveUpdate

TARGETS = 20_000
CLIENTS = 50
SECONDS = 15.0
DEADLINE_SECONDS = 60.0


@benchmark("live_api", "50 clients on a live box of 20,000 targets by the web server of `up`")
def live_api(run: Run) -> Measured:
    """p95 of shared requests, seconds, and shared requests a second / single ones a second."""
    state = LiveState(LiveKind.VESSEL)
    state.clear()
    now = time.time()
    for first in range(0, TARGETS, 1000):
        state.write([_update(number, now) for number in range(first, first + 1000)])
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {**os.environ, "LIVE_PUBLIC": "true", "API_RATE_ANONYMOUS": "1000000/min"}
    command = [sys.executable, "manage.py", "web", f"--port={port}"]
    server = subprocess.Popen(command, cwd=settings.BASE_DIR, env=environment)
    try:
        _verify(port)
        alone = _client(port, SECONDS / 3, own=True)
        with ThreadPoolExecutor(CLIENTS) as clients:
            took = [s for some in clients.map(lambda _: _client(port, SECONDS), range(CLIENTS)) for s in some]
    finally:
        server.terminate()
        server.wait(30)
        state.clear()
    p95 = statistics.quantiles(took, n=20)[-1]
    return Measured(f"{len(took)} answers to {CLIENTS} clients in {SECONDS:g} s", _figures(took, alone, p95))


def _update(number: int, now: float) -> LiveUpdate:
    place = (number % 140 - 70 + number / TARGETS, number % 350 - 175.0)
    fields = {"score": 75, "source": "bench", "speed": 12.3, "course": 271.5, "heading": 270}
    return LiveUpdate(str(200_000_000 + number), now, *place, fields, static={"name": f"SHIP {number}"})


def _client(port: int, seconds: float, own: bool = False) -> list[float]:
    """How long each answer took, seconds."""
    took, until = [], time.monotonic() + seconds
    while (began := time.monotonic()) < until:
        _ask(port, f"&bbox=-180,-90,180,{90 - len(took) / 1e4}" if own else "")
        took.append(time.monotonic() - began)
    return took


def _ask(port: int, more: str = "") -> bytes:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=DEADLINE_SECONDS)
    connection.request("GET", f"/api/live/vessels/?limit={TARGETS}{more}", headers={"Accept-Encoding": "gzip"})
    response = connection.getresponse()
    body = response.read()
    connection.close()
    if response.status != 200:
        raise Unverified(f"status {response.status}")
    return body


def _verify(port: int) -> None:
    """Wait until it listens; all targets are there."""
    until = time.monotonic() + DEADLINE_SECONDS
    while True:
        try:
            body = json.loads(gzip.decompress(_ask(port)))
            break
        except ConnectionError:
            if time.monotonic() > until:
                raise
            time.sleep(0.1)
    if body["count"] != TARGETS or len({found["id"] for found in body["results"]}) != TARGETS:
        raise Unverified(f"{body['count']} targets, not {TARGETS}")


def _figures(took: list[float], alone: list[float], p95: float) -> list[Figure]:
    single = statistics.median(alone)
    return [
        Figure("p95 of 50 clients", [p95], "s", target=2.0, at_most=True),
        Figure("median of 50 clients", [statistics.median(took)], "s"),
        Figure("median of one client alone, nothing shared", [single], "s"),
        Figure("shared answers a second / single ones", [len(took) / SECONDS * single], "", target=2.0),
    ]
