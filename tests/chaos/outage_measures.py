"""What is measured in an outage: the queue's memory and file, the ledger, CPU by program, and whether live is complete.

Servers and programs enter, numbers leave. Nothing is killed or judged here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import psutil
import psycopg
from django.conf import settings
from django_redis import get_redis_connection

from resilience.queue.broker import LIVE, StreamsBroker
from tests.chaos.outage_fleet import Fleet
from tests.faults.processes import Process
from tests.faults.servers import Servers
from tests.faults.system import System
from tracking.live.state import LiveKind, LiveState

_SAME_SECONDS = 0.001
_SAME_DEGREES = 1e-6
_LEDGER = "SELECT coalesce(sum(messages), 0)::bigint FROM ingest_batch"
_NEWEST = """
    SELECT mmsi, extract(epoch FROM at)::float8, latitude, longitude FROM tracking_vessel, LATERAL (
        SELECT "timestamp" AS at, latitude, longitude FROM tracking_vesselposition
        WHERE vessel_id = mmsi AND "timestamp" > now() - %s * interval '1 second' ORDER BY "timestamp" DESC LIMIT 1
    ) AS newest"""
_TOTALS = """
    SELECT sum(messages)::bigint, sum(positions)::bigint, sum(static)::bigint, sum(stored)::bigint,
           sum(merged + duplicate + dead + discarded + stations + other)::bigint, sum(lines)::bigint
    FROM ingest_batch"""

Place = tuple[float, float, float]  # epoch seconds, latitude, longitude


@dataclass
class Figures:
    """What was measured, and in words what did not hold."""

    sent: int = 0
    grown_bytes: int = 0
    bytes_a_message: float = 0.0
    closed_seconds: float = -1.0
    drain_a_second: float = 0.0
    times_arrival: float = 0.0
    live_seconds: float = -1.0
    status_seconds: float = -1.0
    lost: int = -1
    duplicated: int = -1
    complaints: list[str] = field(default_factory=list)
    speed_is_judged: bool = True

    def expect(self, holds: bool, otherwise: str) -> None:
        """A promise, and the complaint where it does not hold."""
        if not holds:
            self.complaints.append(otherwise)

    def expect_speed(self, holds: bool, otherwise: str) -> None:
        """A promise of speed, which a short run does not judge: it may share its machine."""
        self.expect(holds or not self.speed_is_judged, otherwise)

    def last_line(self) -> str:
        """All figures."""
        return (
            f"sent {self.sent} lost {self.lost} duplicated {self.duplicated} "
            f"queue +{self.grown_bytes / 1e6:.1f} MB ({self.bytes_a_message:.0f} B/message) "
            f"breaker {self.closed_seconds:.1f} s drained {self.drain_a_second:.0f}/s "
            f"({self.times_arrival:.1f}x) live {self.live_seconds:.1f} s status {self.status_seconds:.3f} s"
        )


class Queued(NamedTuple):
    """The queue's Redis: bytes it uses in all, of them the live stream's, of its append-only file; batches."""

    used: int
    stream: int
    file: int
    entries: int


def queued(servers: Servers) -> Queued:
    """How much the queue holds now. Raises redis.RedisError."""
    client: Any = get_redis_connection("queue")
    key = StreamsBroker().streams.key(LIVE)
    used = client.info("memory")["used_memory"]
    file = sum(path.stat().st_size for path in servers.queue.directory.rglob("*.aof"))
    return Queued(used, client.memory_usage(key) or 0, file, client.xlen(key))


def oldest_seconds() -> float:
    """The age of the oldest live batch that is queued or in hand, 0 where there is none. Raises redis.RedisError."""
    return StreamsBroker().depths()[LIVE].oldest_seconds or 0.0


def booked(url: str) -> int:
    """Messages in the ledger."""
    with psycopg.connect(url, connect_timeout=30) as connection:
        found = connection.execute(_LEDGER).fetchone()
    return int(found[0]) if found else 0


def cpu_seconds(system: System) -> dict[str, float]:
    """CPU seconds of each program and server with its children so far; those of this process are the fleet's."""
    servers = system.servers
    running: dict[str, Process | None] = {name: child.process for name, child in system.children.items()}
    running |= {"PostgreSQL": servers.postgres.process, "queue": servers.queue.process, "live": servers.live.process}
    own = psutil.Process().cpu_times()
    spent = {"fleet": own.user + own.system}
    for name, process in running.items():
        if process is not None and process.is_running:
            spent[name] = sum(map(_cpu, [psutil.Process(process.pid), *process.children()]))
    return spent


def _cpu(process: psutil.Process) -> float:
    with suppress(psutil.NoSuchProcess):
        times = process.cpu_times()
        return float(times.user + times.system + times.children_user + times.children_system)
    return 0.0


def newest_in_history(url: str) -> dict[int, Place]:
    """The newest position of each vessel that was heard within the TTL, as PostgreSQL has it."""
    with psycopg.connect(url, connect_timeout=30) as connection:
        rows = connection.execute(_NEWEST, [settings.LIVE_TTL_SECONDS])
        return {mmsi: (at, latitude, longitude) for mmsi, at, latitude, longitude in rows}


def missing_from_live(history: dict[int, Place]) -> dict[int, Place]:
    """Those that have no live document, an older one, or another place at the same time. Raises redis.RedisError."""
    documents = LiveState(LiveKind.VESSEL).get_many(map(str, history))
    return {mmsi: place for mmsi, place in history.items() if not _is_current(documents.get(str(mmsi)), place)}


def _is_current(document: dict[str, Any] | None, place: Place) -> bool:
    if document is None or "lat" not in document:
        return False
    at, latitude, longitude = place
    if document["ts"] > at + _SAME_SECONDS:
        return True
    off = max(abs(document["lat"] - latitude), abs(document["lon"] - longitude))
    return bool(document["ts"] > at - _SAME_SECONDS and off < _SAME_DEGREES)


class Account(NamedTuple):
    """Messages that are lost and that are there twice, and in words what else differs from what was sent."""

    lost: int
    duplicated: int
    complaints: list[str]


def account(fleet: Fleet, url: str) -> Account:
    """What PostgreSQL has against what was sent; to be asked when nothing waits any more."""
    with psycopg.connect(url) as connection:
        counted = connection.execute("SELECT vessel_id, count(*) FROM tracking_vesselposition GROUP BY vessel_id")
        rows: dict[int, int] = dict(counted.fetchall())
        sums = connection.execute(_TOTALS).fetchone()
    return judge(fleet, rows, [int(number or 0) for number in sums or ()])


def judge(fleet: Fleet, rows: Mapping[int, int], sums: Sequence[int]) -> Account:
    """Every position sent against the `rows` of its ship (MMSI -> rows), and the ledger's `sums` against all.

    The sums are messages, positions, static, stored, other fates and lines.
    """
    lost = duplicated = 0
    for mmsi in fleet.positions.keys() | rows.keys():
        difference = rows.get(mmsi, 0) - fleet.positions[mmsi]
        lost += max(0, -difference)
        duplicated += max(0, difference)
    positions = fleet.positions.total()
    due = {
        "messages": fleet.messages,
        "positions": positions,
        "static": fleet.static,
        "stored": positions,
        "merged, duplicate, dead, discarded and others": 0,
        "lines": fleet.lines,
    }
    booked = dict(zip(due, sums, strict=True))
    wrong = [
        f"ledger: {booked[name]} {name} instead of {number}" for name, number in due.items() if booked[name] != number
    ]
    static = booked["static"] - fleet.static
    return Account(lost + max(0, -static), duplicated + max(0, static), wrong)
