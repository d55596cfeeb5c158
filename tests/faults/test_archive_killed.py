"""Archiving and restoring killed anywhere, with late rows coming in: the same rows as without, none twice."""

import random
import time
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.faults.processes import Process, manage
from tests.faults.servers import Servers

pytestmark = pytest.mark.fault

KILLS = 30
ROWS = 30_000
DAY = "2026-05-01"
COLUMNS = "vessel_id, timestamp, latitude, longitude, speed, course, heading, status, received_at, source, score"
FILL = f"""
    INSERT INTO tracking_vesselposition ({COLUMNS})
    SELECT 211000000 + n % 100, '{DAY} 00:00+00'::timestamptz + make_interval(secs => n), n / 600000.0, -n / 600000.0,
        CASE WHEN n % 3 = 0 THEN NULL ELSE n % 300 / 10.0 END, n % 3600 / 10.0, n % 360, n % 9,
        '{DAY} 00:00+00'::timestamptz + make_interval(secs => n + random()), 'pier', 80
    FROM generate_series(1, {ROWS}) AS n"""
LATE = f"""
    INSERT INTO tracking_vesselposition ({COLUMNS})
    VALUES (%s, '{DAY} 12:00+00', 1, 2, NULL, NULL, NULL, NULL, '{DAY} 12:00+00', 'late', 10)"""
ALL = f"SELECT {', '.join(f'{name}::text' for name in COLUMNS.split(', '))} FROM tracking_vesselposition"


def run_through(environment: dict[str, str], log: Path, *arguments: str) -> float:
    """Let the command come to its end; how many seconds it took."""
    began = time.monotonic()
    process = Process(manage(*arguments), log, environment)
    while process.is_running:
        time.sleep(0.02)
    assert process.returncode == 0, process.last_lines()
    return time.monotonic() - began


def test_archiving_and_restoring_may_be_killed_anywhere(servers: Servers, tmp_path: Path) -> None:
    environment = servers.environment(ARCHIVE_URL=str(tmp_path / "archive"))
    log, chance = tmp_path / "log", random.Random(1)
    archive, restore = ("archive", "--before", "2026-05-02"), ("restore", DAY, "--kind", "vessel")
    servers.manage("partitions", "--make", DAY, DAY)
    with psycopg.connect(servers.postgres.url(), autocommit=True) as connection:
        connection.execute(FILL)
        expected = rows(connection)
        seconds = {command: run_through(environment, log, *command) for command in (archive, restore)}
        for number in range(KILLS):
            command = chance.choice((archive, restore))
            process = Process(manage(*command), log, environment)
            time.sleep(chance.uniform(0.3, 1.0) * seconds[command])
            process.kill()
            connection.execute(LATE, [300_000_000 + number])
            expected.add(late(number))
        run_through(environment, log, *archive)
        assert rows(connection) == set()
        run_through(environment, log, *restore)
        assert rows(connection) == expected and count(connection) == len(expected) == ROWS + KILLS
        connection.execute("DELETE FROM tracking_vesselposition")


def rows(connection: Any) -> set[tuple[Any, ...]]:
    return set(connection.execute(ALL).fetchall())


def late(number: int) -> tuple[Any, ...]:
    noon = f"{DAY} 12:00:00+00"
    return (str(300_000_000 + number), noon, "1", "2", None, None, None, None, noon, "late", "10")


def count(connection: Any) -> int:
    found: int = connection.execute("SELECT count(*) FROM tracking_vesselposition").fetchone()[0]
    return found
