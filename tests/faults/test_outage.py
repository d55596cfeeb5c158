"""A short `make outage`, the database away for seconds, and whether its fleet and its account tell the truth."""

import re
import subprocess
import sys
import time
from collections import defaultdict
from itertools import pairwise
from pathlib import Path

import pyais
import pytest

from tests.chaos.outage_fleet import Fleet, FleetFeed, least_ships, position
from tests.chaos.outage_measures import judge, missing_from_live
from tracking.live.state import LiveKind, LiveState, LiveUpdate

pytestmark = pytest.mark.fault

ROOT = Path(__file__).resolve().parents[2]
LAST_LINE = re.compile(
    r"sent (\d+) lost 0 duplicated 0 queue \+[\d.]+ MB \((\d+) B/message\) "
    r"breaker [\d.]+ s drained \d+/s \([\d.]+x\) live [\d.]+ s status 0\.\d+ s"
)


def outage(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tests.chaos.outage", *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=1200,
    )


@pytest.mark.system
def test_the_queue_keeps_what_comes_while_the_database_is_away_and_gives_it_back_fast() -> None:
    result = outage("--minutes", "0.2", "--rate", "1000", "--ships", "2400", "--live-seconds", "3")
    assert result.returncode == 0, result.stdout + result.stderr
    found = LAST_LINE.fullmatch(result.stdout.splitlines()[-1])
    assert found, result.stdout
    sent, bytes_a_message = map(int, found.groups())
    assert sent > 10_000
    assert 0 < bytes_a_message < 80


@pytest.mark.parametrize("wrong", [["--minutes", "0"], ["--rate", "fast"], ["--ships", "1000000"], ["--rate", "9000"]])
def test_wrong_arguments_start_nothing(wrong: list[str]) -> None:
    result = outage(*wrong)
    assert result.returncode == 2
    assert "usage:" in result.stderr


def test_a_fleet_too_small_for_its_rate_is_refused() -> None:
    assert least_ships(1000) == 2400
    with pytest.raises(ValueError, match="2400 ships or more"):
        FleetFeed(Fleet(60), 1000)


def said_by(fleet: Fleet, messages: int, rate: float) -> list[tuple[float, bytes]]:
    """The fleet's first messages, each with its time."""
    began = time.time()
    return [(began + number / rate, fleet.message(number, began + number / rate)) for number in range(messages)]


def test_the_fleet_says_what_it_counts_and_no_ship_speaks_twice_within_two_seconds() -> None:
    fleet = Fleet(1200)
    said = said_by(fleet, 6000, 500)
    times = defaultdict(list)
    static = 0
    for at, text in said:
        decoded = pyais.decode(*text.split(b"\r\n")[:-1]).asdict()
        if decoded["msg_type"] == 1:
            times[int(decoded["mmsi"])].append(at)
        else:
            static += 1
    assert fleet.messages == len(said)
    assert fleet.static == static > 0
    assert fleet.lines == sum(text.count(b"\r\n") for _, text in said)
    assert {mmsi: len(heard) for mmsi, heard in times.items()} == fleet.positions
    assert len(times) == len(fleet.ships), "each ship is heard"
    assert min(later - at for heard in times.values() for at, later in pairwise(heard)) >= 2


def test_a_position_is_where_the_ship_is() -> None:
    ship, second = Fleet(60).ships[7], 1_800_000_031
    decoded, fix = pyais.decode(position(ship, second)).asdict(), ship.motion.at(second)
    assert decoded["mmsi"] == ship.identity.mmsi
    assert decoded["second"] == second % 60
    assert (decoded["lat"], decoded["lon"]) == pytest.approx((fix.latitude, fix.longitude), abs=2e-6)
    assert (decoded["speed"], decoded["course"]) == pytest.approx((fix.speed, fix.course), abs=0.06)
    assert decoded["status"] == ship.motion.status


def test_hushed_ships_say_nothing() -> None:
    fleet = Fleet(60)
    fleet.hush()
    said_by(fleet, 400, 10)
    assert not {ship.identity.mmsi for ship in fleet.quiet} & fleet.positions.keys()


def test_the_account_sees_what_is_lost_and_what_is_there_twice() -> None:
    fleet = Fleet(60)
    said_by(fleet, 120, 10)
    positions = fleet.positions.total()
    sums = [fleet.messages, positions, fleet.static, positions, 0, fleet.lines]
    assert judge(fleet, fleet.positions, sums) == (0, 0, [])
    first, second, *_ = fleet.positions
    account = judge(fleet, fleet.positions | {first: fleet.positions[first] - 1, second: 9}, sums)
    assert (account.lost, account.duplicated) == (1, 9 - fleet.positions[second])
    account = judge(fleet, fleet.positions, [fleet.messages, positions, fleet.static - 1, positions, 0, fleet.lines])
    assert (account.lost, len(account.complaints)) == (1, 1)
    assert judge(fleet, fleet.positions | {211_000_000: 1}, sums).duplicated == 1


def test_live_state_is_complete_only_with_the_newest_place_of_each() -> None:
    now = time.time()
    live = LiveState(LiveKind.VESSEL)
    live.clear()
    live.write([LiveUpdate(str(mmsi), now, 52.0, 4.0) for mmsi in (1, 2, 3, 4)])
    history = {1: (now, 52.0, 4.0), 2: (now - 5, 51.0, 4.0), 3: (now + 5, 52.0, 4.0), 4: (now, 52.1, 4.0)}
    history[5] = (now, 52.0, 4.0)
    assert missing_from_live(history).keys() == {3, 4, 5}
    live.clear()
