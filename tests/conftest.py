"""What every test is given: a date that does not change under it, and a process that remembers nothing."""

import time

import pytest

from resilience import memory

_DAY_SECONDS = 86_400
_LAST_SECONDS = 20.0  # of a day in UTC; longer than a test takes that books by today's date


@pytest.fixture(autouse=True)
def one_day() -> None:
    """A test that would begin within the last seconds before midnight waits until that is over."""
    left = _DAY_SECONDS - time.time() % _DAY_SECONDS
    if left < _LAST_SECONDS:
        time.sleep(left)


@pytest.fixture(autouse=True)
def nothing_remembered() -> None:
    """Vessels, partitions and failing feeds of another test are forgotten by this process."""
    memory.forget()
