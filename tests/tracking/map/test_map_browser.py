"""People in a real Chromium on the map: what they see, what they can do, and what they are told."""

import datetime as dt
import re
import time
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from playwright.sync_api import Page, expect

from tests.support.map_page import colour_at, listed, place_of, the_map
from tests.support.patience import PATIENCE_SECONDS
from tests.tracking.map.conftest import Visit
from tracking.live.state import LiveKind, LiveState, LiveUpdate
from tracking.models import Aircraft, Vessel

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def rows(page: Page) -> int:
    """How many the list has, near or far."""
    return int(page.locator("#list li[aria-setsize]").first.get_attribute("aria-setsize") or 0)


def search(page: Page, text: str) -> None:
    page.keyboard.press("/")
    page.keyboard.type(text)
    page.locator("#hits li b").first.wait_for(timeout=PATIENCE_SECONDS * 1000)
    page.keyboard.press("Enter")


def test_a_visitor_sees_ships_and_aircraft_counted_listed_and_drawn_on_sea_and_land_of_a_theme(visit: Visit) -> None:
    page = visit("#6/53.2/3.9")
    expect(page.locator("#kinds button").nth(0)).to_contain_text("60")
    expect(page.locator("#kinds button").nth(1)).to_contain_text("25")
    expect(page.locator("#inview")).to_contain_text(re.compile(r"[1-9]\d* in view"))
    assert rows(page) > 30
    page.keyboard.press("l")  # names go, which are drawn on another canvas
    chart = the_map(page)
    page.wait_for_timeout(700)
    with_targets = look(page)
    page.evaluate("document.getElementById('targets').style.visibility = 'hidden'")
    assert len(with_targets) > len(look(page)) + 2_000
    assert "Tracking" in page.title()
    sea, land = (place_of(page, chart, *place) for place in ((54.5, 4.5), (52.0, 5.5)))
    assert [colour_at(page, *sea), colour_at(page, *land)] == [(0x0A, 0x12, 0x1D), (0x1A, 0x25, 0x33)]
    page.keyboard.press("d")
    page.wait_for_timeout(600)  # colours change within 300 ms
    assert [colour_at(page, *sea), colour_at(page, *land)] == [(0xCF, 0xDD, 0xE9), (0xF5, 0xF3, 0xEE)]


def look(page: Page) -> bytes:
    return page.locator("#stage").screenshot()


def test_the_search_finds_by_every_identity_who_is_live_or_silent(visit: Visit) -> None:
    now = dt.datetime.now(dt.UTC)
    seen = {"first_seen": now, "last_seen": now}
    Vessel.objects.create(mmsi=244660001, kind="ship", name="NORDIC 001", imo=9074729, callsign="PABC", **seen)
    Aircraft.objects.create(icao="484101", callsign="KLM101", registration="PH-BXA", **seen)
    seen["last_seen"] = now - dt.timedelta(days=1)
    Vessel.objects.create(mmsi=244661111, kind="ship", name="QUIET", imo=9074730, callsign="PXYZ", **seen)
    page = visit(member=User.objects.create_user("ada"))
    for text, found in (
        ("nordic 001", "NORDIC 001"),
        ("244660001", "NORDIC 001"),
        ("9074729", "NORDIC 001"),
        ("pabc", "NORDIC 001"),
        ("484101", "KLM101"),
        ("ph-bxa", "KLM101"),
        ("9074730", "QUIET"),
        ("pxyz", "QUIET"),
    ):
        page.locator("#q").fill(text)
        expect(page.locator("#hits")).to_contain_text(found, timeout=PATIENCE_SECONDS * 200)
    expect(page.locator("#hits")).to_contain_text("silent")
    page.locator("#q").fill("nordic 00")
    second = page.locator("#hits li b").nth(1).inner_text()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.locator("#card h2")).to_have_text(second)


def test_the_card_says_what_is_known_with_its_age_and_its_feed(visit: Visit) -> None:
    page = visit()
    search(page, "NORDIC 001")
    card = page.locator("#card")
    expect(card.locator("h2")).to_have_text("NORDIC 001")
    expect(card).to_contain_text("Tanker (80)")
    expect(card).to_contain_text("7.0 kn")
    place, status = r"\d\d°\d\d\.\d{3}′N 00\d°.*E", r"Under way, engine \(0\)"
    for name, value in (("Place", place), ("Status", status), ("Speed", "7.0 kn")):
        told = card.locator("tr", has=page.get_by_role("rowheader", name=name, exact=True)).locator("td")
        expect(told.nth(0)).to_have_text(re.compile(value))
        expect(told.nth(1)).to_have_text(re.compile(r"^\d+ (s|min)$"))
        expect(told.nth(2)).to_have_text("pier")
    expect(card).not_to_contain_text("Log in")
    assert "sel=v244660001" in page.url
    page.keyboard.press("Escape")
    expect(card).to_be_hidden()


def test_an_emergency_stands_out_and_is_first_in_the_list(visit: Visit) -> None:
    page = visit("#6/52.4/3.4")
    expect(page.locator("#list .row").first).to_contain_text("Emergency")
    page.locator("#list .row").first.click()
    expect(page.locator("#card .alarm")).to_have_text("Emergency")


def test_filters_narrow_map_and_list_and_are_kept_in_the_address(visit: Visit) -> None:
    page = visit()
    before = rows(page)
    page.keyboard.press("2")
    expect(page.locator("#kinds button").nth(1)).to_have_attribute("aria-pressed", "false")
    assert 0 < rows(page) < before
    page.locator("#b-filters").click()
    page.locator("#legend button", has_text="Tanker").click()
    page.get_by_label("Only what moves").check()
    assert "hide=aircraft%2Ctanker" in page.url and "moving=1" in page.url
    again = visit(page.url[page.url.index("#") :])
    assert rows(again) == rows(page)
    again.locator("#b-filters").click()
    again.get_by_text("Show everything").click()
    assert "hide=" not in again.url


