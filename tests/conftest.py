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


SERVER_MARKERS = {"django_db", "serial", "fault", "browser", "data"}
SERVER_FIXTURES = {"db", "transactional_db", "live_redis", "queue", "servers", "rig", "store", "spool_queue", "client"}


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--quick`: only the tests that need no server."""
    parser.addoption("--quick", action="store_true", help="run only the tests that need no server")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what needs a server, told by the markers and the fixtures of a test."""
    if not config.getoption("--quick"):
        return
    kept = [item for item in items if not _needs_server(item)]
    config.hook.pytest_deselected(items=[item for item in items if _needs_server(item)])
    items[:] = kept


def _needs_server(item: pytest.Item) -> bool:
    markers = {marker.name for marker in item.iter_markers()}
    return bool(markers & SERVER_MARKERS or set(getattr(item, "fixturenames", ())) & SERVER_FIXTURES)
