"""A short `make chaos`, each absence a fifth of what it is there, and whether its reckoning sees what is wrong."""

import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pyais
import pytest

from tests.chaos.messages import FIRST_MMSI, POISON, POISON_OF, is_poison, sentence, ship_of
from tests.chaos.reckoning import Reckoning, judge_ships

pytestmark = pytest.mark.fault

ROOT = Path(__file__).resolve().parents[2]
LAST_LINE = re.compile(r"accepted (\d+) stored (\d+) dead (\d+) waiting 0 lost 0 duplicated 0")


def chaos(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tests.chaos", *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=1200,
    )


@pytest.mark.system
def test_nothing_is_lost_or_doubled_when_everything_is_killed_and_frozen() -> None:
    result = chaos("--quick", "--seed", "1", "--messages", "4000")
    assert result.returncode == 0, result.stdout + result.stderr
    found = LAST_LINE.fullmatch(result.stdout.splitlines()[-1])
    assert found
    accepted, stored, dead = map(int, found.groups())
    assert accepted == 4000
    assert dead > 0, "some ships are refused as data"
    assert stored + dead == accepted


@pytest.mark.parametrize("wrong", [["--messages", "10"], ["--messages", "many"], ["--seed", "first"]])
def test_wrong_arguments_start_nothing(wrong: list[str]) -> None:
    result = chaos(*wrong)
    assert result.returncode == 2
    assert "usage:" in result.stderr


def judged(times: dict[int, int], rows: dict[int, int], letters: dict[int, int] | None = None) -> Reckoning:
    """What the reckoning says of ships that were accepted `times`, with these rows and dead letters."""
    found = Reckoning()
    judge_ships(found, times, Counter(rows), Counter(letters or {}))
    return found


def test_the_reckoning_sees_a_lost_message() -> None:
    found = judged({1: 1, 2: 1}, {1: 1})
    assert (found.lost, found.duplicated, len(found.complaints)) == (1, 0, 1)


def test_the_reckoning_sees_one_of_two_acceptances_lost() -> None:
    assert judged({1: 2}, {1: 1}).lost == 1
    assert judged({1: 2}, {1: 2}).complaints == []


def test_the_reckoning_sees_a_message_stored_twice_and_one_that_nobody_accepted() -> None:
    assert judged({1: 1}, {1: 2}).duplicated == 1
    assert judged({1: 1}, {1: 1, 9: 1}).duplicated == 1


def test_the_reckoning_sees_a_message_that_is_stored_and_dead() -> None:
    assert judged({1: 1}, {1: 1}, {1: 1}).duplicated == 1
    assert judged({POISON: 1}, {POISON: 1}, {POISON: 1}).duplicated == 1
    assert judged({POISON: 1}, {}, {POISON: 1}).complaints == []


def test_the_reckoning_sees_counts_of_the_ledger_above_and_below_what_is_due() -> None:
    found = Reckoning()
    found.expect("stored", 12, 10)
    found.expect("dead", 3, 4)
    found.expect("lines", 5, 5)
    assert found.duplicated == 2
    assert found.complaints == ["stored: 12 instead of 10", "dead: 3 instead of 4"]


def test_every_message_of_the_traffic_is_of_a_ship_of_its_own() -> None:
    ships = range(POISON_OF + POISON + 1)
    sentences = [sentence(ship) for ship in ships]
    decoded = [pyais.decode(raw).asdict()["mmsi"] for raw in sentences]
    assert decoded == [FIRST_MMSI + ship for ship in ships]
    assert [ship_of(raw) for raw in sentences] == list(ships)
    assert sum(map(is_poison, ships)) == 2
