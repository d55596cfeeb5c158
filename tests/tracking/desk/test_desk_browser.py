"""People in a real Chromium at the desk: what they see, and what the page asks for meanwhile."""

import datetime as dt
import time
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from playwright.sync_api import Browser, Page, expect
from pytest_django.live_server_helper import LiveServer

from ingest.ledger import panel as ledger_panel
from ingest.ledger.accounts import EQUATIONS, AccountSelection, amount, by_day, total
from ingest.models import Batch, Feed
from tests.support.axe import faults
from tests.support.browser import launched
from tests.support.letters import make_letter
from tests.support.map_world import populate
from tests.support.patience import PATIENCE_SECONDS

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True, databases=["default", "direct"])]

# The theme has its title and the switches of its side bar in no landmark.
THEME = ("h1", "[x-on\\:click*=sidebar]")
REFRESH_MS = 5_000
HOSTILE = "<img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def chromium(django_db_setup: None) -> Iterator[Browser]:
    """One browser for all tests of a module."""
    with launched() as browser:
        yield browser


class Visit:
    """A page of the desk; `asked` holds the addresses of the figures that it asked for."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.asked: list[str] = []
        self.wrong: list[str] = []
        page.on("request", lambda request: self.asked.append(request.url) if "/admin/desk/" in request.url else None)
        page.on("pageerror", lambda error: self.wrong.append(f"error: {error}"))
        page.on("console", lambda told: self.wrong.append(told.text) if told.type == "error" else None)


@pytest.fixture
def visit(chromium: Browser, live_server: LiveServer, live_redis: Any) -> Iterator[Visit]:
    """The desk with a feed that nobody collects and two open letters; any error fails the test."""
    Feed.objects.create(name=HOSTILE, url="tcp://pier:10110", source="pier")
    make_letter(reason="latitude_out_of_range"), make_letter(reason="latitude_out_of_range")
    client = Client()
    client.force_login(User.objects.create_superuser("boss"))
    context = chromium.new_context(base_url=live_server.url, viewport={"width": 390, "height": 844})
    cookie = client.cookies["sessionid"].value
    context.add_cookies([{"name": "sessionid", "value": cookie, "url": live_server.url}])
    visited = Visit(context.new_page())
    visited.page.clock.install()  # the page's time passes when the test says so
    visited.page.goto(reverse("admin:index"))
    visited.page.locator(".verdict").wait_for(timeout=PATIENCE_SECONDS * 1000)
    yield visited
    context.close()
    assert visited.wrong == []


def wait_for_another(visit: Visit, number: int) -> None:
    for _ in range(100):
        if len(visit.asked) > number:
            return
        visit.page.clock.run_for(1000)
        visit.page.wait_for_timeout(50)
    raise AssertionError("the page asked no more")


def test_the_desk_says_what_is_wrong_and_shows_every_panel_as_text_with_the_numbers_of_now(visit: Visit) -> None:
    page = visit.page
    expect(page.locator(".verdict")).to_contain_text("one thing needs a look")
    expect(page.locator(".verdict li")).to_contain_text("No collector runs")
    expect(page.locator(".feeds tbody th")).to_contain_text(HOSTILE)
    expect(page.locator(".lines li", has_text="latitude out of range")).to_contain_text("2")
    expect(page.locator("#nav-sidebar-apps a", has_text="Dead letters")).to_contain_text("2")
    titles = page.locator(".desk h2, .desk h3").all_text_contents()
    assert {"Live targets", "Queue", "Accounts, today", "Circuit breakers", "Stored a day"} <= set(titles)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    populate(23, 11)
    make_letter()
    book()
    ledger_panel._today.forget()  # the page's clock goes on by hand, that of what is remembered does not
    ledger_panel._today.latest(PATIENCE_SECONDS)
    page.clock.run_for(REFRESH_MS)
    live = page.locator(".tile", has_text="Live targets")
    [kinds] = status("live")["values"].values()
    numbers = {one["labels"]["kind"]: one["value"] for one in kinds}
    assert numbers == {"vessel": 23, "aircraft": 11, "station": 1}
    expect(live.locator(".figure")).to_have_text("35")
    expect(live.locator(".about")).to_have_text("23 ships · 11 aircraft · 1 stations")
    letters = page.locator(".card", has=page.get_by_role("heading", name="Dead letters")).locator("header")
    expect(letters).to_contain_text(status("dead_letters")["summary"])
    expect(letters).to_contain_text("3 open")
    table = page.locator(".accounts")
    told = zip(table.locator("th").all_inner_texts(), table.locator("td").all_inner_texts(), strict=True)
    assert list(told) == accounts()


def book() -> None:
    """A batch that is booked now."""
    now = dt.datetime.now(dt.UTC)
    of = {"run": uuid.uuid4(), "source": "pier", "format": "nmea", "accepted_at": now, "booked_at": now}
    counts = {"lines": 1234, "sentences": 1200, "foreign": 30, "malformed": {"checksum": 4}, "messages": 1100}
    Batch.objects.create(**of, **counts, other=100, positions=1000, stored=940, merged=60)


def accounts() -> list[tuple[str, str]]:
    """The equations of today as the ledger has them, each line with its number."""
    today = dt.datetime.now(dt.UTC).date()
    booked = total(by_day(AccountSelection(since=today, until=today))["pier"].values())
    assert (booked.lines, booked.stored) == (1234, 940)
    return [(name, f"{amount(booked, name):,}") for left in EQUATIONS for name in (left, *EQUATIONS[left])]


def status(section: str) -> dict[str, Any]:
    """A section of the status page that was asked just now."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (found := Client().get("/status?format=json").json()["sections"][section])["answered"]:
        assert time.monotonic() < deadline, found
    return found


