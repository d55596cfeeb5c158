"""Live state: writes against the seed's four commands a vessel, box reads against the bare commands, and its memory.

The seed's commands are JSON.SET, EXPIRE, GEOADD and ZADD of each vessel, all in one pipeline, the documents as text
made beforehand; ours also compares times, merges and keeps ages. A box read is measured against GEOSEARCH BYBOX and
one JSON.MGET of what it finds, undecoded, with the exact test left out: what no reader can do without. Memory is what
the server's data grows by. Verified: every document is the newest that was written; boxes hold what they must.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable
from typing import Any

from django_redis import get_redis_connection

from tests.benchmarks.frame import Figure, Measured, Run, Unverified, benchmark
from tests.benchmarks.measuring import Sample, interleave, ratios
from tracking.live.state import LiveKind, LiveState, LiveUpdate

VESSELS = 1_000
FLEET = 100_000
IN_BOX = 5_000
TTL = 1800
CALLS_PER_ROUND = 6
NAMES = ("NORDIC DAWN", "SEA BREEZE", "ATLANTIC STAR", "WIND DANCER", "POLAR LIGHT")


@benchmark("live_write", "LiveState.write of 1,000 vessels, against the seed's four commands in one pipeline")
def write(run: Run) -> Measured:
    """The ratio of the rates, vessels a second."""
    began = round(time.time() - 900, 3)  # the module rounds the last bit of longer numbers
    state = LiveState(LiveKind.VESSEL)
    state.clear()
    samples = interleave(
        {"ours": lambda number: _ours(state, began + number), "seed": lambda number: _seed(began + number)},
        run.rounds * CALLS_PER_ROUND,
        _redis_cpu,
    )
    last = {update.key: update for update in _updates(VESSELS, began + run.rounds * CALLS_PER_ROUND)}
    _verify(state.get_many(last), last)
    return Measured("vessels heard again and again, positions new each time", _figures(samples, VESSELS, 1.2))


@benchmark("live_read", "LiveState.in_box of 5,000 targets, against GEOSEARCH and JSON.MGET alone")
def read(run: Run) -> Measured:
    """The ratio of the rates, documents a second."""
    now = round(time.time(), 3)  # the module rounds the last bit of longer numbers
    state = LiveState(LiveKind.VESSEL)
    state.clear()
    chance = random.Random("box")
    for number in range(0, 4 * IN_BOX, VESSELS):
        # A quarter of the targets lies in the box, the others around it.
        place = (50.0, 0.0) if number < IN_BOX else (52.0, 3.0)
        updates = [_update(chance, number + vessel, now, place) for vessel in range(VESSELS)]
        state.write(updates)
    box = (0.0, 50.0, 1.0, 51.0)
    samples = interleave(
        {"ours": lambda number: lambda: _read(state, box), "seed": lambda number: lambda: _bare(state)},
        run.rounds * CALLS_PER_ROUND,
        _redis_cpu,
    )
    state.clear()
    return Measured(f"{4 * IN_BOX:,} live targets, {IN_BOX:,} of them in the box", _figures(samples, IN_BOX, 0.6))


@benchmark("live_memory", "what the live state of 100,000 vessels takes in Redis")
def memory(run: Run) -> Measured:
    """Megabytes with the names that a third of them have sent, and ages of every tenth."""
    state = LiveState(LiveKind.VESSEL)
    state.clear()
    client = get_redis_connection("live")
    before = client.info("memory")["used_memory_dataset"]
    now = round(time.time(), 3)  # the module rounds the last bit of longer numbers
    chance = random.Random("memory")
    for start in range(0, FLEET, VESSELS):
        updates = [_update(chance, start + vessel, now, None) for vessel in range(VESSELS)]
        for update in updates[::10]:
            update.ages = {"heading": now - 30}
        for update in updates[::3]:
            update.static = {"name": chance.choice(NAMES), "callsign": "PBQX", "ship_type": 70}
        state.write(updates)
    if state.count() != FLEET:
        raise Unverified(f"{state.count()} live vessels, not {FLEET}")
    used = client.info("memory")["used_memory_dataset"] - before
    state.clear()
    return Measured(
        "position, speed, course, heading, status, source and score of each; static data of a third, ages of a tenth",
        [Figure("memory", [used / 1e6], "MB", target=120, at_most=True), Figure("a vessel", [used / FLEET], "bytes")],
    )


def _figures(samples: dict[str, list[Sample]], count: int, target: float) -> list[Figure]:
    wall = {side: [one.wall for one in measured] for side, measured in samples.items()}
    figures = [Figure("rate / the commands'", ratios(wall["seed"], wall["ours"]), "x", target)]
    for side, name in (("ours", "ours"), ("seed", "the commands")):
        figures.append(Figure(name, [count / one for one in wall[side]], "/s"))
        figures.append(Figure("  CPU each, both sides", [one.cpu / count * 1e6 for one in samples[side]], "µs"))
    return figures


def _redis_cpu() -> float:
    """CPU seconds of the live Redis since it started."""
    cpu = get_redis_connection("live").info("cpu")
    return float(cpu["used_cpu_user"] + cpu["used_cpu_sys"])


def _updates(count: int, at: float) -> list[LiveUpdate]:
    chance = random.Random(at)
    return [_update(chance, vessel, at, None) for vessel in range(count)]


def _update(chance: random.Random, vessel: int, at: float, corner: tuple[float, float] | None) -> LiveUpdate:
    """A report as AIS gives it; `corner` is the south-west of a square of one degree, None: the Atlantic."""
    south, west, size = (*corner, 1.0) if corner else (-40.0, -60.0, 80.0)
    update = LiveUpdate(
        str(200_000_000 + vessel), at, round(south + chance.random() * size, 6), round(west + chance.random() * size, 6)
    )
    update.fields = {
        "speed": chance.randrange(300) / 10,
        "course": chance.randrange(3600) / 10,
        "heading": chance.randrange(360),
        "status": 0,
        "source": "pier",
        "score": 80,
    }
    return update


def _ours(state: LiveState, at: float) -> Callable[[], object]:
    updates = _updates(VESSELS, at)

    def work() -> None:
        done = state.write(updates)
        if done.written != len(updates):
            raise Unverified(f"{done}")

    return work


def _seed(at: float) -> Callable[[], object]:
    ready = []
    for update in _updates(VESSELS, at):
        document = {"id": update.key, "ts": at, "lat": update.latitude, "lon": update.longitude, **update.fields}
        ready.append((f"seed:vessel:{update.key}", json.dumps(document), update))

    def work() -> None:
        pipeline: Any = get_redis_connection("live").pipeline(transaction=False)
        for key, document, update in ready:
            pipeline.execute_command("JSON.SET", key, "$", document)
            pipeline.expire(key, TTL)
            pipeline.geoadd("seed:vessels:geo", (update.longitude, update.latitude, update.key))
            pipeline.zadd("seed:vessels:active", {update.key: at})
        pipeline.execute()

    return work


def _verify(documents: dict[str, dict[str, Any]], wanted: dict[str, LiveUpdate]) -> None:
    """The documents are the last updates. Raises Unverified."""
    for key, update in wanted.items():
        found = documents.get(key, {})
        expected = {"ts": update.ts, "lat": update.latitude, "lon": update.longitude, **update.fields}
        if {name: found.get(name) for name in expected} != expected:
            raise Unverified(f"{key} is {found}, not {expected}")


def _read(state: LiveState, box: tuple[float, float, float, float]) -> None:
    found = len(state.in_box(*box))
    if found != IN_BOX:
        raise Unverified(f"{found} targets in the box, not {IN_BOX}")


def _bare(state: LiveState) -> None:
    client = get_redis_connection("live")
    keys = client.geosearch(state.geo, longitude=0.5, latitude=50.5, width=71_600, height=111_400, unit="m")
    found = client.execute_command("JSON.MGET", *(state.prefix + key.decode() for key in keys), "$")
    if len(found) < IN_BOX * 0.99:
        raise Unverified(f"the bare commands found {len(found)}")
