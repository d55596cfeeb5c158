"""The seed's own write path in Node against ours, on the same servers: PEER_NODE names the directory with its peer.js.

Both read the same file of decoded positions, a JSON object a line, and write them 1,000 at a time: to a table, and to
live state. Each side is a process of its own that times itself from the first line to the last answer, with its
connections made before. The peer's table is plain and its conflict rule simpler (it overwrites source and score and
fills gaps), it counts nothing, and its live documents know no order; Promise.all is its fast form. Ours is
`tests/benchmarks/peer_ours.py`.
Verified: every position is in both tables; every vessel's live document is its newest position, on both sides.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import sys
import time
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.db import connection
from django.utils import timezone
from django_redis import get_redis_connection

from tests.benchmarks.child import run_child
from tests.benchmarks.frame import Figure, Measured, Run, Unverified, benchmark
from tests.benchmarks.measuring import ratios
from tracking import embedded
from tracking.embedded import paths
from tracking.history import partitions
from tracking.models import VesselPosition

VESSELS = 10_000
POSITIONS = 100_000
QUICK_POSITIONS = 30_000
BATCH = 1_000
SECONDS = 300.0
TABLE = """
    CREATE TABLE IF NOT EXISTS peer_position (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, vessel_id bigint NOT NULL,
        latitude float8 NOT NULL, longitude float8 NOT NULL, speed float8, course float8, heading integer, status text,
        "timestamp" timestamptz NOT NULL, source text NOT NULL, score float8 NOT NULL,
        UNIQUE (vessel_id, "timestamp"))"""
TARGETS = {"store": 1.4, "store and live": 2.5}


@benchmark("peer_node", "store, and store then live, against the seed's write path in Node")
def measure(run: Run) -> Measured:
    """Ratios of the rates, positions a second of each side."""
    peer = Path(os.environ.get("PEER_NODE", ""))
    node = shutil.which("node")
    if not os.environ.get("PEER_NODE") or node is None:
        why = "PEER_NODE is not set" if node else "there is no node"
        return Measured(f"not measured: {why}", [Figure(f"{what}: rate / Node's", [], "x") for what in TARGETS])
    if not (peer / "node_modules").is_dir():
        raise Unverified(f"PEER_NODE: no node_modules in {peer}; run `npm install` there")
    call_command("migrate", verbosity=0)
    partitions.make_ahead(timezone.now().date())
    environment = _environment()
    with connection.cursor() as cursor:
        cursor.execute(TABLE)
    seconds: dict[str, dict[str, list[float]]] = {what: {"ours": [], "node": []} for what in TARGETS}
    count = QUICK_POSITIONS if run.quick else POSITIONS
    for number in range(run.rounds + 1):
        for what in TARGETS:
            file = _positions(number, what, count)
            sides = {"node": _node(node, peer, file, what), "ours": _ours(file, what)}
            for side in sorted(sides, reverse=bool(number % 2)):
                took = _run(sides[side], environment)
                if number:
                    seconds[what][side].append(took)
            _verify(file, what)
            file.unlink()
    return Measured(
        f"{count:,} positions of {VESSELS:,} vessels a round, {BATCH} a statement", _figures(seconds, count)
    )


def _figures(seconds: dict[str, dict[str, list[float]]], count: int) -> list[Figure]:
    figures = []
    for what, target in TARGETS.items():
        node, ours = seconds[what]["node"], seconds[what]["ours"]
        figures.append(Figure(f"{what}: rate / Node's", ratios(node, ours), "x", target))
        figures.append(Figure(f"{what}: ours", [count / one for one in ours], "/s"))
        figures.append(Figure(f"{what}: Node", [count / one for one in node], "/s"))
    return figures


def _environment() -> dict[str, str]:
    """Both sides reach PostgreSQL by its socket and the live Redis by one port of the loopback interface."""
    client: Any = get_redis_connection("live")
    client.config_set("bind", "127.0.0.1")
    port = next(port for port in range(20_000 + os.getpid() % 20_000, 60_000) if _listens(client, port))
    return {
        "PGHOST": str(embedded.postgres_sockets(settings.DATA_DIR)),
        "PGPORT": str(paths.POSTGRES_PORT),
        "PGUSER": "postgres",
        "PGDATABASE": connection.settings_dict["NAME"],
        "LIVE_REDIS_URL": f"redis://127.0.0.1:{port}/0",
    }


def _listens(client: Any, port: int) -> bool:
    from redis.exceptions import ResponseError

    try:
        client.config_set("port", port)
    except ResponseError:  # taken
        return False
    return True


def _positions(number: int, what: str, count: int) -> Path:
    """A file of new positions: each vessel once in a batch, of this minute."""
    chance = random.Random(f"{number} {what}")
    file = settings.DATA_DIR / "positions.jsonl"
    newest = time.time_ns() // 1_000_000
    with file.open("w") as lines:
        for batch in range(count // BATCH):
            at = newest - count // BATCH + batch
            for vessel in chance.sample(range(1, VESSELS + 1), BATCH):
                lines.write(json.dumps(_position(chance, vessel, at)) + "\n")
    return file


def _position(chance: random.Random, vessel: int, at: int) -> dict[str, Any]:
    """As the seed's decoder gives them: what a report lacks is left out."""
    position = {
        "vesselId": vessel,
        "lat": round(50 + chance.random() * 5, 6),
        "lon": round(5 + chance.random() * 5, 6),
        "timestamp": at,
        "source": "terrestrial" if vessel % 2 else "satellite",
        "score": chance.randrange(1, 101),
    }
    more = {
        "speed": round(chance.random() * 30, 1),
        "course": chance.randrange(3600) / 10,
        "heading": chance.randrange(360),
        "status": "under_way",
    }
    return position | {name: value for name, value in more.items() if chance.random() > 0.15}


