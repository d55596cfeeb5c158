"""A refused position in a real Chromium: the small map of the track around it, under the policy of the admin."""

import os
import re
from collections.abc import Iterator

import pytest
from django.contrib.auth.models import User
from django.db import connections
from django.test import Client
from playwright.sync_api import Browser, Page, expect
from pytest_django.live_server_helper import LiveServer

from tests.support.browser import SOFTWARE_GRAPHICS, launched
from tests.support.patience import PATIENCE_SECONDS
from tests.tracking.truth.test_judge import process, sail
from tracking.truth import judge
from tracking.truth.models import RefusedPosition

pytestmark = [
    pytest.mark.browser,
    pytest.mark.django_db(transaction=True, databases=["default", "direct"]),
]
WATCH = """
window.violations = [];
document.addEventListener("securitypolicyviolation", event => window.violations.push(event.violatedDirective));
"""


@pytest.fixture
def page(django_db_setup: None, live_server: LiveServer, transactional_db: None) -> Iterator[Page]:
    with launched(SOFTWARE_GRAPHICS) as browser:
        yield from opened(browser, live_server)


def opened(browser: Browser, live_server: LiveServer) -> Iterator[Page]:
    wrong: list[str] = []
    context = browser.new_context(base_url=live_server.url, viewport={"width": 1280, "height": 1100})
    client = Client()
    client.force_login(User.objects.create_superuser("ada", password="let me in"))
    context.add_cookies([{"name": "sessionid", "value": client.cookies["sessionid"].value, "url": live_server.url}])
    context.add_init_script(WATCH)
    page = context.new_page()
    page.on("pageerror", lambda error: wrong.append(str(error)))
    yield page
    context.close()
    connections.close_all()
    assert wrong == []


def test_the_quarantine_shows_the_track_around_a_refused_position_and_takes_a_decision(page: Page) -> None:
    for one in sail(10, teleports=(5,)):
        process(one)
    judge.judge_all()
    refused = RefusedPosition.objects.get()
    page.goto(f"/admin/tracking/refusedposition/{refused.pk}/change/")
    page.locator("#around[data-shown]").wait_for(timeout=PATIENCE_SECONDS * 1000)
    expect(page.locator("#around-said")).to_contain_text("outlier")
    if shots := os.environ.get("SHOTS"):
        page.screenshot(path=f"{shots}/quarantine.png")
    assert page.locator("#around-map canvas").count() == 1
    assert page.evaluate("window.violations") == []
    page.get_by_label("Note").fill("seen from the pier")
    page.locator("select[name=decision]").select_option("1")
    page.locator("[name=_save]").first.click()
    expect(page).to_have_url(re.compile("/refusedposition/$"))
    refused.refresh_from_db()
    assert (refused.decision, refused.note) == (1, "seen from the pier")
