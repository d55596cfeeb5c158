"""The map in a real Chromium, as the real web server serves it: PostgreSQL killed, then the web server stopped."""

import time
from collections.abc import Iterator
from typing import Any

import pytest
from django_redis import get_redis_connection
from playwright.sync_api import Page, expect

from tests.faults.rig import Rig
from tests.faults.system import System
from tests.support.browser import SOFTWARE_GRAPHICS, launched
from tests.support.patience import PATIENCE_SECONDS
from tracking.connections import redis_pool_options
from tracking.live.state import LiveKind, LiveState, LiveUpdate

pytestmark = [pytest.mark.fault, pytest.mark.browser]
LATE_MS = 8_000  # at this zoom it is said after seven seconds
PATIENCE_MS = PATIENCE_SECONDS * 1000


@pytest.fixture
def system(rig: Rig, settings: Any) -> Iterator[System]:
    """The web server on the rig's servers, whose live Redis is ours too; static files are not collected for it."""
    options = {"CONNECTION_POOL_KWARGS": redis_pool_options(rig.servers.live.url, rig.servers.directory)}
    cache = {"BACKEND": "django_redis.cache.RedisCache", "LOCATION": rig.servers.live.url, "OPTIONS": options}
    settings.CACHES = settings.CACHES | {"live": cache}
    with System(rig.servers, pooled=False, LIVE_PUBLIC="true", DEBUG="true") as started:
        started.start_web()
        yield started
    get_redis_connection("live").flushdb()


@pytest.fixture
def opened(system: System) -> Iterator[Page]:
    """The map, with one ship."""
    heard(12.0)
    with launched(SOFTWARE_GRAPHICS) as browser:
        page = browser.new_page(viewport={"width": 1000, "height": 700})
        page.clock.install()  # so the seconds without news need not pass
        page.goto(f"http://127.0.0.1:{system.web_port}/#9/56.2/3.4")
        yield page


def heard(speed: float) -> None:
    fields = {"speed": speed, "course": 90.0, "source": "pier", "score": 80}
    LiveState(LiveKind.VESSEL).write(
        [LiveUpdate("244999001", time.time(), 56.2, 3.4, fields, static={"name": "LONELY"})]
    )


def test_targets_go_on_without_the_database_and_news_that_stop_are_told_and_come_again(
    rig: Rig, system: System, opened: Page
) -> None:
    page = opened
    state, card, ship = page.locator("#state"), page.locator("#card"), page.locator("#list .row", has_text="LONELY")
    ship.wait_for(timeout=PATIENCE_MS)
    rig.servers.postgres.kill()
    ship.click()
    expect(card.locator(".missing")).to_contain_text("The database is away", timeout=PATIENCE_MS)
    heard(33.0)
    expect(card).to_contain_text("33.0 kn", timeout=PATIENCE_MS)
    rig.servers.postgres.start()

    web = system.children["web"].process
    web.freeze()
    page.clock.fast_forward(LATE_MS)
    expect(state).to_contain_text("No news for", timeout=PATIENCE_MS)
    heard(14.0)
    web.thaw()
    expect(state).to_have_text("Live", timeout=PATIENCE_MS)
    expect(card).to_contain_text("14.0 kn", timeout=PATIENCE_MS)