def _node(node: str, peer: Path, file: Path, what: str) -> list[str]:
    redis = "none" if what == "store" else "all"
    return [node, str(peer / "peer.js"), str(file), "peer_position", f"--redis={redis}", f"--batch={BATCH}"]


def _ours(file: Path, what: str) -> list[str]:
    return [sys.executable, "-m", "tests.benchmarks.peer_ours", str(file), *([] if what == "store" else ["--live"])]


def _run(command: list[str], environment: dict[str, str]) -> float:
    """Seconds that the side says it took."""
    more = environment | {"REDIS_URL": environment["LIVE_REDIS_URL"]} if command[0] != sys.executable else environment
    ended = run_child(command, more, settings.DATA_DIR, SECONDS)
    if ended.code:
        raise Unverified(f"{command[1:3]} ended with {ended.code}: {ended.errors}")
    return float(json.loads(ended.output.splitlines()[-1])["seconds"])


def _verify(file: Path, what: str) -> None:
    """All of the file is in both tables, the newest of each vessel in both live states. Raises Unverified."""
    wanted = [json.loads(line) for line in file.read_text().splitlines()]
    since = min(position["timestamp"] for position in wanted) / 1000
    keys = {(position["vesselId"], position["timestamp"], position["lat"], position["lon"]) for position in wanted}
    for table in ("peer_position", VesselPosition._meta.db_table):
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT vessel_id, round(extract(epoch FROM timestamp) * 1000)::bigint, latitude, longitude"
                f' FROM "{table}" WHERE timestamp >= to_timestamp(%s)',
                [since],
            )
            found = set(cursor.fetchall())
        if found != keys:
            raise Unverified(f"{table}: {len(keys - found)} positions are missing, {len(found - keys)} are strange")
    if what != "store":
        _verify_live({position["vesselId"]: position for position in wanted})


def _verify_live(newest: dict[int, dict[str, Any]]) -> None:
    client: Any = get_redis_connection("live")
    for prefix, fields in (("vessel:", ("lat", "lon")), ("v2:vessel:", ("lat", "lon"))):
        found = client.execute_command("JSON.MGET", *(f"{prefix}{vessel}" for vessel in newest), "$")
        for position, text in zip(newest.values(), found, strict=True):
            document = json.loads(text)[0] if text else {}
            if any(document.get(field) != position[field] for field in fields):
                raise Unverified(f"{prefix}{position['vesselId']} is not the newest position")