@pytest.mark.parametrize(
    ("fragment", "kind", "passes"),
    [
        ("hide=station,aircraft&slowest=12", "vessels", lambda one: one["speed"] >= 12),
        ("hide=station,vessel&low=10000&high=30000", "aircraft", lambda one: 10_000 <= one["altitude"] <= 30_000),
        ("hide=station&feed=pier", "vessels", lambda one: one["source"] == "pier"),
    ],
)
def test_filters_of_speed_altitude_and_feed_leave_what_the_api_says(
    visit: Visit, client: Client, fragment: str, kind: str, passes: Callable[[dict[str, Any]], bool]
) -> None:
    page = visit(f"#6/52.4/3.4&{fragment}")
    told = client.get(f"/api/live/{kind}/").json()["results"]
    wanted = {one.get("name") or one["callsign"] for one in told if passes(one)}
    assert len(wanted) > 5
    expect(page.locator("#list")).to_contain_text(min(wanted))
    assert set(listed(page, ".who b", ".row:not([data-alarm])")) == wanted - {"KLM103"}


def test_a_link_shows_what_its_sender_saw(visit: Visit) -> None:
    page = visit("#8.5/52.3/3.3&sel=v244660002&theme=light&units=metric")
    expect(page.locator("#card h2")).to_have_text("NORDIC 002")
    assert page.locator("html").get_attribute("data-theme") == "light"
    expect(page.locator("#card")).to_contain_text("km/h")


def test_what_moves_is_told_within_seconds_and_what_leaves_goes(visit: Visit) -> None:
    page = visit("#9/52.0/3.0")
    live = LiveState(LiveKind.VESSEL)
    live.write([LiveUpdate("244999999", time.time(), 52.0, 3.0, {"speed": 5.0}, static={"name": "NEWCOMER"})])
    expect(page.locator("#list")).to_contain_text("NEWCOMER", timeout=PATIENCE_SECONDS * 1000)
    live.write([LiveUpdate("244999999", time.time() + 1, 10.0, 3.0, {"speed": 5.0})])
    expect(page.locator("#list")).not_to_contain_text("NEWCOMER", timeout=PATIENCE_SECONDS * 1000)


def test_text_from_the_radio_is_text_everywhere(visit: Visit) -> None:
    evil = "<img src=x onerror=alert(1)>\u202e"
    LiveState(LiveKind.VESSEL).write(
        [LiveUpdate("244999998", time.time(), 52.4, 3.4, {"speed": 1.0}, static={"name": evil})]
    )
    page = visit("#9/52.4/3.4&sel=v244999998")
    expect(page.locator("#card h2")).to_have_text("<img src=x onerror=alert(1)>")
    assert page.locator("#card img, #list img").count() == 0
    stage = page.locator("#stage").bounding_box()
    assert stage
    page.wait_for_timeout(1000)  # the map makes room for the card, half of whose width the ship goes to the left
    for off in (2, 0):
        page.mouse.move(stage["x"] + stage["width"] / 2 - 176 + off, stage["y"] + stage["height"] / 2)
    for place in ("#tip b", "#list .row[aria-current] .who b"):
        expect(page.locator(place)).to_have_text("<img src=x onerror=alert(1)>")
    assert "\u202e" not in page.content() + page.title()


def test_the_keyboard_does_it_all(visit: Visit) -> None:
    page = visit()
    page.keyboard.press("d")
    assert page.locator("html").get_attribute("data-theme") == "light"
    page.keyboard.press("m")
    expect(page.locator("#measure")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#measure")).to_be_hidden()
    page.keyboard.press("?")
    expect(page.locator("#help")).to_be_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("v")
    expect(page.locator("#side")).to_be_hidden()


def test_distances_are_measured(visit: Visit) -> None:
    page = visit()
    page.keyboard.press("m")
    page.mouse.click(700, 400)
    page.mouse.move(900, 400)
    page.mouse.click(900, 400)
    expect(page.locator("#measure")).to_contain_text(re.compile(r"\d+\.\d nm · 0?9\d°|\d+\.\d nm · 08\d°"))


def test_on_a_phone_the_list_and_the_card_are_sheets(visit: Visit) -> None:
    page = visit(width=390, height=844, has_touch=True)
    expect(page.locator("#side")).to_be_hidden()
    page.locator("#b-list").click()
    expect(page.locator("#side")).to_be_visible()
    page.locator("#list .row").nth(3).click()
    expect(page.locator("#card")).to_be_visible()
    box = page.locator("#card").bounding_box()
    assert box and box["width"] == 390 and box["height"] <= 0.6 * 844
    assert page.evaluate("document.documentElement.scrollWidth") == 390


def test_it_says_when_no_news_comes_and_goes_on_by_itself(visit: Visit) -> None:
    page = visit("#9/52.4/3.4")
    page.context.set_offline(True)
    page.locator("#state[data-state=late]").wait_for(timeout=PATIENCE_SECONDS * 1000)
    expect(page.locator("#state")).to_contain_text("No news")
    page.context.set_offline(False)
    page.locator("#state[data-state=live]").wait_for(timeout=2 * PATIENCE_SECONDS * 1000)


def test_who_may_not_see_live_state_is_asked_to_log_in(visit: Visit, settings, client) -> None:
    settings.LIVE_PUBLIC = False
    assert client.get("/").headers["Location"].startswith("/admin/login/")
    client.force_login(User.objects.create_user("ada"))
    assert client.get("/").status_code == 200
