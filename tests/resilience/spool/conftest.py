"""Fixtures of the tests of the spool: one of a test's own, and processes that end with it."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from resilience.spool.spool import Spool
from tests.support.patience import PATIENCE_SECONDS


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path / "spool", 10_000_000)


@pytest.fixture
def children() -> Iterator[list[subprocess.Popen[str]]]:
    started: list[subprocess.Popen[str]] = []
    yield started
    for child in started:
        child.kill()
        child.communicate(timeout=PATIENCE_SECONDS)
