"""People in a real Chromium: they draw a geofence on the admin's map, and see events on the live map."""

import datetime as dt
import json
import os
import time
from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone
from playwright.sync_api import Browser, ConsoleMessage, Page, expect
from pytest_django.live_server_helper import LiveServer
from redis import Redis
from shapely.geometry import shape

from tests.support.browser import SOFTWARE_GRAPHICS, launched
from tests.support.patience import PATIENCE_SECONDS
from tracking.events.models.event import Event
from tracking.events.models.rules import Geofence

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture(scope="module")
def chromium(django_db_setup: None) -> Iterator[Browser]:
    with launched(SOFTWARE_GRAPHICS) as browser:
        yield browser


def is_error(told: ConsoleMessage) -> bool:
    return told.type == "error" and not told.location["url"].endswith("/favicon.ico")


@pytest.fixture
def page(chromium: Browser, live_server: LiveServer, live_redis: Redis, transactional_db: None) -> Iterator[Page]:
    """A superuser's page, which fails the test on any error, also one of its own policy, and foreign request."""
    client = Client()
    client.force_login(User.objects.create_superuser("boss"))
    session = client.cookies[django_settings.SESSION_COOKIE_NAME].value
    context = chromium.new_context(base_url=live_server.url, viewport={"width": 1300, "height": 1000})
    context.add_cookies([{"name": django_settings.SESSION_COOKIE_NAME, "value": session, "url": live_server.url}])
    opened = context.new_page()
    wrong: list[str] = []
    opened.on("pageerror", lambda error: wrong.append(str(error)))
    opened.on("console", lambda told: wrong.append(told.text) if is_error(told) else None)
    opened.on(
        "request",
        lambda asked: None if asked.url.startswith((live_server.url, "data:", "blob:")) else wrong.append(asked.url),
    )
    yield opened
    if shots := os.environ.get("MAP_PICTURES"):
        opened.screenshot(path=f"{shots}/{os.environ['PYTEST_CURRENT_TEST'].split('::')[-1].split(' ')[0]}.png")
    context.close()
    assert wrong == []


def click(page: Page, x: int, y: int) -> None:
    page.locator(".geofence-map").click(position={"x": x, "y": y})


def test_an_operator_draws_a_geofence_moves_a_corner_and_finds_it_again(page: Page) -> None:
    page.goto("/admin/tracking/geofence/add/")
    page.locator(".geofence[data-ready]").wait_for(timeout=PATIENCE_SECONDS * 1000)
    page.get_by_label("Name").fill("Roads")
    for x, y in ((200, 100), (400, 100), (400, 300), (200, 300), (50, 50)):
        click(page, x, y)
    page.get_by_role("button", name="Remove last corner").click()
    expect(page.locator(".geofence output")).to_contain_text("4 corners")
    drawn = shape_of(page)
    page.locator(".geofence-map").scroll_into_view_if_needed()
    box = page.locator(".geofence-map").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 400, box["y"] + 300)
    page.mouse.down()
    page.mouse.move(box["x"] + 500, box["y"] + 350, steps=5)
    page.mouse.up()
    assert shape_of(page).area > drawn.area * 1.2
    text = page.locator("textarea").input_value()
    page.get_by_role("button", name="Save", exact=True).click()
    page.wait_for_url("**/geofence/")
    made = Geofence.objects.get()
    assert shape(made.area).equals(shape_text(text))
    page.goto(f"/admin/tracking/geofence/{made.pk}/change/")
    page.locator(".geofence[data-ready]").wait_for(timeout=PATIENCE_SECONDS * 1000)
    expect(page.locator(".geofence output")).to_contain_text("4 corners")
    page.wait_for_timeout(500)  # the tiles of the picture


def shape_of(page: Page) -> Any:
    return shape_text(page.locator("textarea").input_value())


def shape_text(text: str) -> Any:
    return shape(json.loads(text))


def test_a_pasted_polygon_is_drawn_and_nonsense_is_said_to_be_none(page: Page) -> None:
    page.goto("/admin/tracking/geofence/add/")
    page.locator(".geofence[data-ready]").wait_for(timeout=PATIENCE_SECONDS * 1000)
    page.locator("textarea").fill("nonsense")
    expect(page.locator(".geofence output")).to_have_text("That is no GeoJSON.")
    page.locator("textarea").fill('{"type":"Polygon","coordinates":[[[4,52],[5,52],[5,53],[4,52]]]}')
    expect(page.locator(".geofence output")).to_contain_text("3 corners")


def test_a_member_sees_events_of_the_last_hour_on_the_map_and_reads_what_they_say(page: Page) -> None:
    now = timezone.now()
    Event.objects.create(
        kind="emergency", subject="aircraft", identity="484175", reference="7700", since=now - dt.timedelta(minutes=5),
        held_at=now, latitude=52.4, longitude=3.4, values={"means": "general emergency", "callsign": "KLM1023"},
    )  # fmt: skip
    page.goto("/#7/52.4/3.4")
    page.locator("#map[data-events='1']").wait_for(timeout=PATIENCE_SECONDS * 1000)
    box = page.locator("#map").bounding_box()
    assert box is not None
    until = time.monotonic() + PATIENCE_SECONDS
    while not page.locator(".maplibregl-popup").count() and time.monotonic() < until:
        page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        page.wait_for_timeout(500)  # until the mark is drawn there is nothing to hit
    expect(page.locator(".maplibregl-popup")).to_contain_text("KLM1023 (484175): Squawk 7700: general emergency")
