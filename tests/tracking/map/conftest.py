"""A real Chromium on the map, with a small sea."""

import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from playwright.sync_api import Browser, Page
from pytest_django.live_server_helper import LiveServer
from redis import Redis

from tests.support.browser import SOFTWARE_GRAPHICS, launched
from tests.support.map_world import populate
from tests.support.patience import PATIENCE_SECONDS

EXPECTED = ("ERR_INTERNET_DISCONNECTED", "status of 503")  # tests take network and database away
Visit = Callable[..., Page]
COVERED = """() => [...document.querySelectorAll(".tools button")].filter((one) => {
    const { left, top, width, height } = one.getBoundingClientRect();
    return width && !one.contains(document.elementFromPoint(left + width / 2, top + height / 2));
}).map((one) => one.id)"""


def picture(page: Page, name: str) -> None:
    """Keep what is seen now where MAP_PICTURES says, to be looked at."""
    if folder := os.environ.get("MAP_PICTURES"):
        page.screenshot(path=f"{folder}/{name}.png")


def covered_buttons(page: Page) -> list[str]:
    """Ids of the map's buttons that cannot be hit, because something lies over them or they are off the screen."""
    found: list[str] = page.evaluate(COVERED)
    return found


@pytest.fixture(scope="package")
def chromium(django_db_setup: None) -> Iterator[Browser]:
    """One browser for all tests of the map."""
    with launched(SOFTWARE_GRAPHICS) as browser:
        yield browser


@pytest.fixture
def visit(
    chromium: Browser,
    live_server: LiveServer,
    live_redis: Redis,
    settings: Any,
    transactional_db: None,
    request: pytest.FixtureRequest,
) -> Iterator[Visit]:
    """Opens the map with a small sea, waits until targets are drawn, and fails on any error or foreign request."""
    settings.LIVE_PUBLIC = True
    populate()
    wrong: list[str] = []
    contexts = []

    def opened(
        fragment: str = "#7/52.4/3.4",
        width: int = 1000,
        height: int = 700,
        member: User | None = None,
        script: str = "",
        **options: Any,
    ) -> Page:
        context = chromium.new_context(
            base_url=live_server.url,
            viewport={"width": width, "height": height},
            **{"color_scheme": "dark"} | options,
        )
        contexts.append(context)
        if member:
            client = Client()
            client.force_login(member)
            session = client.cookies[settings.SESSION_COOKIE_NAME].value
            context.add_cookies([{"name": settings.SESSION_COOKIE_NAME, "value": session, "url": live_server.url}])
        page = context.new_page()
        if script:  # before any of the page's own
            page.add_init_script(script)
        page.on("pageerror", lambda error: wrong.append(f"error: {error}"))
        page.on(
            "console",
            lambda told: (
                wrong.append(f"console: {told.text}")
                if told.type == "error" and not any(one in told.text for one in EXPECTED)
                else None
            ),
        )
        page.on("request", lambda asked: foreign(asked.url))
        page.goto(f"/{fragment}")
        page.locator("#state:is([data-state=live], [data-state=past])").wait_for(
            state="attached", timeout=PATIENCE_SECONDS * 1000
        )
        page.locator("#list .row").first.wait_for(state="attached", timeout=PATIENCE_SECONDS * 1000)
        return page

    def foreign(url: str) -> None:
        if not url.startswith((live_server.url, "data:", "blob:")):
            wrong.append(f"foreign request: {url}")

    yield opened
    for number, context in enumerate(contexts):
        for page in context.pages:
            picture(page, f"{request.node.name}-{number}")
    for context in contexts:
        context.close()
    assert wrong == []
