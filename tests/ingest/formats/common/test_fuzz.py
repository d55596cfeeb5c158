"""A short `make fuzz`: some thousand mutated lines of each format raise nothing that is not documented."""

import random

import pytest

from ingest.models import Format
from tests.fuzz.examples import EXAMPLES
from tests.fuzz.feeding import FuzzResult, run
from tests.fuzz.mutations import mutated


@pytest.mark.parametrize("kind", [str(kind) for kind in Format])
def test_mutated_lines_raise_nothing_but_documented_refusals(kind: str) -> None:
    found = run(kind, 4000, 1)
    assert found.failures == 0, found.samples
    assert found.messages > 100, "mutations get past the framing"
    assert found.reports > 20, "and past the decoder"


def test_an_exception_is_counted_and_kept() -> None:
    found = FuzzResult("nmea")
    try:
        raise ZeroDivisionError
    except ZeroDivisionError:
        found.fail(b"x")
    assert found.failures == 1 and "ZeroDivisionError" in found.samples[0]


def test_a_seed_gives_the_same_lines_again() -> None:
    line = EXAMPLES["nmea"][1][0]
    again = [[mutated(line, "nmea", dice) for _ in range(50)] for dice in (random.Random(3), random.Random(3))]
    assert again[0] == again[1]
    assert len(set(again[0])) > 30
