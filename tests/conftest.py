"""What every test is given: a date that does not change under it, and a process that remembers nothing."""

import re
import time
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from django.contrib import admin
from django.test import TransactionTestCase

from resilience import memory
from tests.support.emptying import empty_after
from tests.support.properties import QUICK_EXAMPLES, QUICK_PROFILE

TransactionTestCase._fixture_teardown = empty_after  # Django's way takes longer than most tests

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


SERVER_MARKERS = {"django_db", "system", "fault", "browser", "data"}
SERVER_MODULE = re.compile(
    rf"^pytestmark = (?:\[\n(?:    .*\n)*?)?.*pytest\.mark\.(?:{'|'.join(sorted(SERVER_MARKERS))})\b", re.MULTILINE
)
SERVER_FIXTURES = {
    "db",
    "transactional_db",
    "django_db_setup",
    "live_redis",
    "queue",
    "servers",
    "rig",
    "store",
    "client",
}
# Rooms whose code is pure enough that their tests take milliseconds; other rooms start processes or simulate hours.
QUICK_ROOMS = (
    *("ingest/formats", "ingest/stages", "ingest/ledger", "ingest/health", "ingest/backfill", "resilience"),
    *("tracking/positions", "tracking/live", "tracking/truth", "tracking/history", "tracking/handbook", "tracking/api"),
)
SLOW = {
    "test_linear_work.py",
    "test_fuzz.py",
    "test_schema.py",
}  # seconds each
TESTS = Path(__file__).parent


def pytest_collection() -> None:
    """The admin's pages are there, as in a process that serves them: modules ask for them when they are collected."""
    admin.autodiscover()


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--quick`: only the tests that need no server and take no time."""
    parser.addoption("--quick", action="store_true", help="run only the tests that need no server")


def pytest_configure(config: pytest.Config) -> None:
    """Properties are judged by no clock, since others use the machine as well; in quick they have fewer examples."""
    unhurried: dict[str, Any] = {"deadline": None, "suppress_health_check": [hypothesis.HealthCheck.too_slow]}
    hypothesis.settings.register_profile("unhurried", **unhurried)
    hypothesis.settings.register_profile(QUICK_PROFILE, max_examples=QUICK_EXAMPLES, **unhurried)
    hypothesis.settings.load_profile(QUICK_PROFILE if config.getoption("--quick") else "unhurried")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Rooms that are not quick are not even read, nor modules of which every test needs a server."""
    if not config.getoption("--quick") or TESTS not in collection_path.parents:
        return None
    room = collection_path.relative_to(TESTS).as_posix()
    near = room.startswith(QUICK_ROOMS) or any(quick.startswith(room) for quick in QUICK_ROOMS)
    if not near or collection_path.name in SLOW:
        return True
    is_module = collection_path.name.startswith("test_") and collection_path.is_file()
    return True if is_module and SERVER_MODULE.search(collection_path.read_text()) else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what is not quick, told by the folder, the markers and the fixtures of a test."""
    if not config.getoption("--quick"):
        return
    quick = [item for item in items if _is_quick(item)]
    config.hook.pytest_deselected(items=[item for item in items if not _is_quick(item)])
    items[:] = quick


def _is_quick(item: pytest.Item) -> bool:
    room = item.path.relative_to(TESTS).as_posix()
    markers = {marker.name for marker in item.iter_markers()}
    needs_server = markers & SERVER_MARKERS or set(getattr(item, "fixturenames", ())) & SERVER_FIXTURES
    return room.startswith(QUICK_ROOMS) and item.path.name not in SLOW and not needs_server
