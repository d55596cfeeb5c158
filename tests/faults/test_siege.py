"""A short `make siege`: honest traffic is stored in full beside everything hostile, and nothing stays open."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.siege.honest import Sent
from tests.siege.run import Verdicts

pytestmark = pytest.mark.fault

ROOT = Path(__file__).resolve().parents[2]
LAST_LINE = re.compile(
    r"honest (\d+) stored (\d+) late (\d+); attacks (\d+) refused (\d+) parked (\d+); open breakers 0"
)


def siege(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tests.siege", *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=1200,
    )


@pytest.mark.system
def test_honest_traffic_is_stored_in_full_beside_all_that_is_hostile() -> None:
    result = siege("--minutes", "0.2", "--rate", "200")
    assert result.returncode == 0, result.stdout + result.stderr
    found = LAST_LINE.fullmatch(result.stdout.splitlines()[-1])
    assert found, result.stdout
    honest, stored, _late, attacks, refused, parked = map(int, found.groups())
    assert honest == stored > 1000
    assert attacks > 100
    assert refused > 0
    assert parked > 0, "batches that fail as a whole are put aside"


@pytest.mark.parametrize("wrong", [["--minutes", "0"], ["--rate", "fast"], ["--rate", "1000000"]])
def test_wrong_arguments_start_nothing(wrong: list[str]) -> None:
    result = siege(*wrong)
    assert result.returncode == 2
    assert "usage:" in result.stderr


def test_a_position_is_known_by_its_ship_and_second_until_it_arrives() -> None:
    sent = Sent()
    sent.note([(211000001, 10), (211000002, 10), (211000001, 12)], 5.0)
    assert sent.messages() == 3
    assert sent.rows[211000001] == 2
    assert sent.arrived((211000001, 10)) == 5.0
    assert set(sent.waiting()) == {(211000002, 10), (211000001, 12)}


def test_a_promise_that_does_not_hold_is_a_complaint() -> None:
    found = Verdicts(honest=2, stored=1)
    found.expect(found.honest == found.stored, "1 is lost")
    found.expect(True, "nothing else")
    assert found.complaints == ["1 is lost"]
    assert found.last_line() == "honest 2 stored 1 late 0; attacks 0 refused 0 parked 0; open breakers 0"