@pytest.mark.parametrize("scheme", ["dark", "light"])
@pytest.mark.parametrize("width", [1440, 390])
def test_axe_finds_nothing_on_the_desk(visit: Visit, scheme: Any, width: int) -> None:
    page = visit.page
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": 900})
    page.reload()
    page.locator(".verdict").wait_for(timeout=PATIENCE_SECONDS * 1000)
    assert faults(page, but=THEME) == []


def test_the_theme_takes_no_panel_for_a_chart_of_its_own(visit: Visit) -> None:
    """It draws all charts once when the page is loaded, which may be before or after the panels are there."""
    visit.page.get_by_role("heading", name="Messages a minute by feed").wait_for()
    visit.page.evaluate("renderCharts()")


def test_the_page_asks_again_by_itself_and_not_while_it_is_paused_or_hidden(visit: Visit) -> None:
    page = visit.page
    wait_for_another(visit, len(visit.asked))
    page.get_by_role("button", name="Pause").click()
    number = len(visit.asked)
    page.clock.run_for(60_000)
    assert len(visit.asked) == number
    page.get_by_role("button", name="Go on").click()
    wait_for_another(visit, number)
    hide(page, True)
    number = len(visit.asked)
    page.clock.run_for(60_000)
    assert len(visit.asked) == number
    hide(page, False)
    wait_for_another(visit, number)


def hide(page: Page, hidden: bool) -> None:
    told = "Object.defineProperty(document, 'hidden', {value: %s, configurable: true})"
    page.evaluate(f"{told % str(hidden).lower()}; document.dispatchEvent(new Event('visibilitychange'))")


def test_another_span_of_time_is_asked_for_at_once_and_remembered(visit: Visit) -> None:
    page = visit.page
    page.get_by_role("button", name="7 d").click()
    expect(page.get_by_role("button", name="7 d")).to_have_attribute("aria-pressed", "true")
    page.reload()
    page.locator(".verdict").wait_for(timeout=PATIENCE_SECONDS * 1000)
    assert visit.asked[-1].endswith("window=7d")
