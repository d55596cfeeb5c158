"""A real Chromium on the map, with a small sea."""

import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page
from pytest_django.live_server_helper import LiveServer
from redis import Redis

from tests.support.browser import SOFTWARE_GRAPHICS, launched
from tests.support.map_world import populate
from tests.support.patience import PATIENCE_SECONDS

OFFLINE = "ERR_INTERNET_DISCONNECTED"  # a test takes the network away
Visit = Callable[..., Page]


@pytest.fixture(scope="module")
def chromium(django_db_setup: None) -> Iterator[Browser]:
    """One browser for all tests of a module."""
    with launched(SOFTWARE_GRAPHICS) as browser:
        yield browser


@pytest.fixture
def visit(
    chromium: Browser, live_server: LiveServer, live_redis: Redis, settings: Any, transactional_db: None
) -> Iterator[Visit]:
    """Opens the map with a small sea, waits until targets are drawn, and fails on any error or foreign request."""
    settings.LIVE_PUBLIC = True
    populate()
    wrong: list[str] = []
    contexts = []

    def opened(fragment: str = "#7/52.4/3.4", width: int = 1440, height: int = 900, **options: Any) -> Page:
        context = chromium.new_context(
            base_url=live_server.url,
            viewport={"width": width, "height": height},
            **{"color_scheme": "dark"} | options,
        )
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: wrong.append(f"error: {error}"))
        page.on(
            "console",
            lambda told: (
                wrong.append(f"console: {told.text}") if told.type == "error" and OFFLINE not in told.text else None
            ),
        )
        page.on("request", lambda asked: foreign(asked.url))
        page.goto(f"/{fragment}")
        page.locator("#state[data-state=live]").wait_for(timeout=PATIENCE_SECONDS * 1000)
        page.locator("#list .row").first.wait_for(state="attached", timeout=PATIENCE_SECONDS * 1000)
        return page

    def foreign(url: str) -> None:
        if not url.startswith((live_server.url, "data:", "blob:")):
            wrong.append(f"foreign request: {url}")

    yield opened
    if shots := os.environ.get("MAP_PICTURES"):
        for number, context in enumerate(contexts):
            for page in context.pages:
                page.screenshot(
                    path=f"{shots}/{os.environ['PYTEST_CURRENT_TEST'].split('::')[-1].split(' ')[0]}-{number}.png"
                )
    for context in contexts:
        context.close()
    assert wrong == []
