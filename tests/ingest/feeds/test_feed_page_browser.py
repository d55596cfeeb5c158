"""The page of a feed in a real Chromium: health with clocks, scorecards with their outline, the choice of the clock."""

import datetime as dt
import math
import os
import time
from collections.abc import Iterator

import pytest
from django.contrib.auth.models import User
from django.db import connections
from django.test import Client
from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer

from ingest.health.standing import Standing, tell
from ingest.models import Feed, Scorecard
from ingest.reports import StationTime
from ingest.scorecards.making import SECTORS
from tests.support.browser import launched
from tests.support.patience import PATIENCE_SECONDS

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def page(live_server: LiveServer, transactional_db: None) -> Iterator[Page]:
    with launched() as browser:
        context = browser.new_context(base_url=live_server.url, viewport={"width": 1280, "height": 1500})
        client = Client()
        client.force_login(User.objects.create_superuser("ada", password="let me in"))
        cookie = {"name": "sessionid", "value": client.cookies["sessionid"].value, "url": live_server.url}
        context.add_cookies([cookie])
        page = context.new_page()
        page.set_default_timeout(PATIENCE_SECONDS * 1000)
        yield page
        context.close()
        connections.close_all()


def test_an_operator_sees_clocks_and_scorecards_and_chooses_what_is_believed(page: Page) -> None:
    feed = Feed.objects.create(name="Pier", url="udp://0.0.0.0:1", source="pier")
    standing = Standing("pier", 0)
    standing.clocks = lambda: [StationTime("mast", "own", 70_012, 64), StationTime("pier", "own", 0, 8)]
    tell([standing], round(time.time() * 1000))
    for n in range(1, 5):
        day = dt.date(2026, 5, n)
        reach = [[20 + 15 * math.cos(sector / 6), 15 + 12 * math.cos(sector / 6)] for sector in range(SECTORS)]
        numbers = {"heard": 40_000, "first": 12_000, "alone": 9_000, "refused": 30, "delay_ms": 1400}
        Scorecard.objects.create(source="pier", day=day, sectors=reach, **numbers)
    page.goto(f"/admin/ingest/feed/{feed.pk}/change/")
    expect(page.locator("#clocks")).to_contain_text("+70.0 s")
    expect(page.locator("#scores")).to_contain_text("12,000 (30%)")
    assert page.locator("#scores polygon").count() == 2
    if shots := os.environ.get("SHOTS"):
        page.screenshot(path=f"{shots}/feed.png", full_page=True)
    page.locator("select[name=clock]").select_option("arrival")
    page.locator("[name=_save]").first.click()
    page.wait_for_url("**/admin/ingest/feed/")
    feed.refresh_from_db()
    assert feed.options == {"clock": "arrival"}
