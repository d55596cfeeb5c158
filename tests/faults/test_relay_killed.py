"""A relay killed with -9, again and again, under traffic: nothing goes out twice, and what is lost is counted."""

import random
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import psycopg
import pytest
import redis
from django.conf import settings

from ingest.relays import account, stream
from ingest.relays.account import told_of
from tests.faults.processes import BASE_DIR, Process, manage
from tests.faults.rig import Rig
from tests.support.messages import position
from tests.support.relays import Receiver, offer, until

pytestmark = [pytest.mark.fault]

KILLS = 3
_INSERT = """
INSERT INTO ingest_relay (name, url, format, enabled, feeds, positions, static, stations, other, messages_per_second,
                          max_age_seconds, created_at)
VALUES ('Pier', %s, 'nmea', true, '', true, true, true, true, 0, 3600, now()) RETURNING id
"""


@pytest.fixture
def clients(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> Rig:
    """This process reads and writes where the relay does."""
    servers = {"live": redis.Redis(port=rig.servers.live.port), "queue": rig.client}
    servers["live"].flushall()
    for module in (stream, account):
        monkeypatch.setattr(module, "get_redis_connection", servers.__getitem__)
    return rig


def make_relay(rig: Rig, url: str) -> int:
    with psycopg.connect(rig.servers.postgres.url(), autocommit=True) as connection:
        connection.execute("DELETE FROM ingest_relay")
        [key] = connection.execute(_INSERT, [url]).fetchone() or [0]
        return int(key)


def test_a_relay_killed_at_random_points_repeats_nothing_and_counts_what_it_lost(clients: Rig, tmp_path: Path) -> None:
    receiver, chance, stop = Receiver(), random.Random(7), threading.Event()
    key = make_relay(clients, receiver.url)
    environment = clients.servers.environment(FEED_ALLOW_NETWORKS="127.0.0.0/8", SECRET_KEY=settings.SECRET_KEY)
    offered: list[bytes] = []

    def traffic() -> None:
        while not stop.is_set():
            batch = [position(mmsi=200_000_000 + len(offered) + number) for number in range(30)]
            offered.extend(batch)
            offer(batch)
            time.sleep(0.01)

    def started() -> Process:
        process = Process(manage("relay", "Pier"), tmp_path / "relay.log", environment, cwd=BASE_DIR)
        before = len(receiver.lines)
        until(lambda: told(key).standing.state == "ok" and (not offered or len(receiver.lines) > before))
        return process

    relay = started()
    sender = threading.Thread(target=traffic)
    sender.start()
    try:
        for _ in range(KILLS):
            seen = len(receiver.lines)
            until(lambda seen=seen: len(receiver.lines) > seen + chance.randrange(300))
            relay.kill()
            relay = started()
    finally:
        stop.set()
        sender.join()
    until(lambda: (found := told(key).account).accepted == len(offered) and not found.sending)
    relay.stop()
    assert_nothing_twice(receiver.lines, offered, told(key).account)
    receiver.close()


def told(key: int) -> Any:
    found = told_of([key])[key]
    assert found.account.adds_up(), found
    return found


def assert_nothing_twice(lines: list[bytes], offered: list[bytes], found: account.RelayAccount) -> None:
    known = set(offered)
    whole = Counter(line for line in lines if line in known)
    assert max(whole.values()) == 1, "a message went out twice"
    lost = set(offered) - set(whole)
    assert set(found.dropped) <= {"interrupted"}, found
    assert len(lost) <= found.dropped["interrupted"] <= KILLS * 200, (len(lost), found)
    assert found.sent + found.dropped.total() == len(offered)
